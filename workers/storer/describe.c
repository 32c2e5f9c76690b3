/* A frame's record in the recording. */
#include "workers/storer/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Label numbers become their names: a recording outlives the ledger. */
static void name_label(const struct ledger *ledger, int32_t label, char out[NAME_SIZE])
{
	uint32_t count = atomic_load(&ledger->header->n_labels);

	if (label == 0)
		out[0] = 0;
	else if (label > 0 && (uint32_t)label < count && label < LABELS_MAX)
		snprintf(out, NAME_SIZE, "%.*s", NAME_SIZE - 1, ledger->header->labels[label]);
	else
		snprintf(out, NAME_SIZE, "#%" PRId32, label);
}

void describe_frame(const struct ledger *ledger, uint32_t tap, const struct frame *frame,
		    struct record *record)
{
	const struct slot_record *from = frame->record;

	*record = (struct record){
		.seq = frame->seq,
		.ordinal = from->ordinal[tap],
		.source_index = from->source_index,
		.pts = from->pts,
		.captured = from->captured,
		.captured_wall = from->captured_wall,
		.published = from->published,
		.width = frame->stream->width,
		.height = frame->stream->height,
		.marks = (frame->bypassed ? MARK_BYPASSED : 0u) |
			 (frame->quarantined ? MARK_QUARANTINED : 0u),
	};
	memcpy(record->drops_before, from->drops_before, sizeof(record->drops_before));
	name_label(ledger, from->label, record->label);
	if (frame->bypassed)
		return; /* what a processor may still be writing is void */
	record->claimed = from->claimed;
	record->finished = from->finished;
	record->model_version = from->model_version;
	record->probability = from->probability;
	record->motion = from->motion;
	name_label(ledger, from->prediction, record->prediction);
}
