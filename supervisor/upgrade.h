/* Another program goes on as the supervisor, in the same process: the workers stay its children and
 * everything that was open stays open. */
#ifndef TROUPE_SUPERVISOR_UPGRADE_H
#define TROUPE_SUPERVISOR_UPGRADE_H

#include "supervisor/supervisor.h"

/* Asks the program (`exec`, "" the one that lies where ours came from) whether it can go on, and if
 * so makes it do that in the next turn of the loop. 0, or an error with `why`: nothing has changed.
 */
int upgrade_begin(struct supervisor *s, const char *exec, char *why, size_t why_size);

/* Becomes the program that was asked, if one was. Returns only if that cannot be; then everything
 * goes on as it was. */
void upgrade_advance(struct supervisor *s);

/* In the new program: makes its own what the old one left open, and closes what nobody knows. */
void upgrade_take_descriptors(struct supervisor *s);

#endif
