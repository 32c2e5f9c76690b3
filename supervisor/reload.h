/* `troupe reload`: from the config that runs to another one, while frames flow. A reload reads and
 * compares (proposal.h, differ.h), starts anew the workers whose rows have changed, one after the
 * other by the way of a swap, and then does by itself what follows from the other rows.
 *
 * It is done wholly or not at all: when a newcomer fails, those that had been changed before get
 * their old rows back, and the config that runs is the one that ran. So what runs is always what
 * one text says. */
#ifndef TROUPE_SUPERVISOR_RELOAD_H
#define TROUPE_SUPERVISOR_RELOAD_H

#include "supervisor/supervisor.h"

/* 0: the answer comes later, to `asker`; else an error with `why`. */
int reload_begin(struct supervisor *s, const Troupe__ReloadRequest *request,
		 const struct asker *asker, uint64_t id, char *why, size_t why_size);

/* Goes on where it can; called after everything that happens. Returns when to look again. */
int64_t reload_advance(struct supervisor *s, int64_t now);

/* Gives up one that is under way, as the supervisor ends; nobody is answered. */
void reload_drop(struct supervisor *s);

#endif
