/* One line a state and order. */
#include "supervisor/orders.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *const told[][N_LIFE_STATES] = {
	[ORDER_STOP] = {[LIFE_DOWN] = "was stopped already",
			[LIFE_STARTING] = "is drained, then stopped",
			[LIFE_PREPARED] = "is drained, then stopped",
			[LIFE_READY] = "is drained, then stopped",
			[LIFE_DRAINING] = "drains already, and stays stopped then",
			[LIFE_STOPPING] = "is ending already, and stays stopped then",
			[LIFE_KILLING] = "is ending already, and stays stopped then",
			[LIFE_BACK_OFF] = "is stopped: it is not tried again",
			[LIFE_GAVE_UP] = "is stopped: it had been given up",
			[LIFE_NO_DEVICE] = "is stopped: its device is not waited for any longer",
			[LIFE_FINISHED] = "has ended already, with its source"},
	[ORDER_START] = {[LIFE_DOWN] = "is starting",
			 [LIFE_STARTING] = "was starting already",
			 [LIFE_PREPARED] = "was starting already",
			 [LIFE_READY] = "runs already",
			 [LIFE_DRAINING] = "still drains, and is started again then",
			 [LIFE_STOPPING] = "is still ending, and is started again then",
			 [LIFE_KILLING] = "is still ending, and is started again then",
			 [LIFE_BACK_OFF] = "is starting, without waiting any longer",
			 [LIFE_GAVE_UP] = "is starting: it had been given up",
			 [LIFE_NO_DEVICE] = "is starting: its device is back"},
	[ORDER_RESTART] = {[LIFE_DOWN] = "is starting: it was stopped",
			   [LIFE_STARTING] = "is drained, then started again",
			   [LIFE_PREPARED] = "is drained, then started again",
			   [LIFE_READY] = "is drained, then started again",
			   [LIFE_DRAINING] = "drains already, and is started again then",
			   [LIFE_STOPPING] = "is ending already, and is started again then",
			   [LIFE_KILLING] = "is ending already, and is started again then",
			   [LIFE_BACK_OFF] = "is starting, without waiting any longer",
			   [LIFE_GAVE_UP] = "is starting: it had been given up",
			   [LIFE_NO_DEVICE] = "is starting: its device is back"},
};

/* Wanted, and yet there is no process: its program could not even be spawned. */
static int not_spawned(const struct member *m, char *out, size_t size)
{
	const char *program = m->lead->program;
	snprintf(out, size, "%s cannot be started: %s: %s", m->name, program,
		 access(program, X_OK) < 0 ? strerror(errno) : "see `troupe logs supervisor`");
	return TROUPE_E_SYSTEM;
}

/* Wanted, and it comes by itself as soon as it can. */
static int waits(const struct member *m, char *out, size_t size)
{
	snprintf(out, size,
		 "%s cannot be started: no device: %s: %s; it starts by itself when "
		 "that is back",
		 m->name, m->device.path, m->device.why);
	return TROUPE_E_STATE;
}

int order_answer(const struct member *m, enum order order, enum life_state before, char *out,
		 size_t size)
{
	enum life_state now = m->lead->life.state;
	const char *text = told[order][before];
	if (order != ORDER_STOP && now == LIFE_NO_DEVICE)
		return waits(m, out, size);
	if (order != ORDER_STOP && (now == LIFE_BACK_OFF || now == LIFE_GAVE_UP))
		return not_spawned(m, out, size);
	snprintf(out, size, "%s %s", m->name, text ? text : life_state_text(now));
	/* Who owes the frames to somebody is missed. */
	if (order == ORDER_STOP && m->role->tap == 0) {
		size_t used = strlen(out);
		snprintf(out + used, size - used,
			 "; nothing is recorded until `troupe -n %s start %s`",
			 m->supervisor->config.top.name, m->name);
	}
	return 0;
}

int order_nobody(const struct member *m, char *out, size_t size)
{
	const struct life *life = &m->lead->life;
	const char *name = m->supervisor->config.top.name;
	int64_t wait = life->until - clock_now();
	switch (life->state) {
	case LIFE_FINISHED:
		snprintf(out, size, "%s has no process: its source has ended", m->name);
		break;
	case LIFE_NO_DEVICE:
		snprintf(out, size,
			 "%s has no process: no device: %s; it starts by itself when that is back",
			 m->name, m->device.path);
		break;
	case LIFE_BACK_OFF:
		snprintf(out, size, "%s has no process: it is started again in %.1f s", m->name,
			 (double)(wait > 0 ? wait : 0) / (double)NS_PER_S);
		break;
	default:
		snprintf(out, size, "%s has no process: it %s; `troupe -n %s start %s` %s", m->name,
			 life->state == LIFE_GAVE_UP ? "was given up" : "is stopped", name, m->name,
			 life->state == LIFE_GAVE_UP ? "tries again" : "starts it");
		break;
	}
	return TROUPE_E_STATE;
}
