/* Reads the frame number out of the pixels of JPEGs: on standard input each as its length (4 bytes,
 * little-endian) and its bytes; on standard output one number a line, -1 where none can be read. */
#include "workers/media/barcode.h"
#include "workers/media/jpeg.h"

#include <stdio.h>
#include <stdlib.h>

#define JPEG_MAX (64u << 20)

static int64_t read_number(struct jpeg_decoder *decoder, const uint8_t *jpeg, size_t size)
{
	uint32_t width, height;
	if (jpeg_size(decoder, jpeg, size, &width, &height) < 0)
		return -1;
	uint8_t *luma = malloc((size_t)width * height);
	int64_t number = -1;
	if (luma && jpeg_decode_gray(decoder, jpeg, size, luma, (size_t)width * height, &width,
				     &height) == 0)
		number = pattern_read_number(luma, width, width, height);
	free(luma);
	return number < 0 ? -1 : number;
}

int main(void)
{
	struct jpeg_decoder *decoder = jpeg_decoder_create();
	uint8_t length[4];
	while (decoder && fread(length, 1, sizeof(length), stdin) == sizeof(length)) {
		size_t size = length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 |
			      (size_t)length[3] << 24;
		uint8_t *jpeg = size <= JPEG_MAX ? malloc(size + 1) : NULL;
		if (!jpeg || fread(jpeg, 1, size, stdin) != size) {
			free(jpeg);
			break;
		}
		printf("%lld\n", (long long)read_number(decoder, jpeg, size));
		free(jpeg);
	}
	int whole = feof(stdin);
	jpeg_decoder_destroy(decoder);
	return whole ? 0 : 1;
}
