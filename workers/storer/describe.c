/* A frame's record in the recording, and its coded bytes. */
#include "workers/storer/describe.h"

#include "ipc/base/errors.h"
#include "ipc/slots/record.h"
#include "workers/media/jpeg.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Label numbers become their names: a recording outlives the ledger. */
static void name_label(const struct ledger *ledger, int32_t label, char out[NAME_SIZE])
{
	if (!*ledger_label(ledger, label, out) && label != 0)
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

/* The JPEG that the source or a processor made; 0: there is none. A bypassed holder may still be
 * writing there, but not to what was coded at the source. */
static uint32_t jpeg_bytes(const struct frame *frame)
{
	uint32_t coded = frame->record->coded_at_source, bytes = frame->record->coded_bytes;
	bool made = !coded_is_unit(coded) && (!frame->bypassed || coded == CODED_PICTURE);

	return made && bytes <= frame->stream->coded_size ? bytes : 0;
}

int describe_coded(struct jpeg_encoder *encoder, const struct frame *frame, bool as_it_came,
		   struct record *record, const uint8_t **coded)
{
	const struct stream_row *stream = frame->stream;
	const struct slot_record *from = frame->record;
	size_t size;
	int rc;

	*coded = frame->coded;
	record->coding = CODING_JPEG;
	record->coded_bytes = jpeg_bytes(frame);
	if (as_it_came) {
		record->coding =
			from->coded_at_source == CODED_KEY_UNIT ? CODING_H264_KEY : CODING_H264;
		record->coded_bytes = from->coded_bytes;
		record->dts = from->dts;
		record->lacks = from->lacks;
	}
	if (record->coded_bytes > 0)
		return 0;
	rc = jpeg_encode_i420(encoder, frame->image, stream->width, stream->height, stream->quality,
			      coded, &size);
	if (rc == 0 && size > UINT32_MAX)
		rc = TROUPE_E_OVERSIZED;
	if (rc == 0)
		record->coded_bytes = (uint32_t)size;
	return rc;
}
