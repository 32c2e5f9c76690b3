/* H.264 as it is; see export_copy.h. */
#include "tools/troupe/export_copy.h"

#include "ipc/base/errors.h"

bool export_can_copy(struct export *export)
{
	struct range *range = &export->range;
	size_t at = range->at;
	uint64_t after = range->after, run = 0;
	struct index_row row;
	bool can = true;
	range_rewind(range);
	while (can && range_next(range, &row) == 0) {
		can = row.record.run == run ? row.record.coding != CODING_JPEG
					    : row.record.coding == CODING_H264_KEY;
		run = row.record.run;
	}
	range->at = at;
	range->after = after;
	return can;
}

/* Its frame has moved to another segment since: once more. */
static int read_packet(struct export *export, const struct index_row *row, struct record *record,
		       const uint8_t **coded)
{
	struct recording *recording = frames_recording(export->frames);
	struct index_row now;
	int rc = recording_read(recording, row, record, coded);
	if (rc == TROUPE_E_NOT_FOUND &&
	    recording_find(recording, row->record.run, row->record.stream, row->record.seq, &now) ==
		    0)
		rc = recording_read(recording, &now, record, coded);
	return rc;
}

int export_copy_next(struct export *export, struct export_copy *copy, const struct index_row *row,
		     struct movie_packet *packet)
{
	const uint8_t *coded;
	struct record record;
	int rc = read_packet(export, row, &record, &coded);
	if (rc == 0 && record.coding == CODING_JPEG)
		return TROUPE_E_STATE;
	bool key = rc == 0 && record.coding == CODING_H264_KEY;
	if (rc < 0 || (copy->broken && !key)) {
		copy->broken = true;
		return rc < 0 ? export_explain(export, rc, "a frame cannot be read")
			      : TROUPE_E_CORRUPT;
	}
	int64_t at = film_clock_next(&export->clock, &record);
	int64_t dts = at + record.dts - record.pts;
	if (copy->begun && dts <= copy->dts)
		return TROUPE_E_STATE;
	*copy = (struct export_copy){.begun = true, .dts = dts};
	*packet = (struct movie_packet){
		.data = coded,
		.size = record.coded_bytes,
		.pts = at,
		.dts = dts,
		.duration = film_clock_last(&export->clock),
		.key = key,
	};
	return 0;
}
