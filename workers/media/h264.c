/* The way to the module; the rest is in h264_encoder.c and h264_decoder.c. */
#include "workers/media/h264.h"

#include "workers/media/module.h"

int h264_load(const struct h264_module **module, char *why, size_t why_size)
{
	const void *table;
	int rc = media_module(MEDIA_MODULE_H264, H264_SYMBOL, &table, why, why_size);
	*module = table;
	return rc;
}
