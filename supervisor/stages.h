/* The stages of a pipeline: takers start, then sources; it runs; it stops rank by rank along the
 * data. */
#ifndef TROUPE_SUPERVISOR_STAGES_H
#define TROUPE_SUPERVISOR_STAGES_H

#include "supervisor/supervisor.h"

/* Starts those who take frames. */
void stages_begin(struct supervisor *s);

/* Goes on where it can; called after everything that happens. Returns when to look again at the
 * latest. */
int64_t stages_advance(struct supervisor *s, int64_t now);

/* Ends the pipeline in good order. A second call does nothing. */
void stages_stop(struct supervisor *s, const char *why);

/* Tells whoever waits for it that all are ready. Once. */
void stages_say_ready(struct supervisor *s);

/* Ends it soon: SIGTERM to everybody. */
void stages_hurry(struct supervisor *s);

#endif
