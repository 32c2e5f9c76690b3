/* Making frames and judging recordings. */
#include "tests/power/recordings.h"

#include "ipc/base/errors.h"
#include "tests/power/chance.h"
#include "tests/unit/recording_rig.h"
#include "workers/storer/recording.h"
#include "workers/storer/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNITS 1 /* the stream that comes as H.264 */
#define GOP   7

const char *stream_name(unsigned stream)
{
	static const char *const names[STREAMS] = {"cam1", "cam2"};

	return names[stream];
}

uint64_t run_number(unsigned run)
{
	return UINT64_C(1700000000000) + run;
}

void make_frame(unsigned run, unsigned stream, uint64_t seq, struct record *record, uint8_t *coded)
{
	struct chance chance = {(uint64_t)run << 48 | (uint64_t)stream << 40 | seq};

	*record = (struct record){
		.run = run_number(run),
		.seq = seq,
		.ordinal = seq,
		.source_index = seq - 1,
		.pts = (int64_t)seq * 40000000,
		.captured = (int64_t)seq,
		.captured_wall = (int64_t)seq,
		.published = (int64_t)seq,
		.claimed = (int64_t)seq,
		.finished = (int64_t)seq,
		.width = 64,
		.height = 48,
		.label = "circle",
	};
	if (stream == UNITS) {
		record->coding = seq % GOP == 1 ? CODING_H264_KEY : CODING_H264;
		record->dts = record->pts - 40000000;
	}
	snprintf(record->stream, sizeof(record->stream), "%s", stream_name(stream));
	record->coded_bytes = (uint32_t)chance_below(&chance, CODED_MAX);
	for (uint32_t i = 0; i < record->coded_bytes; i++)
		coded[i] = (uint8_t)chance_next(&chance);
}

/* Both as the bytes that they are in a segment. */
static bool same_frame(const struct record *a, const uint8_t *coded_a, const struct record *b,
		       const uint8_t *coded_b)
{
	static uint8_t bytes_a[RECORD_HEADER_MAX + CODED_MAX + 16], bytes_b[sizeof(bytes_a)];

	if (a->coded_bytes != b->coded_bytes || a->coding != b->coding)
		return false;
	record_encode(a, coded_a, bytes_a);
	record_encode(b, coded_b, bytes_b);
	return memcmp(bytes_a, bytes_b, record_length(a->coding, a->coded_bytes)) == 0;
}

/* A row does not tell the time of decoding. */
static bool same_row(const struct record *row, const uint8_t *coded, const struct record *wanted,
		     const uint8_t *wanted_coded)
{
	struct record whole = *row;

	whole.dts = wanted->dts;
	return same_frame(&whole, coded, wanted, wanted_coded);
}

/* Up to which number the frames of a stream went, the oldest first. */
static uint64_t gone(struct recording *recording, uint64_t run, const char *stream)
{
	struct index_range range;

	if (recording_next_forgotten(recording, run, stream, 0, &range) < 0)
		return 0;
	return range.first_seq == 1 ? range.last_seq : 0;
}

/* Frames 1 … n of one stream, all that have not gone as they were made; -1: not. */
static int64_t judge_stream(struct recording *recording, unsigned run, unsigned stream, char *why,
			    size_t why_size)
{
	uint8_t wanted_coded[CODED_MAX];
	struct record wanted, record;
	const uint8_t *coded;
	struct index_row row;
	uint32_t segment = 0;
	uint64_t seq = gone(recording, run_number(run), stream_name(stream));

	while (recording_next(recording, run_number(run), stream_name(stream), seq, &row) == 0) {
		int rc = recording_read(recording, &row, &record, &coded);

		make_frame(run, stream, ++seq, &wanted, wanted_coded);
		if (segment != row.segment && row.record.coding == CODING_H264) {
			snprintf(why, why_size, "segment %06u begins without a keyframe",
				 row.segment);
			return -1;
		}
		segment = row.segment;
		if (rc == 0 && row.record.seq == seq &&
		    same_frame(&record, coded, &wanted, wanted_coded) &&
		    row.coded_at == row.offset + record_header(wanted.coding) &&
		    same_row(&row.record, coded, &wanted, wanted_coded))
			continue;
		snprintf(why, why_size, "frame %" PRIu64 " of run %u %s: number %" PRIu64 ", %s",
			 seq, run, stream_name(stream), row.record.seq,
			 rc < 0 ? error_text(rc) : "not as it was made");
		return -1;
	}
	return (int64_t)seq;
}

/* What they are, verify tells. */
static int64_t judge_old(struct recording *recording, const struct promise *promise, char *why,
			 size_t why_size)
{
	for (unsigned i = 0; i < STREAMS && promise->old > 0; i++) {
		struct index_tally tally;
		struct index_row row;

		if (recording_tally(recording, RIG_RUN, stream_name(i), &tally) == 0 &&
		    tally.frames == promise->old &&
		    (gone(recording, RIG_RUN, stream_name(i)) == promise->old ||
		     recording_find(recording, RIG_RUN, stream_name(i), promise->old, &row) == 0))
			continue;
		snprintf(why, why_size, "frames of the previous version are lost: %s has %" PRIu64,
			 stream_name(i), tally.frames);
		return -1;
	}
	return (int64_t)promise->old * STREAMS;
}

static int64_t judge_frames(struct recording *recording, const struct promise *promise, char *why,
			    size_t why_size)
{
	int64_t all = judge_old(recording, promise, why, why_size);

	for (unsigned i = 0; all >= 0 && i < RUNS * STREAMS; i++) {
		unsigned run = i / STREAMS, stream = i % STREAMS;
		uint64_t settled = promise->settled[run][stream];
		int64_t frames = judge_stream(recording, run, stream, why, why_size);

		if (frames < 0)
			return -1;
		if ((uint64_t)frames < settled) {
			snprintf(why, why_size,
				 "settled frames are lost: run %u %s ends with %" PRId64
				 ", settled were %" PRIu64,
				 run, stream_name(stream), frames, settled);
			return -1;
		}
		all += frames;
	}
	return all;
}

/* The first fault is enough. */
static void note_fault(void *arg, const char *line)
{
	char *first = arg;

	if (first[0] == 0)
		snprintf(first, 256, "%s", line);
}

int64_t judge(const char *folder, const struct promise *promise, char *why, size_t why_size)
{
	struct verify_report report = {0};
	struct recording *recording;
	char first[256] = "";
	const struct verify_options options = {.folder = folder, .fault = note_fault, .arg = first};
	int64_t frames;

	if (recording_open(&recording, folder, why, why_size) < 0)
		return -1;
	frames = judge_frames(recording, promise, why, why_size);
	recording_close(recording);
	if (frames < 0)
		return -1;
	if (verify_recording(&options, &report) == 0 && report.faults == 0)
		return frames;
	snprintf(why, why_size, "verify: %s", first);
	return -1;
}
