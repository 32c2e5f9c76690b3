/* Decoding along a segment of H.264. Its records lie in the order of presentation, and a key
 * picture parts what comes before it from what comes behind it in both orders; between two of them
 * a camera may have sent pictures before others that are shown first. So where pictures change
 * places, access units wait until no earlier one can come (REORDER_MAX is what the standard
 * allows), and go to the decoder by their decoding times. A frame is known by its place in the
 * segment, which goes through the decoder as its id. */
#include "workers/storer/frames_gop.h"

#include "ipc/base/errors.h"
#include "workers/media/h264.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REORDER_MAX 16
/* Pictures that are kept, for steps backwards: so many bytes, and so many pictures at most. */
#define KEPT_BYTES ((size_t)64 << 20)
#define KEPT_MAX   64
#define KEPT_LEAST 2

/* An access unit that waits for its turn. */
struct unit {
	uint64_t at; /* its record's place */
	int64_t dts;
	bool key;
	uint8_t *data;
	size_t size, capacity;
};

/* A picture that came out. */
struct kept {
	uint32_t segment; /* 0: none */
	uint64_t at;
	uint8_t *i420;
	size_t capacity;
	uint32_t width, height;
	bool damaged;
};

struct gop {
	struct recording *recording;
	const struct h264_module *h264;
	struct h264_decoder *decoder;
	uint32_t segment; /* that is decoded; 0: none */
	uint64_t begun;	  /* place of the key picture where that began */
	uint64_t next;	  /* place behind what was read */
	uint64_t shown;	  /* highest place that came out; 0: none */
	uint32_t ahead;	  /* access units that wait: 0 where pictures keep their places */
	int64_t fed;	  /* dts of what the decoder got last */
	bool over;	  /* it got all there is: going on means beginning anew */
	bool hasty;	  /* what the last pictures need may have been stored since */
	bool lacks;	  /* something since the last key picture could not be decoded */
	struct unit waiting[REORDER_MAX + 1];
	uint32_t n_waiting;
	struct kept kept[KEPT_MAX];
	uint32_t newest; /* of the kept ones */
};

int gop_create(struct gop **gop, struct recording *recording, char *why, size_t why_size)
{
	struct gop *made = calloc(1, sizeof(*made));
	int rc = TROUPE_E_MEMORY;

	*gop = NULL;
	if (made == NULL) {
		snprintf(why, why_size, "%s", error_text(rc));
		return rc;
	}
	made->recording = recording;
	rc = h264_load(&made->h264, why, why_size);
	if (rc == 0)
		rc = made->h264->decoder_create(&made->decoder, why, why_size);
	if (rc < 0) {
		gop_destroy(made);
		return rc;
	}
	*gop = made;
	return 0;
}

void gop_destroy(struct gop *gop)
{
	if (gop == NULL)
		return;
	for (size_t i = 0; i <= REORDER_MAX; i++)
		free(gop->waiting[i].data);
	for (size_t i = 0; i < KEPT_MAX; i++)
		free(gop->kept[i].i420);
	if (gop->h264 != NULL)
		gop->h264->decoder_destroy(gop->decoder);
	free(gop);
}

static int make_room(uint8_t **data, size_t *capacity, size_t size)
{
	uint8_t *more;

	if (size <= *capacity)
		return 0;
	more = realloc(*data, size);
	if (more == NULL)
		return TROUPE_E_MEMORY;
	*data = more;
	*capacity = size;
	return 0;
}

/* ---- pictures that came out ---- */

static const struct kept *kept_find(const struct gop *gop, const struct index_row *row)
{
	for (size_t i = 0; i < KEPT_MAX; i++)
		if (gop->kept[i].segment == row->segment && gop->kept[i].at == row->offset)
			return &gop->kept[i];
	return NULL;
}

static void kept_forget(struct gop *gop)
{
	for (size_t i = 0; i < KEPT_MAX; i++)
		gop->kept[i].segment = 0;
}

static uint32_t kept_limit(size_t size)
{
	size_t fit = KEPT_BYTES / size;

	return fit < KEPT_LEAST ? KEPT_LEAST : fit < KEPT_MAX ? (uint32_t)fit : KEPT_MAX;
}

/* The oldest one goes. */
static int keep(struct gop *gop, const struct h264_picture *picture)
{
	size_t size = (size_t)picture->width * picture->height * 3 / 2;
	struct kept *kept;
	int rc;

	gop->newest = (gop->newest + 1) % kept_limit(size);
	kept = &gop->kept[gop->newest];
	kept->segment = 0;
	rc = make_room(&kept->i420, &kept->capacity, size);
	if (rc < 0)
		return rc;
	memcpy(kept->i420, picture->i420, size);
	kept->segment = gop->segment;
	kept->at = picture->id;
	kept->width = picture->width;
	kept->height = picture->height;
	kept->damaged = picture->damaged || gop->lacks;
	return 0;
}

/* ---- access units into the decoder ---- */

static void begin_at(struct gop *gop, const struct index_row *key)
{
	gop->h264->decoder_reset(gop->decoder);
	gop->segment = key->segment;
	gop->begun = gop->next = key->offset;
	gop->shown = 0;
	gop->fed = INT64_MIN;
	gop->over = gop->lacks = false;
	gop->n_waiting = 0;
}

/* Reads the next access unit of the segment to where it waits. TROUPE_E_ENDED. */
static int read_unit(struct gop *gop)
{
	struct unit *unit = &gop->waiting[gop->n_waiting];
	struct index_row row;
	struct record record;
	const uint8_t *coded;
	int rc = index_next_place(recording_index(gop->recording), gop->segment, gop->next, &row);

	if (rc < 0)
		return rc;
	rc = recording_read(gop->recording, &row, &record, &coded);
	if (rc == 0 && record.coding == CODING_JPEG)
		rc = TROUPE_E_CORRUPT;
	if (rc == 0)
		rc = make_room(&unit->data, &unit->capacity, record.coded_bytes);
	if (rc < 0)
		return rc;
	memcpy(unit->data, coded, record.coded_bytes);
	unit->size = record.coded_bytes;
	unit->at = row.offset;
	unit->dts = record.dts;
	/* Of a stream whose pictures change places the first is shown later than it is decoded. */
	if (record.lacks > 0 || (row.offset == gop->begun && record.dts < record.pts))
		gop->ahead = REORDER_MAX;
	unit->key = record.coding == CODING_H264_KEY;
	gop->next = row.offset + row.length;
	gop->n_waiting++;
	return 0;
}

/* Gives the decoder what is to be decoded first of all that waits. What it cannot use is told by
 * the pictures that lack it. */
static int put_first(struct gop *gop)
{
	struct unit first, *unit = &gop->waiting[0];
	int rc;

	for (uint32_t i = 1; i < gop->n_waiting; i++)
		if (gop->waiting[i].dts < unit->dts)
			unit = &gop->waiting[i];
	first = *unit;
	*unit = gop->waiting[--gop->n_waiting];
	gop->waiting[gop->n_waiting] = first;
	if (first.dts < gop->fed && gop->ahead == 0)
		return TROUPE_E_AGAIN; /* they change places after all */
	gop->fed = first.dts;
	gop->lacks &= !first.key;
	rc = gop->h264->decoder_put(gop->decoder, first.data, first.size, first.at);
	gop->lacks |= rc == TROUPE_E_CORRUPT;
	return rc == TROUPE_E_CORRUPT ? 0 : rc;
}

/* More may come behind the newest frame, and be needed by those before it. */
static bool still_grows(const struct gop *gop)
{
	struct index_segment segment;

	return index_segment(recording_index(gop->recording), gop->segment, &segment) < 0 ||
	       segment.state == SEGMENT_OPEN;
}

/* One more access unit for the decoder, or the news that there is none. What cannot be read ends
 * all that can be shown from this key picture on: what follows may need it. */
static int feed(struct gop *gop)
{
	int rc = gop->over ? TROUPE_E_ENDED : read_unit(gop);

	if (rc == 0)
		return gop->n_waiting > gop->ahead ? put_first(gop) : 0;
	if (rc == TROUPE_E_CORRUPT)
		gop->n_waiting = 0;
	else if (rc != TROUPE_E_ENDED)
		return rc;
	if (!gop->over)
		gop->hasty = gop->ahead > 0 && still_grows(gop);
	gop->over = true;
	return gop->n_waiting > 0 ? put_first(gop) : gop->h264->decoder_end(gop->decoder);
}

/* ---- the way to a frame ---- */

/* The last key picture up to the frame, not before `from`. TROUPE_E_ENDED. */
static int find_key(const struct gop *gop, const struct index_row *row, uint64_t from,
		    struct index_row *key)
{
	int rc = 0;

	*key = *row;
	while (rc == 0 && key->offset >= from) {
		if (key->record.coding == CODING_H264_KEY)
			return 0;
		rc = index_previous_place(recording_index(gop->recording), row->segment,
					  key->offset, key);
	}
	return rc < 0 ? rc : TROUPE_E_ENDED;
}

/* Goes on where the decoder is, if the frame lies ahead and no key picture is nearer. */
static int go_near(struct gop *gop, const struct index_row *row)
{
	bool ahead = gop->segment == row->segment && !gop->over && row->offset > gop->shown &&
		     row->offset >= gop->begun;
	struct index_row key;
	int rc;

	if (ahead && row->offset < gop->next)
		return 0;
	rc = find_key(gop, row, ahead ? gop->next + 1 : 0, &key);
	if (rc == TROUPE_E_ENDED)
		return ahead ? 0 : TROUPE_E_CORRUPT;
	if (rc < 0)
		return rc;
	if (gop->segment != key.segment)
		gop->ahead = 0;
	begin_at(gop, &key);
	return 0;
}

/* Pictures come in the order of places; one behind the wanted one says that it will not come. */
static int decode_until(struct gop *gop, uint64_t wanted)
{
	while (gop->shown < wanted) {
		struct h264_picture picture;
		int rc = gop->h264->decoder_take(gop->decoder, &picture);

		if (rc == 0) {
			rc = keep(gop, &picture);
			gop->shown = picture.id;
		} else if (rc == TROUPE_E_AGAIN) {
			rc = feed(gop);
		} else if (rc == TROUPE_E_CORRUPT) {
			gop->lacks = true;
			rc = 0;
		} else if (rc == TROUPE_E_ENDED) {
			rc = TROUPE_E_CORRUPT;
		}
		if (rc < 0)
			return rc;
	}
	return gop->shown == wanted ? 0 : TROUPE_E_CORRUPT;
}

/* Once more from the key picture, and with patience. */
static int begin_anew(struct gop *gop, const struct index_row *row)
{
	kept_forget(gop);
	gop->ahead = REORDER_MAX;
	gop->over = true;
	return go_near(gop, row);
}

int gop_show(struct gop *gop, const struct index_row *row, struct gop_picture *picture)
{
	const struct kept *kept;
	int rc = 0;

	if (gop->hasty)
		kept_forget(gop);
	gop->hasty = false;
	kept = kept_find(gop, row);
	if (kept == NULL) {
		rc = go_near(gop, row);
		if (rc == 0)
			rc = decode_until(gop, row->offset);
		if (rc == TROUPE_E_AGAIN)
			rc = begin_anew(gop, row);
		if (rc == 0)
			rc = decode_until(gop, row->offset);
		kept = kept_find(gop, row);
	}
	if (rc < 0 || kept == NULL) {
		gop->over = true;
		return rc < 0 ? rc : TROUPE_E_CORRUPT;
	}
	*picture = (struct gop_picture){kept->i420, kept->width, kept->height, kept->damaged};
	return 0;
}
