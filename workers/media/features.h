/* What a model looks at: a view boiled down to a short row of numbers. The same function serves the
 * processor, which predicts, and the trainer, which learns, so both see the same thing.
 *
 * The view is first averaged down to one small grid whatever its size. Then, in this order:
 *
 *   shape   3 × 4 cells of 8 orientations: how strong edges of each direction are, against all
 * edges colour  8 × 8 cells of the U-V plane: how much of the picture has each colour light   3 × 4
 * cells: mean luma 1       the bias
 *
 * Shape does not change when the whole picture gets brighter or, but for rounding, its contrast
 * does; colour does not change when things move about. Everything lies in 0..1. Pure and
 * deterministic. */
#ifndef TROUPE_WORKERS_MEDIA_FEATURES_H
#define TROUPE_WORKERS_MEDIA_FEATURES_H

#include <stdint.h>

#define FEATURE_ROWS	     3
#define FEATURE_COLUMNS	     4
#define FEATURE_CELLS	     (FEATURE_ROWS * FEATURE_COLUMNS)
#define FEATURE_ORIENTATIONS 8
#define FEATURE_CHROMA_BINS  8

#define FEATURE_SHAPE_AT  0
#define FEATURE_COLOUR_AT (FEATURE_SHAPE_AT + FEATURE_CELLS * FEATURE_ORIENTATIONS)
#define FEATURE_LIGHT_AT  (FEATURE_COLOUR_AT + FEATURE_CHROMA_BINS * FEATURE_CHROMA_BINS)
#define FEATURE_BIAS_AT	  (FEATURE_LIGHT_AT + FEATURE_CELLS)
#define FEATURES_COUNT	  (FEATURE_BIAS_AT + 1)

/* Names this set of features in model files: a model made for others is of no use. */
#define FEATURES_KIND "shape3x4x8 colour8x8 light3x4 1"

/* Fills out[] from a view of width × height pixels (tight RGB24 rows, both at least 1). */
void features_of_view(const uint8_t *view, uint32_t width, uint32_t height,
		      float out[FEATURES_COUNT]);

#endif
