/* Pictures that show their numbers, as JPEGs: `numbered-jpegs WIDTH HEIGHT FIRST COUNT`, each as
 * its length (4 bytes, little-endian) and its bytes on standard output. */
#include "workers/media/barcode.h"
#include "workers/media/jpeg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_jpeg(struct jpeg_encoder *encoder, const struct canvas *canvas, uint64_t number)
{
	const uint8_t *jpeg;
	size_t size;
	barcode_draw(canvas, number);
	if (jpeg_encode_i420(encoder, canvas->pixels, (uint32_t)canvas->width,
			     (uint32_t)canvas->height, 85, &jpeg, &size) < 0)
		return -1;
	const uint8_t length[4] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
				   (uint8_t)(size >> 24)};
	return fwrite(length, 1, 4, stdout) == 4 && fwrite(jpeg, 1, size, stdout) == size ? 0 : -1;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	int32_t width = atoi(argv[1]), height = atoi(argv[2]);
	uint64_t first = strtoull(argv[3], NULL, 10), count = strtoull(argv[4], NULL, 10);
	size_t size = (size_t)width * (size_t)height * 3 / 2;
	uint8_t *pixels = malloc(size);
	struct jpeg_encoder *encoder = jpeg_encoder_create();
	int rc = pixels && encoder ? 0 : -1;
	if (rc == 0)
		memset(pixels, 128, size);
	const struct canvas canvas = {
		.format = CANVAS_I420, .pixels = pixels, .width = width, .height = height};
	for (uint64_t i = 0; i < count && rc == 0; i++)
		rc = write_jpeg(encoder, &canvas, first + i);
	jpeg_encoder_destroy(encoder);
	free(pixels);
	return rc < 0 || fflush(stdout) ? 1 : 0;
}
