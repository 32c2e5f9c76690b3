/* Another program goes on as the supervisor, in the same process: the workers stay its children and
 * everything that was open stays open. */
#ifndef TROUPE_SUPERVISOR_UPGRADE_H
#define TROUPE_SUPERVISOR_UPGRADE_H

#include "supervisor/supervisor.h"

#include <signal.h>

/* Asks the program (`exec`, "" the one that lies where ours came from) whether it can go on, in a
 * process of its own, while the loop goes on. 0, or an error with `why`: nobody is asked. What
 * comes of it later is the next generation, or `upgrade_failed`. */
int upgrade_begin(struct supervisor *s, const char *exec, char *why, size_t why_size);

/* Whether that was the program that is asked; then its answer is noted. Its end is reaped already.
 */
bool upgrade_hear_end(struct supervisor *s, const siginfo_t *end);

/* Becomes the program that was asked, once it has said that it can. Returns (the time at which to
 * look again) if none was, it has not answered yet, or it cannot be: then everything goes on as it
 * was. */
int64_t upgrade_advance(struct supervisor *s, int64_t now);

/* Asks no longer; fine if nobody is asked. */
void upgrade_finish(struct supervisor *s);

/* In the new program: makes its own what the old one left open, and closes what nobody knows. */
void upgrade_take_descriptors(struct supervisor *s);

#endif
