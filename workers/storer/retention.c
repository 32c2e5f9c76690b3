/* Letting the oldest of a recording go. */
#include "workers/storer/retention.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "workers/storer/index_events.h"
#include "workers/storer/index_keep.h"
#include "workers/storer/reserve.h"
#include "workers/storer/segment.h"
#include "workers/storer/stock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define WORK_FOR       (5 * NS_PER_MS)
#define WORK_BEHIND    (50 * NS_PER_MS) /* when more comes than goes */
#define LOOK_EVERY     (100 * NS_PER_MS)
#define LOOK_EACH      (10 * NS_PER_US) /* a segment: so that looking costs a hundredth of the time */
#define LOOK_FOR_AGE   NS_PER_S
#define LOOK_FOR_SPACE (5 * NS_PER_S)
#define RETRY_AFTER    NS_PER_S
#define FORGET_ROWS    FAIL_FEW(500)	 /* in one transaction: 2 to 4 ms among ten million */
#define LOW_FOR	       (3600 * NS_PER_S) /* after it had to make space, a disk is low for so long */
#define FLOOR_SHARE    10		 /* of the disk is the most that stays free */

enum stage { TO_DOOM, TO_UNLINK, TO_FORGET };

struct retention {
	struct retention_options options;
	struct stock stock;
	struct retention_state state;
	enum stage stage;	  /* of the one that is going */
	bool reserved;		  /* see reserve.h */
	bool grown;		  /* the recording, since it was looked at */
	int64_t earliest, latest; /* when it is looked at again: if it has grown, and if not */
	bool behind;		  /* more comes than goes */
	uint64_t bytes_before;	  /* when the one before went; 0: all held in between */
	int64_t free_before;
	int64_t wanted_space; /* when the floor last wanted some; 0: never */
};

const char *retention_why(enum keep_why why)
{
	static const char *const texts[] = {
		[KEEP_FOR_NOTHING] = "nothing",
		[KEEP_FOR_AGE] = "its age",
		[KEEP_FOR_BYTES] = "the bytes kept",
		[KEEP_FOR_SPACE] = "the space left",
	};

	return texts[why];
}

int retention_create(struct retention **retention, const struct retention_options *options)
{
	struct retention *created = calloc(1, sizeof(*created));
	int rc = created != NULL ? stock_init(&created->stock, options->index, options->run)
				 : TROUPE_E_MEMORY;

	*retention = NULL;
	if (rc < 0) {
		retention_destroy(created);
		return rc;
	}
	created->options = *options;
	*retention = created;
	return 0;
}

void retention_destroy(struct retention *retention)
{
	if (retention == NULL)
		return;
	stock_finish(&retention->stock);
	free(retention);
}

int retention_stream(struct retention *retention, const char *name, struct keep_limit limit)
{
	int number = stock_stream(&retention->stock, name);

	if (number >= 0)
		retention->stock.limits[number] =
			(struct keep_stream){.limit = limit, .recorded = true};
	return number < 0 ? number : 0;
}

/* ---- how a segment goes ---- */

/* Its rows go. What somebody else has taken away meanwhile is none of ours any more. */
static int doom_some(struct retention *retention)
{
	struct retention_state *state = &retention->state;
	const char *why = state->why == KEEP_FOR_SPACE ? "space" : "keep";
	int rc = index_keep_doom(retention->options.index, state->going, FORGET_ROWS, why);

	if (rc == TROUPE_E_NO_SPACE && reserve_give_up(retention->options.segments)) {
		retention->reserved = false;
		rc = index_keep_doom(retention->options.index, state->going, FORGET_ROWS, why);
	}
	if (rc == TROUPE_E_STATE) {
		state->going = 0;
		return 0;
	}
	if (rc < 0)
		return rc;
	state->gone_frames += (uint64_t)rc;
	if (rc == FORGET_ROWS) {
		FAIL_POINT(KEEP_FORGETS);
		return 0;
	}
	FAIL_POINT(KEEP_DOOMED);
	retention->stage = TO_UNLINK;
	return 0;
}

/* A file that is gone already was unlinked by somebody who died after it. */
static int unlink_it(struct retention *retention)
{
	const struct retention_options *options = &retention->options;
	struct retention_state *state = &retention->state;
	char name[SEGMENT_NAME_SIZE];
	struct stat file = {0};

	segment_name(state->going, name);
	(void)fstatat(options->segments, name, &file, 0);
	if (unlinkat(options->segments, name, 0) < 0 && errno != ENOENT)
		return error_from_errno(errno);
	FAIL_POINT(KEEP_UNLINKED);
	if (fsync(options->segments) < 0)
		return error_from_errno(errno);
	FAIL_POINT(KEEP_SYNCED);
	state->gone_bytes += (uint64_t)file.st_size;
	retention->stage = TO_FORGET;
	return 0;
}

static int forget_it(struct retention *retention)
{
	struct retention_state *state = &retention->state;
	int rc = index_keep_forget(retention->options.index, state->going, "keep");

	if (rc < 0)
		return rc;
	FAIL_POINT(KEEP_FORGOTTEN);
	state->gone++;
	state->going = 0;
	return 0;
}

static void begin_to_go(struct retention *retention, uint32_t number, enum keep_why why)
{
	retention->state.going = number;
	retention->state.why = why;
	retention->stage = TO_DOOM;
}

static int go_on(struct retention *retention)
{
	static int (*const stages[])(struct retention *) = {
		[TO_DOOM] = doom_some, [TO_UNLINK] = unlink_it, [TO_FORGET] = forget_it};

	return stages[retention->stage](retention);
}

/* ---- what goes next ---- */

static int look(struct retention *retention, struct keep_rules *rules)
{
	const struct retention_options *options = &retention->options;
	struct stock *stock = &retention->stock;
	struct retention_state *state = &retention->state;
	struct statvfs disk;
	/* Nobody else needs to know. */
	int64_t beside = options->all.bytes > 0 ? index_keep_bytes(options->index) : 0;
	int64_t now = clock_now();

	if (beside < 0)
		return (int)beside;
	if (fstatvfs(options->segments, &disk) < 0)
		return error_from_errno(errno);
	state->free = (int64_t)(disk.f_bavail * disk.f_frsize);
	state->floor = (int64_t)(disk.f_blocks * disk.f_frsize / FLOOR_SHARE);
	if (options->free_floor < state->floor)
		state->floor = options->free_floor;
	stock->keep.free = state->free;
	stock->keep.beside = (uint64_t)beside;
	keep_ages(&stock->keep, stock->boot, now, clock_wall() - now);
	*rules = (struct keep_rules){.all = options->all,
				     .events = options->events,
				     .free_floor = state->floor,
				     .streams = stock->limits,
				     .n_streams = stock->n_streams};
	state->segments = stock->keep.n;
	state->bytes = stock->keep.beside;
	for (size_t i = 0; i < stock->keep.n; i++)
		state->bytes += stock->keep.segments[i].bytes;
	return 0;
}

/* A segment of version 1 may be of several streams: then any of them counts. */
static int has_events(struct index *index, const struct index_segment *segment)
{
	char stream[NAME_SIZE] = "";
	int rc = 0;

	if (segment->stream[0] != 0)
		return index_has_events(index, segment->stream, segment->first_wall,
					segment->last_wall);
	while (rc == 0 && (rc = index_next_event_stream(index, stream, stream)) == 0)
		rc = index_has_events(index, stream, segment->first_wall, segment->last_wall);
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

static int ask_for_events(struct retention *retention, size_t which)
{
	struct index *index = retention->options.index;
	struct keep_segment *segment = &retention->stock.keep.segments[which];
	struct index_segment its;
	int rc = index_segment(index, segment->number, &its);

	if (rc == TROUPE_E_NOT_FOUND) {
		stock_remove(&retention->stock, which); /* replaced by somebody */
		return 0;
	}
	if (rc == 0)
		rc = has_events(index, &its);
	if (rc >= 0)
		segment->events = rc > 0 ? KEEP_EVENTS_SOME : KEEP_EVENTS_NONE;
	return rc < 0 ? rc : 0;
}

/* When it has to be looked again although nothing was recorded. */
static int64_t look_anyway(const struct retention *retention)
{
	const struct retention_options *options = &retention->options;
	bool ages = options->all.age > 0;

	for (size_t i = 0; i < retention->stock.n_streams; i++)
		ages |= retention->stock.limits[i].limit.age > 0;
	if (ages)
		return LOOK_FOR_AGE;
	return options->free_floor > 0 ? LOOK_FOR_SPACE : CLOCK_NEVER;
}

static bool any_limit(const struct retention *retention)
{
	bool any = look_anyway(retention) != CLOCK_NEVER || retention->options.all.bytes > 0;

	for (size_t i = 0; i < retention->stock.n_streams; i++)
		any |= retention->stock.limits[i].limit.bytes > 0;
	return any;
}

/* All holds, or nothing can be done about it now. */
static void rest(struct retention *retention, struct keep_verdict verdict)
{
	int64_t pause = (int64_t)retention->stock.keep.n * LOOK_EACH, now = clock_now();
	int64_t anyway = look_anyway(retention);

	if (!retention->reserved && retention->state.floor > 0 &&
	    retention->state.free > retention->state.floor + RESERVE_BYTES)
		retention->reserved = reserve_take(retention->options.segments);
	retention->state.exhausted = verdict.what == KEEP_EXHAUSTED;
	if (verdict.what == KEEP_EXHAUSTED && verdict.why == KEEP_FOR_SPACE)
		retention->wanted_space = now;
	retention->state.low =
		retention->wanted_space != 0 && now - retention->wanted_space < LOW_FOR;
	pause = pause > LOOK_EVERY ? pause : LOOK_EVERY;
	retention->earliest = now + pause;
	retention->latest = anyway == CLOCK_NEVER ? CLOCK_NEVER : now + pause + anyway;
	retention->grown = false;
	retention->behind = false;
	retention->bytes_before = 0;
}

/* Another one goes before all held: is it getting better? */
static void look_behind(struct retention *retention, enum keep_why why)
{
	struct retention_state *state = &retention->state;

	retention->behind = retention->bytes_before > 0 &&
			    (state->bytes > retention->bytes_before ||
			     (why == KEEP_FOR_SPACE && state->free < retention->free_before));
	retention->bytes_before = state->bytes;
	retention->free_before = state->free;
	if (why == KEEP_FOR_SPACE) {
		retention->wanted_space = clock_now();
		state->low = true;
	}
}

static int act(struct retention *retention, struct keep_verdict verdict)
{
	const struct retention_options *options = &retention->options;
	const struct keep_segment *segments = retention->stock.keep.segments;
	int rc = 0;

	switch (verdict.what) {
	case KEEP_ASK:
		return ask_for_events(retention, verdict.which);
	case KEEP_FORGET:
		look_behind(retention, verdict.why);
		begin_to_go(retention, segments[verdict.which].number, verdict.why);
		stock_remove(&retention->stock, verdict.which);
		return 0;
	case KEEP_CLOSE:
		rc = options->end(options->arg, segments[verdict.which].number);
		break;
	default:
		break;
	}
	rest(retention, verdict);
	return rc;
}

static int decide(struct retention *retention)
{
	int rc = stock_refresh(&retention->stock);
	uint32_t doomed = stock_doomed(&retention->stock);
	struct keep_rules rules;

	if (doomed != 0)
		begin_to_go(retention, doomed, KEEP_FOR_AGE);
	if (rc < 0 || doomed != 0)
		return rc == TROUPE_E_AGAIN ? 0 : rc;
	rc = look(retention, &rules);
	return rc < 0 ? rc : act(retention, keep_next(&rules, &retention->stock.keep));
}

int retention_step(struct retention *retention)
{
	return retention->state.going == 0 ? decide(retention) : go_on(retention);
}

/* When there is something to do next. */
static int64_t next_step(const struct retention *retention)
{
	if (retention->state.going != 0 && retention->state.error == 0)
		return 0;
	return retention->grown && any_limit(retention) ? retention->earliest : retention->latest;
}

int64_t retention_tick(struct retention *retention, bool grown)
{
	struct retention_state *state = &retention->state;
	int64_t begun = clock_now(), first = begun;

	retention->grown |= grown;
	while (begun - first < (retention->behind ? WORK_BEHIND : WORK_FOR) &&
	       begun >= next_step(retention)) {
		int64_t now;

		state->error = retention_step(retention);
		now = clock_now();
		if (state->error < 0)
			retention->earliest = retention->latest = now + RETRY_AFTER;
		state->longest = now - begun > state->longest ? now - begun : state->longest;
		begun = now;
	}
	return next_step(retention);
}

void retention_finish(struct retention *retention)
{
	struct retention_state *state = &retention->state;

	while (state->going != 0 && state->error == 0)
		state->error = go_on(retention);
}

void retention_state(const struct retention *retention, struct retention_state *state)
{
	*state = retention->state;
	state->limited = any_limit(retention);
}
