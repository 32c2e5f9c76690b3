/* "file:PATH": a video file as a source. Index and pts grow over loops; a successor goes on at
 * exactly the next frame: by a seek whose landing is proved by pts and thumbnail, else by decoding
 * from the start. */
#include "workers/capture/source.h"

#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/capture/reader.h"
#include "workers/media/convert.h"
#include "workers/media/scale.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file that begins with more undecodable frames than this is not opened. */
#define DAMAGED_AT_START_MAX 250

struct file {
	struct source source;
	char path[512];
	bool loop;
	bool units; /* of pictures are wanted */
	struct reader *reader;
	const AVFrame *frame; /* the reader's, what `item` says */
	struct source_item item;
	bool peeked;
	uint64_t index;	     /* of the next frame */
	uint64_t loops;	     /* how often the end was reached */
	uint64_t in_loop;    /* frames since the beginning of this loop; after a seek, since then */
	int64_t loop_begins; /* pts of this loop's beginning */
	int64_t last_pts;    /* of the frame before, lost ones aside */
};

static struct file *file_of(struct source *source)
{
	return (struct file *)source;
}

static int open_reader(struct file *f, char *why, size_t why_size)
{
	reader_close(f->reader);
	f->reader = NULL;
	int rc = reader_open(&f->reader, f->path, &f->source.host, why, why_size);
	if (rc < 0 || !f->units)
		return rc;
	rc = reader_keep_units(f->reader);
	if (rc == TROUPE_E_UNSUPPORTED)
		return source_explain_codec(f->path, reader_info(f->reader)->codec, why, why_size);
	if (rc < 0)
		snprintf(why, why_size, "%s: %s", f->path, error_text(rc));
	return rc;
}

static int reopen(struct file *f)
{
	char why[640];
	int rc = open_reader(f, why, sizeof(why));
	if (rc < 0)
		log_error("capture: %s", why);
	return rc;
}

/* How long the file is, once it was read to its end. */
static int64_t loop_length(const struct file *f)
{
	int64_t last = reader_last_pts(f->reader);
	if (last == READER_NO_PTS)
		return (int64_t)f->in_loop * reader_step(f->reader);
	return last + reader_step(f->reader);
}

static int wrap(struct file *f)
{
	f->loop_begins += loop_length(f);
	f->loops++;
	f->in_loop = 0;
	return reopen(f);
}

/* Even for files whose times stand still, jump back or are missing, pts grows from frame to frame.
 */
static int64_t pts_of(const struct file *f, const AVFrame *frame)
{
	int64_t pts = reader_pts(f->reader, frame);
	if (pts == READER_NO_PTS)
		pts = (int64_t)f->in_loop * reader_step(f->reader);
	pts += f->loop_begins;
	return f->index > 0 && pts <= f->last_pts ? f->last_pts + 1 : pts;
}

static bool fits(const struct file *f, const AVFrame *frame)
{
	return (uint32_t)frame->width - (uint32_t)frame->width % 2 == f->source.info.width &&
	       (uint32_t)frame->height - (uint32_t)frame->height % 2 == f->source.info.height;
}

/* What a call of reader_next means for those who watch. */
static void describe(struct file *f, int rc)
{
	f->item = (struct source_item){.index = f->index, .pts = f->last_pts, .label = -1};
	if (rc == TROUPE_E_ENDED) {
		f->item.kind = SOURCE_IS_OVER;
	} else if (rc == TROUPE_E_CORRUPT || !convert_supported(f->frame->format)) {
		f->item.kind = SOURCE_IS_LOST;
		f->item.reason = DROP_DAMAGED;
	} else if (!fits(f, f->frame)) {
		f->item.kind = SOURCE_IS_LOST;
		f->item.reason = DROP_SIZE;
	} else {
		f->item.kind = SOURCE_IS_FRAME;
		f->item.pts = pts_of(f, f->frame);
	}
	f->peeked = true;
}

static int file_peek(struct source *source, struct source_item *item)
{
	struct file *f = file_of(source);
	while (!f->peeked) {
		int rc = reader_next(f->reader, &f->frame);
		if (rc == TROUPE_E_ENDED && f->loop && f->in_loop > 0) {
			rc = wrap(f);
			if (rc < 0)
				return rc;
			continue;
		}
		if (rc < 0 && rc != TROUPE_E_ENDED && rc != TROUPE_E_CORRUPT)
			return rc;
		describe(f, rc);
	}
	*item = f->item;
	return 0;
}

static int file_take(struct source *source, uint8_t *i420)
{
	struct file *f = file_of(source);
	f->peeked = false;
	f->index++;
	f->in_loop++;
	if (f->item.kind != SOURCE_IS_FRAME)
		return 0;
	f->last_pts = f->item.pts;
	return i420 ? convert_to_i420(f->frame, f->source.info.width, f->source.info.height, i420)
		    : 0;
}

static bool file_unit(struct source *source, struct source_unit *unit)
{
	const struct file *f = file_of(source);
	const struct unit *from = f->item.kind == SOURCE_IS_FRAME ? reader_unit(f->reader) : NULL;
	if (!from)
		return false;
	*unit = (struct source_unit){
		.bytes = from->packet->data,
		.size = (size_t)from->packet->size,
		.dts = from->dts + f->loop_begins,
		.lacks = from->lacks,
		.key = from->key,
	};
	return true;
}

/* Whether the frame at hand is the one whose thumbnail that is. */
static bool looks_like(const struct file *f, const uint8_t *thumb)
{
	uint32_t width = f->source.info.width, height = f->source.info.height;
	uint8_t seen[THUMB_SIZE];
	uint8_t *i420 = malloc((size_t)width * height * 3 / 2);
	bool same = i420 && convert_to_i420(f->frame, width, height, i420) == 0;
	if (same) {
		scale_luma_to_thumb(i420, width, width, height, seen);
		same = memcmp(seen, thumb, THUMB_SIZE) == 0;
	}
	free(i420);
	return same;
}

/* Finds the loop that `pts` is in, which needs the file's length. */
static int find_loop(struct file *f, int64_t pts)
{
	int rc = reader_skip_all(f->reader);
	int64_t length = loop_length(f);
	if (rc == 0)
		rc = reopen(f);
	if (rc < 0 || length <= 0)
		return rc;
	f->loops = (uint64_t)(pts / length);
	f->loop_begins = (int64_t)f->loops * length;
	return 0;
}

/* Goes to the frame of `mark` by a seek and consumes it. 1: done; 0: not found for certain. */
static int resume_by_seek(struct file *f, const struct source_mark *mark)
{
	int rc = f->loop ? find_loop(f, mark->pts) : 0;
	if (rc < 0)
		return rc;
	if (reader_seek(f->reader, mark->pts - f->loop_begins) < 0)
		return 0;
	while ((rc = reader_next(f->reader, &f->frame)) == 0 || rc == TROUPE_E_CORRUPT) {
		int64_t pts = rc == 0 ? reader_pts(f->reader, f->frame) : READER_NO_PTS;
		if (pts == READER_NO_PTS || pts + f->loop_begins < mark->pts)
			continue;
		if (pts + f->loop_begins > mark->pts || !fits(f, f->frame) ||
		    !looks_like(f, mark->thumb))
			return 0;
		f->index = mark->index + 1;
		f->in_loop = 1;
		f->last_pts = mark->pts;
		return 1;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

/* Counts frames from the very beginning; loops after the first are all alike and skipped. */
static int resume_by_counting(struct file *f, uint64_t index)
{
	struct source_item item;
	bool first_loop = true;
	while (f->index <= index) {
		int rc = file_peek(&f->source, &item);
		if (rc < 0)
			return rc;
		if (item.kind == SOURCE_IS_OVER)
			return 0;
		if (f->loops == 1 && first_loop) {
			uint64_t whole = (index - f->index) / f->index;
			f->loop_begins *= (int64_t)(whole + 1);
			f->loops += whole;
			f->index += whole * f->index;
			first_loop = false;
			describe(f, f->item.kind == SOURCE_IS_LOST ? TROUPE_E_CORRUPT : 0);
		}
		rc = file_take(&f->source, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int file_resume(struct source *source, const struct source_mark *mark)
{
	struct file *f = file_of(source);
	if (!mark->published)
		return 0; /* only lost frames so far: they will be met again, and not counted again
			   */
	int rc = resume_by_seek(f, mark);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	log_info("capture: %s cannot be entered exactly at frame %" PRIu64
		 ", decoding from its start",
		 f->path, mark->index + 1);
	f->loops = 0;
	f->in_loop = 0;
	f->index = 0;
	f->loop_begins = 0;
	rc = reopen(f);
	return rc < 0 ? rc : resume_by_counting(f, mark->index);
}

static void file_close(struct source *source)
{
	struct file *f = file_of(source);
	reader_close(f->reader);
	free(f);
}

static const struct source_table file_table = {
	.peek = file_peek,
	.take = file_take,
	.unit = file_unit,
	.resume = file_resume,
	.close = file_close,
};

/* Decodes the first frame: only now the size and the pixel format are known, and that there is one.
 */
static int read_geometry(struct file *f, char *why, size_t why_size)
{
	int rc = TROUPE_E_CORRUPT;
	for (int i = 0; rc == TROUPE_E_CORRUPT && i < DAMAGED_AT_START_MAX; i++)
		rc = reader_next(f->reader, &f->frame);
	if (rc < 0) {
		snprintf(why, why_size, "cannot open %s: no frame of it can be decoded", f->path);
		return TROUPE_E_CONFIG;
	}
	if (!convert_supported(f->frame->format)) {
		snprintf(why, why_size, "cannot open %s: its pixel format is not supported",
			 f->path);
		return TROUPE_E_CONFIG;
	}
	const struct reader_info *info = reader_info(f->reader);
	f->source.info = (struct source_info){
		.width = (uint32_t)f->frame->width & ~1U,
		.height = (uint32_t)f->frame->height & ~1U,
		.fps_num = info->fps_num,
		.fps_den = info->fps_den,
		.frames = f->loop ? 0 : info->frames,
	};
	if (f->source.info.width && f->source.info.height)
		return 0;
	snprintf(why, why_size, "cannot open %s: its frames are too small", f->path);
	return TROUPE_E_CONFIG;
}

int file_open(struct source **source, const char *rest, const struct capture_config *config,
	      struct source_host host, char *why, size_t why_size)
{
	struct file *f = calloc(1, sizeof(*f));
	if (!f) {
		snprintf(why, why_size, "%s", error_text(TROUPE_E_MEMORY));
		return TROUPE_E_MEMORY;
	}
	f->source.table = &file_table;
	f->source.host = host;
	f->loop = config->loop;
	f->units = capture_passes_through(config);
	snprintf(f->path, sizeof(f->path), "%s", rest);
	int rc = open_reader(f, why, why_size);
	if (rc == 0)
		rc = read_geometry(f, why, why_size);
	/* From the top again: what was lost before the first frame has to be counted, but not here.
	 */
	if (rc == 0)
		rc = open_reader(f, why, why_size);
	if (rc < 0) {
		file_close(&f->source);
		return rc;
	}
	*source = &f->source;
	return 0;
}
