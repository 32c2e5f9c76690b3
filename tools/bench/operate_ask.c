/* Commands for a pipeline, timed whole: its start, its end, and questions. */
#include "tools/bench/operate.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/journal/reader.h"
#include "tools/bench/restart.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define PATIENCE (30 * NS_PER_S)

/* Between two looks at the supervisor. */
#define ASKS_A_LOOK 20

#define TARGET_UP_MS	 100
#define TARGET_WORKER_MS 10

static double ms_since(int64_t begun)
{
	return (double)(clock_now() - begun) / (double)NS_PER_MS;
}

int operate_command(struct bench *bench, const char *const argv[], double *ms)
{
	int status = 0;
	int64_t begun = clock_now();
	pid_t pid = children_start(&bench->children, argv[0], argv, NULL, -1);
	int rc = pid < 0 ? (int)pid
			 : children_wait(&bench->children, pid, begun + PATIENCE, &status);
	*ms = ms_since(begun);
	if (rc == 0 && status != 0)
		rc = TROUPE_E_STATE;
	if (rc < 0 && rc != TROUPE_E_AGAIN)
		bench_error(bench, rc, "%s %s: %s", argv[0], argv[1] ? argv[1] : "",
			    error_text(rc));
	return rc;
}

/* ---- up ---- */

/* The programs of such a pipeline, all at once, as far as saying what they are. */
static int start_bare(struct bench *bench, double *ms)
{
	static const char *const programs[] = {
		"troupe",	    "troupe-supervisor", "troupe-storer",  "troupe-processor",
		"troupe-processor", "troupe-trainer",	 "troupe-display", "troupe-capture"};
	pid_t pids[sizeof(programs) / sizeof(programs[0])];
	int64_t begun = clock_now();
	int rc = 0;
	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
		const char *const argv[] = {programs[i], "--version", NULL};
		pids[i] = children_start(&bench->children, argv[0], argv, NULL, -1);
	}
	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]) && rc == 0; i++)
		rc = pids[i] < 0 ? (int)pids[i]
				 : children_wait(&bench->children, pids[i], begun + PATIENCE, NULL);
	*ms = ms_since(begun);
	return rc;
}

/* A supervisor that `up -d` has started and `down` has ended is an orphan of ours. */
static void reap_orphans(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
}

static int up_and_down(struct operate *operate, struct samples *took, struct samples *bare)
{
	char path[128];
	const char *name = operate->rig.name;
	const char *const up[] = {"troupe",
				  "up",
				  "-d",
				  "-c",
				  rig_path(operate->bench, "rig.conf", path, sizeof(path)),
				  "-n",
				  name,
				  NULL};
	const char *const down[] = {"troupe", "down", "-n", name, NULL};
	double ms = 0;
	int rc = start_bare(operate->bench, &ms);
	if (rc == 0)
		rc = samples_add(bare, ms);
	if (rc == 0)
		rc = operate_command(operate->bench, up, &ms);
	if (rc == 0)
		rc = samples_add(took, ms);
	if (rc == 0)
		rc = operate_command(operate->bench, down, &ms);
	reap_orphans();
	return rc;
}

static int add_figure(struct bench *bench, const char *name, struct samples *took,
		      const char *baseline, struct samples *bare, enum figure_target target,
		      double limit)
{
	struct figure figure = {.unit = "ms",
				.kind = FIGURE_TIME,
				.baseline_n = bare->n,
				.baseline_median = samples_quantile(bare, 0.5),
				.target = target,
				.limit = limit};
	snprintf(figure.name, sizeof(figure.name), "%s", name);
	snprintf(figure.baseline, sizeof(figure.baseline), "%s", baseline);
	figure_take(&figure, took);
	return figure_add(bench, &figure);
}

/* How long the workers took to be ready, as the supervisor's journal has it. */
static int read_journal(const struct operate *operate, struct samples *took)
{
	char folder[256];
	struct journal_reader reader;
	json_t *line;
	int rc = folder_state(operate->rig.name, folder, sizeof(folder));
	if (rc == 0)
		rc = journal_reader_open(&reader, folder);
	if (rc < 0)
		return rc;
	while (rc == 0 && journal_read(&reader, &line)) {
		const char *event = json_string_value(json_object_get(line, "event"));
		if (event && journal_event_find(event) == JOURNAL_READY)
			rc = samples_add(took, json_number_value(json_object_get(line, "took")) /
						       (double)NS_PER_MS);
		json_decref(line);
	}
	journal_reader_close(&reader);
	return rc;
}

static int start_bare_one(struct samples *bare)
{
	int64_t ns = restart_bare();
	return ns < 0 ? (int)ns : samples_add(bare, (double)ns / (double)NS_PER_MS);
}

int operate_starts(struct operate *operate, const char *config, int times)
{
	struct bench *bench = operate->bench;
	struct samples took = {0}, bare = {0}, worker = {0}, bare_one = {0};
	int rc = rig_prepare(bench, &operate->rig, config);
	for (int i = 0; i < times && rc == 0; i++) {
		bench_progress(bench, "operate: up and down, %d of %d", i + 1, times);
		rc = start_bare_one(&bare_one);
		if (rc == 0)
			rc = up_and_down(operate, &took, &bare);
	}
	if (rc == 0)
		rc = read_journal(operate, &worker);
	if (rc == 0)
		rc = add_figure(bench, "up until all are ready", &took, "--version of all", &bare,
				TARGET_MEDIAN_AT_MOST, TARGET_UP_MS);
	if (rc == 0)
		rc = add_figure(bench, "a worker until it is ready, in up", &worker, "vfork+exec",
				&bare_one, TARGET_NONE, 0);
	samples_finish(&took);
	samples_finish(&bare);
	samples_finish(&worker);
	samples_finish(&bare_one);
	return rc;
}

/* ---- questions ---- */

static const struct question {
	const char *name;
	const char *words[4];
	double target; /* ms, 0: none */
	int times;
	bool of_past; /* about the journal of OPERATE_PAST */
} questions[] = {
	{"ps", {"ps"}, 20, 1000, false},
	{"ps --json", {"ps", "--json"}, 20, 100, false},
	{"status", {"status"}, 0, 100, false},
	{"inspect", {"inspect", "processor.1"}, 0, 100, false},
	{"events, 10,000 lines", {"events"}, 0, 20, true},
	{"events --limit 20 of 10,000", {"events", "--limit", "20"}, 0, 20, true},
	{"history, 10,000 lines", {"history"}, 0, 20, true},
};

static int ask_once(struct operate *operate, const struct question *question, struct samples *took,
		    struct samples *bare)
{
	static const char *const nothing[] = {"/bin/true", NULL};
	const char *argv[8] = {"troupe"};
	size_t n = 1;
	double ms;
	for (size_t i = 0; i < 4 && question->words[i]; i++)
		argv[n++] = question->words[i];
	argv[n++] = "-n";
	argv[n] = question->of_past ? OPERATE_PAST : operate->rig.name;
	int rc = operate_command(operate->bench, nothing, &ms);
	if (rc == 0)
		rc = samples_add(bare, ms);
	if (rc == 0)
		rc = operate_command(operate->bench, argv, &ms);
	return rc < 0 ? rc : samples_add(took, ms);
}

static int ask(struct operate *operate, const struct question *question,
	       int (*looked)(struct operate *operate))
{
	struct samples took = {0}, bare = {0};
	int times = operate_times(operate, question->times, 2), rc = 0;
	for (int i = 0; i < times && rc == 0; i++) {
		bench_progress(operate->bench, "operate: %s, %d of %d", question->name, i + 1,
			       times);
		rc = ask_once(operate, question, &took, &bare);
		if (rc == 0 && i % ASKS_A_LOOK == 0)
			rc = looked(operate);
	}
	if (rc == 0) {
		rc = add_figure(operate->bench, question->name, &took, "/bin/true", &bare,
				question->target > 0 ? TARGET_P99_AT_MOST : TARGET_NONE,
				question->target);
	}
	samples_finish(&took);
	samples_finish(&bare);
	return rc;
}

int operate_asks(struct operate *operate, int (*looked)(struct operate *operate))
{
	int rc = operate_make_past(operate);
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]) && rc == 0; i++)
		rc = ask(operate, &questions[i], looked);
	return rc;
}

/* ---- deaths ---- */

/* Waits until another one plays the processor and has come as far as its loop. */
static int await_successor(const struct operate *operate, pid_t dead)
{
	int64_t deadline = clock_now() + PATIENCE;
	while (clock_now() < deadline) {
		uint8_t seat = 0;
		pid_t pid = rig_pid(&operate->rig, "processor.1", &seat);
		if (pid > 0 && pid != dead &&
		    atomic_load(&operate->rig.ledger.seats[seat].turns) > 0)
			return 0;
		if (bench_sleep_until(clock_now() + NS_PER_MS) < 0)
			return TROUPE_E_AGAIN;
	}
	return TROUPE_E_TIMEOUT;
}

int operate_kills(struct operate *operate, int times, int (*looked)(struct operate *operate))
{
	int rc = 0;
	for (int i = 0; i < times && rc == 0; i++) {
		bench_progress(operate->bench, "operate: kill %d of %d", i + 1, times);
		pid_t pid = rig_pid(&operate->rig, "processor.1", NULL);
		if (pid > 0)
			kill(pid, SIGKILL);
		rc = await_successor(operate, pid);
		if (rc == 0)
			rc = looked(operate);
	}
	if (rc < 0 && rc != TROUPE_E_AGAIN)
		bench_error(operate->bench, rc, "kills: %s", error_text(rc));
	return rc;
}
