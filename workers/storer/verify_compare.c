/* Whether two recordings hold the same result: the same frames of the same streams, each with equal
 * pts, coded bytes, label and prediction. Times and places are no part of a result. */
#include "workers/storer/verify_private.h"

#include "ipc/base/errors.h"
#include "ipc/slots/word.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One side of the comparison. */
struct side {
	struct recording *recording;
	const char *folder;
	uint64_t run;
	struct index_row row; /* where its walk stands */
	int state;	      /* of the walk: 0 a row, TROUPE_E_ENDED */
};

struct pair {
	struct verify *verify;
	struct side ours, theirs;
};

static int advance(struct side *side, const char *stream, uint64_t after)
{
	side->state = recording_next(side->recording, side->run, stream, after, &side->row);
	return side->state == TROUPE_E_ENDED ? 0 : side->state;
}

/* One frame as stored, or NULL: then it was told why not. */
static const uint8_t *coded_of(struct verify *verify, struct side *side, struct record *record)
{
	const uint8_t *coded = NULL;
	int rc = recording_read(side->recording, &side->row, record, &coded);

	if (rc == 0)
		return coded;
	verify_say(verify, "%s frame %" PRIu64 ": cannot be read from '%s': %s",
		   side->row.record.stream, side->row.record.seq, side->folder, error_text(rc));
	return NULL;
}

/* Predictions are results only where a processor saw the frame, and under one and the same model.
 */
static bool predictions_comparable(struct verify *verify, const struct record *ours,
				   const struct record *theirs)
{
	struct verify_report *report = verify->report;

	if (((ours->marks | theirs->marks) & MARK_BYPASSED) != 0) {
		report->compared_bypassed++;
		return false;
	}
	if (ours->model_version != theirs->model_version) {
		report->compared_models++;
		return false;
	}
	return true;
}

static void differs(struct verify *verify, const struct record *ours, const char *what)
{
	verify_say(verify, "%s frame %" PRIu64 ": the two recordings differ in its %s",
		   ours->stream, ours->seq, what);
}

static void compare_frame(struct pair *pair)
{
	struct verify *verify = pair->verify;
	struct record ours, theirs;
	const uint8_t *our_coded = coded_of(verify, &pair->ours, &ours);
	const uint8_t *their_coded = coded_of(verify, &pair->theirs, &theirs);

	verify->report->compared++;
	if (our_coded == NULL || their_coded == NULL)
		return;
	if (ours.ordinal != theirs.ordinal)
		differs(verify, &ours, "number within the stream");
	if (ours.pts != theirs.pts)
		differs(verify, &ours, "pts");
	if (ours.width != theirs.width || ours.height != theirs.height)
		differs(verify, &ours, "size");
	if (ours.coded_bytes != theirs.coded_bytes ||
	    memcmp(our_coded, their_coded, ours.coded_bytes) != 0)
		differs(verify, &ours, "coded bytes");
	if (strcmp(ours.label, theirs.label) != 0)
		differs(verify, &ours, "label");
	if (predictions_comparable(verify, &ours, &theirs) &&
	    strcmp(ours.prediction, theirs.prediction) != 0)
		differs(verify, &ours, "prediction");
}

static void only_in(struct verify *verify, const struct side *side, const char *other)
{
	verify_say(verify, "%s frame %" PRIu64 ": in '%s', but not in '%s'",
		   side->row.record.stream, side->row.record.seq, side->folder, other);
}

/* Walks both sides of one stream in step. */
static int compare_stream(struct pair *pair, const char *stream)
{
	struct side *ours = &pair->ours, *theirs = &pair->theirs;
	int rc = advance(ours, stream, 0);

	if (rc == 0)
		rc = advance(theirs, stream, 0);
	while (rc == 0 && (ours->state == 0 || theirs->state == 0)) {
		uint64_t our_seq = ours->state == 0 ? ours->row.record.seq : UINT64_MAX;
		uint64_t their_seq = theirs->state == 0 ? theirs->row.record.seq : UINT64_MAX;

		if (our_seq == their_seq)
			compare_frame(pair);
		else if (our_seq < their_seq)
			only_in(pair->verify, ours, theirs->folder);
		else
			only_in(pair->verify, theirs, ours->folder);
		if (our_seq <= their_seq)
			rc = advance(ours, stream, our_seq);
		if (rc == 0 && their_seq <= our_seq)
			rc = advance(theirs, stream, their_seq);
	}
	return rc;
}

/* The next stream of either side in the order of names. */
static int next_stream(const struct pair *pair, char stream[NAME_SIZE])
{
	char ours[NAME_SIZE] = "", theirs[NAME_SIZE] = "";
	int rc = recording_next_stream(pair->ours.recording, pair->ours.run, stream, ours);
	int rc2 = recording_next_stream(pair->theirs.recording, pair->theirs.run, stream, theirs);

	if (rc < 0 && rc != TROUPE_E_ENDED)
		return rc;
	if (rc2 < 0 && rc2 != TROUPE_E_ENDED)
		return rc2;
	if (rc < 0 && rc2 < 0)
		return TROUPE_E_ENDED;
	if (rc2 < 0 || (rc == 0 && strcmp(ours, theirs) < 0))
		memcpy(stream, ours, NAME_SIZE);
	else
		memcpy(stream, theirs, NAME_SIZE);
	return 0;
}

static int pick_run(struct verify *verify, struct side *side, uint64_t *wanted)
{
	int rc = *wanted == 0 ? recording_newest_run(side->recording, wanted) : 0;

	side->run = *wanted;
	if (rc < 0)
		verify_say(verify, "'%s' has no run to compare: %s", side->folder, error_text(rc));
	return rc;
}

static int compare(struct pair *pair)
{
	struct verify_report *report = pair->verify->report;
	char stream[NAME_SIZE] = "";
	int rc = pick_run(pair->verify, &pair->ours, &report->run);

	if (rc == 0)
		rc = pick_run(pair->verify, &pair->theirs, &report->against_run);
	if (rc < 0)
		return rc;
	while ((rc = next_stream(pair, stream)) == 0) {
		rc = compare_stream(pair, stream);
		if (rc < 0)
			break;
	}
	if (rc != TROUPE_E_ENDED) {
		verify_say(pair->verify, "comparing with '%s': %s", pair->theirs.folder,
			   error_text(rc));
		return rc;
	}
	if (report->compared == 0)
		verify_say(pair->verify, "nothing to compare: no frame is in both recordings");
	return 0;
}

int verify_compare(struct verify *verify, const char *against)
{
	struct pair pair = {
		.verify = verify,
		.ours = {.recording = verify->recording, .folder = "this recording"},
		.theirs = {.folder = against},
	};
	char why[512];
	int rc = recording_open(&pair.theirs.recording, against, why, sizeof(why));

	if (rc < 0) {
		verify_say(verify, "%s", why);
		return rc;
	}
	rc = compare(&pair);
	recording_close(pair.theirs.recording);
	return rc;
}
