/* The newest frame of each stream, as viewers get it; see feed.h. */
#include "workers/display/feed.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/display/caption.h"
#include "workers/display/overlay.h"
#include "workers/media/jpeg.h"
#include "workers/media/scale.h"

#include <stdlib.h>
#include <string.h>

/* The next part's boundary already ends this one: a browser shows a picture once it has seen that.
 */
static const char part_tail[] = "\r\n" FEED_OPENING;
#define TAIL_SIZE (sizeof(part_tail) - 1)

struct feed_stream {
	struct shot *newest;
	struct part *parts[N_FEED_KINDS]; /* of `newest`, or older: then nobody has asked since */
	uint64_t serial;
};

struct feed {
	const struct ledger *ledger;
	struct overlay *overlay;
	struct jpeg_encoder *encoder; /* for frames that have no JPEG */
	struct jpeg_decoder *decoder; /* for those that came as JPEG; made for the first */
	struct scaler *scaler;
	struct feed_stream streams[STREAMS_MAX];
};

/* ---- shots ---- */

void shot_release(struct shot *shot)
{
	if (shot && --shot->refs == 0)
		free(shot);
}

static struct shot *shot_create(const struct frame *frame, size_t jpeg_size)
{
	const struct stream_row *stream = frame->stream;
	size_t view_size = (size_t)stream->view_width * stream->view_height * 3;
	struct shot *shot = malloc(sizeof(*shot) + jpeg_size + view_size);
	if (!shot)
		return NULL;
	*shot = (struct shot){
		.record = *frame->record,
		.taken = clock_now(),
		.jpeg_size = jpeg_size,
		.view_size = view_size,
		.jpeg = (uint8_t *)(shot + 1),
		.view = (uint8_t *)(shot + 1) + jpeg_size,
		.refs = 1,
		.stream = frame->stream_number,
		.bypassed = frame->bypassed,
		.quarantined = frame->quarantined,
	};
	return shot;
}

static uint8_t *shot_bytes(struct shot *shot)
{
	return (uint8_t *)(shot + 1);
}

static int copy_processed(const struct frame *frame, struct shot **out)
{
	/* The slot may have gone to the next frame by now: the size is only believed as far as it
	 * can be right, the rest is found out by asking whether the slot still shows this frame. */
	size_t jpeg_size = frame->record->coded_bytes;
	if (jpeg_size == 0 || jpeg_size > frame->stream->coded_size)
		return TROUPE_E_LOST;
	struct shot *shot = shot_create(frame, jpeg_size);
	if (!shot)
		return TROUPE_E_MEMORY;
	memcpy(shot_bytes(shot), frame->coded, jpeg_size);
	memcpy(shot_bytes(shot) + jpeg_size, frame->view, shot->view_size);
	*out = shot;
	return 0;
}

/* A frame that was coded at its source has its JPEG though nobody processed it, and no view yet. */
static int copy_coded(struct feed *feed, const struct frame *frame, struct shot **out)
{
	const struct stream_row *stream = frame->stream;
	struct jpeg_picture picture;
	size_t size = frame->record->coded_bytes;
	if (!feed->decoder)
		feed->decoder = jpeg_decoder_create();
	if (!feed->decoder)
		return TROUPE_E_MEMORY;
	if (size == 0 || size > stream->coded_size)
		return TROUPE_E_LOST;
	struct shot *shot = shot_create(frame, size);
	if (!shot)
		return TROUPE_E_MEMORY;
	memcpy(shot_bytes(shot), frame->coded, size);
	int rc = jpeg_decode_reduced(feed->decoder, shot_bytes(shot), size, JPEG_BGRA,
				     stream->view_width, stream->view_height, &picture);
	if (rc == 0) {
		rc = scale_bgra_to_rgb(feed->scaler, picture.pixels, picture.width, picture.height,
				       shot_bytes(shot) + size, stream->view_width,
				       stream->view_height);
	}
	if (rc < 0) {
		shot_release(shot);
		return rc == TROUPE_E_CORRUPT ? TROUPE_E_LOST : rc;
	}
	*out = shot;
	return 0;
}

static int make_view(struct feed *feed, const struct frame *frame, uint8_t *view)
{
	const struct stream_row *stream = frame->stream;
	return scale_i420_to_rgb(feed->scaler, frame->image, stream->width, stream->height, view,
				 stream->view_width, stream->view_height);
}

/* What nobody has made is made here from the image: the JPEG of a frame that is stored as it came,
 * and that and the view of a bypassed one. */
static int copy_image(struct feed *feed, const struct frame *frame, struct shot **out)
{
	const struct stream_row *stream = frame->stream;
	const uint8_t *jpeg;
	size_t size;
	int rc = jpeg_encode_i420(feed->encoder, frame->image, stream->width, stream->height,
				  stream_quality(stream), &jpeg, &size);
	if (rc < 0)
		return rc;
	struct shot *shot = shot_create(frame, size);
	if (!shot)
		return TROUPE_E_MEMORY;
	memcpy(shot_bytes(shot), jpeg, size);
	if (frame->bypassed)
		rc = make_view(feed, frame, shot_bytes(shot) + size);
	else
		memcpy(shot_bytes(shot) + size, frame->view, shot->view_size);
	if (rc < 0) {
		shot_release(shot);
		return rc;
	}
	*out = shot;
	return 0;
}

int feed_copy(struct feed *feed, const struct frame *frame, struct shot **shot)
{
	uint32_t coded = frame->record->coded_at_source;
	if (coded_is_unit(coded) || (frame->bypassed && coded != CODED_PICTURE))
		return copy_image(feed, frame, shot);
	return frame->bypassed ? copy_coded(feed, frame, shot) : copy_processed(frame, shot);
}

int feed_peek(struct feed *feed, const struct worker *w, const struct frame *frame,
	      struct shot **shot)
{
	int rc = feed_copy(feed, frame, shot);
	if (rc < 0 || worker_still(w, frame))
		return rc;
	shot_release(*shot);
	return TROUPE_E_LOST;
}

void feed_publish(struct feed *feed, struct shot *shot)
{
	struct feed_stream *stream = &feed->streams[shot->stream];
	shot_release(stream->newest);
	shot->serial = ++stream->serial;
	stream->newest = shot;
	for (int kind = 0; kind < N_FEED_KINDS; kind++) {
		part_release(stream->parts[kind]);
		stream->parts[kind] = NULL;
	}
}

/* ---- parts ---- */

void part_release(struct part *part)
{
	if (!part || --part->refs > 0)
		return;
	shot_release(part->shot);
	free(part->head);
	free(part->drawn);
	free(part);
}

static int part_draw(struct feed *feed, struct part *part, enum feed_kind kind)
{
	const uint8_t *jpeg;
	int rc = kind == FEED_OVERLAY ? overlay_draw(feed->overlay, feed->ledger, part->shot, &jpeg,
						     &part->jpeg_size)
				      : overlay_view(feed->overlay, feed->ledger, part->shot, &jpeg,
						     &part->jpeg_size);
	if (rc < 0)
		return rc;
	part->drawn = malloc(part->jpeg_size);
	if (!part->drawn)
		return TROUPE_E_MEMORY;
	memcpy(part->drawn, jpeg, part->jpeg_size);
	part->jpeg = part->drawn;
	return 0;
}

static int part_write_head(struct feed *feed, struct part *part, enum feed_kind kind)
{
	bool wanted = kind == FEED_LIVE || kind == FEED_VIEW;
	char *record = wanted ? caption_json(feed->ledger, part->shot) : NULL;
	if (wanted && !record)
		return TROUPE_E_MEMORY;
	int size = asprintf(&part->head,
			    "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n%s%s%s\r\n",
			    part->jpeg_size, record ? "X-Frame: " : "", record ? record : "",
			    record ? "\r\n" : "");
	free(record);
	if (size < 0) {
		part->head = NULL;
		return TROUPE_E_MEMORY;
	}
	part->head_size = (size_t)size;
	return 0;
}

/* NULL: no memory, or the picture could not be drawn; the next frame may go better. */
static struct part *part_create(struct feed *feed, struct shot *shot, enum feed_kind kind)
{
	struct part *part = calloc(1, sizeof(*part));
	if (!part)
		return NULL;
	part->refs = 1;
	part->serial = shot->serial;
	part->shot = shot;
	shot->refs++;
	part->jpeg = shot->jpeg;
	part->jpeg_size = shot->jpeg_size;
	int rc = kind == FEED_OVERLAY || kind == FEED_VIEW ? part_draw(feed, part, kind) : 0;
	if (rc == 0)
		rc = part_write_head(feed, part, kind);
	if (rc < 0) {
		part_release(part);
		return NULL;
	}
	return part;
}

struct part *feed_newest(struct feed *feed, uint32_t stream, enum feed_kind kind, uint64_t after)
{
	struct feed_stream *its = &feed->streams[stream];
	if (!its->newest || its->newest->serial <= after)
		return NULL;
	if (!its->parts[kind])
		its->parts[kind] = part_create(feed, its->newest, kind);
	if (!its->parts[kind])
		return NULL;
	its->parts[kind]->refs++;
	return its->parts[kind];
}

size_t part_read(const struct part *part, size_t at, char *out, size_t size)
{
	const struct {
		const void *bytes;
		size_t size;
	} pieces[] = {
		{part->head, part->head_size},
		{part->jpeg, part->jpeg_size},
		{part_tail, TAIL_SIZE},
	};
	size_t done = 0;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]) && done < size; i++) {
		if (at >= pieces[i].size) {
			at -= pieces[i].size;
			continue;
		}
		size_t n = pieces[i].size - at;
		if (n > size - done)
			n = size - done;
		memcpy(out + done, (const char *)pieces[i].bytes + at, n);
		done += n;
		at = 0;
	}
	return done;
}

/* ---- its life ---- */

struct feed *feed_create(const struct ledger *ledger)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	if (!feed)
		return NULL;
	feed->ledger = ledger;
	feed->overlay = overlay_create();
	feed->encoder = jpeg_encoder_create();
	feed->scaler = scaler_create();
	if (feed->overlay && feed->encoder && feed->scaler)
		return feed;
	feed_destroy(feed);
	return NULL;
}

void feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	for (int i = 0; i < STREAMS_MAX; i++) {
		shot_release(feed->streams[i].newest);
		for (int kind = 0; kind < N_FEED_KINDS; kind++)
			part_release(feed->streams[i].parts[kind]);
	}
	overlay_destroy(feed->overlay);
	jpeg_encoder_destroy(feed->encoder);
	jpeg_decoder_destroy(feed->decoder);
	scaler_destroy(feed->scaler);
	free(feed);
}

int feed_stream(const struct feed *feed, const char *name)
{
	for (uint32_t i = 0; i < feed->ledger->header->n_streams; i++)
		if (strcmp(feed->ledger->streams[i].name, name) == 0)
			return (int)i;
	return TROUPE_E_NOT_FOUND;
}
