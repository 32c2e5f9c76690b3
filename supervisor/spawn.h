/* Spawning one incarnation: seat, pipe, log, descriptors, environment, process. */
#ifndef TROUPE_SUPERVISOR_SPAWN_H
#define TROUPE_SUPERVISOR_SPAWN_H

#include "supervisor/supervisor.h"

/* Starts the part's program. An error has left nothing behind and was logged. */
int part_spawn(struct part *part);

/* Watches what there is of a process: pipe, log, end. */
int part_watch(struct part *part);

/* Gives up what belongs to an incarnation in this process (not its seat). */
void process_finish(struct process *process, struct supervisor *s);

/* Where the sockets of an incarnation are: `kind` is "pipe" or "in". */
void socket_path(const struct supervisor *s, const char *worker, uint32_t incarnation,
		 const char *kind, char *out, size_t size);

/* Rewrites RUNTIME/workers. */
void remember_workers(struct supervisor *s);

/* Opens the listening socket of an ADDRESS:PORT. The descriptor, or an error with `why`. */
int listen_at(const char *address, char *actual, size_t actual_size, char *why, size_t why_size);

#endif
