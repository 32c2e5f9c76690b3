/* `troupe swap`: asks, says how far it is, and measures by the recording what it cost. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/rows.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"
#include "workers/storer/recording.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_WAIT (5 * NS_PER_S)
#define LOOK_BACK   100000 /* frames; a swap is shorter than that */
#define GAPS_MAX    4096   /* commits before the swap that the usual one is taken from */

struct swap_options {
	int64_t probation;
};

static const struct row probation_row = {.name = "--probation",
					 .type = ROW_DURATION,
					 ROW_AT(struct swap_options, probation),
					 .min = 0,
					 .max = 3600e9,
					 .fallback = "5s",
					 .help = ""};

/* ---- what the recording tells ---- */

struct cost {
	uint64_t lost;	 /* numbers that are not there between two that are, and drops */
	int64_t longest; /* ns between two commits of a stream while the swap was under way */
	int64_t gaps[GAPS_MAX];
	size_t n_gaps; /* before the swap */
};

static int by_value(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

/* The usual time between two commits: the median before the swap; 0: there were too few. */
static int64_t usual_gap(struct cost *cost)
{
	size_t n = cost->n_gaps < GAPS_MAX ? cost->n_gaps : GAPS_MAX;
	qsort(cost->gaps, n, sizeof(cost->gaps[0]), by_value);
	return n ? cost->gaps[n / 2] : 0;
}

static void take_gap(struct cost *cost, const Troupe__SwapReport *report, int64_t from, int64_t to)
{
	if (from == 0 || to <= from)
		return; /* both in one commit */
	if (to < report->begun)
		cost->gaps[cost->n_gaps++ % GAPS_MAX] = to - from;
	else if (from < report->ended && to - from > cost->longest)
		cost->longest = to - from;
}

/* One stream: the newest frames before the swap, and all since. */
static void weigh_stream(struct cost *cost, struct recording *recording, uint64_t run,
			 const char *stream, const Troupe__SwapReport *report)
{
	struct index_tally tally;
	struct index_row row;
	uint64_t last = 0;
	int64_t stored = 0;
	if (recording_tally(recording, run, stream, &tally) < 0)
		return;
	last = tally.last > LOOK_BACK ? tally.last - LOOK_BACK : 0;
	while (recording_next(recording, run, stream, last, &row) == 0) {
		if (row.stored >= report->begun && stored)
			cost->lost += row.record.seq - last - 1;
		take_gap(cost, report, stored, row.stored);
		last = row.record.seq;
		stored = row.stored;
	}
	/* Nothing since: that gap is still open. */
	if (stored)
		take_gap(cost, report, stored, report->ended);
}

static void weigh(struct cost *cost, const Troupe__Pipeline *pipeline,
		  const Troupe__SwapReport *report)
{
	struct recording *recording;
	char why[256], stream[NAME_SIZE] = "";
	*cost = (struct cost){.lost = report->drops};
	if (recording_open(&recording, pipeline->recording, why, sizeof why) < 0)
		return;
	while (recording_next_stream(recording, pipeline->run, stream, stream) == 0)
		weigh_stream(cost, recording, pipeline->run, stream, report);
	recording_close(recording);
}

/* ---- telling ---- */

static double ms(int64_t ns)
{
	return (double)ns / (double)NS_PER_MS;
}

static int print_json(const Troupe__Reply *reply, struct cost *cost)
{
	const Troupe__SwapReport *r = reply->swap;
	json_t *json =
		json_pack("{s:s, s:s, s:s, s:i, s:b, s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "worker",
			  r->worker, "before", r->before, "program", r->after, "pid", (int)r->pid,
			  "ok", r->ok, "why", reply->code == 0 ? "" : reply->text, "frames_lost",
			  (json_int_t)cost->lost, "longest_gap_ms", ms(cost->longest),
			  "usual_gap_ms", ms(usual_gap(cost)), "hand_over_ms", ms(r->hand_over),
			  "draining_ms", ms(r->draining), "prepared_ms", ms(r->preparing));
	int rc = json ? json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : -1;
	putchar('\n');
	json_decref(json);
	return rc < 0 ? TROUPE_E_MEMORY : 0;
}

static void print_text(const Troupe__Reply *reply, struct cost *cost)
{
	const Troupe__SwapReport *r = reply->swap;
	int64_t usual = usual_gap(cost);
	puts(reply->text);
	printf("  %llu frames lost; prepared in %.1f ms, nobody in charge for %.1f ms; at most "
	       "%.0f "
	       "ms between two commits",
	       (unsigned long long)cost->lost, ms(r->preparing), ms(r->hand_over),
	       ms(cost->longest));
	if (usual)
		printf(", usually %.0f", ms(usual));
	putchar('\n');
}

/* How far it is: for people who look on. */
static void show_stage(const Troupe__Reply *reply)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s\n", reply->text);
}

/* ---- asking ---- */

static int probation_of(const struct call *call, int64_t *probation)
{
	struct swap_options options;
	char why[256];
	const char *text = call->probation ? call->probation : probation_row.fallback;
	if (row_set(&probation_row, &options, text, why, sizeof why) < 0) {
		out_error("swap: %s", why);
		return EXIT_USAGE;
	}
	*probation = options.probation;
	return EXIT_DONE;
}

/* The supervisor ends every stage of a swap by itself, so it is waited for as long as it lives. */
static int ask_swap(const struct pipeline *pipeline, Troupe__SwapRequest *swap,
		    Troupe__Reply **reply)
{
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_SWAP;
	request.swap = swap;
	return pipeline_ask_on(pipeline, &request, CLOCK_NEVER, show_stage, reply);
}

static int tell(const struct call *call, const Troupe__Pipeline *pipeline,
		const Troupe__Reply *reply)
{
	struct cost cost;
	int rc = exit_code_of(reply->code);
	if (rc != EXIT_DONE)
		out_error("%s", reply->text);
	if (!reply->swap) /* it was not even begun */
		return call->json && out_json(&reply->base) < 0 ? EXIT_FAILED : rc;
	weigh(&cost, pipeline, reply->swap);
	if (call->json)
		return print_json(reply, &cost) < 0 ? EXIT_FAILED : rc;
	if (rc == EXIT_DONE)
		print_text(reply, &cost);
	return rc;
}

static int swap_with(const struct call *call, Troupe__SwapRequest *swap)
{
	struct pipeline pipeline;
	Troupe__Reply *status = NULL, *reply = NULL;
	int rc = pipeline_pick(call, false, &pipeline);
	if (rc != EXIT_DONE)
		return rc;
	int error = pipeline_status(&pipeline, STATUS_WAIT, &status);
	if (error == 0)
		error = ask_swap(&pipeline, swap, &reply);
	if (error == 0) {
		rc = tell(call, status->pipeline, reply);
	} else {
		out_error("the supervisor of '%s' (pid %d) did not answer: %s", pipeline.name,
			  (int)pipeline.pid, error_text(error));
		rc = EXIT_FAILED;
	}
	if (status)
		troupe__reply__free_unpacked(status, NULL);
	if (reply)
		troupe__reply__free_unpacked(reply, NULL);
	return rc;
}

int swap_run(const struct call *call)
{
	char *path = NULL;
	Troupe__SwapRequest swap = TROUPE__SWAP_REQUEST__INIT;
	int rc = probation_of(call, &swap.probation);
	if (rc != EXIT_DONE)
		return rc;
	/* A name without a slash is a program beside the supervisor's, which finds it. Anything
	 * else is made absolute: the supervisor has another working folder. */
	bool is_path = call->exec && strchr(call->exec, '/');
	if (is_path && !(path = realpath(call->exec, NULL))) {
		out_error("cannot use %s: %s", call->exec, strerror(errno));
		return EXIT_USAGE;
	}
	swap.worker = request_text(call->arg[0]);
	swap.stages = true;
	swap.exec = request_text(path ? path : call->exec);
	rc = swap_with(call, &swap);
	free(path);
	return rc;
}
