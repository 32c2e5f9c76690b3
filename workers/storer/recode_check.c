/* The proof that nothing is lost by coding anew: record by record, picture by picture. */
#include "ipc/base/errors.h"
#include "workers/media/h264.h"
#include "workers/media/jpeg.h"
#include "workers/storer/recode.h"
#include "workers/storer/segment.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pictures are compared by the means of blocks, which any useful quality keeps: two that differ by
 * more on the average (levels of 255) are not the same picture. */
#define BLOCK	     8
#define DIFFERS_MOST 16

/* One frame in both files. */
struct pair {
	uint64_t before, after; /* places */
};

struct check {
	const struct recode_job *job;
	const struct h264_module *h264;
	struct h264_decoder *h264_decoder;
	struct jpeg_decoder *jpeg_decoder;
	struct segment_reader old, new;
	struct segment_reader again; /* the old one's pictures, as the new one's come out */
	struct pair *pairs;
	size_t n_pairs, room, n_seen;
	char *why;
	size_t why_size;
};

static int explain(struct check *check, int code, const char *what)
{
	snprintf(check->why, check->why_size, "%s: %s", what, error_text(code));
	return code;
}

static int differs(struct check *check, const struct record *record, const char *what)
{
	snprintf(check->why, check->why_size, "%s, frame %" PRIu64 ": %s", record->stream,
		 record->seq, what);
	return TROUPE_E_CORRUPT;
}

/* ---- records ---- */

static bool same_but_for_coding(const struct record *old, const struct record *new)
{
	uint8_t left[RECORD_HEADER_MAX + 16], right[RECORD_HEADER_MAX + 16];
	struct record a = *old, b = *new;

	b.coding = a.coding;
	b.dts = a.dts;
	a.coded_bytes = b.coded_bytes = 0;
	record_encode(&a, NULL, left);
	record_encode(&b, NULL, right);
	return memcmp(left, right, record_length(a.coding, 0)) == 0;
}

static int note_pair(struct check *check, uint64_t before, uint64_t after)
{
	if (check->n_pairs == check->room) {
		size_t room = check->room > 0 ? check->room * 2 : 1024;
		struct pair *more = realloc(check->pairs, room * sizeof(*more));

		if (more == NULL)
			return explain(check, TROUPE_E_MEMORY, "checking");
		check->pairs = more;
		check->room = room;
	}
	check->pairs[check->n_pairs++] = (struct pair){before, after};
	return 0;
}

/* ---- pictures ---- */

static uint32_t block_mean(const uint8_t *luma, uint32_t stride, uint32_t column, uint32_t row)
{
	const uint8_t *at = luma + (size_t)row * BLOCK * stride + (size_t)column * BLOCK;
	uint32_t sum = 0;

	for (uint32_t y = 0; y < BLOCK; y++, at += stride)
		for (uint32_t x = 0; x < BLOCK; x++)
			sum += at[x];
	return sum / (BLOCK * BLOCK);
}

/* An eighth of a JPEG is the means of its blocks. */
static bool alike(const struct jpeg_picture *small, const struct h264_picture *picture)
{
	uint32_t columns = picture->width / BLOCK, rows = picture->height / BLOCK;
	uint64_t sum = 0;

	if (small->width < columns || small->height < rows)
		return false;
	for (uint32_t row = 0; row < rows; row++) {
		for (uint32_t column = 0; column < columns; column++) {
			uint32_t mean = block_mean(picture->i420, picture->width, column, row);

			sum += (uint32_t)abs((int)mean -
					     small->pixels[(size_t)row * small->width + column]);
		}
	}
	return sum <= (uint64_t)DIFFERS_MOST * rows * columns;
}

static int check_picture(struct check *check, const struct h264_picture *picture)
{
	const struct pair *pair = &check->pairs[check->n_seen];
	struct jpeg_picture small;
	struct record record;
	const uint8_t *jpeg;
	uint32_t length;
	int rc = segment_read(&check->again, pair->before, &record, &jpeg, &length);

	if (rc < 0)
		return explain(check, rc, "reading");
	if (picture->id != pair->after || picture->damaged)
		return differs(check, &record, "its picture cannot be decoded");
	rc = jpeg_decode_reduced(check->jpeg_decoder, jpeg, record.coded_bytes, JPEG_GRAY, 1, 1,
				 &small);
	if (rc < 0)
		return explain(check, rc, "decoding");
	if (picture->width != (small.full_width & ~1U) ||
	    picture->height != (small.full_height & ~1U) || !alike(&small, picture))
		return differs(check, &record, "its picture is another one");
	check->n_seen++;
	return 0;
}

static int check_pictures(struct check *check, int until)
{
	struct h264_picture picture;
	int rc;

	while ((rc = check->h264->decoder_take(check->h264_decoder, &picture)) == 0) {
		rc = check->n_seen < check->n_pairs
			     ? check_picture(check, &picture)
			     : explain(check, TROUPE_E_CORRUPT, "pictures too many");
		if (rc < 0)
			return rc;
	}
	return rc == until ? 0 : explain(check, rc, "decoding");
}

/* ---- all of it ---- */

static int check_record(struct check *check, uint64_t *before, uint64_t *after)
{
	struct record old = {0}, new = {0};
	const uint8_t *coded = NULL;
	uint32_t old_length = 0, new_length = 0;
	int rc = segment_read(&check->old, *before, &old, NULL, &old_length);

	if (rc == 0)
		rc = segment_read(&check->new, *after, &new, &coded, &new_length);
	if (rc < 0)
		return explain(check, TROUPE_E_CORRUPT, "reading");
	if (!same_but_for_coding(&old, &new) || new.coding == CODING_JPEG)
		return differs(check, &old, "its record is another one");
	if (check->n_pairs == 0 && new.coding != CODING_H264_KEY)
		return differs(check, &old, "the first is no key picture");
	rc = note_pair(check, *before, *after);
	if (rc == 0) {
		rc = check->h264->decoder_put(check->h264_decoder, coded, new.coded_bytes, *after);
		rc = rc < 0 ? explain(check, rc, "decoding")
			    : check_pictures(check, TROUPE_E_AGAIN);
	}
	*before += old_length;
	*after += new_length;
	return rc;
}

static int check_all(struct check *check)
{
	const struct recode_job *job = check->job;
	uint64_t before = SEGMENT_HEADER, after = SEGMENT_HEADER;
	int rc = 0;

	while (rc == 0 && before < job->bytes)
		rc = check_record(check, &before, &after);
	if (rc == 0)
		rc = check->h264->decoder_end(check->h264_decoder);
	if (rc == 0)
		rc = check_pictures(check, TROUPE_E_ENDED);
	if (rc == 0 &&
	    ((int64_t)after != segment_size(&check->new) || check->n_seen != check->n_pairs))
		rc = explain(check, TROUPE_E_CORRUPT, "frames too many or too few");
	return rc;
}

static int open_all(struct check *check)
{
	const struct recode_job *job = check->job;
	char name[SEGMENT_NAME_SIZE];
	int rc = h264_load(&check->h264, check->why, check->why_size);

	if (rc == 0)
		rc = check->h264->decoder_create(&check->h264_decoder, check->why, check->why_size);
	if (rc < 0)
		return rc;
	check->jpeg_decoder = jpeg_decoder_create();
	if (check->jpeg_decoder == NULL)
		return explain(check, TROUPE_E_MEMORY, "checking");
	rc = segment_open(&check->old, job->segments, job->from);
	if (rc == 0)
		rc = segment_open(&check->again, job->segments, job->from);
	if (rc == 0)
		rc = segment_open_file(&check->new, job->segments,
				       segment_draft_name(job->to, name));
	if (rc == 0 &&
	    (check->new.header.number != job->to || check->new.header.replaces != job->from ||
	     strcmp(check->new.header.stream, check->old.header.stream) != 0))
		rc = TROUPE_E_CORRUPT;
	return rc < 0 ? explain(check, rc, "reading") : 0;
}

static void close_all(struct check *check)
{
	segment_close(&check->old);
	segment_close(&check->again);
	segment_close(&check->new);
	if (check->h264 != NULL)
		check->h264->decoder_destroy(check->h264_decoder);
	jpeg_decoder_destroy(check->jpeg_decoder);
	free(check->pairs);
}

int recode_check(const struct recode_job *job, char *why, size_t why_size)
{
	struct check check = {
		.job = job,
		.old.fd = -1,
		.new.fd = -1,
		.again.fd = -1,
		.why = why,
		.why_size = why_size,
	};
	int rc = open_all(&check);

	if (rc == 0)
		rc = check_all(&check);
	close_all(&check);
	return rc;
}
