/* The fold: one small function an event. */
#include "ipc/journal/history.h"

#include "ipc/base/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void history_init(struct history *history, enum history_scope scope, uint64_t run)
{
	*history = (struct history){.scope = scope, .run = run};
}

static void forget_workers(struct history *history)
{
	for (size_t i = 0; i < history->n_workers; i++)
		free(history->workers[i]);
	history->n_workers = 0;
}

void history_finish(struct history *history)
{
	forget_workers(history);
	free(history->workers);
	history->workers = NULL;
	history->room = 0;
}

/* ---- workers ---- */

static struct worker_history *find(const struct history *history, const char *name)
{
	for (size_t i = 0; i < history->n_workers; i++)
		if (strcmp(history->workers[i]->name, name) == 0)
			return history->workers[i];
	return NULL;
}

const struct worker_history *history_worker(const struct history *history, const char *name)
{
	return find(history, name);
}

static struct worker_history *find_or_add(struct history *history, const char *name)
{
	struct worker_history *worker = find(history, name);
	if (worker)
		return worker;
	if (history->n_workers == history->room) {
		size_t room = history->room ? 2 * history->room : 16;
		struct worker_history **more =
			realloc(history->workers, room * sizeof(struct worker_history *));
		if (!more)
			return NULL;
		history->workers = more;
		history->room = room;
	}
	worker = calloc(1, sizeof(*worker));
	if (!worker)
		return NULL;
	snprintf(worker->name, sizeof(worker->name), "%s", name);
	history->workers[history->n_workers++] = worker;
	return worker;
}

/* ---- who is ready, and who is missed ---- */

static void stop_missing(struct worker_history *w, int64_t now)
{
	if (w->broken_since)
		w->now.broken += now - w->broken_since;
	w->broken_since = 0;
}

static void stop_playing(struct worker_history *w, int64_t now)
{
	if (w->played_since)
		w->now.played += now - w->played_since;
	w->played_since = 0;
	w->n_ready = 0;
}

static void note_repair(struct worker_history *w, int64_t now)
{
	int64_t took = now - w->broken_since;
	w->now.repairs++;
	w->now.repair_total += took;
	w->now.repair_longest = took > w->now.repair_longest ? took : w->now.repair_longest;
	w->repair_last = took;
	stop_missing(w, now);
}

static void becomes_ready(struct worker_history *w, int32_t pid, int64_t now)
{
	if (w->broken_since)
		note_repair(w, now);
	if (!w->played_since)
		w->played_since = now;
	for (uint32_t i = 0; i < w->n_ready; i++)
		if (w->ready[i] == pid)
			return;
	if (w->n_ready == HISTORY_READY_MAX) { /* the end of the oldest was never told */
		memmove(w->ready, w->ready + 1, sizeof(w->ready) - sizeof(w->ready[0]));
		w->n_ready--;
	}
	w->ready[w->n_ready++] = pid;
	w->gave_up = false;
}

/* `planned`: nobody is missed for it. Whether it was ready. */
static bool leaves(struct worker_history *w, int32_t pid, bool planned, int64_t now)
{
	uint32_t at = 0;
	while (at < w->n_ready && w->ready[at] != pid)
		at++;
	if (at == w->n_ready)
		return false;
	memmove(w->ready + at, w->ready + at + 1, (w->n_ready - at - 1) * sizeof(w->ready[0]));
	if (--w->n_ready > 0)
		return true;
	stop_playing(w, now);
	w->broken_since = planned ? 0 : now;
	return true;
}

/* ---- one function an event ---- */

/* A line, and what it is about. */
struct fact {
	struct history *history;
	const json_t *line;
	int64_t time;
	struct worker_history *worker; /* NULL: none */
};

static int64_t number(const struct fact *fact, const char *key)
{
	return json_integer_value(json_object_get(fact->line, key));
}

static bool is(const struct fact *fact, const char *key)
{
	return json_is_true(json_object_get(fact->line, key));
}

static const char *text(const struct fact *fact, const char *key)
{
	const char *found = json_string_value(json_object_get(fact->line, key));
	return found ? found : "";
}

static void on_up(const struct fact *fact)
{
	struct history *history = fact->history;
	history->up_time = fact->time;
	history->up_wall = history->wall;
	history->pid = (int32_t)number(fact, "pid");
	history->stopping = history->ended = false;
}

static void on_spawn(const struct fact *fact)
{
	struct worker_history *w = fact->worker;
	uint32_t incarnation = (uint32_t)number(fact, "incarnation");
	w->now.lives++;
	w->incarnation = incarnation > w->incarnation ? incarnation : w->incarnation;
}

static void on_spawn_failed(const struct fact *fact)
{
	fact->worker->now.failed++;
}

static void on_ready(const struct fact *fact)
{
	becomes_ready(fact->worker, (int32_t)number(fact, "pid"), fact->time);
}

static void on_dying(const struct fact *fact)
{
	bool planned = is(fact, "asked") || fact->history->stopping;
	leaves(fact->worker, (int32_t)number(fact, "pid"), planned, fact->time);
}

static void on_restart(const struct fact *fact)
{
	fact->worker->now.restarts++;
}

static bool is_planned(const struct exit_note *note, bool asked)
{
	return asked || note->kind == EXIT_FINISHED || note->kind == EXIT_DEVICE;
}

static void on_exit_line(const struct fact *fact)
{
	struct worker_history *w = fact->worker;
	struct exit_note *note = &w->exits[w->n_exits++ % EXITS_KEPT];
	exit_from_json(fact->line, note);
	note->time = fact->time;
	note->wall = fact->history->wall;
	w->now.exits++;
	w->now.faults += note->fault;
	w->now.excused += note->excused;
	w->turn = note->turn > w->turn ? note->turn : w->turn;
	/* The end of one that dies slowly may come after that of the next. */
	struct exit_note *last = note->turn ? &w->last_played : &w->last_standby;
	if (note->turn >= last->turn)
		*last = *note;
	bool planned = is_planned(note, is(fact, "asked")) || fact->history->stopping;
	/* Who was to follow was told to end as well: somebody does not want it any more. */
	if (!leaves(w, note->pid, planned, fact->time) && planned && note->turn && !note->ready)
		stop_missing(w, fact->time);
}

/* In a pool the newcomer is the one that plays from its probation on, though the old one has still
 * something to finish. */
static void on_swap(const struct fact *fact)
{
	struct worker_history *w = fact->worker;
	const char *outcome = text(fact, "outcome");
	if (strcmp(outcome, "done") == 0)
		w->now.swaps++;
	else if (*outcome)
		w->now.swaps_failed++;
	else if (strcmp(text(fact, "stage"), "on probation") == 0 && w->n_ready > 0) {
		w->ready[0] = (int32_t)number(fact, "pid");
		w->n_ready = 1;
	}
}

/* Those with numbers above the new count are not wanted any more. */
static void on_scale(const struct fact *fact)
{
	struct history *history = fact->history;
	size_t length = strlen(text(fact, "worker"));
	for (size_t i = 0; i < history->n_workers && length; i++) {
		struct worker_history *w = history->workers[i];
		if (strncmp(w->name, text(fact, "worker"), length) == 0 && w->name[length] == '.' &&
		    strtoll(w->name + length + 1, NULL, 10) > number(fact, "count"))
			stop_missing(w, fact->time);
	}
}

static void on_gave_up(const struct fact *fact)
{
	if (is(fact, "spare"))
		return;
	fact->worker->now.gave_up++;
	fact->worker->gave_up = true;
}

/* Who is stopped by a person while it is away is not missed from then on. */
static void on_control(const struct fact *fact)
{
	if (fact->worker && strcmp(text(fact, "request"), "stop") == 0 && number(fact, "code") == 0)
		stop_missing(fact->worker, fact->time);
}

/* Another supervisor goes on with the run; that one decides whether the pipeline still ends. */
static void on_adopt(const struct fact *fact)
{
	fact->history->pid = (int32_t)number(fact, "pid");
	fact->history->stopping = fact->history->ended = false;
}

static void on_down(const struct fact *fact)
{
	fact->history->stopping = true;
	for (size_t i = 0; i < fact->history->n_workers; i++)
		stop_missing(fact->history->workers[i], fact->time);
}

static void on_ended(const struct fact *fact)
{
	fact->history->ended = true;
	fact->history->exit_code = (int)number(fact, "code");
}

static void on_lost(const struct fact *fact)
{
	fact->history->lost += (uint64_t)number(fact, "count");
}

static void on_history(const struct fact *fact)
{
	const json_t *fold = json_object_get(fact->line, "fold");
	if (fact->worker)
		history_worker_set(fact->worker, fold);
	else
		history_pipeline_set(fact->history, fold);
}

static const struct {
	void (*fold)(const struct fact *fact);
	bool about_worker; /* means nothing without one */
} folds[N_JOURNAL_EVENTS] = {
	[JOURNAL_UP] = {on_up, false},
	[JOURNAL_SPAWN] = {on_spawn, true},
	[JOURNAL_SPAWN_FAILED] = {on_spawn_failed, true},
	[JOURNAL_READY] = {on_ready, true},
	[JOURNAL_DYING] = {on_dying, true},
	[JOURNAL_RESTART] = {on_restart, true},
	[JOURNAL_EXIT] = {on_exit_line, true},
	[JOURNAL_SWAP] = {on_swap, true},
	[JOURNAL_SCALE] = {on_scale, false},
	[JOURNAL_GAVE_UP] = {on_gave_up, true},
	[JOURNAL_CONTROL] = {on_control, false},
	[JOURNAL_ADOPT] = {on_adopt, false},
	[JOURNAL_DOWN] = {on_down, false},
	[JOURNAL_ENDED] = {on_ended, false},
	[JOURNAL_LOST] = {on_lost, false},
	[JOURNAL_HISTORY] = {on_history, false},
};

/* ---- runs ---- */

static void add(struct tally *sum, const struct tally *more)
{
	sum->lives += more->lives;
	sum->failed += more->failed;
	sum->restarts += more->restarts;
	sum->exits += more->exits;
	sum->faults += more->faults;
	sum->excused += more->excused;
	sum->gave_up += more->gave_up;
	sum->swaps += more->swaps;
	sum->swaps_failed += more->swaps_failed;
	sum->repairs += more->repairs;
	sum->repair_total += more->repair_total;
	if (more->repair_longest > sum->repair_longest)
		sum->repair_longest = more->repair_longest;
	sum->played += more->played;
	sum->broken += more->broken;
}

/* The clock of a run means nothing in the next one: what still lasted, lasted until its last line.
 */
static void close_run(struct history *history)
{
	for (size_t i = 0; i < history->n_workers; i++) {
		struct worker_history *w = history->workers[i];
		stop_playing(w, history->time);
		stop_missing(w, history->time);
		add(&w->before, &w->now);
		w->now = (struct tally){0};
		w->incarnation = w->turn = 0;
		w->last_played.turn = w->last_standby.turn = 0;
		w->gave_up = false;
	}
}

/* Whether a line of that run counts. */
static bool enter_run(struct history *history, uint64_t run)
{
	history->newest = run;
	if (history->scope == HISTORY_RUN && run != history->run)
		return false;
	if (history->runs && run == history->run)
		return true;
	if (history->scope == HISTORY_ALL)
		close_run(history);
	else
		forget_workers(history);
	history->run = run;
	history->runs++;
	history->up_time = history->up_wall = 0;
	history->pid = 0;
	history->stopping = history->ended = false;
	history->lost = history->scope == HISTORY_ALL ? history->lost : 0;
	return true;
}

int history_fold(struct history *history, const json_t *line)
{
	struct fact fact = {.history = history, .line = line, .time = 0};
	const json_t *run = json_object_get(line, "run");
	const char *worker = text(&fact, "worker");
	enum journal_event event = journal_event_find(text(&fact, "event"));
	fact.time = number(&fact, "t");
	if (!json_is_integer(run) || !fact.time ||
	    !enter_run(history, (uint64_t)json_integer_value(run)))
		return 0;
	history->time = fact.time;
	history->wall = journal_wall(line);
	if (event == N_JOURNAL_EVENTS || !folds[event].fold)
		return 0;
	if (*worker && event != JOURNAL_SCALE && event != JOURNAL_CONTROL) {
		fact.worker = find_or_add(history, worker);
		if (!fact.worker)
			return TROUPE_E_MEMORY;
	} else if (*worker) {
		fact.worker = find(history, worker);
	}
	if (fact.worker || !folds[event].about_worker)
		folds[event].fold(&fact);
	return 0;
}

/* ---- what follows from it ---- */

struct tally worker_tally(const struct worker_history *worker)
{
	struct tally sum = worker->before;
	add(&sum, &worker->now);
	return sum;
}

int64_t tally_repair_mean(const struct tally *tally)
{
	return tally->repairs ? tally->repair_total / (int64_t)tally->repairs : 0;
}

double worker_availability(const struct worker_history *worker, int64_t now)
{
	struct tally sum = worker_tally(worker);
	int64_t played = sum.played, broken = sum.broken;
	if (worker->played_since && now > worker->played_since)
		played += now - worker->played_since;
	if (worker->broken_since && now > worker->broken_since)
		broken += now - worker->broken_since;
	return played + broken > 0 ? (double)played / (double)(played + broken) : -1;
}
