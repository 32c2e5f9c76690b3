/* Which frames a call means; see range.h. */
#include "tools/troupe/range.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/output.h"
#include "tools/troupe/when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names of the streams of all runs, each once. */
struct names {
	char name[64][NAME_SIZE];
	size_t n;
};

static void add_name(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->name[i], name) == 0)
			return;
	}
	if (names->n < sizeof(names->name) / sizeof(names->name[0]))
		snprintf(names->name[names->n++], NAME_SIZE, "%s", name);
}

static void list_streams(struct recording *recording, struct names *names)
{
	uint64_t run = 0;
	names->n = 0;
	while (recording_next_run(recording, run, &run) == 0) {
		char name[NAME_SIZE] = "";
		while (recording_next_stream(recording, run, name, name) == 0)
			add_name(names, name);
	}
}

/* "cam1, cam2" */
static void say_names(const struct names *names, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < names->n && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "",
					 names->name[i]);
}

static bool has_name(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->name[i], name) == 0)
			return true;
	}
	return false;
}

int range_pick_stream(const struct call *call, struct recording *recording, char out[NAME_SIZE])
{
	const char *command = call->command->name;
	struct names names;
	char there[512];
	list_streams(recording, &names);
	say_names(&names, there, sizeof(there));
	if (names.n == 0) {
		out_error("%s: the recording is empty", command);
		return EXIT_FAILED;
	}
	if (call->stream && !has_name(&names, call->stream)) {
		out_error("%s: the recording has no stream '%s' (it has %s)", command, call->stream,
			  there);
		return EXIT_USAGE;
	}
	if (!call->stream && names.n > 1) {
		out_error("%s: which stream? --stream S is one of %s", command, there);
		return EXIT_USAGE;
	}
	snprintf(out, NAME_SIZE, "%s", call->stream ? call->stream : names.name[0]);
	return EXIT_DONE;
}

/* A number from 1 up, and where it ends. */
static bool read_number(const char *text, uint64_t *number, const char **end)
{
	char *stop;
	errno = 0;
	*number = strtoull(text, &stop, 10);
	*end = stop;
	return *text >= '0' && *text <= '9' && errno == 0 && *number > 0 && *number <= INT64_MAX;
}

int range_pick_run(const struct call *call, struct recording *recording, uint64_t *run)
{
	const char *end;
	uint64_t found = 0;
	*run = 0;
	if (!call->run)
		return EXIT_DONE;
	if (!read_number(call->run, run, &end) || *end) {
		out_error("%s: --run '%s' is no run's number", call->command->name, call->run);
		return EXIT_USAGE;
	}
	if (recording_next_run(recording, *run - 1, &found) == 0 && found == *run)
		return EXIT_DONE;
	if (recording_newest_run(recording, &found) < 0)
		found = 0;
	out_error("%s: the recording has no run %" PRIu64 " (the newest is %" PRIu64 ")",
		  call->command->name, *run, found);
	return EXIT_USAGE;
}

/* --from or --to. */
static int pick_time(const struct call *call, const char *option, const char *text,
		     struct when *when)
{
	char why[256];
	if (!text || when_parse(text, clock_wall(), when, why, sizeof(why)) == 0)
		return EXIT_DONE;
	out_error("%s: %s: %s", call->command->name, option, why);
	return EXIT_USAGE;
}

static int pick_times(struct range *range, const struct call *call)
{
	struct when from = {.first = 0}, to = {.last = INT64_MAX};
	int rc = pick_time(call, "--from", call->from, &from);
	if (rc == EXIT_DONE)
		rc = pick_time(call, "--to", call->to, &to);
	range->from = from.first;
	range->to = to.last;
	if (rc == EXIT_DONE && range->from > range->to) {
		out_error("%s: --from is later than --to", call->command->name);
		return EXIT_USAGE;
	}
	return rc;
}

/* "A-B", "A-", "-B" or "A". */
static int pick_numbers(struct range *range, const struct call *call)
{
	const char *at = call->seq;
	bool good = true;
	range->first = 1;
	range->last = INT64_MAX;
	if (!at)
		return EXIT_DONE;
	if (*at != '-')
		good = read_number(at, &range->first, &at);
	if (good && *at == '\0')
		range->last = range->first;
	else if (good && *at++ == '-' && *at)
		good = read_number(at, &range->last, &at) && *at == '\0';
	else
		good = good && at[-1] == '-' && at != call->seq + 1;
	if (good && range->first <= range->last)
		return EXIT_DONE;
	out_error("%s: --seq '%s' is not FIRST-LAST", call->command->name, call->seq);
	return EXIT_USAGE;
}

/* Numbers are of a run; without --run it is the newest one that has this stream. */
static int pick_run(struct range *range, const struct call *call)
{
	struct index_row row;
	int rc = range_pick_run(call, range->recording, &range->run);
	if (rc == EXIT_DONE && call->seq && !call->run &&
	    recording_last_until(range->recording, range->stream, INT64_MAX, &row) == 0)
		range->run = row.record.run;
	return rc;
}

/* Keeps of each span what the numbers allow. Where they cut one, what remains is an upper bound. */
static void cut_spans(struct range *range)
{
	size_t kept = 0;
	for (size_t i = 0; i < range->n_spans; i++) {
		struct index_span span = range->spans[i];
		span.first = span.first > range->first ? span.first : range->first;
		span.last = span.last < range->last ? span.last : range->last;
		if (span.first > span.last || (range->run && span.run != range->run))
			continue;
		uint64_t most = span.last - span.first + 1;
		span.frames = span.frames < most ? span.frames : most;
		range->frames += span.frames;
		range->spans[kept++] = span;
	}
	range->n_spans = kept;
}

static int find_spans(struct range *range)
{
	size_t room = 16;
	for (;;) {
		struct index_span *larger = realloc(range->spans, room * sizeof(*larger));
		if (!larger)
			return TROUPE_E_MEMORY;
		range->spans = larger;
		int64_t n = recording_spans(range->recording, range->stream, range->from, range->to,
					    range->spans, room);
		if (n < 0)
			return (int)n;
		range->n_spans = (size_t)n < room ? (size_t)n : room;
		if ((size_t)n <= room)
			break;
		room = (size_t)n + 16;
	}
	cut_spans(range);
	return 0;
}

/* There is nothing: what there is instead. */
static void say_what_there_is(const struct range *range, const struct call *call)
{
	struct index_row first, last;
	char begin[32], end[32];
	if (recording_first_since(range->recording, range->stream, 0, &first) < 0 ||
	    recording_last_until(range->recording, range->stream, INT64_MAX, &last) < 0) {
		out_error("%s: there is no frame of %s", call->command->name, range->stream);
		return;
	}
	out_error("%s: there is no such frame; %s was recorded from %s to %s, the last as frame "
		  "%" PRIu64 " of run %" PRIu64,
		  call->command->name, range->stream,
		  when_format(first.record.captured_wall, begin, sizeof(begin)),
		  when_format(last.record.captured_wall, end, sizeof(end)), last.record.seq,
		  last.record.run);
}

int range_open(struct range *range, const struct call *call, struct recording *recording)
{
	*range = (struct range){.recording = recording};
	int rc = range_pick_stream(call, recording, range->stream);
	if (rc == EXIT_DONE)
		rc = pick_times(range, call);
	if (rc == EXIT_DONE)
		rc = pick_numbers(range, call);
	if (rc == EXIT_DONE)
		rc = pick_run(range, call);
	if (rc != EXIT_DONE)
		return rc;
	int error = find_spans(range);
	if (error < 0) {
		out_error("%s: the catalogue cannot be read: %s", call->command->name,
			  error_text(error));
		return EXIT_FAILED;
	}
	range_rewind(range);
	if (range->frames > 0)
		return EXIT_DONE;
	say_what_there_is(range, call);
	return EXIT_FAILED;
}

void range_close(struct range *range)
{
	free(range->spans);
	range->spans = NULL;
}

void range_rewind(struct range *range)
{
	range->at = 0;
	range->after = range->n_spans ? range->spans[0].first - 1 : 0;
}

/* Where the clock was set back, a span has frames of other times in between. */
int range_next(struct range *range, struct index_row *row)
{
	while (range->at < range->n_spans) {
		const struct index_span *span = &range->spans[range->at];
		int rc = recording_next(range->recording, span->run, range->stream, range->after,
					row);
		if (rc < 0 && rc != TROUPE_E_ENDED)
			return rc;
		if (rc == TROUPE_E_ENDED || row->record.seq > span->last) {
			range->at++;
			if (range->at < range->n_spans)
				range->after = range->spans[range->at].first - 1;
			continue;
		}
		range->after = row->record.seq;
		if (row->record.captured_wall >= range->from &&
		    row->record.captured_wall <= range->to)
			return 0;
	}
	return TROUPE_E_ENDED;
}
