/* Keeping up with which segments there are. */
#include "workers/storer/stock.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "workers/storer/index_keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 128 /* segments: two or three milliseconds */
#define AGAIN	8   /* of those that are known */
#define PAGE	4096

/* One more element behind `n`; TROUPE_E_MEMORY. */
static int grow(void **all, size_t n, size_t size)
{
	void *more;

	if ((n & (n - 1)) != 0)
		return 0; /* room doubles at powers of two */
	more = realloc(*all, (n > 0 ? n * 2 : 1) * size);
	if (more == NULL)
		return TROUPE_E_MEMORY;
	*all = more;
	return 0;
}

int stock_stream(struct stock *stock, const char *name)
{
	for (size_t i = 0; i < stock->n_streams; i++)
		if (strcmp(stock->streams[i].name, name) == 0)
			return (int)i;
	if (grow((void **)&stock->streams, stock->n_streams, sizeof(*stock->streams)) < 0 ||
	    grow((void **)&stock->limits, stock->n_streams, sizeof(*stock->limits)) < 0)
		return TROUPE_E_MEMORY;
	stock->limits[stock->n_streams] = (struct keep_stream){0};
	snprintf(stock->streams[stock->n_streams].name, NAME_SIZE, "%s", name);
	return (int)stock->n_streams++;
}

/* The boot of a run. Runs of which it is not known are boots by themselves. */
static int boot_of(struct stock *stock, uint64_t run)
{
	char id[STOCK_BOOT_SIZE];
	int rc;

	for (size_t i = 0; i < stock->n_boots; i++)
		if (stock->boots[i].run == run)
			return (int)i;
	rc = index_keep_boot(stock->index, run, id, sizeof(id));
	if (rc < 0)
		return rc;
	for (size_t i = 0; id[0] != 0 && i < stock->n_boots; i++) {
		if (strcmp(stock->boots[i].id, id) == 0) {
			stock->boots[i].run = run; /* who asks next is most often the same */
			return (int)i;
		}
	}
	if (grow((void **)&stock->boots, stock->n_boots, sizeof(*stock->boots)) < 0 ||
	    grow((void **)&stock->keep.boots, stock->n_boots, sizeof(*stock->keep.boots)) < 0)
		return TROUPE_E_MEMORY;
	stock->boots[stock->n_boots].run = run;
	memcpy(stock->boots[stock->n_boots].id, id, sizeof(id));
	stock->keep.n_boots = stock->n_boots + 1;
	return (int)stock->n_boots++;
}

int stock_init(struct stock *stock, struct index *index, uint64_t run)
{
	int boot;

	*stock = (struct stock){.index = index};
	boot = boot_of(stock, run);
	stock->boot = boot < 0 ? 0 : (uint32_t)boot;
	return boot < 0 ? boot : 0;
}

void stock_finish(struct stock *stock)
{
	free(stock->keep.segments);
	free(stock->keep.boots);
	free(stock->limits);
	free(stock->streams);
	free(stock->boots);
	free(stock->doomed);
	*stock = (struct stock){0};
}

static int add_doomed(struct stock *stock, uint32_t number)
{
	if (grow((void **)&stock->doomed, stock->n_doomed, sizeof(*stock->doomed)) < 0)
		return TROUPE_E_MEMORY;
	stock->doomed[stock->n_doomed++] = number;
	return 0;
}

uint32_t stock_doomed(struct stock *stock)
{
	return stock->n_doomed > 0 ? stock->doomed[--stock->n_doomed] : 0;
}

/* ---- segments ---- */

static size_t find_number(const struct stock *stock, uint32_t number)
{
	size_t at = stock->keep.n;

	while (at > 0 && stock->keep.segments[at - 1].number != number)
		at--;
	return at; /* behind it; 0: not there */
}

void stock_remove(struct stock *stock, size_t which)
{
	struct keep_segment *segments = stock->keep.segments;

	memmove(&segments[which], &segments[which + 1],
		(stock->keep.n - which - 1) * sizeof(*segments));
	stock->keep.n--;
}

/* Its last frame; one without frames is as new as can be. */
static int describe_age(struct stock *stock, struct keep_segment *segment)
{
	struct index_row last;
	int rc = index_previous_place(stock->index, segment->number, INT64_MAX, &last);
	int boot = (int)stock->boot;

	if (rc == TROUPE_E_ENDED) {
		segment->captured = clock_now();
		segment->wall = clock_wall();
		rc = 0;
	} else if (rc == 0) {
		segment->captured = last.record.captured;
		segment->wall = last.record.captured_wall;
		boot = boot_of(stock, last.record.run);
	}
	segment->boot = boot >= 0 ? (uint32_t)boot : 0;
	return boot < 0 ? boot : rc;
}

static int describe(struct stock *stock, const struct index_segment *from,
		    struct keep_segment *segment)
{
	int stream = stock_stream(stock, from->stream);

	if (stream < 0)
		return stream;
	segment->stream = (uint32_t)stream;
	segment->open = from->state == SEGMENT_OPEN;
	segment->bytes = (from->bytes + PAGE - 1) / PAGE * PAGE;
	return describe_age(stock, segment);
}

static int make_room(struct stock *stock)
{
	size_t room = stock->room > 0 ? stock->room * 2 : 64;
	struct keep_segment *more;

	if (stock->keep.n < stock->room)
		return 0;
	more = realloc(stock->keep.segments, room * sizeof(*more));
	if (more == NULL)
		return TROUPE_E_MEMORY;
	stock->keep.segments = more;
	stock->room = room;
	return 0;
}

static int add(struct stock *stock, const struct index_segment *from)
{
	struct keep_segment added = {.number = from->number,
				     .order = from->replaces != 0 ? from->replaces : from->number};
	struct keep_segment *segments;
	size_t at = find_number(stock, from->replaces);
	int rc = describe(stock, from, &added);

	if (rc == 0)
		rc = make_room(stock);
	if (rc < 0)
		return rc;
	if (from->replaces != 0 && at > 0)
		stock_remove(stock, at - 1);
	segments = stock->keep.segments;
	for (at = stock->keep.n; at > 0 && segments[at - 1].order > added.order; at--)
		;
	memmove(&segments[at + 1], &segments[at], (stock->keep.n - at) * sizeof(*segments));
	segments[at] = added;
	stock->keep.n++;
	return 0;
}

/* What the index says of it now, whatever we knew. */
static int take(struct stock *stock, const struct index_segment *from)
{
	size_t at = find_number(stock, from->number);

	if (from->state == SEGMENT_CLOSED && at > 0 && !stock->keep.segments[at - 1].open)
		return 0;
	if (from->state != SEGMENT_DOOMED)
		return at > 0 ? describe(stock, from, &stock->keep.segments[at - 1])
			      : add(stock, from);
	if (at > 0)
		stock_remove(stock, at - 1);
	return add_doomed(stock, from->number);
}

/* A segment that may have changed, or gone. */
static int look_again(struct stock *stock, uint32_t number)
{
	struct index_segment segment;
	size_t at = find_number(stock, number);
	int rc = index_segment(stock->index, number, &segment);

	if (rc == 0)
		return number <= stock->known ? take(stock, &segment)
					      : 0; /* else it will be read */
	if (rc == TROUPE_E_NOT_FOUND && at > 0)
		stock_remove(stock, at - 1);
	return rc == TROUPE_E_NOT_FOUND ? 0 : rc;
}

/* Segments behind the highest that is known. */
static int read_new(struct stock *stock)
{
	struct index_segment segment;
	int rc = 0;

	for (int i = 0; rc == 0 && i < AT_ONCE; i++) {
		rc = index_next_segment(stock->index, stock->known, &segment);
		if (rc == 0)
			rc = take(stock, &segment);
		if (rc == 0)
			stock->known = segment.number;
	}
	return rc == 0 ? TROUPE_E_AGAIN : rc == TROUPE_E_ENDED ? 0 : rc;
}

/* Those that may have grown. */
static int read_open(struct stock *stock)
{
	int rc = 0;

	for (size_t i = stock->keep.n; rc == 0 && i > 0; i--)
		if (i <= stock->keep.n && stock->keep.segments[i - 1].open)
			rc = look_again(stock, stock->keep.segments[i - 1].number);
	return rc;
}

/* A few of all, by turns: what others have replaced meanwhile has a number that is not new. */
static int read_again(struct stock *stock)
{
	struct index_segment segment;
	int rc = 0;

	for (int i = 0; rc == 0 && i < AGAIN; i++) {
		rc = index_next_segment(stock->index, stock->again, &segment);
		if (rc == 0 && segment.number <= stock->known)
			rc = take(stock, &segment);
		stock->again = rc == 0 ? segment.number : 0;
	}
	return rc == TROUPE_E_ENDED ? 0 : rc;
}

int stock_refresh(struct stock *stock)
{
	/* One snapshot: else each question would take its locks. */
	int rc = index_begin_read(stock->index);

	if (rc == 0)
		rc = read_open(stock);
	if (rc == 0)
		rc = read_new(stock);
	if (rc == 0)
		rc = read_again(stock);
	index_rollback(stock->index);
	return rc;
}
