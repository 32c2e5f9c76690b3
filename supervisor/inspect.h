/* `troupe inspect`: the worker is asked on its pipe, and if it dies meanwhile its successor; if
 * that does not answer in time, what is known without it is the answer. */
#ifndef TROUPE_SUPERVISOR_INSPECT_H
#define TROUPE_SUPERVISOR_INSPECT_H

#include "supervisor/supervisor.h"

#include "schemas/life.pb-c.h"

/* Answers now or later. */
void inspect_begin(struct supervisor *s, struct member *m, const struct asker *asker, uint64_t id);

void inspect_dumped(struct part *part, const Troupe__Dumped *dumped);

/* Asks successors, and answers those whose time is up; returns when to call it again. */
int64_t inspect_expire(struct supervisor *s, int64_t now);

#endif
