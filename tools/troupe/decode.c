/* Every frame of every stream, in order: so each H.264 frame is decoded once. */
#include "tools/troupe/decode.h"

#include "ipc/base/errors.h"
#include "workers/storer/frames.h"

#include <stdio.h>
#include <string.h>

/* One walk through a recording. */
struct decoding {
	const struct decode_calls *calls;
	struct frames *frames;
	struct recording *recording;
	uint64_t tried, total, decoded;
};

static void say(struct decoding *decoding, const struct index_row *row, const char *what)
{
	char text[256];
	snprintf(text, sizeof(text), "%s frame %llu of run %llu: %s", row->record.stream,
		 (unsigned long long)row->record.seq, (unsigned long long)row->record.run, what);
	decoding->calls->fault(decoding->calls->arg, text);
}

/* What cannot be decoded is told; an error is what ends everything. */
static int decode_one(struct decoding *decoding, const struct index_row *row)
{
	struct frames_picture picture;
	int rc = frames_show_i420(decoding->frames, row, &picture);
	decoding->calls->progress(decoding->calls->arg, ++decoding->tried, decoding->total);
	if (rc == TROUPE_E_NOT_FOUND)
		return 0;
	if (rc == TROUPE_E_SYSTEM || rc == TROUPE_E_MEMORY)
		return rc;
	if (rc < 0)
		say(decoding, row, "cannot be decoded");
	else if (picture.width != row->record.width || picture.height != row->record.height)
		say(decoding, row, "its picture has another size");
	else
		decoding->decoded++;
	return 0;
}

static int decode_stream(struct decoding *decoding, uint64_t run, const char *stream)
{
	struct index_row row;
	uint64_t seq = 0;
	int rc = 0;
	while (rc == 0 && (rc = recording_next(decoding->recording, run, stream, seq, &row)) == 0) {
		seq = row.record.seq;
		rc = decode_one(decoding, &row);
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* Calls `each` for all streams of all runs. */
static int for_streams(struct decoding *decoding,
		       int (*each)(struct decoding *decoding, uint64_t run, const char *stream))
{
	uint64_t run = 0;
	int rc = 0;
	while (rc == 0 && (rc = recording_next_run(decoding->recording, run, &run)) == 0) {
		char stream[NAME_SIZE] = "", after[NAME_SIZE] = "";
		while (rc == 0 &&
		       (rc = recording_next_stream(decoding->recording, run, after, stream)) == 0) {
			memcpy(after, stream, sizeof(after));
			rc = each(decoding, run, stream);
		}
		rc = rc == TROUPE_E_ENDED ? 0 : rc;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* At most so many: those that are forgotten are counted too. */
static int count_stream(struct decoding *decoding, uint64_t run, const char *stream)
{
	struct index_tally tally;
	int rc = recording_tally(decoding->recording, run, stream, &tally);
	decoding->total += rc == 0 ? tally.frames : 0;
	return rc;
}

int decode_recording(const char *folder, const struct decode_calls *calls, uint64_t *decoded,
		     char *why, size_t why_size)
{
	struct decoding decoding = {.calls = calls};
	int rc = frames_open(&decoding.frames, folder, why, why_size);
	if (rc < 0)
		return rc;
	decoding.recording = frames_recording(decoding.frames);
	rc = for_streams(&decoding, count_stream);
	if (rc == 0)
		rc = for_streams(&decoding, decode_stream);
	if (rc < 0) {
		snprintf(why, why_size, "%s",
			 *frames_error(decoding.frames) ? frames_error(decoding.frames)
							: error_text(rc));
	}
	*decoded = decoding.decoded;
	frames_close(decoding.frames);
	return rc;
}
