/* The frame number in the pixels of the test card, for machines: it survives JPEG and scaling, and
 * any program can read it with a dozen lines.
 *
 * Layout. Divide the picture into a grid of 24 x 24 cells: cell (column, row) covers the pixels
 * from column * width / 24 to (column + 1) * width / 24, rows likewise (integer division). The two
 * lowest rows of cells (22, then 23, each from the left) are 48 bits, the most significant first; a
 * cell is white for 1 and black for 0. The upper 40 bits are the number, the lower 8 a CRC-8 of its
 * five bytes (most significant byte first, polynomial 0x07, initial value 0xff, no reflection, no
 * final xor): neither an all-black nor an all-white band is a number.
 *
 * To read: the mean luma of the middle half of each cell; below 96 is 0, above 160 is 1, anything
 * else is not a barcode. In Python, with a luma array `y` of shape (height, width):
 *
 *     bits = 0
 *     for i in range(48):
 *         c, r = i % 24, 22 + i // 24
 *         x0, x1, y0, y1 = c * w // 24, (c + 1) * w // 24, r * h // 24, (r + 1) * h // 24
 *         qx, qy = (x1 - x0) // 4, (y1 - y0) // 4
 *         bits = bits << 1 | int(y[y0 + qy:y1 - qy, x0 + qx:x1 - qx].mean() > 128)
 *     number = bits >> 8
 */
#ifndef TROUPE_WORKERS_MEDIA_BARCODE_H
#define TROUPE_WORKERS_MEDIA_BARCODE_H

#include "workers/media/draw.h"

#include <stdint.h>

#define BARCODE_GRID	   24
#define BARCODE_NUMBER_MAX ((UINT64_C(1) << 40) - 1)
/* The smallest picture whose cells are at least 4 pixels; from 192 x 192 on they are 8. */
#define BARCODE_WIDTH_MIN  96
#define BARCODE_HEIGHT_MIN 96

/* Draws `number` into the lowest two rows of cells. */
void barcode_draw(const struct canvas *canvas, uint64_t number);

/* Reads the number out of a luma plane (`stride` bytes from row to row). TROUPE_E_MALFORMED: there
 * is none; TROUPE_E_CORRUPT: there is one, but its check bits do not fit. */
int64_t pattern_read_number(const uint8_t *luma, uint32_t stride, uint32_t width, uint32_t height);

#endif
