/* Makes a JPEG of a raw I420 picture as the pipeline does: `encode-i420 WIDTH HEIGHT QUALITY`, from
 * standard input to standard output. */
#include "workers/media/jpeg.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	uint32_t width = (uint32_t)strtoul(argv[1], NULL, 10);
	uint32_t height = (uint32_t)strtoul(argv[2], NULL, 10);
	uint32_t quality = (uint32_t)strtoul(argv[3], NULL, 10);
	size_t size = (size_t)width * height * 3 / 2, coded_size = 0;
	uint8_t *picture = malloc(size + 1);
	const uint8_t *coded = NULL;
	struct jpeg_encoder *encoder = jpeg_encoder_create();
	/* Exactly one picture, not a byte more. */
	int whole = picture && encoder && fread(picture, 1, size + 1, stdin) == size &&
		    jpeg_encode_i420(encoder, picture, width, height, quality, &coded,
				     &coded_size) == 0 &&
		    fwrite(coded, 1, coded_size, stdout) == coded_size;
	jpeg_encoder_destroy(encoder);
	free(picture);
	return whole ? 0 : 1;
}
