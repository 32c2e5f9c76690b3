/* Any bytes: a record is refused or is exactly the one that encodes to them, and a segment of any
 * bytes is walked to its end by reading and stepping over damage, as recovery and verify do. */
#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"
#include "tests/fuzz/fuzz.h"
#include "workers/storer/segment.h"

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

static void take_record(const uint8_t *bytes, size_t size)
{
	struct record record;
	const uint8_t *coded;
	uint8_t *again;
	uint32_t length;
	int rc = record_decode(bytes, size, &record, &coded);

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

static void put_u32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* The same bytes with magic, lengths and checksum put right, or none would get past them. */
static void take_mended(const uint8_t *bytes, size_t size)
{
	size_t whole = size / 8 * 8;
	uint32_t coded = (uint32_t)(whole - RECORD_HEADER - 4);
	uint8_t *copy = malloc(whole);

	REQUIRE(copy != NULL);
	memcpy(copy, bytes, whole);
	put_u32(copy, 0x43455254); /* "TREC" */
	put_u32(copy + 4, RECORD_HEADER);
	put_u32(copy + 8, (uint32_t)whole);
	put_u32(copy + 12, coded);
	put_u32(copy + RECORD_HEADER + coded, crc32c(0, copy, RECORD_HEADER + coded));
	take_record(copy, whole);
	free(copy);
}

static void walk(struct segment_reader *reader, size_t size)
{
	uint64_t at = SEGMENT_HEADER;

	for (;;) {
		struct record record;
		uint32_t length;
		int64_t next;
		int rc = segment_read(reader, at, &record, NULL, &length);

		if (rc == 0) {
			at += length;
			continue;
		}
		if (rc == TROUPE_E_ENDED)
			break;
		REQUIRE(rc == TROUPE_E_TRUNCATED || rc == TROUPE_E_CORRUPT);
		next = segment_resync(reader, at);
		if (next == TROUPE_E_ENDED)
			break;
		REQUIRE(next > (int64_t)at && next < (int64_t)size);
		at = (uint64_t)next;
	}
}

static void take_segment(const uint8_t *bytes, size_t size)
{
	struct segment_reader reader = {.fd = memfd_create("segment", MFD_CLOEXEC),
					.header = {.number = 1}};
	struct segment_header header;

	REQUIRE(reader.fd >= 0);
	REQUIRE(write(reader.fd, bytes, size) == (ssize_t)size);
	if (size >= SEGMENT_HEADER)
		(void)segment_decode_header(bytes, &header);
	walk(&reader, size);
	segment_close(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	take_record(bytes, size);
	if (size > SEGMENT_HEADER)
		take_record(bytes + SEGMENT_HEADER, size - SEGMENT_HEADER);
	if (size >= RECORD_HEADER + 16)
		take_mended(bytes, size);
	take_segment(bytes, size);
	return 0;
}

/* A record and, with its header, a segment of one to four records; of several sizes. */
uint8_t *fuzz_seed(size_t i, size_t *size)
{
	const uint32_t coded_bytes = (uint32_t)(i / 5 * 13);
	const uint32_t length = record_length(CODING_JPEG, coded_bytes);
	const size_t records = i % 5;
	const size_t start = records > 0 ? SEGMENT_HEADER : 0;
	const struct segment_header header = {.number = 1, .stream = "cam1", .created_wall = 17};
	struct record record = {.run = 1, .width = 64, .height = 48, .coded_bytes = coded_bytes};
	uint8_t coded[64];
	uint8_t *bytes;

	if (i >= 20)
		return NULL;
	*size = start + length * (records > 0 ? records : 1);
	bytes = malloc(*size);
	REQUIRE(bytes != NULL && coded_bytes <= sizeof(coded));
	memset(coded, 0x5a, sizeof(coded));
	snprintf(record.stream, sizeof(record.stream), "cam1");
	snprintf(record.label, sizeof(record.label), "circle");
	if (records > 0)
		segment_encode_header(&header, bytes);
	for (size_t at = start; at < *size; at += length) {
		record.seq = ++record.ordinal;
		record_encode(&record, coded, bytes + at);
	}
	return bytes;
}
