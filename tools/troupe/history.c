/* `troupe history`: what follows from the journal of each worker, by the very fold that the
 * supervisor's own answers come from. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/links/json.h"
#include "tools/troupe/client.h"
#include "tools/troupe/journal_show.h"
#include "tools/troupe/when.h"

#include <inttypes.h>
#include <string.h>

/* One call. */
struct telling_past {
	const struct call *call;
	const char *worker; /* or a pool; NULL: all */
	struct journal_reader reader;
	struct history history;
	struct lives *lives; /* NULL without a worker */
	char folder[256];
	pid_t writer; /* that goes on with this run, 0: it has ended */
	bool half;
};

/* ---- reading ---- */

static int fold_all(struct telling_past *past)
{
	json_t *line;
	int rc = 0;
	while (rc == 0 && journal_read(&past->reader, &line)) {
		uint64_t run = past->history.run;
		rc = history_fold(&past->history, line);
		bool anew = past->history.run != run && past->history.scope != HISTORY_ALL;
		bool counts = (uint64_t)line_number(line, "run") == past->history.run;
		if (past->lives && anew)
			lives_forget(past->lives);
		if (past->lives && counts)
			lives_take(past->lives, line);
		json_decref(line);
	}
	return rc;
}

/* What lasts still, lasts until now, or until the last line of a run that has ended. */
static int64_t until(const struct telling_past *past)
{
	return past->writer ? clock_now() : past->history.time;
}

static bool goes_on(const struct history *history)
{
	return history->run == history->newest && !history->ended;
}

/* ---- all workers ---- */

static void availability_text(const struct telling_past *past, const struct worker_history *w,
			      char *out, size_t size)
{
	double part = worker_availability(w, until(past));
	if (part < 0)
		snprintf(out, size, "-");
	else
		snprintf(out, size, "%.*f%%", part < 1 ? 3 : 0, 100 * part);
}

static void delay_cell(struct table *table, bool known, int64_t ns)
{
	char text[32];
	table_cell(table, PAINT_NONE, "%s", known ? human_delay(ns, text, sizeof text) : "-");
}

static void worker_row(const struct telling_past *past, struct table *table,
		       const struct worker_history *w)
{
	char available[32];
	struct tally sum = worker_tally(w);
	availability_text(past, w, available, sizeof available);
	table_cell(table, PAINT_NONE, "%s", w->name);
	table_cell(table, PAINT_NONE, "%" PRIu64, sum.lives);
	table_cell(table, sum.restarts ? PAINT_BUSY : PAINT_NONE, "%" PRIu64, sum.restarts);
	table_cell(table, sum.faults ? PAINT_BAD : PAINT_NONE, "%" PRIu64, sum.faults);
	table_cell(table, PAINT_NONE, "%" PRIu64, sum.repairs);
	delay_cell(table, sum.repairs, tally_repair_mean(&sum));
	delay_cell(table, w->repair_last, w->repair_last);
	delay_cell(table, sum.repairs, sum.repair_longest);
	table_cell(table, PAINT_NONE, "%s", available);
	table_cell(table, sum.swaps_failed ? PAINT_BAD : PAINT_NONE, "%" PRIu64 "%s", sum.swaps,
		   sum.swaps_failed ? " *" : "");
	table_cell(table, w->gave_up ? PAINT_BAD : PAINT_NONE, "%s%s",
		   w->gave_up ? "gave up: " : "", w->last_played.cause);
}

static void print_head(const struct telling_past *past)
{
	const struct history *history = &past->history;
	char when[32];
	if (history->scope == HISTORY_ALL)
		printf("%" PRIu64 " runs, the last one: ", history->runs);
	printf("run %" PRIu64, history->run);
	if (history->up_wall)
		printf(", since %s", when_format(history->up_wall, when, sizeof when));
	when_format(history->wall, when, sizeof when);
	if (history->ended)
		printf(", ended %s with exit code %d\n", when, history->exit_code);
	else if (past->writer)
		printf(", goes on\n");
	else
		printf(", broke off after %s\n", when);
	if (history->lost)
		printf("%" PRIu64 " lines of the journal could not be written\n", history->lost);
}

/* All are, or those of a pool. */
static bool is_meant(const struct telling_past *past, const struct worker_history *w)
{
	return !past->worker || worker_matches(past->worker, w->name);
}

static int print_workers(const struct telling_past *past)
{
	static const char *const headings[] = {"WORKER",     ">LIVES", ">RESTARTS", ">FAULTS",
					       ">REPAIRS",   ">MEAN",  ">LAST",	    ">LONGEST",
					       ">AVAILABLE", ">SWAPS", "LAST EXIT"};
	const struct history *history = &past->history;
	struct table *table = table_create(headings, sizeof headings / sizeof headings[0]);
	bool failed = false;
	for (size_t i = 0; table && i < history->n_workers; i++) {
		if (!is_meant(past, history->workers[i]))
			continue;
		worker_row(past, table, history->workers[i]);
		failed |= worker_tally(history->workers[i]).swaps_failed > 0;
	}
	int rc = table ? table_print(table, stdout) : TROUPE_E_MEMORY;
	table_destroy(table);
	if (failed)
		puts("* others failed, and the old program came back");
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* ---- one worker ---- */

static int print_worker(const struct telling_past *past, const struct worker_history *w)
{
	struct tally sum = worker_tally(w);
	char available[32], mean[32], longest[32];
	availability_text(past, w, available, sizeof available);
	printf("%s%s%s: available %s; lives %" PRIu64 ", restarts %" PRIu64 ", faults %" PRIu64
	       "\n",
	       paint_begin(stdout, PAINT_BOLD), w->name, paint_end(stdout, PAINT_BOLD), available,
	       sum.lives, sum.restarts, sum.faults);
	human_delay(tally_repair_mean(&sum), mean, sizeof mean);
	human_delay(sum.repair_longest, longest, sizeof longest);
	if (sum.repairs)
		printf("repairs %" PRIu64 ", %s in the mean, %s at most\n", sum.repairs, mean,
		       longest);
	putchar('\n');
	return lives_print(past->lives, sum.lives) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static bool any_is_meant(const struct telling_past *past)
{
	for (size_t i = 0; i < past->history.n_workers; i++)
		if (is_meant(past, past->history.workers[i]))
			return true;
	return false;
}

static int no_worker(const struct telling_past *past)
{
	const struct history *history = &past->history;
	char valid[1024] = "none yet";
	size_t used = 0;
	for (size_t i = 0; i < history->n_workers && used < sizeof valid; i++)
		used += (size_t)snprintf(valid + used, sizeof valid - used, "%s%s",
					 used ? ", " : "", history->workers[i]->name);
	out_error("the journal knows no worker '%s' (valid: %s)", past->worker, valid);
	return EXIT_USAGE;
}

/* ---- JSON ---- */

static json_t *worker_json(const struct telling_past *past, const struct worker_history *w)
{
	struct tally sum = worker_tally(w);
	double part = worker_availability(w, until(past));
	json_t *out = tally_json(&sum);
	json_object_set_new(out, "name", json_text(w->name));
	json_object_set_new(out, "repair_mean", json_integer(tally_repair_mean(&sum)));
	json_object_set_new(out, "repair_last", json_integer(w->repair_last));
	json_object_set_new(out, "given_up", json_boolean(w->gave_up));
	json_object_set_new(out, "availability", part < 0 ? json_null() : json_real(part));
	if (w->last_played.pid)
		json_object_set_new(out, "last_exit", exit_json(&w->last_played));
	if (past->lives && past->worker && strcmp(past->worker, w->name) == 0)
		json_object_set_new(out, "life", lives_json(past->lives));
	return out;
}

static int print_json(const struct telling_past *past)
{
	const struct history *history = &past->history;
	json_t *workers = json_array();
	for (size_t i = 0; i < history->n_workers; i++)
		if (is_meant(past, history->workers[i]))
			json_array_append_new(workers, worker_json(past, history->workers[i]));
	uint64_t damaged = past->reader.damaged + past->half;
	json_t *out = json_pack("{s:I, s:I, s:b, s:b, s:i, s:I, s:I, s:o}", "run",
				(json_int_t)history->run, "runs", (json_int_t)history->runs,
				"goes_on", past->writer != 0, "ended", history->ended, "exit_code",
				history->exit_code, "lost", (json_int_t)history->lost, "damaged",
				(json_int_t)damaged, "worker", workers);
	int rc = out && json_dumpf(out, stdout, JSON_INDENT(2)) == 0 ? EXIT_DONE : EXIT_FAILED;
	putchar('\n');
	json_decref(out);
	return rc;
}

/* ---- the command ---- */

static int tell(const struct telling_past *past)
{
	const struct worker_history *only = NULL;
	if (!past->history.runs) {
		out_error("history: the journal in %s has no such run", past->folder);
		return EXIT_USAGE;
	}
	if (past->worker)
		only = history_worker(&past->history, past->worker);
	if (past->worker && !only && !any_is_meant(past))
		return no_worker(past);
	if (past->call->json)
		return print_json(past);
	print_head(past);
	return only ? print_worker(past, only) : print_workers(past);
}

int history_run(const struct call *call)
{
	struct telling_past past = {.call = call, .worker = call->n_args ? call->arg[0] : NULL};
	uint64_t run;
	if (!run_read(call, &run))
		return EXIT_USAGE;
	int rc = journal_pick(call, &past.reader, past.folder, sizeof past.folder);
	if (rc != EXIT_DONE)
		return rc;
	history_init(&past.history,
		     run	 ? HISTORY_RUN
		     : call->run ? HISTORY_ALL
				 : HISTORY_LATEST,
		     run);
	past.lives = past.worker ? lives_create(past.worker) : NULL;
	bool memory = (!past.worker || past.lives) && fold_all(&past) == 0;
	past.writer = journal_writer(past.folder);
	past.half = !past.writer && journal_half_line(&past.reader);
	past.writer = goes_on(&past.history) ? past.writer : 0;
	if (memory)
		rc = tell(&past);
	else
		out_error("history: out of memory");
	if (!call->json)
		journal_say_damage(&past.reader, past.half);
	lives_destroy(past.lives);
	history_finish(&past.history);
	journal_reader_close(&past.reader);
	return memory ? rc : EXIT_FAILED;
}
