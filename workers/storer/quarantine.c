/* Two files, each under another name until it is whole and synced. */
#include "workers/storer/quarantine.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/folders.h"
#include "ipc/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIXELS "frame.i420"
#define CODED  "frame.jpg"
#define ABOUT  "frame.txt"

static int write_all(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;
	while (size > 0) {
		ssize_t n = write(fd, at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_from_errno(errno);
		at += n;
		size -= (size_t)n;
	}
	return fdatasync(fd) < 0 ? error_from_errno(errno) : 0;
}

/* The file is there with all of the bytes, or it is not there. */
static int write_file(int folder, const char *name, const void *bytes, size_t size)
{
	char half[64];
	snprintf(half, sizeof(half), "%s.tmp", name);
	int fd = openat(folder, half, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_from_errno(errno);
	int rc = write_all(fd, bytes, size);
	if (close(fd) < 0 && rc == 0)
		rc = error_from_errno(errno);
	if (rc == 0 && renameat(folder, half, folder, name) < 0)
		rc = error_from_errno(errno);
	if (rc < 0)
		unlinkat(folder, half, 0);
	return rc;
}

static void describe_layout(FILE *out, uint32_t width, uint32_t height)
{
	size_t luma = (size_t)width * height;
	fprintf(out, "width: %" PRIu32 "\nheight: %" PRIu32 "\n", width, height);
	fprintf(out,
		"format: I420 (yuvj420p), full range BT.601, planes Y, U, V without gaps\n"
		"stride: %" PRIu32 " %" PRIu32 " %" PRIu32 "\n"
		"offset: 0 %zu %zu\n"
		"bytes: %zu\n",
		width, width / 2, width / 2, luma, luma + luma / 4, luma + luma / 2);
}

/* Commands that a person can paste, in the folder of the frame. */
static void describe_use(FILE *out, uint32_t width, uint32_t height)
{
	char raw[128];
	snprintf(raw, sizeof(raw),
		 "-f rawvideo -pixel_format yuvj420p -video_size %" PRIu32 "x%" PRIu32, width,
		 height);
	fprintf(out,
		"\nLook at it:\n"
		"  ffplay %s " PIXELS "\n"
		"As a picture:\n"
		"  ffmpeg %s -i " PIXELS " frame.png\n"
		"To a processor again: make frame.png the source of a stream, then `troupe up`\n",
		raw, raw);
}

static void describe(FILE *out, const struct worker *w, const struct frame *frame)
{
	const struct stream_row *stream = frame->stream;
	char captured[32];
	clock_format_wall(frame->record->captured_wall, captured, sizeof(captured));
	fprintf(out, "pipeline: %s\nrun: %" PRIu64 "\nstream: %s\nseq: %" PRIu64 "\n",
		worker_pipeline(w), worker_ledger(w)->header->run, stream->name, frame->seq);
	fprintf(out, "source_index: %" PRIu64 "\npts_ns: %" PRId64 "\ncaptured: %s\n",
		frame->record->source_index, frame->record->pts, captured);
	if (frame->record->coded_at_source == CODED_PICTURE) {
		fprintf(out, "format: JPEG, as it came from its source\nfile: " CODED "\n");
		return;
	}
	describe_layout(out, stream->width, stream->height);
	describe_use(out, stream->width, stream->height);
}

static int write_about(int folder, const struct worker *w, const struct frame *frame)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return TROUPE_E_MEMORY;
	describe(out, w, frame);
	int rc = fclose(out) != 0 ? TROUPE_E_MEMORY : write_file(folder, ABOUT, text, size);
	free(text);
	return rc;
}

static int write_pixels(int folder, const struct frame *frame)
{
	size_t pixels = (size_t)frame->stream->width * frame->stream->height * 3 / 2;
	if (frame->record->coded_at_source == CODED_PICTURE &&
	    frame->record->coded_bytes <= frame->stream->coded_size)
		return write_file(folder, CODED, frame->coded, frame->record->coded_bytes);
	return write_file(folder, PIXELS, frame->image, pixels);
}

static int write_both(int folder, const struct worker *w, const struct frame *frame)
{
	int rc = write_pixels(folder, frame);
	if (rc == 0)
		rc = write_about(folder, w, frame);
	if (rc == 0 && fsync(folder) < 0)
		rc = error_from_errno(errno);
	return rc;
}

/* Writes both files durably, frame.txt last: where it is, all is whole. Does nothing where it is
 * already, or where there is no folder (nothing shall be kept). Before the frame is settled, so
 * that a storer which is killed half-way is offered the frame again. An error has left no half of
 * a file, and is explained in `why`. */
static int keep_frame(const struct worker *w, const struct frame *frame, char *why, size_t why_size)
{
	char path[1024];
	const char *state = worker_state_folder(w);
	if (!*state || folder_quarantined(state, worker_ledger(w)->header->run, frame->stream->name,
					  frame->seq, path, sizeof(path)) < 0)
		return 0;
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = 0;
	if (folder < 0 && errno != ENOENT)
		rc = error_from_errno(errno);
	if (folder >= 0 && faccessat(folder, ABOUT, F_OK, 0) < 0)
		rc = write_both(folder, w, frame);
	if (folder >= 0)
		close(folder);
	if (rc == TROUPE_E_NOT_FOUND)
		rc = 0; /* the folder was removed meanwhile: newer ones have taken its place */
	if (rc < 0)
		snprintf(why, why_size, "frame %" PRIu64 " of %s cannot be kept in %s: %s",
			 frame->seq, frame->stream->name, path, error_text(rc));
	return rc;
}

void quarantine_keep(struct worker *w, const struct frame *frame, uint64_t *not_kept)
{
	char why[1280];

	worker_progress(w);
	if (keep_frame(w, frame, why, sizeof(why)) < 0 && *not_kept != frame->seq) {
		*not_kept = frame->seq;
		log_warn("quarantine: %s; the recording goes on", why);
		worker_report(w, "quarantine: %s", why);
	}
	worker_progress(w);
}
