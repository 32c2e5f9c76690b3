/* Finding and reading segments. */
#include "workers/storer/segment.h"

#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* of the header's fields */
#define VERSION_AT  8
#define NUMBER_AT   12
#define WALL_AT	    16
#define STREAM_AT   24
#define REPLACES_AT 56
#define CRC_AT	    60

#define RESYNC_BLOCK 16384

static const char segment_magic[8] = {'t', 'r', 'o', 'u', 'p', 's', 'e', 'g'};

char *segment_name(uint32_t number, char *out)
{
	snprintf(out, SEGMENT_NAME_SIZE, "%06" PRIu32 ".seg", number);
	return out;
}

char *segment_draft_name(uint32_t number, char *out)
{
	snprintf(out, SEGMENT_NAME_SIZE, "%06" PRIu32 SEGMENT_DRAFT, number);
	return out;
}

/* The number in a name that segment_name() writes; 0: it is something else. */
static uint32_t parse_name(const char *name)
{
	char again[SEGMENT_NAME_SIZE];
	unsigned long number = strtoul(name, NULL, 10);

	if (number == 0 || number > UINT32_MAX)
		return 0;
	return strcmp(segment_name((uint32_t)number, again), name) == 0 ? (uint32_t)number : 0;
}

static int compare_numbers(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left;
	uint32_t b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static int collect(DIR *dir, uint32_t **numbers)
{
	uint32_t *list = NULL;
	size_t count = 0, room = 0;

	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		uint32_t number = parse_name(entry->d_name);

		if (number == 0)
			continue;
		if (count == room) {
			uint32_t *more;

			room = room > 0 ? room * 2 : 64;
			more = realloc(list, room * sizeof(*list));
			if (more == NULL) {
				free(list);
				return TROUPE_E_MEMORY;
			}
			list = more;
		}
		list[count++] = number;
	}
	if (count > 0)
		qsort(list, count, sizeof(*list), compare_numbers);
	*numbers = list;
	return (int)count;
}

int segment_list(int folder, uint32_t **numbers)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;
	int count;

	*numbers = NULL;
	if (fd < 0)
		return error_from_errno(errno);
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return TROUPE_E_MEMORY;
	}
	count = collect(dir, numbers);
	closedir(dir);
	return count;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

void segment_encode_header(const struct segment_header *header, uint8_t *out)
{
	uint64_t wall = htole64((uint64_t)header->created_wall);

	memset(out, 0, SEGMENT_HEADER);
	memcpy(out, segment_magic, sizeof(segment_magic));
	put_u32(out + VERSION_AT, SEGMENT_VERSION);
	put_u32(out + NUMBER_AT, header->number);
	memcpy(out + WALL_AT, &wall, sizeof(wall));
	memcpy(out + STREAM_AT, header->stream, strnlen(header->stream, NAME_SIZE - 1));
	put_u32(out + REPLACES_AT, header->replaces);
	put_u32(out + CRC_AT, crc32c(0, out, CRC_AT));
}

/* A name and nothing but zeros behind it. */
static bool is_name(const uint8_t *text)
{
	size_t length = strnlen((const char *)text, NAME_SIZE);

	if (length == 0 || length == NAME_SIZE)
		return false;
	while (length < NAME_SIZE)
		if (text[length++] != 0)
			return false;
	return true;
}

static bool all_zero(const uint8_t *data, size_t from, size_t to)
{
	while (from < to)
		if (data[from++] != 0)
			return false;
	return true;
}

int segment_decode_header(const uint8_t *data, struct segment_header *header)
{
	uint32_t version = get_u32(data + VERSION_AT);
	uint64_t wall;

	if (memcmp(data, segment_magic, sizeof(segment_magic)) != 0 ||
	    get_u32(data + CRC_AT) != crc32c(0, data, CRC_AT))
		return TROUPE_E_CORRUPT;
	if (version < 1 || version > SEGMENT_VERSION)
		return TROUPE_E_SCHEMA;
	if (version == 1 ? !all_zero(data, STREAM_AT, CRC_AT) : !is_name(data + STREAM_AT))
		return TROUPE_E_CORRUPT;
	memcpy(&wall, data + WALL_AT, sizeof(wall));
	*header = (struct segment_header){
		.number = get_u32(data + NUMBER_AT),
		.replaces = get_u32(data + REPLACES_AT),
		.created_wall = (int64_t)le64toh(wall),
	};
	memcpy(header->stream, data + STREAM_AT, NAME_SIZE);
	return 0;
}

/* Reads `size` bytes or says why not. */
static int read_at(int fd, void *out, size_t size, uint64_t offset)
{
	uint8_t *to = out;

	while (size > 0) {
		ssize_t got = pread(fd, to, size, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_from_errno(errno);
		if (got == 0)
			return TROUPE_E_TRUNCATED;
		to += got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return 0;
}

int segment_open_file(struct segment_reader *reader, int folder, const char *name)
{
	uint8_t header[SEGMENT_HEADER];
	int rc;

	*reader = (struct segment_reader){.fd = openat(folder, name, O_RDONLY | O_CLOEXEC)};
	if (reader->fd < 0)
		return error_from_errno(errno);
	rc = read_at(reader->fd, header, sizeof(header), 0);
	if (rc == 0)
		rc = segment_decode_header(header, &reader->header);
	if (rc < 0)
		segment_close(reader);
	return rc;
}

int segment_open(struct segment_reader *reader, int folder, uint32_t number)
{
	char name[SEGMENT_NAME_SIZE];
	int rc = segment_open_file(reader, folder, segment_name(number, name));

	if (rc == 0 && reader->header.number != number) {
		segment_close(reader);
		rc = TROUPE_E_CORRUPT;
	}
	return rc;
}

void segment_close(struct segment_reader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	free(reader->buffer);
	*reader = (struct segment_reader){.fd = -1};
}

int64_t segment_size(const struct segment_reader *reader)
{
	struct stat st;

	if (fstat(reader->fd, &st) < 0)
		return error_from_errno(errno);
	return st.st_size;
}

static int make_room(struct segment_reader *reader, size_t size)
{
	uint8_t *more;

	if (size <= reader->capacity)
		return 0;
	more = realloc(reader->buffer, size);
	if (more == NULL)
		return TROUPE_E_MEMORY;
	reader->buffer = more;
	reader->capacity = size;
	return 0;
}

int segment_read(struct segment_reader *reader, uint64_t offset, struct record *record,
		 const uint8_t **coded, uint32_t *length)
{
	uint8_t header[RECORD_HEADER];
	int64_t size = segment_size(reader);
	int rc;

	if (size < 0)
		return (int)size;
	if (offset == (uint64_t)size)
		return TROUPE_E_ENDED;
	if (offset > (uint64_t)size || (uint64_t)size - offset < RECORD_HEADER)
		return TROUPE_E_TRUNCATED;
	rc = read_at(reader->fd, header, sizeof(header), offset);
	if (rc < 0)
		return rc;
	rc = record_decode_header(header, record, length);
	if (rc < 0)
		return rc;
	if (*length > (uint64_t)size - offset)
		return TROUPE_E_TRUNCATED;
	rc = make_room(reader, *length);
	if (rc < 0)
		return rc;
	memcpy(reader->buffer, header, sizeof(header));
	rc = read_at(reader->fd, reader->buffer + RECORD_HEADER, *length - RECORD_HEADER,
		     offset + RECORD_HEADER);
	if (rc == 0)
		rc = record_decode(reader->buffer, *length, record, coded);
	if (rc == 0 && reader->header.stream[0] != 0 &&
	    strcmp(reader->header.stream, record->stream) != 0)
		rc = TROUPE_E_CORRUPT;
	return rc;
}

/* As many bytes as there are, up to `size`. */
static ssize_t read_some(int fd, uint8_t *out, size_t size, uint64_t offset)
{
	ssize_t got;

	do {
		got = pread(fd, out, size, (off_t)offset);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? error_from_errno(errno) : got;
}

int64_t segment_resync(struct segment_reader *reader, uint64_t offset)
{
	uint8_t block[RESYNC_BLOCK];
	struct record record;
	uint32_t length;

	/* Records start at multiples of 8; a header that decodes is worth reading the whole record.
	 */
	for (offset = offset / 8 * 8 + 8;;) {
		ssize_t got = read_some(reader->fd, block, sizeof(block), offset), at = 0;

		if (got < RECORD_HEADER)
			return got < 0 ? got : TROUPE_E_ENDED;
		for (; at + RECORD_HEADER <= got; at += 8) {
			if (record_decode_header(block + at, &record, &length) == 0 &&
			    segment_read(reader, offset + (uint64_t)at, &record, NULL, &length) ==
				    0)
				return (int64_t)(offset + (uint64_t)at);
		}
		offset += (uint64_t)at;
	}
}
