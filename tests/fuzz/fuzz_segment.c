/* Any bytes as a segment: no crash, no hang, and no wrong frame comes out. What a segment of such
 * bytes holds is found out here a second time, by docs/recording.md and without the reader's code:
 * at every place the reader must give exactly the frame that lies there, or refuse where none does;
 * and past damage it must find the very next one. */
#include "ipc/base/errors.h"
#include "tests/fuzz/fuzz.h"
#include "workers/storer/segment.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REQUIRE(condition_)                                                                        \
	do {                                                                                       \
		if (!(condition_))                                                                 \
			abort();                                                                   \
	} while (0)

/* ---- the format once more ---- */

static uint64_t number_at(const uint8_t *bytes, size_t at, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = size; i-- > 0;)
		value = value << 8 | bytes[at + i];
	return value;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* CRC-32C by its definition, bit by bit. */
static uint32_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return ~crc;
}

static bool zero(const uint8_t *bytes, size_t from, size_t to)
{
	for (; from < to; from++)
		if (bytes[from] != 0)
			return false;
	return true;
}

/* 32 bytes: a text, then zeros, at least one. */
static bool text_at(const uint8_t *bytes, size_t at)
{
	size_t length = strnlen((const char *)bytes + at, 32);

	return length < 32 && zero(bytes, at + length, at + 32);
}

/* The length of the whole record that lies at `at`; 0: none does. */
static size_t record_at(const uint8_t *bytes, size_t size, size_t at, const char *stream)
{
	const uint8_t *record = bytes + at;
	uint64_t header, end, length;

	if (at > size || size - at < 240 || memcmp(record, "TREC", 4) != 0)
		return 0;
	header = number_at(record, 220, 4) == 0 ? 240 : 256;
	end = header + number_at(record, 12, 4);
	length = (end + 4 + 7) / 8 * 8;
	if (number_at(record, 220, 4) > 2 || number_at(record, 4, 4) != header ||
	    number_at(record, 8, 4) != length || length > size - at || length > (256u << 20) ||
	    number_at(record, 216, 4) > 3)
		return 0;
	if (!text_at(record, 24) || !text_at(record, 120) || !text_at(record, 152) ||
	    !zero(record, end + 4, length) || (header == 256 && !zero(record, 252, 256)))
		return 0;
	if (stream[0] != 0 && strcmp(stream, (const char *)record + 24) != 0)
		return 0;
	return checksum(record, end) == number_at(record, end, 4) ? (size_t)length : 0;
}

/* What the reader gave is what lies there. */
static void expect_frame(const uint8_t *bytes, const struct record *record, const uint8_t *coded)
{
	uint32_t header = (uint32_t)number_at(bytes, 4, 4), probability, motion;

	memcpy(&probability, &record->probability, sizeof(probability));
	memcpy(&motion, &record->motion, sizeof(motion));
	REQUIRE(record->coded_bytes == number_at(bytes, 12, 4));
	REQUIRE(record->run == number_at(bytes, 16, 8) && record->seq == number_at(bytes, 56, 8));
	REQUIRE(record->ordinal == number_at(bytes, 64, 8));
	REQUIRE((uint64_t)record->pts == number_at(bytes, 72, 8));
	REQUIRE((uint64_t)record->captured == number_at(bytes, 80, 8));
	REQUIRE((uint64_t)record->captured_wall == number_at(bytes, 88, 8));
	REQUIRE((uint64_t)record->published == number_at(bytes, 96, 8));
	REQUIRE((uint64_t)record->finished == number_at(bytes, 104, 8));
	REQUIRE(record->width == number_at(bytes, 112, 4));
	REQUIRE(record->height == number_at(bytes, 116, 4));
	REQUIRE(record->model_version == number_at(bytes, 184, 8));
	REQUIRE(probability == number_at(bytes, 192, 4) && motion == number_at(bytes, 196, 4));
	for (size_t i = 0; i < N_DROP_REASONS; i++)
		REQUIRE(record->drops_before[i] == number_at(bytes, 200 + 4 * i, 4));
	REQUIRE(record->marks == number_at(bytes, 216, 4));
	REQUIRE(record->coding == number_at(bytes, 220, 4));
	REQUIRE(record->source_index == number_at(bytes, 224, 8));
	REQUIRE((uint64_t)record->claimed == number_at(bytes, 232, 8));
	REQUIRE((uint64_t)record->dts == (header == 256 ? number_at(bytes, 240, 8) : 0));
	REQUIRE(record->lacks == (header == 256 ? number_at(bytes, 248, 4) : 0));
	REQUIRE(memcmp(record->stream, bytes + 24, 32) == 0);
	REQUIRE(memcmp(record->label, bytes + 120, 32) == 0);
	REQUIRE(memcmp(record->prediction, bytes + 152, 32) == 0);
	REQUIRE(memcmp(coded, bytes + header, record->coded_bytes) == 0);
}

static bool header_whole(const uint8_t *bytes, size_t size)
{
	uint64_t version = size >= 64 ? number_at(bytes, 8, 4) : 0;

	return size >= 64 && memcmp(bytes, "troupseg", 8) == 0 &&
	       checksum(bytes, 60) == number_at(bytes, 60, 4) &&
	       ((version == 1 && zero(bytes, 24, 60)) ||
		(version == 2 && bytes[24] != 0 && text_at(bytes, 24)));
}

/* ---- the reader against it ---- */

/* Where the next record behind `at` is, by looking at every place; `size`: there is none. */
static size_t next_record(const uint8_t *bytes, size_t size, size_t at, const char *stream)
{
	for (at = at / 8 * 8 + 8; at < size; at += 8)
		if (record_at(bytes, size, at, stream) > 0)
			return at;
	return size;
}

static void walk(struct segment_reader *reader, const uint8_t *bytes, size_t size)
{
	const char *stream = reader->header.stream;
	size_t at = SEGMENT_HEADER;

	for (;;) {
		size_t there = record_at(bytes, size, at, stream);
		const uint8_t *coded = NULL;
		struct record record;
		uint32_t length = 0;
		int64_t next;
		int rc = segment_read(reader, at, &record, &coded, &length);

		REQUIRE((rc == 0) == (there > 0));
		if (rc == 0) {
			REQUIRE(length == there);
			expect_frame(bytes + at, &record, coded);
			at += length;
			continue;
		}
		if (rc == TROUPE_E_ENDED) {
			REQUIRE(at == size);
			return;
		}
		REQUIRE(rc == TROUPE_E_TRUNCATED || rc == TROUPE_E_CORRUPT);
		next = segment_resync(reader, at);
		at = next_record(bytes, size, at, stream);
		REQUIRE(next == (at == size ? TROUPE_E_ENDED : (int64_t)at));
		if (next < 0)
			return;
	}
}

/* The bytes as a file. */
static void take_segment(const uint8_t *bytes, size_t size)
{
	int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = memfd_create("segment", MFD_CLOEXEC), rc;
	struct segment_reader reader;
	char name[16];

	REQUIRE(folder >= 0 && fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	snprintf(name, sizeof(name), "%d", fd);
	rc = segment_open_file(&reader, folder, name);
	REQUIRE((rc == 0) == header_whole(bytes, size));
	if (rc == 0) {
		REQUIRE(reader.header.number == number_at(bytes, 12, 4));
		REQUIRE((uint64_t)reader.header.created_wall == number_at(bytes, 16, 8));
		walk(&reader, bytes, size);
		segment_close(&reader);
	} else {
		REQUIRE(rc == TROUPE_E_TRUNCATED || rc == TROUPE_E_CORRUPT ||
			rc == TROUPE_E_SCHEMA);
	}
	close(fd);
	close(folder);
}

/* A record that is refused or is exactly the one that encodes to these bytes. */
static void take_record(const uint8_t *bytes, size_t size)
{
	struct record record;
	const uint8_t *coded;
	uint8_t *again;
	uint32_t length;
	int rc = record_decode(bytes, size, &record, &coded);

	REQUIRE((rc == 0) == (record_at(bytes, size, 0, "") > 0));
	if (rc < 0) {
		REQUIRE(rc == TROUPE_E_TRUNCATED || rc == TROUPE_E_CORRUPT);
		return;
	}
	length = record_length(record.coding, record.coded_bytes);
	REQUIRE(length > 0 && length <= size);
	again = malloc(length);
	REQUIRE(again != NULL);
	record_encode(&record, coded, again);
	REQUIRE(memcmp(again, bytes, length) == 0);
	free(again);
}

/* ---- what gets past the checksums ---- */

/* Puts magic, lengths, checksum and padding of the record at `bytes` right, as far as its fields
 * let it be one. Returns its length, at most `size`, which is at least 264. */
static size_t mend_record(uint8_t *bytes, size_t size)
{
	size_t header = number_at(bytes, 220, 4) == 0 ? 240 : 256;
	size_t coded = number_at(bytes, 12, 4) % (size - header - 4 - 7);
	size_t length = (header + coded + 4 + 7) / 8 * 8;

	memcpy(bytes, "TREC", 4);
	put_u32(bytes + 4, (uint32_t)header);
	put_u32(bytes + 8, (uint32_t)length);
	put_u32(bytes + 12, (uint32_t)coded);
	put_u32(bytes + header + coded, checksum(bytes, header + coded));
	memset(bytes + header + coded + 4, 0, length - header - coded - 4);
	return length;
}

/* The same bytes with everything put right that can be; else hardly any would get past the first
 * checksum. */
static void take_mended(const uint8_t *bytes, size_t size)
{
	static const uint8_t magic[8] = {'t', 'r', 'o', 'u', 'p', 's', 'e', 'g'};
	uint8_t *copy = malloc(size);

	REQUIRE(copy != NULL);
	memcpy(copy, bytes, size);
	mend_record(copy, size);
	take_record(copy, size);
	memcpy(copy, magic, sizeof(magic));
	memcpy(copy + 8, bytes + 8, size - 8);
	put_u32(copy + 60, checksum(copy, 60));
	for (size_t at = SEGMENT_HEADER; size - at > 272;)
		at += mend_record(copy + at, size - at);
	take_segment(copy, size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	take_record(bytes, size);
	take_segment(bytes, size);
	if (size > SEGMENT_HEADER + 272)
		take_mended(bytes, size);
	return 0;
}

/* ---- seeds ---- */

/* Segments of both versions with zero to four records of all codings and several sizes, and records
 * alone. */
uint8_t *fuzz_seed(size_t i, size_t *size)
{
	const struct segment_header header = {
		.number = 1, .created_wall = 17, .replaces = i % 3 == 2 ? 4 : 0, .stream = "cam1"};
	const size_t records = i % 6 < 5 ? i % 6 : 1;
	uint8_t coded[96], *bytes = malloc(4096);
	struct record record = {.run = 1, .stream = "cam1", .width = 64, .height = 48};

	if (i >= 36) {
		free(bytes);
		return NULL;
	}
	REQUIRE(bytes != NULL);
	memset(coded, 0x5a, sizeof(coded));
	*size = 0;
	if (i % 6 < 5) {
		segment_encode_header(&header, bytes);
		*size = SEGMENT_HEADER;
	}
	for (size_t n = 0; n < records; n++) {
		record.seq = ++record.ordinal;
		record.coding = i / 6 % 3 == 0 ? CODING_JPEG
				: n == 0       ? CODING_H264_KEY
					       : CODING_H264;
		record.dts = record.coding == CODING_JPEG ? 0 : (int64_t)n * 40000000;
		record.coded_bytes = (uint32_t)((i * 13 + n) % sizeof(coded));
		snprintf(record.label, sizeof(record.label), n % 2 ? "circle" : "");
		record_encode(&record, coded, bytes + *size);
		*size += record_length(record.coding, record.coded_bytes);
	}
	if (i >= 18 && i % 6 < 5) { /* version 1 */
		put_u32(bytes + 8, 1);
		memset(bytes + 24, 0, 36);
		put_u32(bytes + 60, checksum(bytes, 60));
	}
	return bytes;
}
