/* Who is started anew with a worker that died: nobody else (one-for-one), or whoever comes after it
 * in the frames' way (rest-for-one). */
#ifndef TROUPE_SUPERVISOR_STRATEGY_H
#define TROUPE_SUPERVISOR_STRATEGY_H

#include "supervisor/supervisor.h"

/* A worker that played has died, unasked. The order of the frames' way is that in which workers
 * stop, so each of the others drains before it ends, and what it is owed waits for its successor.
 */
void strategy_follow(const struct member *died, const char *cause);

#endif
