/* A worker's beginning and end, without a process of its own: config, open, taking charge, leaving.
 */
#include "ipc/worker/worker_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/bells.h"

#include <stdlib.h>
#include <string.h>

int worker_prepare(struct worker *w, const char *lines, char *why, size_t why_size)
{
	const struct row_table *rows = &w->table->rows;
	w->config = calloc(1, rows->config_size ? rows->config_size : 1);
	if (!w->config) {
		snprintf(why, why_size, "%s", error_text(TROUPE_E_MEMORY));
		return TROUPE_E_MEMORY;
	}
	rows_defaults(rows, w->config);
	return rows_apply(rows, w->config, lines, why, why_size);
}

int worker_open(struct worker *w)
{
	if (w->table->state_size && !(w->self = calloc(1, w->table->state_size)))
		return TROUPE_E_MEMORY;
	int rc = w->table->open ? w->table->open(w, &w->self) : 0;
	w->opened = rc >= 0;
	return rc;
}

/* Whether it has to wait for the word of a supervisor. Nobody says it to an orphan: that takes
 * charge of what has an owner word, which nobody else takes then, or helps with the queue. */
static bool stands_by(const struct worker *w, bool has_owner)
{
	bool may = has_owner || w->table->takes == WORKER_TAKES_QUEUE;
	return atomic_load(&w->row->standby) && !(w->orphan && may);
}

int worker_take_charge(struct worker *w)
{
	if (w->in_charge)
		return 1;
	_Atomic uint64_t *owner = role_owner(w);
	if (stands_by(w, owner != NULL))
		return 0;
	if (owner && owner_take(owner, w->seat) < 0 && !role_inherit(w, owner))
		return 0;
	int rc = w->table->ready ? w->table->ready(w, w->self) : 0;
	if (rc < 0)
		return rc;
	w->in_charge = true;
	return 1;
}

/* What `open` has made, `close` has freed. */
static void free_state(struct worker *w)
{
	if (w->table->state_size)
		free(w->self);
	w->self = NULL;
}

void worker_leave(struct worker *w)
{
	asking_end(w);
	if (w->opened && w->table->close)
		w->table->close(w, w->self);
	w->opened = false;
	free_state(w);
	_Atomic uint64_t *owner = w->ledger ? role_owner(w) : NULL;
	if (owner) {
		/* After close: a successor in this very moment finds everything let go of. */
		owner_release(owner, w->seat);
		bells_ring_all(w->ledger);
	}
	free(w->config);
	w->config = NULL;
}

int worker_create(struct worker **worker, const struct worker_table *table, struct ledger *ledger,
		  uint8_t seat, uint32_t number, const char *lines, char *why, size_t why_size)
{
	struct worker *w = calloc(1, sizeof(*w));
	if (!w)
		return TROUPE_E_MEMORY;
	w->table = table;
	w->ledger = ledger;
	w->seat = seat;
	w->row = &ledger->seats[seat];
	w->number = number;
	w->handed_fd = -1;
	w->signal_fd = -1;
	memcpy(w->name, w->row->worker, NAME_SIZE);
	memcpy(w->pipeline, ledger->header->pipeline, NAME_SIZE);
	int rc = worker_prepare(w, lines, why, why_size);
	if (rc == 0 && (rc = worker_open(w)) < 0)
		snprintf(why, why_size, "%s cannot start: %s", table->name, error_text(rc));
	if (rc < 0) {
		free_state(w);
		free(w->config);
		free(w);
		return rc;
	}
	*worker = w;
	return 0;
}

int worker_turn(struct worker *w, int64_t *due)
{
	int64_t now = clock_now(), next = CLOCK_NEVER;
	int rc = worker_take_charge(w);
	int done = rc > 0 ? role_turn(w, now, &next) : rc;
	if (done >= 0)
		done += asking_take(w, now);
	if (done >= 0 && w->in_charge && w->table->tick) {
		int64_t at = w->table->tick(w, w->self, now);
		w->retry_tap = false;
		if (at < 0)
			done = (int)at;
		else if (at < next)
			next = at;
	}
	/* Last, for the callbacks above may have asked. */
	if (done >= 0)
		asking_send(w, now, &next);
	if (due)
		*due = next;
	return done;
}

int worker_destroy(struct worker *w)
{
	if (!w)
		return 0;
	int rc = 0;
	w->draining = true;
	while (w->in_charge && w->table->drain && (rc = w->table->drain(w, w->self)) > 0) {
		int turned = worker_turn(w, NULL);
		if (turned < 0 && turned != TROUPE_E_ENDED) {
			rc = turned;
			break;
		}
	}
	worker_leave(w);
	free(w);
	return rc;
}
