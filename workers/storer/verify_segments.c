/* The files of the segments against what the index says of them. */
#include "workers/storer/verify_private.h"

#include "ipc/base/errors.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one segment ---- */

/* What the index says of a segment. One that it does not know may be younger than its snapshot. 1:
 * it is about to be removed. */
static int find_segment(struct verify *verify, struct look *look, uint32_t newest)
{
	int rc = index_segment(verify_index(verify), look->number, &look->row);

	look->bytes = SEGMENT_HEADER;
	look->open = look->number > newest;
	if (rc < 0)
		return rc == TROUPE_E_NOT_FOUND ? 0 : rc;
	look->known = true;
	look->open = look->row.state == SEGMENT_OPEN;
	look->bytes = look->row.bytes;
	return look->row.state == SEGMENT_DOOMED;
}

/* Everything that the index says of a segment beside its length. */
static void check_columns(struct verify *verify, const struct look *look)
{
	const struct index_segment *row = &look->row, *observed = &look->observed;
	const struct segment_header *header = &look->reader.header;
	const struct {
		bool same;
		const char *name;
	} checks[] = {
		{strcmp(row->stream, header->stream) == 0, "stream"},
		{row->replaces == header->replaces, "replaces"},
		{row->created_wall == header->created_wall, "created_wall"},
		/* Of what is damaged the records do not tell. */
		{look->damaged || row->frames == observed->frames, "frames"},
		{look->damaged || row->coding == observed->coding, "coding"},
		{look->damaged || row->first_wall == observed->first_wall, "first_wall"},
		{look->damaged || row->last_wall == observed->last_wall, "last_wall"},
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (!checks[i].same) {
			verify_say(verify,
				   "segment %06" PRIu32 ": its row and the file differ in %s",
				   look->number, checks[i].name);
		}
	}
}

/* A file that no row knows. What was being put into another one's place when its maker died is
 * thrown away by the next start; what is younger than the snapshot, or was never committed, is
 * looked at then. 1: it is a fault, and told. */
static int check_unknown(struct verify *verify, const struct look *look)
{
	if (look->open)
		return 0;
	if (look->reader.header.replaces != 0) {
		verify_note(verify,
			    "segment %06" PRIu32 ": was to replace segment %06" PRIu32
			    "; the next start finishes or removes it",
			    look->number, look->reader.header.replaces);
		return 1;
	}
	verify_say(verify, "segment %06" PRIu32 ": the index does not know it", look->number);
	return 1;
}

/* Whether a newer state of the recording has not this segment any more. */
static bool gone_since(const struct verify *verify, uint32_t number)
{
	struct index_segment segment;
	struct index *newer;
	char why[256];
	int rc = index_open(&newer, verify->options->folder, why, sizeof(why));

	if (rc < 0)
		return false;
	rc = index_segment(newer, number, &segment);
	index_close(newer);
	return rc == TROUPE_E_NOT_FOUND || (rc == 0 && segment.state == SEGMENT_DOOMED);
}

/* Retention and archive take segments away while we look; the index says so before. */
static int missing(struct verify *verify, uint32_t number)
{
	if (gone_since(verify, number))
		verify_note(verify, "segment %06" PRIu32 ": was removed meanwhile", number);
	else
		verify_say(verify, "segment %06" PRIu32 ": its file is not there", number);
	return 0;
}

static int check_open(struct verify *verify, struct look *look)
{
	int64_t size = segment_size(&look->reader);
	int rc = 0;

	verify->report->segments++;
	verify->report->bytes += size > 0 ? (uint64_t)size : 0;
	if (!look->known && check_unknown(verify, look) > 0)
		return 0;
	rc = verify_records(verify, look);
	if (rc == 0 && look->known)
		check_columns(verify, look);
	return rc;
}

static int check_segment(struct verify *verify, uint32_t number, uint32_t newest)
{
	struct look look = {.number = number};
	int rc = find_segment(verify, &look, newest);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = segment_open(&look.reader, recording_segments(verify->recording), number);
	if (rc == TROUPE_E_CORRUPT || rc == TROUPE_E_SCHEMA || rc == TROUPE_E_TRUNCATED) {
		if (look.known || !look.open)
			verify_say(verify, "segment %06" PRIu32 ": its header is %s", number,
				   error_text(rc));
		return 0;
	}
	if (rc == TROUPE_E_NOT_FOUND)
		return missing(verify, number);
	if (rc < 0)
		return rc;
	rc = check_open(verify, &look);
	segment_close(&look.reader);
	return rc;
}

/* ---- all of them ---- */

/* Segments that the index knows and the folder lacks. *newest is the last one it knows, or ever
 * knew. */
static int check_known(struct verify *verify, const uint32_t *numbers, int count, uint32_t *newest)
{
	int64_t highest = index_highest_segment(verify_index(verify));
	struct index_segment known = {0};
	int at = 0, rc;

	while ((rc = index_next_segment(verify_index(verify), known.number, &known)) == 0) {
		while (at < count && numbers[at] < known.number)
			at++;
		verify->total += known.bytes;
		if (known.state == SEGMENT_DOOMED) {
			verify_note(verify,
				    "segment %06" PRIu32
				    ": is about to be removed; a start finishes that",
				    known.number);
		} else if (at == count || numbers[at] != known.number) {
			missing(verify, known.number);
		}
	}
	*newest = highest > 0 ? (uint32_t)highest : 0;
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* Files in the folder that are no segments. */
static int check_others(struct verify *verify)
{
	int fd = openat(recording_segments(verify->recording), ".",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	char name[SEGMENT_NAME_SIZE];

	if (dir == NULL)
		return TROUPE_E_IO;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		const char *dot = strrchr(entry->d_name, '.');
		unsigned long number = strtoul(entry->d_name, NULL, 10);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (number > 0 && number <= UINT32_MAX &&
		    strcmp(segment_name((uint32_t)number, name), entry->d_name) == 0)
			continue;
		if (dot != NULL && strcmp(dot, SEGMENT_DRAFT) == 0) {
			verify_note(verify, "%s: is being made, or was when its maker died",
				    entry->d_name);
		} else {
			verify_say(verify, "%s: is no segment, and does not belong there",
				   entry->d_name);
		}
	}
	closedir(dir);
	return 0;
}

/* The files are listed after the index's snapshot was taken: what a storer did in between lies
 * behind the end of segments that were open in the snapshot, or in later ones. */
int verify_segments(struct verify *verify)
{
	uint32_t *numbers, newest = 0;
	int count = segment_list(recording_segments(verify->recording), &numbers);
	int rc = count < 0 ? count : check_known(verify, numbers, count, &newest);

	for (int i = 0; rc == 0 && i < count; i++)
		rc = check_segment(verify, numbers[i], newest);
	free(numbers);
	return rc == 0 ? check_others(verify) : rc;
}
