/* What the module's table is filled with; h264.h says what each does. Only h264_*.c include this.
 */
#ifndef TROUPE_WORKERS_MEDIA_H264_PRIVATE_H
#define TROUPE_WORKERS_MEDIA_H264_PRIVATE_H

#include "workers/media/h264.h"

int h264_encoder_create(struct h264_encoder **encoder, const struct h264_settings *settings,
			char *why, size_t why_size);
void h264_encoder_destroy(struct h264_encoder *encoder);
int h264_encoder_put(struct h264_encoder *encoder, const uint8_t *i420, int64_t pts, uint64_t id);
int h264_encoder_end(struct h264_encoder *encoder);
int h264_encoder_take(struct h264_encoder *encoder, struct h264_packet *packet);

int h264_decoder_create(struct h264_decoder **decoder, char *why, size_t why_size);
void h264_decoder_destroy(struct h264_decoder *decoder);
int h264_decoder_put(struct h264_decoder *decoder, const uint8_t *data, size_t size, uint64_t id);
int h264_decoder_end(struct h264_decoder *decoder);
int h264_decoder_take(struct h264_decoder *decoder, struct h264_picture *picture);
void h264_decoder_reset(struct h264_decoder *decoder);

#endif
