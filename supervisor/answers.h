/* What `ps`, `status` and `inspect` are told: the state of workers, streams and the pipeline as
 * messages. All memory belongs to the arena. */
#ifndef TROUPE_SUPERVISOR_ANSWERS_H
#define TROUPE_SUPERVISOR_ANSWERS_H

#include "supervisor/arena.h"
#include "supervisor/supervisor.h"

/* Puts all wanted workers, and the pipeline with its streams, into the reply. */
void answer_workers(struct supervisor *s, struct arena *arena, Troupe__Reply *reply);
void answer_pipeline(struct supervisor *s, struct arena *arena, Troupe__Reply *reply);

/* One worker. NULL: out of memory. */
Troupe__Worker *answer_worker(struct member *m, struct arena *arena);

/* Its earlier exits, oldest first. */
void answer_exits(const struct member *m, struct arena *arena, Troupe__Inspection *inspection);

#endif
