/* Workers that the config file itself brings (`worker "mine" { … }`): whether they do what their
 * section says, and what they are owed. A stranger's tap never stops anybody: what it does not take
 * is written off, by the step of the word that docs/slots.md calls so, and that is said. */
#ifndef TROUPE_SUPERVISOR_STRANGERS_H
#define TROUPE_SUPERVISOR_STRANGERS_H

#include "supervisor/supervisor.h"

#include <jansson.h>

/* A worker has said what it takes: one that takes something else than its section says is ended. */
void stranger_said_hello(struct part *part);

/* Frames are owed to a tap as long as somebody plays it or is about to; whoever is gone is owed
 * nothing any more. Says what was written off since it was said last. Called after everything that
 * happens; returns when to look again. */
int64_t strangers_advance(struct supervisor *s, int64_t now);

/* Hears a line of this run's journal: what it says is not said again. `arg` is the supervisor. */
void strangers_hear(void *arg, const json_t *line);

/* Frames written off that a member was owed, since the run began. */
uint64_t stranger_missed(const struct member *m);

#endif
