/* Whether one recording is whole: segments against index in the order of places, then the index in
 * the order of frames. */
#include "workers/storer/verify_private.h"

#include "ipc/base/errors.h"
#include "ipc/slots/word.h"
#include "workers/storer/segment.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One segment that is looked at. */
struct look {
	struct segment_reader reader;
	uint32_t number;
	bool open;	/* it may end with records that no commit vouches for */
	bool known;	/* the index has it … */
	uint64_t bytes; /* … and vouches for so much */
	uint64_t at;
};

void verify_say(struct verify *verify, const char *format, ...)
{
	char text[512];
	va_list args;

	verify->report->faults++;
	if (verify->fault == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	verify->fault(verify->arg, text);
}

static struct index *index_of(const struct verify *verify)
{
	return recording_index(verify->recording);
}

/* ---- places ---- */

/* Rows that point into [at, to), where no record begins. */
static int stray_rows(struct verify *verify, const struct look *look, uint64_t at, uint64_t to,
		      const char *what)
{
	struct index_row row;
	int rc;

	while ((rc = index_next_place(index_of(verify), look->number, at, &row)) == 0 &&
	       row.offset < to) {
		verify_say(verify,
			   "%s frame %" PRIu64 " of run %" PRIu64
			   ": its row points to segment %06" PRIu32 " offset %" PRIu64 ", %s",
			   row.record.stream, row.record.seq, row.record.run, look->number,
			   row.offset, what);
		at = row.offset + 1;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* A whole record that no row points to. 0: told; 1: it is nowhere in the index; or an error. */
static int look_twice(struct verify *verify, const struct look *look, const struct record *record)
{
	struct index_row other;
	int rc = index_find(index_of(verify), record->run, record->stream, record->seq, &other);

	if (rc == 0) {
		verify_say(verify,
			   "%s frame %" PRIu64 " of run %" PRIu64
			   ": stored twice, in segment %06" PRIu32 " offset %" PRIu64
			   " and in segment %06" PRIu32 " offset %" PRIu64,
			   record->stream, record->seq, record->run, other.segment, other.offset,
			   look->number, look->at);
	}
	return rc == TROUPE_E_NOT_FOUND ? 1 : rc;
}

static int no_row(struct verify *verify, const struct look *look, const struct record *record)
{
	int rc = look_twice(verify, look, record);

	if (rc > 0) {
		verify_say(verify,
			   "%s frame %" PRIu64 " of run %" PRIu64 ": in segment %06" PRIu32
			   " offset %" PRIu64 ", but not in the index",
			   record->stream, record->seq, record->run, look->number, look->at);
	}
	return rc < 0 ? rc : 0;
}

static bool same_text(const char *left, const char *right)
{
	return strcmp(left, right) == 0;
}

/* The name of the first field in which row and record differ, or NULL. */
static const char *difference(const struct index_row *row, const struct record *record,
			      uint32_t length)
{
	const struct record *in_row = &row->record;
	const struct {
		bool same;
		const char *name;
	} checks[] = {
		{in_row->run == record->run, "run"},
		{same_text(in_row->stream, record->stream), "stream"},
		{in_row->seq == record->seq, "seq"},
		{in_row->ordinal == record->ordinal, "ordinal"},
		{row->length == length, "length"},
		{in_row->coding == record->coding, "coding"},
		{row->coded_at == row->offset + record_header(record->coding), "coded_at"},
		{in_row->coded_bytes == record->coded_bytes, "coded_bytes"},
		{in_row->width == record->width, "width"},
		{in_row->height == record->height, "height"},
		{in_row->pts == record->pts, "pts"},
		{in_row->captured == record->captured, "captured"},
		{in_row->captured_wall == record->captured_wall, "captured_wall"},
		{in_row->published == record->published, "published"},
		{in_row->claimed == record->claimed, "claimed"},
		{in_row->finished == record->finished, "finished"},
		{in_row->source_index == record->source_index, "source_index"},
		{same_text(in_row->label, record->label), "label"},
		{same_text(in_row->prediction, record->prediction), "prediction"},
		{in_row->model_version == record->model_version, "model_version"},
		{memcmp(in_row->drops_before, record->drops_before, sizeof(record->drops_before)) ==
			 0,
		 "drops"},
		{in_row->marks == record->marks, "bypassed or quarantined"},
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (!checks[i].same)
			return checks[i].name;
	return NULL;
}

/* A whole record at look->at: exactly one row points to it and says the same. */
static int check_record(struct verify *verify, const struct look *look, const struct record *record,
			uint32_t length)
{
	struct index_row row;
	const char *differs;
	int rc = index_next_place(index_of(verify), look->number, look->at, &row);

	verify->report->records++;
	if (rc < 0 && rc != TROUPE_E_ENDED)
		return rc;
	if (rc == TROUPE_E_ENDED || row.offset != look->at) {
		rc = no_row(verify, look, record);
		if (rc < 0)
			return rc;
	} else if ((differs = difference(&row, record, length)) != NULL) {
		verify_say(verify,
			   "%s frame %" PRIu64 " of run %" PRIu64 ": index and segment %06" PRIu32
			   " offset %" PRIu64 " differ in %s",
			   row.record.stream, row.record.seq, row.record.run, look->number,
			   look->at, differs);
	}
	return stray_rows(verify, look, look->at + 1, look->at + length, "within another record");
}

/* Bytes at look->at that are no record: steps to the next one. 0: there is none. */
static int step_over(struct verify *verify, struct look *look, int why)
{
	int64_t next = segment_resync(&look->reader, look->at);
	int rc;

	if (next < 0 && next != TROUPE_E_ENDED)
		return (int)next;
	verify_say(verify, "segment %06" PRIu32 " offset %" PRIu64 ": %s", look->number, look->at,
		   error_text(why));
	rc = stray_rows(verify, look, look->at, next < 0 ? UINT64_MAX >> 1 : (uint64_t)next,
			"which is damaged");
	if (rc < 0 || next < 0)
		return rc;
	look->at = (uint64_t)next;
	return 1;
}

/* Behind what the index vouches for: nothing, or in an open segment what the next start recovers.
 */
static int check_tail(struct verify *verify, struct look *look)
{
	int rc = stray_rows(verify, look, look->bytes, UINT64_MAX >> 1,
			    "behind the end of what was committed");

	while (rc == 0) {
		struct record record;
		uint32_t length;

		rc = segment_read(&look->reader, look->at, &record, NULL, &length);
		if (rc < 0)
			break;
		if (!look->open) {
			rc = no_row(verify, look, &record);
		} else {
			rc = look_twice(verify, look, &record);
			verify->report->uncommitted += rc > 0;
		}
		rc = rc < 0 ? rc : 0;
		look->at += length;
	}
	if (rc == TROUPE_E_ENDED)
		return 0;
	if (rc != TROUPE_E_TRUNCATED && rc != TROUPE_E_CORRUPT)
		return rc;
	if (!look->open)
		verify_say(verify, "segment %06" PRIu32 " offset %" PRIu64 ": %s", look->number,
			   look->at, error_text(rc));
	return 0;
}

static int check_records(struct verify *verify, struct look *look)
{
	look->at = SEGMENT_HEADER;
	while (look->at < look->bytes) {
		struct record record;
		uint32_t length;
		int rc = segment_read(&look->reader, look->at, &record, NULL, &length);

		if (rc == 0) {
			rc = check_record(verify, look, &record, length);
			look->at += length;
			if (rc < 0)
				return rc;
			continue;
		}
		if (rc != TROUPE_E_CORRUPT && rc != TROUPE_E_TRUNCATED && rc != TROUPE_E_ENDED)
			return rc;
		rc = step_over(verify, look, rc == TROUPE_E_ENDED ? TROUPE_E_TRUNCATED : rc);
		if (rc <= 0)
			return rc;
	}
	return check_tail(verify, look);
}

/* What the index says of a segment. One that it does not know may be younger than its snapshot. */
static int find_segment(struct verify *verify, struct look *look, uint32_t newest)
{
	struct index_segment segment;
	int rc = index_segment(index_of(verify), look->number, &segment);

	look->bytes = SEGMENT_HEADER;
	look->open = look->number > newest;
	if (rc < 0)
		return rc == TROUPE_E_NOT_FOUND ? 0 : rc;
	look->known = true;
	look->open = segment.state == SEGMENT_OPEN;
	look->bytes = segment.bytes;
	return segment.state == SEGMENT_DOOMED;
}

static int check_segment(struct verify *verify, uint32_t number, uint32_t newest)
{
	struct look look = {.number = number};
	int64_t size;
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
	if (rc < 0)
		return rc;
	size = segment_size(&look.reader);
	verify->report->segments++;
	verify->report->bytes += size > 0 ? (uint64_t)size : 0;
	rc = check_records(verify, &look);
	segment_close(&look.reader);
	return rc;
}

/* Segments that the index knows and the folder lacks. *newest is the last one it knows. */
static int missing_segments(struct verify *verify, const uint32_t *numbers, int count,
			    uint32_t *newest)
{
	struct index_segment known = {0};
	int rc;

	for (int at = 0; (rc = index_next_segment(index_of(verify), known.number, &known)) == 0;) {
		while (at < count && numbers[at] < known.number)
			at++;
		if ((at == count || numbers[at] != known.number) && known.state != SEGMENT_DOOMED)
			verify_say(verify, "segment %06" PRIu32 ": its file is not there",
				   known.number);
	}
	*newest = known.number;
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* The files are listed after the index's snapshot was taken: what a storer did in between lies
 * behind the end of segments that were open in the snapshot, or in later ones. */
static int check_places(struct verify *verify)
{
	uint32_t *numbers, newest = 0;
	int count = segment_list(recording_segments(verify->recording), &numbers);
	int rc = count < 0 ? count : missing_segments(verify, numbers, count, &newest);

	for (int i = 0; rc == 0 && i < count; i++)
		rc = check_segment(verify, numbers[i], newest);
	free(numbers);
	return rc;
}

/* ---- frames ---- */

/* Within a segment; one that was re-coded has a higher number than those that follow it. */
static bool lies_behind(const struct index_row *row, const struct index_row *before)
{
	return row->segment != before->segment || row->offset > before->offset;
}

static int check_row(struct verify *verify, const struct index_row *row,
		     const struct index_row *before)
{
	const struct record *record = &row->record;
	struct index_segment segment;
	int rc = index_segment(index_of(verify), row->segment, &segment);

	if (rc < 0 && rc != TROUPE_E_NOT_FOUND)
		return rc;
	if (rc == TROUPE_E_NOT_FOUND) {
		verify_say(verify,
			   "%s frame %" PRIu64 " of run %" PRIu64
			   ": its row points to segment %06" PRIu32 ", which does not exist",
			   record->stream, record->seq, record->run, row->segment);
	}
	if (record->ordinal != before->record.ordinal + 1) {
		verify_say(verify,
			   "%s frame %" PRIu64 " of run %" PRIu64
			   ": is the stream's number %" PRIu64
			   ", but the one before it is %" PRIu64,
			   record->stream, record->seq, record->run, record->ordinal,
			   before->record.ordinal);
	}
	if (before->record.seq > 0 && !lies_behind(row, before)) {
		verify_say(verify,
			   "%s frame %" PRIu64 " of run %" PRIu64 ": lies before frame %" PRIu64,
			   record->stream, record->seq, record->run, before->record.seq);
	}
	verify->report->rows++;
	verify->report->bypassed += (record->marks & MARK_BYPASSED) != 0;
	verify->report->quarantined += (record->marks & MARK_QUARANTINED) != 0;
	return 0;
}

static int check_stream(struct verify *verify, uint64_t run, const char *stream)
{
	struct index_row before = {0}, row;
	int rc;

	while ((rc = index_next(index_of(verify), run, stream, before.record.seq, &row)) == 0) {
		rc = check_row(verify, &row, &before);
		if (rc < 0)
			return rc;
		before = row;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

static int check_frames(struct verify *verify)
{
	char stream[NAME_SIZE] = "";
	uint64_t run = 0, last_run = 0;
	int rc;

	while ((rc = index_next_key(index_of(verify), &run, stream)) == 0) {
		verify->report->streams++;
		verify->report->runs += run != last_run;
		last_run = run;
		rc = check_stream(verify, run, stream);
		if (rc < 0)
			return rc;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* ---- both ---- */

static int check(struct verify *verify, const char *folder)
{
	int rc = index_begin_read(index_of(verify));

	if (rc == 0)
		rc = check_places(verify);
	if (rc == 0)
		rc = check_frames(verify);
	if (rc < 0)
		verify_say(verify, "'%s' could not be read to the end: %s", folder, error_text(rc));
	index_rollback(index_of(verify));
	return rc;
}

int verify_recording(const char *folder, const char *against, struct verify_report *report,
		     verify_fault_fn *fault, void *arg)
{
	struct verify verify = {.report = report, .fault = fault, .arg = arg};
	char why[512];
	int rc;

	*report = (struct verify_report){.run = report->run, .against_run = report->against_run};
	rc = recording_open(&verify.recording, folder, why, sizeof(why));
	if (rc < 0) {
		verify_say(&verify, "%s", why);
		return rc;
	}
	rc = check(&verify, folder);
	if (rc == 0 && against != NULL)
		rc = verify_compare(&verify, against);
	recording_close(verify.recording);
	return rc;
}
