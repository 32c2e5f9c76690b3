/* The table: one row a state, one column an event. */
#include "supervisor/life.h"

#include "ipc/base/clock.h"

/* What a step reads beside the life itself. */
struct step {
	const struct life_event *event;
	const struct life_limits *limits;
	int64_t now;
};

typedef unsigned step_fn(struct life *life, const struct step *step);

/* The one place that changes a state. */
static void enter(struct life *life, enum life_state state, const struct step *step, int64_t lasts)
{
	life->state = state;
	life->since = step->now;
	life->until = lasts == CLOCK_NEVER ? CLOCK_NEVER : step->now + lasts;
}

static unsigned ignore(struct life *life, const struct step *step)
{
	(void)life;
	(void)step;
	return 0;
}

static unsigned spawn(struct life *life, const struct step *step)
{
	life->again = true;
	life->said_finished = false;
	life->ready_since = 0;
	enter(life, LIFE_STARTING, step, step->limits->ready_timeout);
	return ACTION_SPAWN;
}

/* A person starts it: what was counted against it is forgotten. */
static unsigned start(struct life *life, const struct step *step)
{
	life->restarts = 0;
	life->streak = 0;
	return spawn(life, step);
}

static unsigned now_ready(struct life *life, const struct step *step)
{
	life->ready_since = step->now;
	enter(life, LIFE_READY, step, CLOCK_NEVER);
	return 0;
}

static unsigned now_prepared(struct life *life, const struct step *step)
{
	enter(life, LIFE_PREPARED, step, CLOCK_NEVER);
	return 0;
}

static unsigned charge(struct life *life, const struct step *step)
{
	enter(life, LIFE_STARTING, step, step->limits->ready_timeout);
	return 0;
}

static unsigned note_finished(struct life *life, const struct step *step)
{
	(void)step;
	life->said_finished = true;
	return 0;
}

static unsigned drain(struct life *life, const struct step *step)
{
	life->again = false;
	enter(life, LIFE_DRAINING, step, step->limits->drain_timeout);
	return ACTION_DRAIN;
}

static unsigned restart(struct life *life, const struct step *step)
{
	life->again = true;
	enter(life, LIFE_DRAINING, step, step->limits->drain_timeout);
	return ACTION_DRAIN;
}

/* It is ending already: only what comes after changes. */
static unsigned stay_down(struct life *life, const struct step *step)
{
	(void)step;
	life->again = false;
	return 0;
}

static unsigned come_back(struct life *life, const struct step *step)
{
	(void)step;
	life->again = true;
	return 0;
}

static unsigned to_term(struct life *life, const struct step *step)
{
	enter(life, LIFE_STOPPING, step, step->limits->term_timeout);
	return ACTION_TERM;
}

static unsigned term(struct life *life, const struct step *step)
{
	life->again = false;
	return to_term(life, step);
}

static unsigned to_kill(struct life *life, const struct step *step)
{
	enter(life, LIFE_KILLING, step, CLOCK_NEVER);
	return ACTION_KILL;
}

/* Its main thread is gone; what is left of it gets a while to go, too. */
static unsigned vanish(struct life *life, const struct step *step)
{
	life->again = false;
	enter(life, LIFE_STOPPING, step, step->limits->term_timeout);
	return 0;
}

static unsigned go_down(struct life *life, const struct step *step)
{
	enter(life, LIFE_DOWN, step, CLOCK_NEVER);
	return 0;
}

static unsigned give_up(struct life *life, const struct step *step)
{
	enter(life, LIFE_GAVE_UP, step, CLOCK_NEVER);
	return ACTION_GIVE_UP;
}

/* A spare is well as long as it waits: to play is not its part yet. */
static bool was_well(const struct life *life, const struct step *step)
{
	int64_t since = life->state == LIFE_PREPARED ? life->since : life->ready_since;
	return since && step->now - since >= step->limits->restart_window;
}

/* There is nothing to be started for until the device is back, and nobody to blame. */
static unsigned miss_device(struct life *life, const struct step *step)
{
	enter(life, LIFE_NO_DEVICE, step, CLOCK_NEVER);
	return 0;
}

static unsigned device_back(struct life *life, const struct step *step)
{
	return spawn(life, step) | ACTION_RESTARTED;
}

/* It ended, but is wanted: at once the first time, later after a while, in the end no more. */
static unsigned died(struct life *life, const struct step *step)
{
	const struct life_limits *limits = step->limits;
	if (step->event->final)
		return go_down(life, step);
	if (step->event->absent)
		return miss_device(life, step);
	if (life->restarts == 0 || step->now - life->window_start > limits->restart_window) {
		life->window_start = step->now;
		life->restarts = 0;
	}
	if (was_well(life, step))
		life->streak = 0;
	if (++life->restarts > limits->max_restarts)
		return give_up(life, step);
	int64_t wait = life_backoff(limits, life->streak++, step->event->dice);
	if (wait == 0)
		return spawn(life, step) | ACTION_RESTARTED;
	enter(life, LIFE_BACK_OFF, step, wait);
	return ACTION_RESTARTED;
}

static unsigned exited(struct life *life, const struct step *step)
{
	if (step->event->final)
		return go_down(life, step);
	if (life->said_finished && step->event->clean) {
		enter(life, LIFE_FINISHED, step, CLOCK_NEVER);
		return 0;
	}
	if (step->event->excused && !step->event->absent)
		return spawn(life, step) | ACTION_RESTARTED;
	return died(life, step);
}

/* The end of a process that was told to end: in a restart it comes again, and costs nothing. */
static unsigned ended(struct life *life, const struct step *step)
{
	if (step->event->final)
		return go_down(life, step);
	if (life->said_finished && step->event->clean) {
		enter(life, LIFE_FINISHED, step, CLOCK_NEVER);
		return 0;
	}
	if (!life->again)
		return go_down(life, step);
	return step->event->absent ? miss_device(life, step) : spawn(life, step);
}

/* The end of a process that was killed: by a hang it counts as a death. */
static unsigned killed(struct life *life, const struct step *step)
{
	if (step->event->final || !life->again)
		return go_down(life, step);
	return step->event->excused && !step->event->absent ? spawn(life, step) : died(life, step);
}

static step_fn *const table[N_LIFE_STATES][N_LIFE_EVENTS] = {
	[LIFE_DOWN] = {[EVENT_START] = start,
		       [EVENT_PREPARED] = ignore,
		       [EVENT_CHARGE] = ignore,
		       [EVENT_READY] = ignore,
		       [EVENT_FINISHED] = ignore,
		       [EVENT_DRAIN] = ignore,
		       [EVENT_RESTART] = start,
		       [EVENT_DYING] = ignore,
		       [EVENT_TERM] = ignore,
		       [EVENT_KILL] = ignore,
		       [EVENT_EXIT] = ignore,
		       [EVENT_TIMER] = ignore,
		       [EVENT_DEVICE] = ignore,
		       [EVENT_SPAWN_FAILED] = ignore},
	[LIFE_STARTING] = {[EVENT_START] = ignore,
			   [EVENT_PREPARED] = now_prepared,
			   [EVENT_CHARGE] = ignore,
			   [EVENT_READY] = now_ready,
			   [EVENT_FINISHED] = note_finished,
			   [EVENT_DRAIN] = drain,
			   [EVENT_RESTART] = restart,
			   [EVENT_DYING] = ignore,
			   [EVENT_TERM] = term,
			   [EVENT_KILL] = to_kill,
			   [EVENT_EXIT] = exited,
			   [EVENT_TIMER] = to_kill,
			   [EVENT_DEVICE] = ignore,
			   [EVENT_SPAWN_FAILED] = died},
	[LIFE_PREPARED] = {[EVENT_START] = ignore,
			   [EVENT_PREPARED] = ignore,
			   [EVENT_CHARGE] = charge,
			   [EVENT_READY] = ignore,
			   [EVENT_FINISHED] = ignore,
			   [EVENT_DRAIN] = drain,
			   [EVENT_RESTART] = restart,
			   [EVENT_DYING] = ignore,
			   [EVENT_TERM] = term,
			   [EVENT_KILL] = to_kill,
			   [EVENT_EXIT] = exited,
			   [EVENT_TIMER] = ignore,
			   [EVENT_DEVICE] = ignore,
			   [EVENT_SPAWN_FAILED] = ignore},
	[LIFE_READY] = {[EVENT_START] = ignore,
			[EVENT_PREPARED] = ignore,
			[EVENT_CHARGE] = ignore,
			[EVENT_READY] = ignore,
			[EVENT_FINISHED] = note_finished,
			[EVENT_DRAIN] = drain,
			[EVENT_RESTART] = restart,
			[EVENT_DYING] = vanish,
			[EVENT_TERM] = term,
			[EVENT_KILL] = to_kill,
			[EVENT_EXIT] = exited,
			[EVENT_TIMER] = ignore,
			[EVENT_DEVICE] = ignore,
			[EVENT_SPAWN_FAILED] = ignore},
	[LIFE_DRAINING] = {[EVENT_START] = come_back,
			   [EVENT_PREPARED] = ignore,
			   [EVENT_CHARGE] = ignore,
			   [EVENT_READY] = ignore,
			   [EVENT_FINISHED] = note_finished,
			   [EVENT_DRAIN] = stay_down,
			   [EVENT_RESTART] = come_back,
			   [EVENT_DYING] = ignore,
			   [EVENT_TERM] = term,
			   [EVENT_KILL] = to_kill,
			   [EVENT_EXIT] = ended,
			   [EVENT_TIMER] = to_term,
			   [EVENT_DEVICE] = ignore,
			   [EVENT_SPAWN_FAILED] = ignore},
	[LIFE_STOPPING] = {[EVENT_START] = come_back,
			   [EVENT_PREPARED] = ignore,
			   [EVENT_CHARGE] = ignore,
			   [EVENT_READY] = ignore,
			   [EVENT_FINISHED] = note_finished,
			   [EVENT_DRAIN] = stay_down,
			   [EVENT_RESTART] = come_back,
			   [EVENT_DYING] = ignore,
			   [EVENT_TERM] = stay_down,
			   [EVENT_KILL] = to_kill,
			   [EVENT_EXIT] = ended,
			   [EVENT_TIMER] = to_kill,
			   [EVENT_DEVICE] = ignore,
			   [EVENT_SPAWN_FAILED] = ignore},
	[LIFE_KILLING] = {[EVENT_START] = come_back,
			  [EVENT_PREPARED] = ignore,
			  [EVENT_CHARGE] = ignore,
			  [EVENT_READY] = ignore,
			  [EVENT_FINISHED] = ignore,
			  [EVENT_DRAIN] = stay_down,
			  [EVENT_RESTART] = come_back,
			  [EVENT_DYING] = stay_down,
			  [EVENT_TERM] = stay_down,
			  [EVENT_KILL] = ignore,
			  [EVENT_EXIT] = killed,
			  [EVENT_TIMER] = ignore,
			  [EVENT_DEVICE] = ignore,
			  [EVENT_SPAWN_FAILED] = ignore},
	[LIFE_BACK_OFF] = {[EVENT_START] = start,
			   [EVENT_PREPARED] = ignore,
			   [EVENT_CHARGE] = ignore,
			   [EVENT_READY] = ignore,
			   [EVENT_FINISHED] = ignore,
			   [EVENT_DRAIN] = go_down,
			   [EVENT_RESTART] = start,
			   [EVENT_DYING] = ignore,
			   [EVENT_TERM] = go_down,
			   [EVENT_KILL] = ignore,
			   [EVENT_EXIT] = ignore,
			   [EVENT_TIMER] = spawn,
			   [EVENT_DEVICE] = ignore,
			   [EVENT_SPAWN_FAILED] = ignore},
	[LIFE_GAVE_UP] = {[EVENT_START] = start,
			  [EVENT_PREPARED] = ignore,
			  [EVENT_CHARGE] = ignore,
			  [EVENT_READY] = ignore,
			  [EVENT_FINISHED] = ignore,
			  [EVENT_DRAIN] = go_down,
			  [EVENT_RESTART] = start,
			  [EVENT_DYING] = ignore,
			  [EVENT_TERM] = go_down,
			  [EVENT_KILL] = ignore,
			  [EVENT_EXIT] = ignore,
			  [EVENT_TIMER] = ignore,
			  [EVENT_DEVICE] = ignore,
			  [EVENT_SPAWN_FAILED] = ignore},
	[LIFE_NO_DEVICE] = {[EVENT_START] = start,
			    [EVENT_PREPARED] = ignore,
			    [EVENT_CHARGE] = ignore,
			    [EVENT_READY] = ignore,
			    [EVENT_FINISHED] = ignore,
			    [EVENT_DRAIN] = go_down,
			    [EVENT_RESTART] = start,
			    [EVENT_DYING] = ignore,
			    [EVENT_TERM] = go_down,
			    [EVENT_KILL] = ignore,
			    [EVENT_EXIT] = ignore,
			    [EVENT_TIMER] = ignore,
			    [EVENT_DEVICE] = device_back,
			    [EVENT_SPAWN_FAILED] = ignore},
	[LIFE_FINISHED] = {[EVENT_START] = ignore,
			   [EVENT_PREPARED] = ignore,
			   [EVENT_CHARGE] = ignore,
			   [EVENT_READY] = ignore,
			   [EVENT_FINISHED] = ignore,
			   [EVENT_DRAIN] = ignore,
			   [EVENT_RESTART] = ignore,
			   [EVENT_DYING] = ignore,
			   [EVENT_TERM] = ignore,
			   [EVENT_KILL] = ignore,
			   [EVENT_EXIT] = ignore,
			   [EVENT_TIMER] = ignore,
			   [EVENT_DEVICE] = ignore,
			   [EVENT_SPAWN_FAILED] = ignore},
};

unsigned life_step(struct life *life, const struct life_event *event,
		   const struct life_limits *limits, int64_t now)
{
	struct step step = {.event = event, .limits = limits, .now = now};
	return table[life->state][event->kind](life, &step);
}

enum life_verdict life_judge(const struct life *life, const struct life_limits *limits, int64_t now,
			     struct life *heir)
{
	*heir = *life;
	if (life->state != LIFE_READY && life->state != LIFE_KILLING)
		return LIFE_NEVER_AGAIN; /* who never got ready is nobody's predecessor */
	unsigned actions = life_step(heir, &(struct life_event){.kind = EVENT_EXIT}, limits, now);
	if (actions & ACTION_SPAWN)
		return LIFE_AT_ONCE;
	return heir->state == LIFE_BACK_OFF ? LIFE_LATER : LIFE_NEVER_AGAIN;
}

void life_excuse(struct life *heir)
{
	heir->restarts -= heir->restarts > 0;
	heir->streak -= heir->streak > 0;
}

void life_inherit(struct life *heir, const struct life *from)
{
	heir->window_start = from->window_start;
	heir->restarts = from->restarts;
	heir->streak = from->streak;
}

struct life life_new(int64_t now)
{
	return (struct life){.state = LIFE_DOWN, .since = now, .until = CLOCK_NEVER};
}

int64_t life_backoff(const struct life_limits *limits, int64_t n, double dice)
{
	if (n <= 0)
		return 0;
	int64_t wait = limits->backoff;
	for (int64_t i = 1; i < n && wait < limits->backoff_max; i++)
		wait *= 2;
	if (wait > limits->backoff_max)
		wait = limits->backoff_max;
	wait -= (int64_t)((double)wait / 4 * dice);
	return wait > 0 ? wait : 1;
}

bool life_has_process(enum life_state state)
{
	return state == LIFE_STARTING || state == LIFE_PREPARED || state == LIFE_READY ||
	       state == LIFE_DRAINING || state == LIFE_STOPPING || state == LIFE_KILLING;
}

const char *life_state_text(enum life_state state)
{
	static const char *const texts[] = {
#define LIFE_STATE_TEXT(name, text) [LIFE_##name] = (text),
		LIFE_STATES(LIFE_STATE_TEXT)
#undef LIFE_STATE_TEXT
	};
	return texts[state];
}

const char *life_event_text(enum life_event_kind kind)
{
	static const char *const texts[] = {
#define LIFE_EVENT_TEXT(name, text) [EVENT_##name] = (text),
		LIFE_EVENTS(LIFE_EVENT_TEXT)
#undef LIFE_EVENT_TEXT
	};
	return texts[kind];
}
