/* Which way a frame becomes a picture: by its coding, and by what is asked for. */
#include "workers/storer/frames.h"

#include "ipc/base/errors.h"
#include "workers/media/jpeg.h"
#include "workers/storer/frames_gop.h"

#include <stdio.h>
#include <stdlib.h>

struct frames {
	struct recording *recording;
	struct gop *gop; /* NULL: no H.264 yet */
	struct jpeg_decoder *decoder;
	struct jpeg_encoder *encoder;
	char error[256];
};

int frames_open(struct frames **frames, const char *folder, char *why, size_t why_size)
{
	struct frames *opened = calloc(1, sizeof(*opened));
	int rc = TROUPE_E_MEMORY;

	*frames = NULL;
	if (opened != NULL) {
		opened->decoder = jpeg_decoder_create();
		opened->encoder = jpeg_encoder_create();
	}
	if (opened == NULL || opened->decoder == NULL || opened->encoder == NULL)
		snprintf(why, why_size, "%s", error_text(rc));
	else
		rc = recording_open(&opened->recording, folder, why, why_size);
	if (rc < 0) {
		frames_close(opened);
		return rc;
	}
	*frames = opened;
	return 0;
}

void frames_close(struct frames *frames)
{
	if (frames == NULL)
		return;
	gop_destroy(frames->gop);
	jpeg_encoder_destroy(frames->encoder);
	jpeg_decoder_destroy(frames->decoder);
	recording_close(frames->recording);
	free(frames);
}

struct recording *frames_recording(struct frames *frames)
{
	return frames->recording;
}

const char *frames_error(const struct frames *frames)
{
	return frames->error;
}

static int show_jpeg(struct frames *frames, const struct index_row *row,
		     struct frames_picture *picture)
{
	int rc = recording_read(frames->recording, row, &picture->record, &picture->jpeg);

	picture->jpeg_bytes = picture->record.coded_bytes;
	picture->width = picture->record.width;
	picture->height = picture->record.height;
	return rc;
}

static int show_h264(struct frames *frames, const struct index_row *row,
		     struct frames_picture *picture)
{
	struct gop_picture decoded = {0};
	int rc = 0;

	if (frames->gop == NULL)
		rc = gop_create(&frames->gop, frames->recording, frames->error,
				sizeof(frames->error));
	if (rc == 0)
		rc = gop_show(frames->gop, row, &decoded);
	if (rc < 0)
		return rc;
	picture->record = row->record;
	picture->i420 = decoded.i420;
	picture->width = decoded.width;
	picture->height = decoded.height;
	picture->damaged = decoded.damaged;
	return 0;
}

static int show_row(struct frames *frames, const struct index_row *row,
		    struct frames_picture *picture)
{
	*picture = (struct frames_picture){0};
	return row->record.coding == CODING_JPEG ? show_jpeg(frames, row, picture)
						 : show_h264(frames, row, picture);
}

/* The archive moves frames to other segments, and the old ones go. */
static bool has_moved(struct frames *frames, const struct index_row *row, struct index_row *now)
{
	const struct record *record = &row->record;

	return recording_find(frames->recording, record->run, record->stream, record->seq, now) ==
		       0 &&
	       now->segment != row->segment;
}

int frames_show(struct frames *frames, const struct index_row *row, struct frames_picture *picture)
{
	struct index_row now;
	int rc = show_row(frames, row, picture);

	if (rc == TROUPE_E_NOT_FOUND && has_moved(frames, row, &now))
		rc = show_row(frames, &now, picture);
	return rc;
}

int frames_show_i420(struct frames *frames, const struct index_row *row,
		     struct frames_picture *picture)
{
	int rc = frames_show(frames, row, picture);

	if (rc < 0 || picture->i420 != NULL)
		return rc;
	return jpeg_decode_any(frames->decoder, picture->jpeg, picture->jpeg_bytes, &picture->i420,
			       &picture->width, &picture->height);
}

int frames_show_jpeg(struct frames *frames, const struct index_row *row, uint32_t quality,
		     struct frames_picture *picture)
{
	int rc = frames_show(frames, row, picture);

	if (rc < 0 || picture->jpeg != NULL)
		return rc;
	return jpeg_encode_i420(frames->encoder, picture->i420, picture->width, picture->height,
				quality, &picture->jpeg, &picture->jpeg_bytes);
}
