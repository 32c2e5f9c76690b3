/* bench find: how long `troupe find` takes in a catalogue of millions of frames, by what is asked:
 * from opening the catalogue to the list of spans, in this process and, once more, as the program
 * that people start. */
#include "tools/bench/bench.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/catalogue.h"
#include "tools/bench/rig.h"
#include "tools/troupe/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS 4
#define ASKS	200 /* of each question, at most */
#define STARTS	20  /* of the program */
#define TARGET	10  /* ms */

/* A question. Where `minutes` is not 0, of so long a stretch, each time another one. */
struct question {
	const char *name;
	const char *stream;
	int minutes;
	double target; /* ms; 0: none */
	size_t n_conditions;
	struct condition conditions[2];
};

#define PERSON(best_)                                                                              \
	{                                                                                          \
		.kinds = {EVENT_LABEL, EVENT_PREDICTION}, .n_kinds = 2, .what = "person",          \
		.best = (best_)                                                                    \
	}
#define MOTION                                                                                     \
	{                                                                                          \
		.kinds = {EVENT_MOTION}, .n_kinds = 1, .what = ""                                  \
	}
#define RECORDED                                                                                   \
	{                                                                                          \
		.kinds = {EVENT_RECORDED}, .n_kinds = 1, .what = ""                                \
	}

static const struct question questions[] = {
	{"label, motion, min-prob; 5 minutes of a stream",
	 "cam02",
	 5,
	 TARGET,
	 2,
	 {PERSON(0.8), MOTION}},
	{"label, motion; a day of all streams", NULL, 1440, 0, 2, {PERSON(0), MOTION}},
	{"label, motion; all there is", NULL, 0, 0, 2, {PERSON(0), MOTION}},
	{"what is recorded; all there is", NULL, 0, TARGET, 1, {RECORDED}},
};

#define N_QUESTIONS (sizeof(questions) / sizeof(questions[0]))

struct search {
	struct bench *bench;
	char folder[128];
	struct catalogue_plan plan;
	uint64_t dice;
	struct samples took[N_QUESTIONS], program;
	size_t found[N_QUESTIONS]; /* spans, of all asks */
};

static int64_t recorded_ns(const struct search *search)
{
	return (int64_t)(search->plan.frames / STREAMS) * CATALOGUE_FRAME_NS;
}

/* Some stretch within what is recorded. */
static void choose_times(struct search *search, int minutes, int64_t *from, int64_t *to)
{
	int64_t length = INT64_C(60) * minutes * NS_PER_S, room = recorded_ns(search) - length;
	search->dice = search->dice * 6364136223846793005u + 1442695040888963407u;
	*to = search->plan.last_wall -
	      (room > 0 ? (int64_t)((search->dice >> 1) % (uint64_t)room) : 0);
	*from = *to - length;
}

/* As `troupe find` goes about it, from opening the catalogue on. */
static int find(const char *folder, struct finding *finding, struct spans *spans)
{
	char why[256];
	int rc = recording_open(&finding->recording, folder, why, sizeof(why));
	if (rc == 0)
		rc = recording_begin(finding->recording);
	if (rc == 0)
		rc = find_spans(finding, spans);
	recording_close(finding->recording);
	return rc;
}

static int ask(struct search *search, size_t which)
{
	const struct question *question = &questions[which];
	struct finding finding = {.stream = question->stream,
				  .from = INT64_MIN,
				  .to = INT64_MAX,
				  .limit = SIZE_MAX,
				  .n_conditions = question->n_conditions};
	struct spans spans = {0};
	memcpy(finding.conditions, question->conditions, sizeof(question->conditions));
	if (question->minutes)
		choose_times(search, question->minutes, &finding.from, &finding.to);
	int64_t begun = clock_now();
	int rc = find(search->folder, &finding, &spans);
	int64_t took = clock_now() - begun;
	search->found[which] += spans.n;
	spans_finish(&spans);
	return rc < 0 ? bench_error(search->bench, rc, "find: %s: %s", question->name,
				    error_text(rc))
		      : samples_add(&search->took[which], (double)took / (double)NS_PER_MS);
}

/* The first question, asked as people do. */
static int start_program(struct search *search)
{
	char from[32], to[32];
	int64_t begin, end;
	choose_times(search, questions[0].minutes, &begin, &end);
	snprintf(from, sizeof(from), "@%lld", (long long)(begin / NS_PER_S));
	snprintf(to, sizeof(to), "@%lld", (long long)(end / NS_PER_S));
	const char *const argv[] = {"troupe",  "find",	 "--stream",	 questions[0].stream,
				    "--label", "person", "--motion",	 "--min-prob",
				    "0.8",     "--from", from,		 "--to",
				    to,	       "--json", search->folder, NULL};
	int status = 0;
	int64_t begun = clock_now();
	pid_t pid = children_start(&search->bench->children, "troupe", argv, NULL, -1);
	int rc = pid < 0 ? (int)pid
			 : children_wait(&search->bench->children, pid, begun + 60 * NS_PER_S,
					 &status);
	if (rc == 0 && status != 0)
		rc = TROUPE_E_STATE;
	if (rc == TROUPE_E_AGAIN)
		return rc;
	if (rc < 0)
		return bench_error(search->bench, rc, "find: the program: %s", error_text(rc));
	return samples_add(&search->program, (double)(clock_now() - begun) / (double)NS_PER_MS);
}

static int ask_all(struct search *search)
{
	struct bench *bench = search->bench;
	int64_t end = clock_now() + (int64_t)(bench->seconds * (double)NS_PER_S);
	int rc = 0;
	for (int i = 0; i < ASKS && rc == 0 && (i == 0 || clock_now() < end); i++) {
		bench_progress(bench, "find: asking, turn %d", i + 1);
		for (size_t k = 0; k < N_QUESTIONS && rc == 0; k++)
			rc = ask(search, k);
		if (rc == 0 && i < STARTS)
			rc = start_program(search);
		rc = rc == 0 && bench_interrupted() ? TROUPE_E_AGAIN : rc;
	}
	return rc;
}

static int add_figures(struct search *search)
{
	int rc = 0;
	for (size_t i = 0; i <= N_QUESTIONS && rc == 0; i++) {
		bool program = i == N_QUESTIONS;
		const struct question *question = &questions[program ? 0 : i];
		struct samples *took = program ? &search->program : &search->took[i];
		struct figure figure = {
			.unit = "ms", .kind = FIGURE_TIME, .limit = question->target};
		snprintf(figure.name, sizeof(figure.name), "%s%s", program ? "the program: " : "",
			 question->name);
		figure.target =
			question->target > 0 && !program ? TARGET_MEDIAN_AT_MOST : TARGET_NONE;
		figure_take(&figure, took);
		figure.extra[0] = (struct figure_extra){"million frames",
							(double)search->plan.frames / 1e6, ""};
		if (!program) {
			figure.extra[1] = (struct figure_extra){
				"spans", (double)search->found[i] / (double)figure.n, ""};
		}
		rc = figure_add(search->bench, &figure);
	}
	return rc;
}

int search_run(struct bench *bench)
{
	struct search search = {.bench = bench, .dice = 7};
	int64_t now = clock_wall();
	search.plan = (struct catalogue_plan){.frames = bench->frames,
					      .streams = STREAMS,
					      .run = (uint64_t)(now / NS_PER_MS),
					      .boot = "",
					      .last_wall = now};
	search.plan.last_clock = recorded_ns(&search) + NS_PER_S;
	rig_path(bench, "recording", search.folder, sizeof(search.folder));
	int rc = catalogue_make(bench, search.folder, &search.plan);
	if (rc == 0)
		rc = ask_all(&search);
	if (rc == 0)
		rc = add_figures(&search);
	for (size_t i = 0; i < N_QUESTIONS; i++)
		samples_finish(&search.took[i]);
	samples_finish(&search.program);
	return rc;
}
