/* The records of one segment against the rows that point into it. */
#include "workers/storer/verify_private.h"

#include "ipc/base/errors.h"

#include <inttypes.h>
#include <string.h>

/* Rows that point into [at, to), where no record begins. */
static int stray_rows(struct verify *verify, const struct look *look, uint64_t at, uint64_t to,
		      const char *what)
{
	struct index_row row;
	int rc;

	while ((rc = index_next_place(verify_index(verify), look->number, at, &row)) == 0 &&
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
	int rc = index_find(verify_index(verify), record->run, record->stream, record->seq, &other);

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

/* Not ==, to which a damaged one that is no number at all would be unequal to itself. */
static bool same_single(float left, float right)
{
	uint32_t a, b;

	memcpy(&a, &left, sizeof(a));
	memcpy(&b, &right, sizeof(b));
	return a == b;
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
		{same_single(in_row->probability, record->probability), "probability"},
		{same_single(in_row->motion, record->motion), "motion"},
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

/* What the records say of their segment. */
static void observe(struct verify *verify, struct look *look, const struct record *record)
{
	struct index_segment *observed = &look->observed;
	int64_t wall = record->captured_wall;

	if (observed->frames == 0)
		observed->coding = record->coding == CODING_JPEG ? CODING_JPEG : CODING_H264;
	if (observed->frames == 0 || wall < observed->first_wall)
		observed->first_wall = wall;
	if (observed->frames == 0 || wall > observed->last_wall)
		observed->last_wall = wall;
	observed->frames++;
	verify->report->records++;
	verify->report->h264 += record->coding != CODING_JPEG;
}

/* A frame of H.264 is decoded from the keyframe before it, in its segment. What damage has cut off
 * from it is told with the damage. */
static void check_chain(struct verify *verify, struct look *look, const struct record *record)
{
	look->key = look->key || record->coding == CODING_H264_KEY;
	if (record->coding == CODING_H264 && !look->key) {
		verify_say(verify,
			   "%s frame %" PRIu64 " of run %" PRIu64 ": in segment %06" PRIu32
			   " offset %" PRIu64 ", no keyframe lies before it",
			   record->stream, record->seq, record->run, look->number, look->at);
		look->key = true; /* once is enough */
	}
}

/* A whole record at look->at: exactly one row points to it and says the same. */
static int check_record(struct verify *verify, struct look *look, const struct record *record,
			uint32_t length)
{
	struct index_row row;
	const char *differs;
	int rc = index_next_place(verify_index(verify), look->number, look->at, &row);

	if (rc < 0 && rc != TROUPE_E_ENDED)
		return rc;
	observe(verify, look, record);
	check_chain(verify, look, record);
	verify_went(verify, length);
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

int verify_records(struct verify *verify, struct look *look)
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
		look->damaged = true;
		rc = step_over(verify, look, rc == TROUPE_E_ENDED ? TROUPE_E_TRUNCATED : rc);
		if (rc <= 0)
			return rc;
	}
	if (look->at != look->bytes && look->known) {
		verify_say(verify,
			   "segment %06" PRIu32 ": the index vouches for %" PRIu64
			   " bytes, which is within a record",
			   look->number, look->bytes);
	}
	return check_tail(verify, look);
}
