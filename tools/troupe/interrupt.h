/* Ctrl-C and its like, for commands that have something to clear up before they end. */
#ifndef TROUPE_TOOLS_TROUPE_INTERRUPT_H
#define TROUPE_TOOLS_TROUPE_INTERRUPT_H

#include <stdbool.h>

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT end nothing: they are remembered. What sleeps in
 * the kernel is woken. */
void interrupt_watch(void);

/* Whether one has come. `arg` is not used: this fits where a callback is wanted. */
bool interrupt_came(void *arg);

/* Ends this program by the signal that came, as if it had never been caught: whoever called it sees
 * why it ended. Returns when none came. */
void interrupt_pass_on(void);

#endif
