/* What there is: every segment is read from one end to the other. */
#include "workers/storer/repair_private.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* H.264 that has lost a frame makes no sense until the next keyframe. */
static bool is_shown(const struct record *record, bool *broken)
{
	if (record->coding != CODING_H264)
		*broken = false;
	return !*broken;
}

/* Whose frames a segment has whose header does not say so. */
static void note_stream(struct found *found, const struct record *record)
{
	if (found->header_read)
		return;
	if (found->records == 0)
		memcpy(found->header.stream, record->stream, NAME_SIZE);
	else if (strcmp(found->header.stream, record->stream) != 0)
		found->header.stream[0] = 0;
	if (found->records == 0)
		found->header.created_wall = record->captured_wall;
}

/* Walks all records. A hole with records behind it makes a segment a damaged one; without, it has a
 * tail. */
static int walk(struct repair *repair, struct found *found, struct segment_reader *reader)
{
	uint64_t at = SEGMENT_HEADER, told = 0;
	bool broken = true; /* a segment begins with a keyframe */

	found->end = at;
	for (;;) {
		struct record record;
		uint32_t length;
		int64_t next;
		int rc = segment_read(reader, at, &record, NULL, &length);

		if (rc == 0) {
			if (found->end != at || !is_shown(&record, &broken))
				found->find = FIND_DAMAGED;
			note_stream(found, &record);
			found->records += is_shown(&record, &broken);
			at += length;
			found->end = at;
			if (!repair_went(repair, at - told))
				return TROUPE_E_CLOSED;
			told = at;
			continue;
		}
		if (rc == TROUPE_E_ENDED)
			return 0;
		if (rc != TROUPE_E_TRUNCATED && rc != TROUPE_E_CORRUPT)
			return rc;
		broken = true;
		next = segment_resync(reader, at);
		if (next == TROUPE_E_ENDED) {
			if (found->find == FIND_WHOLE)
				found->find = FIND_TAIL;
			return 0;
		}
		if (next < 0)
			return (int)next;
		at = (uint64_t)next;
	}
}

/* A segment whose header cannot be read: its records say whose it is. */
static int walk_headless(struct repair *repair, struct found *found)
{
	struct segment_reader reader = {.fd = -1};
	char name[SEGMENT_NAME_SIZE];
	int rc;

	found->find = FIND_DAMAGED;
	reader.fd = openat(repair->folder.segments, segment_name(found->number, name),
			   O_RDONLY | O_CLOEXEC);
	if (reader.fd < 0)
		return error_from_errno(errno);
	rc = walk(repair, found, &reader);
	found->find = FIND_DAMAGED;
	segment_close(&reader);
	return rc;
}

static int look_at(struct repair *repair, struct found *found)
{
	struct segment_reader reader;
	struct stat st;
	char name[SEGMENT_NAME_SIZE];
	int rc;

	if (fstatat(repair->folder.segments, segment_name(found->number, name), &st, 0) < 0)
		return error_from_errno(errno);
	found->size = (uint64_t)st.st_size;
	rc = segment_open(&reader, repair->folder.segments, found->number);
	if (rc == TROUPE_E_CORRUPT || rc == TROUPE_E_TRUNCATED)
		return walk_headless(repair, found);
	if (rc < 0)
		return rc;
	found->header = reader.header;
	found->header_read = true;
	rc = walk(repair, found, &reader);
	segment_close(&reader);
	return rc;
}

static int compare_numbers(const void *number, const void *found)
{
	uint32_t a = *(const uint32_t *)number, b = ((const struct found *)found)->number;

	return (a > b) - (a < b);
}

static struct found *find(struct repair *repair, uint32_t number)
{
	return bsearch(&number, repair->found, repair->n_found, sizeof(*repair->found),
		       compare_numbers);
}

/* Of two segments with the same frames one goes: the newer one, unless the older one is damaged. */
static void choose(struct repair *repair)
{
	for (size_t i = 0; i < repair->n_found; i++) {
		struct found *newer = &repair->found[i];
		struct found *older = newer->header_read && newer->header.replaces != 0
					      ? find(repair, newer->header.replaces)
					      : NULL;

		if (older == NULL || older->find == FIND_SUPERFLUOUS)
			continue;
		if (older->find != FIND_DAMAGED)
			newer->find = FIND_SUPERFLUOUS;
		else if (newer->find != FIND_DAMAGED)
			older->find = FIND_SUPERFLUOUS;
	}
}

/* Whole records of a damaged segment go into one with a number of its own. */
static void number_salvage(struct repair *repair)
{
	for (size_t i = 0; i < repair->n_found; i++) {
		struct found *found = &repair->found[i];

		if (found->find == FIND_DAMAGED && found->records > 0)
			found->salvage = ++repair->highest;
	}
}

static void tell(const struct repair *repair)
{
	for (size_t i = 0; i < repair->n_found; i++) {
		const struct found *found = &repair->found[i];

		repair->report->segments++;
		repair->report->bytes += found->size;
		repair->report->records += found->records;
		repair->report->damaged +=
			found->find == FIND_DAMAGED || found->find == FIND_SUPERFLUOUS;
		repair->report->tails += found->find == FIND_TAIL;
		if (found->find == FIND_DAMAGED && found->salvage != 0) {
			repair_tell(repair,
				    "segment %06" PRIu32 " is damaged: set aside; its %" PRIu64
				    " whole records go into segment %06" PRIu32,
				    found->number, found->records, found->salvage);
		} else if (found->find == FIND_DAMAGED) {
			repair_tell(repair,
				    "segment %06" PRIu32
				    " is damaged, and no record of it is whole: set aside",
				    found->number);
		} else if (found->find == FIND_SUPERFLUOUS) {
			repair_tell(repair,
				    "segment %06" PRIu32
				    ": another one has the same frames: set aside",
				    found->number);
		} else if (found->find == FIND_TAIL) {
			repair_tell(repair,
				    "segment %06" PRIu32 ": the last %" PRIu64
				    " bytes are no whole record: set aside",
				    found->number, found->size - found->end);
		}
	}
}

static int explain(struct repair *repair, int rc, uint32_t number)
{
	if (rc == TROUPE_E_CLOSED)
		return repair_explain(repair, rc, "interrupted; nothing was changed");
	if (rc == TROUPE_E_SCHEMA) {
		return repair_explain(
			repair, rc,
			"segment %06" PRIu32
			" was made by a newer troupe; repair it with that one (nothing "
			"was changed)",
			number);
	}
	return repair_explain(repair, rc, "segment %06" PRIu32 " cannot be read: %s", number,
			      error_text(rc));
}

/* So that the progress has an end. */
static void measure(struct repair *repair, const uint32_t *numbers, int count)
{
	for (int i = 0; i < count; i++) {
		char name[SEGMENT_NAME_SIZE];
		struct stat st;

		if (fstatat(repair->folder.segments, segment_name(numbers[i], name), &st, 0) == 0)
			repair->total += (uint64_t)st.st_size;
	}
}

int repair_survey(struct repair *repair)
{
	uint32_t *numbers;
	int count = segment_list(repair->folder.segments, &numbers), rc = 0;

	if (count < 0)
		return repair_explain(repair, count, "cannot list the segments: %s",
				      error_text(count));
	measure(repair, numbers, count);
	repair->found = calloc(count > 0 ? (size_t)count : 1, sizeof(*repair->found));
	if (repair->found == NULL)
		rc = repair_explain(repair, TROUPE_E_MEMORY, "out of memory");
	for (int i = 0; rc == 0 && i < count; i++) {
		struct found *found = &repair->found[repair->n_found++];

		found->number = numbers[i];
		if (numbers[i] > repair->highest)
			repair->highest = numbers[i];
		rc = look_at(repair, found);
		if (rc < 0)
			rc = explain(repair, rc, numbers[i]);
	}
	free(numbers);
	if (rc < 0)
		return rc;
	choose(repair);
	number_salvage(repair);
	tell(repair);
	return 0;
}
