/* Taking over the workers of a killed supervisor while they go on working. */
#ifndef TROUPE_SUPERVISOR_ADOPT_H
#define TROUPE_SUPERVISOR_ADOPT_H

#include "supervisor/supervisor.h"

/* Whether there is something to take over, in RUNTIME; its image, a heap text, is then in *image.
 * Otherwise *image is NULL, and where there are workers all the same `why` says why not. After
 * runtime_take. */
bool adopt_possible(struct supervisor *s, char **image, char *why, size_t why_size);

/* Everything of the pipeline from its image, its workers and its ledger. The configuration is
 * loaded. An error with `why`; then the workers are as they were, and will drain when their time is
 * over. */
int adopt_setup(struct supervisor *s, const char *image, char *why, size_t why_size);

/* A while later, once: ends processes of the pipeline that are nobody's, which the first look could
 * not see. */
void adopt_look_again(struct supervisor *s);

#endif
