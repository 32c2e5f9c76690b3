/* What is known of a frame, drawn onto its picture: a line above (which frame, its label, when), a
 * line below (what the model says, with a bar as long as it is sure). */
#ifndef TROUPE_WORKERS_MEDIA_ANNOTATE_H
#define TROUPE_WORKERS_MEDIA_ANNOTATE_H

#include "workers/media/draw.h"

#include <stdbool.h>
#include <stdint.h>

/* Borrowed texts, "" for none. */
struct annotation {
	const char *stream;
	uint64_t seq;
	const char *label, *prediction;
	const char *time;
	float probability; /* of the prediction, 0..1 */
	bool bypassed, quarantined;
};

/* The prediction is green where it agrees with the label or there is none, amber where not. */
void annotate(const struct canvas *canvas, const struct annotation *annotation);

#endif
