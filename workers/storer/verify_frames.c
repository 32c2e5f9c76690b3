/* All streams in the order of their frames: none is missing but those that are known to be
 * forgotten, and the counts are right. */
#include "workers/storer/verify_private.h"

#include "ipc/base/errors.h"
#include "ipc/slots/word.h"

#include <inttypes.h>
#include <string.h>

/* How far the walk along one stream is. */
struct walk {
	struct verify *verify;
	uint64_t run;
	const char *stream;
	struct index_tally tally; /* of what was seen; last and last_ordinal: where it stands */
	uint64_t gone;		  /* of those: forgotten */
	struct index_row before;  /* the last frame; seq 0: none yet */
};

/* Within a segment; one that was re-coded has a higher number than those that follow it. */
static bool lies_behind(const struct index_row *row, const struct index_row *before)
{
	return row->segment != before->segment || row->offset > before->offset;
}

/* Nothing lies between the last number and this one. */
static void expect_next(const struct walk *walk, uint64_t seq, uint64_t ordinal, const char *what)
{
	if (ordinal != walk->tally.last_ordinal + 1) {
		verify_say(walk->verify,
			   "%s frame %" PRIu64 " of run %" PRIu64
			   ": is the stream's number %" PRIu64
			   "%s, but the one before it is %" PRIu64,
			   walk->stream, seq, walk->run, ordinal, what, walk->tally.last_ordinal);
	}
}

static int take_row(struct walk *walk, const struct index_row *row)
{
	struct verify_report *report = walk->verify->report;
	const struct record *record = &row->record;
	struct index_segment segment;
	int rc = index_segment(verify_index(walk->verify), row->segment, &segment);

	if (rc < 0 && rc != TROUPE_E_NOT_FOUND)
		return rc;
	/* A large segment that is doomed is forgotten in several transactions. */
	if (rc == TROUPE_E_NOT_FOUND) {
		verify_say(walk->verify,
			   "%s frame %" PRIu64 " of run %" PRIu64
			   ": its row points to segment %06" PRIu32 ", which does not exist",
			   record->stream, record->seq, record->run, row->segment);
	}
	expect_next(walk, record->seq, record->ordinal, "");
	if (walk->before.record.seq > 0 && !lies_behind(row, &walk->before)) {
		verify_say(walk->verify,
			   "%s frame %" PRIu64 " of run %" PRIu64 ": lies before frame %" PRIu64,
			   record->stream, record->seq, record->run, walk->before.record.seq);
	}
	walk->before = *row;
	walk->tally.last = record->seq;
	walk->tally.last_ordinal = record->ordinal;
	walk->tally.frames++;
	walk->tally.bypassed += (record->marks & MARK_BYPASSED) != 0;
	walk->tally.quarantined += (record->marks & MARK_QUARANTINED) != 0;
	report->rows++;
	report->bypassed += (record->marks & MARK_BYPASSED) != 0;
	report->quarantined += (record->marks & MARK_QUARANTINED) != 0;
	return 0;
}

/* Frames that were stored once. */
static void take_range(struct walk *walk, const struct index_range *range)
{
	uint64_t count = range->last_ordinal - range->first_ordinal + 1;

	if (range->last_seq < range->first_seq || range->last_ordinal < range->first_ordinal ||
	    range->last_seq - range->first_seq < range->last_ordinal - range->first_ordinal ||
	    range->first_seq <= walk->tally.last) {
		verify_say(walk->verify,
			   "%s frames %" PRIu64 " to %" PRIu64 " of run %" PRIu64
			   ": are forgotten, but not in order, or there all the same",
			   walk->stream, range->first_seq, range->last_seq, walk->run);
		return;
	}
	expect_next(walk, range->first_seq, range->first_ordinal, ", forgotten");
	walk->tally.last = range->last_seq;
	walk->tally.last_ordinal = range->last_ordinal;
	walk->tally.frames += count;
	walk->gone += count;
	walk->verify->report->forgotten += count;
}

/* What the stream's row has counted. What was forgotten tells only how many frames it was. */
static int check_counts(const struct walk *walk)
{
	const struct index_tally *seen = &walk->tally;
	struct index_tally kept;
	int rc = index_tally(verify_index(walk->verify), walk->run, walk->stream, &kept);
	const struct {
		bool right;
		const char *name;
		uint64_t kept, seen;
	} checks[] = {
		{kept.frames == seen->frames, "frames", kept.frames, seen->frames},
		{kept.bypassed >= seen->bypassed && kept.bypassed <= seen->bypassed + walk->gone,
		 "bypassed", kept.bypassed, seen->bypassed},
		{kept.quarantined >= seen->quarantined &&
			 kept.quarantined <= seen->quarantined + walk->gone,
		 "quarantined", kept.quarantined, seen->quarantined},
		{kept.last == seen->last, "last_seq", kept.last, seen->last},
		{kept.last_ordinal == seen->last_ordinal, "last_ordinal", kept.last_ordinal,
		 seen->last_ordinal},
	};

	if (rc < 0)
		return rc;
	/* One of them tells that something is wrong; the others only repeat it. */
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (checks[i].right)
			continue;
		verify_say(walk->verify,
			   "%s of run %" PRIu64 ": its row says %s %" PRIu64
			   ", its frames say %" PRIu64,
			   walk->stream, walk->run, checks[i].name, checks[i].kept, checks[i].seen);
		break;
	}
	return 0;
}

/* Rows and ranges together, by their numbers. */
static int check_stream(struct verify *verify, uint64_t run, const char *stream)
{
	struct walk walk = {.verify = verify, .run = run, .stream = stream};
	struct index *index = verify_index(verify);
	struct index_range range;
	struct index_row row;
	int rc = 0;
	int rows = index_next(index, run, stream, 0, &row);
	int ranges = index_next_forgotten(index, run, stream, 0, &range);

	while (rc == 0 && (rows == 0 || ranges == 0)) {
		if (ranges == 0 && (rows != 0 || range.first_seq <= row.record.seq)) {
			take_range(&walk, &range);
			ranges = index_next_forgotten(index, run, stream, range.first_seq, &range);
		} else {
			rc = take_row(&walk, &row);
			if (rc == 0)
				rows = index_next(index, run, stream, row.record.seq, &row);
		}
	}
	if (rc == 0 && rows != TROUPE_E_ENDED)
		rc = rows;
	if (rc == 0 && ranges != TROUPE_E_ENDED)
		rc = ranges;
	return rc < 0 ? rc : check_counts(&walk);
}

/* Streams that have rows of frames. */
static int check_with_frames(struct verify *verify)
{
	char stream[NAME_SIZE] = "";
	uint64_t run = 0, last_run = 0;
	int rc;

	while ((rc = index_next_key(verify_index(verify), &run, stream)) == 0) {
		verify->report->streams++;
		verify->report->runs += run != last_run;
		last_run = run;
		rc = check_stream(verify, run, stream);
		if (rc < 0)
			return rc;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* And those that have none (any more). */
static int check_without_frames(struct verify *verify)
{
	struct index *index = verify_index(verify);
	uint64_t run = 0;
	int rc = 0;

	while (rc == 0 && (rc = index_next_run(index, run, &run)) == 0) {
		char stream[NAME_SIZE] = "", after[NAME_SIZE] = "";

		while (rc == 0 && (rc = index_next_stream(index, run, after, stream)) == 0) {
			struct index_row row;

			memcpy(after, stream, sizeof(after));

			rc = index_next(index, run, stream, 0, &row);
			if (rc == TROUPE_E_ENDED)
				rc = check_stream(verify, run, stream);
		}
		rc = rc == TROUPE_E_ENDED ? 0 : rc;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

int verify_frames(struct verify *verify)
{
	int rc = check_with_frames(verify);

	return rc < 0 ? rc : check_without_frames(verify);
}
