/* H.264 as it is; see export_copy.h. */
#include "tools/troupe/export_copy.h"

#include "ipc/base/errors.h"

#include <stdlib.h>
#include <string.h>

/* More than a key picture brings along anywhere; who sends more is encoded anew. */
#define UNITS_MAX 10000
#define BYTES_MAX (256u << 20)

struct export_unit {
	size_t at, size; /* of its bytes */
	int64_t shown;	 /* time in the film */
	int64_t dts;	 /* as recorded */
	uint32_t lacks;	 /* frames behind it that it needs */
	uint64_t run, seq;
	bool key;
};

bool export_can_copy(struct export *export)
{
	struct range range = export->range; /* a place of its own in the same spans */
	struct index_row row;
	uint64_t run = 0;
	bool can = true;
	range_rewind(&range);
	while (can && range_next(&range, &row) == 0) {
		can = row.record.run == run ? row.record.coding != CODING_JPEG
					    : row.record.coding == CODING_H264_KEY;
		run = row.record.run;
	}
	return can;
}

/* Its frame may have moved to another segment since. */
static int read_unit(const struct export_copy *copy, const struct index_row *row,
		     struct record *record, const uint8_t **coded)
{
	struct recording *recording = frames_recording(copy->export->frames);
	struct index_row now;
	int rc = recording_read(recording, row, record, coded);
	if (rc == TROUPE_E_NOT_FOUND &&
	    recording_find(recording, row->record.run, row->record.stream, row->record.seq, &now) ==
		    0)
		rc = recording_read(recording, &now, record, coded);
	return rc;
}

static int make_room(struct export_copy *copy, size_t bytes)
{
	if (copy->n_units == UNITS_MAX || bytes > BYTES_MAX - copy->n_bytes)
		return TROUPE_E_STATE;
	if (copy->n_units == copy->units_room) {
		size_t room = copy->units_room ? copy->units_room * 2 : 64;
		struct export_unit *larger = realloc(copy->units, room * sizeof(*larger));
		if (!larger)
			return TROUPE_E_MEMORY;
		copy->units = larger;
		copy->units_room = room;
	}
	if (copy->n_bytes + bytes > copy->bytes_room) {
		size_t room = (copy->n_bytes + bytes) * 2;
		uint8_t *larger = realloc(copy->bytes, room);
		if (!larger)
			return TROUPE_E_MEMORY;
		copy->bytes = larger;
		copy->bytes_room = room;
	}
	return 0;
}

/* ---- what belongs to a key picture goes out ---- */

static int by_dts(const void *a, const void *b)
{
	const struct export_unit *one = *(const struct export_unit *const *)a;
	const struct export_unit *other = *(const struct export_unit *const *)b;
	return one->dts < other->dts ? -1 : one->dts > other->dts;
}

static int put_unit(struct export_copy *copy, const struct export_unit *unit, int64_t dts)
{
	/* Where decoding has to be further ahead than it was so far, it cannot be made up for. */
	if (copy->begun && dts <= copy->dts)
		dts = copy->dts + 1;
	if (dts > unit->shown)
		return TROUPE_E_STATE;
	copy->begun = true;
	copy->dts = dts;
	return copy->put(copy->arg, &(struct movie_packet){
					    .data = copy->bytes + unit->at,
					    .size = unit->size,
					    .pts = unit->shown,
					    .dts = dts,
					    .duration = film_clock_last(&copy->export->clock),
					    .key = unit->key,
				    });
}

/* In the order of decoding the n-th packet gets the time of the n-th frame that is shown, less a
 * delay by which each comes before it is shown. */
static int put_sorted(struct export_copy *copy, const struct export_unit **sorted)
{
	for (size_t i = 0; i < copy->n_units; i++) {
		int64_t early = copy->units[i].shown - sorted[i]->shown;
		copy->delay = early > copy->delay ? early : copy->delay;
	}
	for (size_t i = 0; i < copy->n_units; i++) {
		int rc = put_unit(copy, sorted[i], copy->units[i].shown - copy->delay);
		if (rc < 0)
			return rc;
	}
	copy->n_units = copy->n_bytes = 0;
	return 0;
}

/* Whether a frame needs one that the film does not have. */
static bool lacks_some(const struct export_copy *copy)
{
	for (size_t i = 0; i < copy->n_units; i++) {
		if (copy->units[i].lacks >= copy->n_units - i)
			return true;
	}
	return false;
}

static int flush(struct export_copy *copy)
{
	if (lacks_some(copy))
		return TROUPE_E_STATE;
	const struct export_unit **sorted = calloc(copy->n_units + 1, sizeof(const void *));
	if (!sorted)
		return TROUPE_E_MEMORY;
	for (size_t i = 0; i < copy->n_units; i++)
		sorted[i] = &copy->units[i];
	qsort(sorted, copy->n_units, sizeof(const void *), by_dts);
	int rc = put_sorted(copy, sorted);
	free(sorted);
	return rc;
}

/* ---- frames come in ---- */

/* Numbers without a gap: no frame in between was left out of the film, nor of the recording. */
static bool follows(const struct export_copy *copy, const struct record *record)
{
	const struct export_unit *last = &copy->units[copy->n_units - 1];
	return copy->n_units == 0 || (last->run == record->run && last->seq + 1 == record->seq);
}

int export_copy_add(struct export_copy *copy, const struct index_row *row)
{
	const uint8_t *coded;
	struct record record;
	int rc = read_unit(copy, row, &record, &coded);
	if (rc < 0 || record.coding == CODING_JPEG)
		return TROUPE_E_STATE; /* what follows may need it: that is not ours to know */
	bool key = record.coding == CODING_H264_KEY;
	if (key && copy->n_units > 0)
		rc = flush(copy);
	else if (!key && !follows(copy, &record))
		rc = TROUPE_E_STATE;
	if (rc == 0)
		rc = make_room(copy, record.coded_bytes);
	if (rc < 0)
		return rc;
	memcpy(copy->bytes + copy->n_bytes, coded, record.coded_bytes);
	copy->units[copy->n_units++] = (struct export_unit){
		.at = copy->n_bytes,
		.size = record.coded_bytes,
		.shown = film_clock_next(&copy->export->clock, &record),
		.dts = record.dts,
		.lacks = record.lacks,
		.run = record.run,
		.seq = record.seq,
		.key = key,
	};
	copy->n_bytes += record.coded_bytes;
	return 0;
}

int export_copy_end(struct export_copy *copy)
{
	return flush(copy);
}

void export_copy_finish(struct export_copy *copy)
{
	free(copy->units);
	free(copy->bytes);
}
