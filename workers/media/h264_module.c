/* What the module exports of H.264. */
#include "workers/media/h264_private.h"

extern const struct h264_module h264_module __attribute__((visibility("default")));

const struct h264_module h264_module = {
	.encoder_create = h264_encoder_create,
	.encoder_destroy = h264_encoder_destroy,
	.encoder_put = h264_encoder_put,
	.encoder_end = h264_encoder_end,
	.encoder_take = h264_encoder_take,
	.decoder_create = h264_decoder_create,
	.decoder_destroy = h264_decoder_destroy,
	.decoder_put = h264_decoder_put,
	.decoder_end = h264_decoder_end,
	.decoder_take = h264_decoder_take,
	.decoder_reset = h264_decoder_reset,
};
