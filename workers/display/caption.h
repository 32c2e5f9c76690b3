/* What a frame's record says, for the page (JSON) and for pictures (lines of text). */
#ifndef TROUPE_WORKERS_DISPLAY_CAPTION_H
#define TROUPE_WORKERS_DISPLAY_CAPTION_H

#include "workers/display/feed.h"

#include <jansson.h>

/* The record as one line of ASCII JSON: seq, pts_ms, label, prediction, probability, motion,
 * drops_before, bypassed, and the times between its stations in microseconds. The caller frees it;
 * NULL: no memory. */
char *caption_json(const struct ledger *ledger, const struct shot *shot);

/* How many were dropped, by reason: N_DROP_REASONS numbers as an object of those above 0. */
json_t *caption_drops(const uint32_t *before);

/* The name of a label, "" for 0 and for what is none. */
const char *caption_label(const struct ledger *ledger, int32_t label, char out[NAME_SIZE]);

#endif
