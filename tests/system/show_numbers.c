/* Reads the frame number out of the pixels of every frame of a recording, however it is coded:
 * "RUN STREAM SEQ NUMBER CODING" a line, in the order of frames; with "backwards" each stream from
 * its last frame to its first. NUMBER is -1 where none can be read, and -2 where there is no
 * picture. */
#include "workers/media/barcode.h"
#include "workers/storer/frames.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int64_t number_of(struct frames *frames, const struct index_row *row)
{
	struct frames_picture picture;
	if (frames_show_i420(frames, row, &picture) < 0)
		return -2;
	int64_t number =
		pattern_read_number(picture.i420, picture.width, picture.width, picture.height);
	return number < 0 ? -1 : number;
}

static int next(struct recording *recording, bool backwards, struct index_row *row)
{
	const struct record at = row->record;
	return backwards ? recording_previous(recording, at.run, at.stream, at.seq, row)
			 : recording_next(recording, at.run, at.stream, at.seq, row);
}

static void show_stream(struct frames *frames, uint64_t run, const char *stream, bool backwards)
{
	struct index_row row = {.record.run = run, .record.seq = backwards ? INT64_MAX : 0};
	snprintf(row.record.stream, sizeof(row.record.stream), "%s", stream);
	while (next(frames_recording(frames), backwards, &row) == 0)
		printf("%" PRIu64 " %s %" PRIu64 " %" PRId64 " %" PRIu32 "\n", run, stream,
		       row.record.seq, number_of(frames, &row), row.record.coding);
}

int main(int argc, char **argv)
{
	struct frames *frames;
	char why[512], stream[NAME_SIZE];
	uint64_t run = 0;
	if (argc < 2 || frames_open(&frames, argv[1], why, sizeof(why)) < 0) {
		fprintf(stderr, "%s\n", argc < 2 ? "usage: show-numbers FOLDER [backwards]" : why);
		return 1;
	}
	while (recording_next_run(frames_recording(frames), run, &run) == 0) {
		stream[0] = '\0';
		while (recording_next_stream(frames_recording(frames), run, stream, stream) == 0)
			show_stream(frames, run, stream, argc > 2);
	}
	frames_close(frames);
	return 0;
}
