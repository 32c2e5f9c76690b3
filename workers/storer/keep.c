/* Deciding what of a recording goes next. */
#include "workers/storer/keep.h"

#include "ipc/base/clock.h"

/* So long a clock must have gone on before it is believed how long the machine was off before. */
#define TRUST (INT64_C(86400) * NS_PER_S)
/* 2020: a clock that shows less has never been set. */
#define PLAUSIBLE (INT64_C(1577836800) * NS_PER_S)

/* ---- ages ---- */

static void survey_boots(const struct keep_stock *stock, uint32_t boot, int64_t now, int64_t offset)
{
	struct keep_boot *running = &stock->boots[boot];

	for (size_t i = 0; i < stock->n_boots; i++) {
		stock->boots[i] = (struct keep_boot){.first = INT64_MAX,
						     .last = INT64_MIN,
						     .offset = INT64_MAX,
						     .order = UINT32_MAX};
	}
	for (size_t i = 0; i < stock->n; i++) {
		const struct keep_segment *segment = &stock->segments[i];
		struct keep_boot *of = &stock->boots[segment->boot];
		int64_t its = segment->wall - segment->captured;

		of->first = segment->captured < of->first ? segment->captured : of->first;
		of->last = segment->captured > of->last ? segment->captured : of->last;
		of->offset = its < of->offset ? its : of->offset;
		of->latest = segment->wall > of->latest ? segment->wall : of->latest;
		of->order = segment->order < of->order ? segment->order : of->order;
	}
	if (running->first > now) /* nothing of this boot is recorded yet */
		*running = (struct keep_boot){.first = now, .offset = offset};
	running->last = now;
	running->offset = offset < running->offset ? offset : running->offset;
	running->order = UINT32_MAX; /* the newest */
}

/* How long the machine was off between a boot and those before it, the latest of whose frames is
 * `latest`, as far as that is to be believed `since` the later one began. The least that the clocks
 * of both sides ever claimed: a jump within a boot changes nothing. */
static int64_t time_off(const struct keep_boot *boot, int64_t latest, int64_t since)
{
	int64_t off = boot->first + boot->offset - latest;

	return since < TRUST || latest < PLAUSIBLE || off < 0 ? 0 : off;
}

/* The latest frame of all boots that began before `order`. */
static int64_t latest_before(const struct keep_stock *stock, uint32_t order)
{
	int64_t latest = INT64_MIN;

	for (size_t i = 0; i < stock->n_boots; i++)
		if (stock->boots[i].order < order && stock->boots[i].latest > latest)
			latest = stock->boots[i].latest;
	return latest;
}

/* The boot that came just before `order`; NULL: none. */
static struct keep_boot *boot_before(const struct keep_stock *stock, uint32_t order)
{
	struct keep_boot *found = NULL;

	for (size_t i = 0; i < stock->n_boots; i++) {
		struct keep_boot *boot = &stock->boots[i];

		if (boot->order < order && boot->last >= boot->first &&
		    (found == NULL || boot->order > found->order))
			found = boot;
	}
	return found;
}

void keep_ages(const struct keep_stock *stock, uint32_t boot, int64_t now, int64_t offset)
{
	struct keep_boot *later = &stock->boots[boot], *earlier;

	survey_boots(stock, boot, now, offset);
	later->age = 0;
	while ((earlier = boot_before(stock, later->order)) != NULL) {
		int64_t since = later->age + later->last - later->first;

		earlier->age = since + time_off(later, latest_before(stock, later->order), since);
		later = earlier;
	}
	for (size_t i = 0; i < stock->n; i++) {
		struct keep_segment *segment = &stock->segments[i];
		const struct keep_boot *of = &stock->boots[segment->boot];

		segment->age = of->age + of->last - segment->captured;
	}
}

/* ---- what goes ---- */

#define EVERY_STREAM SIZE_MAX

/* Of whom a limit is: one stream, or all. */
struct scope {
	const struct keep_rules *rules;
	const struct keep_stock *stock;
	size_t stream;	 /* EVERY_STREAM: all */
	uint64_t bytes;	 /* of the segments in it */
	size_t recorded; /* streams in it that are */
};

static bool within(const struct scope *scope, const struct keep_segment *segment)
{
	return scope->stream == EVERY_STREAM || segment->stream == scope->stream;
}

static struct scope scope_of(const struct keep_rules *rules, const struct keep_stock *stock,
			     size_t stream)
{
	struct scope scope = {.rules = rules, .stock = stock, .stream = stream};

	for (size_t i = 0; i < stock->n; i++)
		if (within(&scope, &stock->segments[i]))
			scope.bytes += stock->segments[i].bytes;
	for (size_t i = 0; i < rules->n_streams; i++)
		if (stream == EVERY_STREAM || stream == i)
			scope.recorded += rules->streams[i].recorded;
	return scope;
}

/* Whether no newer segment of its stream is there. */
static bool newest(const struct keep_stock *stock, size_t which)
{
	const struct keep_segment *segments = stock->segments;

	for (size_t i = which + 1; i < stock->n; i++)
		if (segments[i].stream == segments[which].stream)
			return false;
	return true;
}

static bool spared(const struct scope *scope, size_t which)
{
	const struct keep_segment *segment = &scope->stock->segments[which];

	return segment->open ||
	       (scope->rules->streams[segment->stream].recorded && newest(scope->stock, which));
}

/* Whether it has frames within events that are to stay for those; its age must have been looked at.
 */
static bool held(const struct keep_rules *rules, const struct keep_segment *segment)
{
	return rules->events > 0 && segment->age <= rules->events &&
	       segment->events != KEEP_EVENTS_NONE;
}

/* Nothing can go: an open segment that has more than a fair share ends, so that it can. */
static struct keep_verdict end_one(const struct scope *scope, enum keep_why why)
{
	for (size_t i = 0; i < scope->stock->n; i++) {
		const struct keep_segment *segment = &scope->stock->segments[i];

		if (within(scope, segment) && segment->open &&
		    segment->bytes * 2 * (scope->recorded + 1) > scope->bytes)
			return (struct keep_verdict){KEEP_CLOSE, why, i};
	}
	return (struct keep_verdict){.what = KEEP_EXHAUSTED, .why = why};
}

/* The oldest one without events, or the oldest one when all have some. */
static struct keep_verdict make_room(const struct scope *scope, enum keep_why why)
{
	struct keep_verdict last = {.what = KEEP_REST};

	for (size_t i = 0; i < scope->stock->n; i++) {
		const struct keep_segment *segment = &scope->stock->segments[i];

		if (!within(scope, segment) || spared(scope, i))
			continue;
		if (!held(scope->rules, segment))
			return (struct keep_verdict){KEEP_FORGET, why, i};
		if (segment->events == KEEP_EVENTS_UNKNOWN)
			return (struct keep_verdict){KEEP_ASK, why, i};
		if (last.what == KEEP_REST)
			last = (struct keep_verdict){KEEP_FORGET, why, i};
	}
	return last.what == KEEP_REST ? end_one(scope, why) : last;
}

/* A stream's own time stands in place of the general one. */
static int64_t time_limit(const struct keep_rules *rules, const struct keep_segment *segment)
{
	int64_t own = rules->streams[segment->stream].limit.age;

	return own > 0 ? own : rules->all.age;
}

static struct keep_verdict too_old(const struct keep_rules *rules, const struct keep_stock *stock)
{
	for (size_t i = 0; i < stock->n; i++) {
		const struct keep_segment *segment = &stock->segments[i];
		int64_t limit = time_limit(rules, segment);
		enum keep_what what = segment->open ? KEEP_CLOSE : KEEP_FORGET;

		if (limit == 0 || segment->age <= limit)
			continue;
		if (!held(rules, segment))
			return (struct keep_verdict){what, KEEP_FOR_AGE, i};
		if (segment->events == KEEP_EVENTS_UNKNOWN)
			return (struct keep_verdict){KEEP_ASK, KEEP_FOR_AGE, i};
	}
	return (struct keep_verdict){.what = KEEP_REST};
}

/* What a limit in bytes, or the floor, asks for. */
static struct keep_verdict too_much(const struct keep_rules *rules, const struct keep_stock *stock,
				    size_t stream)
{
	bool every = stream == EVERY_STREAM;
	int64_t limit = every ? rules->all.bytes : rules->streams[stream].limit.bytes;
	bool low = every && stock->free < rules->free_floor;
	struct scope scope;

	if (limit == 0 && !low)
		return (struct keep_verdict){.what = KEEP_REST};
	scope = scope_of(rules, stock, stream);
	if (limit > 0 && scope.bytes + (every ? stock->beside : 0) > (uint64_t)limit)
		return make_room(&scope, KEEP_FOR_BYTES);
	return low ? make_room(&scope, KEEP_FOR_SPACE) : (struct keep_verdict){.what = KEEP_REST};
}

static bool to_do(struct keep_verdict verdict)
{
	return verdict.what != KEEP_REST && verdict.what != KEEP_EXHAUSTED;
}

struct keep_verdict keep_next(const struct keep_rules *rules, const struct keep_stock *stock)
{
	struct keep_verdict verdict = too_old(rules, stock), of_all;

	if (to_do(verdict))
		return verdict;
	of_all = too_much(rules, stock, EVERY_STREAM);
	if (to_do(of_all))
		return of_all;
	for (size_t i = 0; i < rules->n_streams; i++) {
		verdict = too_much(rules, stock, i);
		if (to_do(verdict))
			return verdict;
		if (verdict.what == KEEP_EXHAUSTED)
			of_all = verdict;
	}
	return of_all;
}
