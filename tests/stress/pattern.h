/* What stands in the areas of a frame under stress: every byte follows from (stream, number), so
 * that whoever looks can tell whether all of it is of one frame, and of the right one.
 *
 * Takers that own a frame read plainly: the ledger promises them that nobody writes, and
 * ThreadSanitizer holds it to that. Peekers read what may be written under their eyes, as a seqlock
 * does, so their copy and every write go word by word with relaxed atomics. */
#ifndef TROUPE_TESTS_STRESS_PATTERN_H
#define TROUPE_TESTS_STRESS_PATTERN_H

#include "ipc/slots/ledger.h"

#include <stdbool.h>
#include <stdint.h>

/* Geometry of all frames: small, for the steps are under test and not the memory. */
#define FRAME_WIDTH  32
#define FRAME_HEIGHT 32
#define VIEW_WIDTH   16
#define VIEW_HEIGHT  16
#define IMAGE_WORDS  (FRAME_WIDTH * FRAME_HEIGHT * 3 / 2 / 8)
#define VIEW_WORDS   (VIEW_WIDTH * VIEW_HEIGHT * 3 / 8)
#define CODED_WORDS  IMAGE_WORDS /* at most; see pattern_coded_words */

/* One step of a small random generator (splitmix64); *state is its seed. */
uint64_t pattern_random(uint64_t *state);

/* How many words of the coded area a frame has. */
uint32_t pattern_coded_words(uint32_t stream, uint64_t seq);

/* Writes words first .. last - 1 of the image. */
void pattern_write_image(uint8_t *image, uint32_t stream, uint64_t seq, uint32_t first,
			 uint32_t last);

/* What a processor does: view and coded area, from the image as it stands in the slot. */
void pattern_process(const uint8_t *image, uint8_t *view, uint8_t *coded, uint32_t coded_words);

/* Whether an area is that of this frame. Plain reads. */
bool pattern_image_is(const uint8_t *image, uint32_t stream, uint64_t seq);
bool pattern_view_is(const uint8_t *view, uint32_t stream, uint64_t seq);
bool pattern_coded_is(const uint8_t *coded, uint32_t stream, uint64_t seq);

/* Copies for peekers. */
void pattern_copy(uint8_t *to, const uint8_t *from, uint32_t words);

#endif
