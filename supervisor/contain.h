/* Containment: what each worker of a pipeline may do, from the row `sandbox`, its program's needs
 * and the rows in effect. Made anew for each process, for folders come and go; the filters of
 * system calls are made once and kept. */
#ifndef TROUPE_SUPERVISOR_CONTAIN_H
#define TROUPE_SUPERVISOR_CONTAIN_H

#include "supervisor/arena.h"
#include "supervisor/sandbox.h"
#include "supervisor/supervisor.h"

/* Looks at what this kernel can keep a worker from. destroy: NULL is fine. */
int containment_create(struct supervisor *s);
void containment_destroy(struct supervisor *s);

/* One line for people about what the kernel lacks, "" nothing or the sandbox is off. */
const char *containment_lacks(const struct supervisor *s);

/* Whether the needs of that program are known, or none are wanted. If not, it is asked for them
 * without waiting: something happens on the loop when it has told, or could not, and then it is
 * known to need nothing. */
bool containment_knows(struct supervisor *s, const char *program);

/* What the process to be of a part takes on. *has is false with the sandbox off. contained() after
 * it, whatever came of it; before that `out` is in use. */
int contain(struct part *part, struct sandbox *out, bool *has, char *why, size_t why_size);
void contained(struct part *part, struct sandbox *sandbox);

/* Listens to what a process tries all the same, under strict. NULL is fine. */
struct guard;
void guard_destroy(struct guard *guard);

/* The part's process has ended: removes what was made for it alone. */
void contain_ended(const struct part *part);

/* The listener that an orphan has kept for who takes it over: the descriptor, not below `least`, or
 * 0: there is none, and what is forbidden is refused (ENOSYS). */
struct orphan;
int guard_take(const struct orphan *orphan, int least);

/* Goes on listening by process.guard_fd, in another program than it came to. */
void guard_again(struct part *part);

/* What the part's process may, a line each, of `arena`. Returns how many. */
size_t contain_list(const struct part *part, struct arena *arena, char ***lines);

#endif
