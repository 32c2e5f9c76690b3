/* A catalogue that was made anew from the segments: what only the old one can know, and what is
 * missing. Between index_begin and index_commit. */
#ifndef TROUPE_WORKERS_STORER_INDEX_ADOPT_H
#define TROUPE_WORKERS_STORER_INDEX_ADOPT_H

#include "workers/storer/index.h"

/* Takes over from the catalogue in the file `old`: names and boots of runs, clocks, nominal rates,
 * what was forgotten and why, lost cameras and deaths, the highest number of a segment. An error
 * (index_error() says more) when that one is damaged or of a newer version; the caller rolls back
 * then. To be called outside of a transaction. */
int index_adopt(struct index *index, const char *old);

/* All holes between frames that nothing explains yet become `forgotten`, and the counts of the
 * streams are made anew from both. Returns how many frames are forgotten in all. */
int64_t index_explain_holes(struct index *index, const char *why, int64_t at_wall);

#endif
