/* The reference: the same callbacks as in the pipeline, in one process, one frame after another.
 * What it stores is by definition what the pipeline must store. No display: it leaves nothing
 * behind. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/base/redact.h"
#include "ipc/slots/seats.h"
#include "ipc/worker/worker.h"
#include "workers/capture/capture.h"
#include "workers/processor/processor.h"
#include "workers/sequential/plan.h"
#include "workers/storer/storer.h"
#include "workers/trainer/trainer.h"

#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *role;
	const struct worker_table *table;
	bool once; /* of a pool one is enough */
} parts[] = {
	{"storer", &storer_table, true},
	{"processor", &processor_table, true},
	{"trainer", &trainer_table, true},
	{"capture", &capture_table, false},
};

/* Enough that the storer commits because slots run low, not because time goes by. */
#define SLOTS 32

#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

struct reference {
	struct plan plan;
	struct ledger ledger;
	struct worker *source[STREAMS_MAX];
	bool ended[STREAMS_MAX];
	uint32_t n_sources;
	struct worker
		*taker[N_PARTS]; /* processor first, in the order in which a frame meets them */
	uint32_t n_takers;
};

/* Decades, and yet a time that whoever reads it believes (ipc/slots/record.h). */
#define A_LONG_TIME (INT64_C(1000000000) * NS_PER_S)

static int make_ledger(struct reference *r)
{
	static const char *const taps[] = {"recording"};
	struct ledger_plan plan = {
		.pipeline = r->plan.name,
		.run = (uint64_t)(clock_wall() / NS_PER_MS),
		.hang_after = A_LONG_TIME,
		.bypass_after = A_LONG_TIME, /* nothing is late when nothing is concurrent */
		.n_streams = r->plan.n_streams,
		.streams = r->plan.streams,
		.n_taps = 1,
		.taps = taps,
	};
	for (uint32_t i = 0; i < r->plan.n_streams; i++) {
		r->plan.streams[i].n_slots = SLOTS;
		r->plan.streams[i].live = false;
	}
	int rc = ledger_create(&r->ledger, &plan);
	if (rc < 0) {
		log_error("slots: %s", error_text(rc));
		return rc;
	}
	memcpy(r->ledger.header->labels, r->plan.labels, sizeof(r->plan.labels));
	atomic_store(&r->ledger.header->n_labels, r->plan.n_labels);
	return 0;
}

static int start(struct reference *r, struct plan_worker *from, const struct worker_table *table,
		 struct worker **worker)
{
	char why[512] = "";
	int seat = seat_assign(&r->ledger, from->name, 1);
	if (table->takes == WORKER_TAKES_SOURCE)
		plan_set_row(from, "pace", "max");
	if (table->takes == WORKER_TAKES_TAP) { /* the reference has all that there was */
		plan_set_row(from, "keep", "");
		plan_set_row(from, "keep_free", "0");
	}
	int rc = seat < 0 ? seat
			  : worker_create(worker, table, &r->ledger, (uint8_t)seat, from->number,
					  from->rows, why, sizeof(why));
	if (rc < 0)
		log_error("%s: %s", from->name, *why ? why : error_text(rc));
	return rc;
}

/* Starts every worker of one part that the plan names. */
static int start_part(struct reference *r, size_t part)
{
	for (uint32_t i = 0; i < r->plan.n_workers; i++) {
		struct plan_worker *from = &r->plan.workers[i];
		if (strcmp(from->role, parts[part].role) != 0)
			continue;
		bool source = parts[part].table->takes == WORKER_TAKES_SOURCE;
		struct worker **to = source ? &r->source[r->n_sources] : &r->taker[r->n_takers];
		int rc = start(r, from, parts[part].table, to);
		if (rc < 0)
			return rc;
		if (source)
			r->n_sources++;
		else
			r->n_takers++;
		if (parts[part].once)
			break;
	}
	return 0;
}

/* Every taker in turn until none has anything left to do at once. */
static int let_takers_take(struct reference *r)
{
	int done;
	do {
		done = 0;
		for (uint32_t i = 0; i < r->n_takers; i++) {
			int rc = worker_turn(r->taker[i], NULL);
			if (rc < 0)
				return rc;
			done += rc;
		}
	} while (done > 0);
	return 0;
}

/* Nobody can go on before the storer's next commit. */
static void wait_a_moment(void)
{
	nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
}

/* One frame of one source. *live counts sources that have not ended. */
static int let_source_fill(struct reference *r, uint32_t i, uint32_t *live)
{
	if (r->ended[i])
		return 0;
	int rc = worker_turn(r->source[i], NULL);
	if (rc == 0)
		wait_a_moment();
	r->ended[i] = rc == TROUPE_E_ENDED;
	*live += !r->ended[i];
	return r->ended[i] ? 0 : rc;
}

static int run(struct reference *r)
{
	/* A taker's first turn takes charge; then one frame of each stream at a time. */
	uint32_t live;
	int rc = let_takers_take(r);
	do {
		live = 0;
		for (uint32_t i = 0; rc >= 0 && i < r->n_sources; i++) {
			rc = let_source_fill(r, i, &live);
			if (rc >= 0)
				rc = let_takers_take(r);
		}
	} while (rc >= 0 && live > 0);
	/* The storer commits by time; wait for that rather than for a special case. */
	int64_t deadline = clock_now() + 10 * NS_PER_S;
	while (rc >= 0 && !ledger_quiet(&r->ledger) && clock_now() < deadline) {
		wait_a_moment();
		rc = let_takers_take(r);
	}
	if (rc >= 0 && !ledger_quiet(&r->ledger)) {
		log_error("frames are left that nobody took");
		rc = TROUPE_E_TIMEOUT;
	}
	return rc < 0 ? rc : 0;
}

static const char *const drop_texts[] = {
#define DROP_TEXT(name, text) [DROP_##name] = (text),
	DROP_REASONS(DROP_TEXT)
#undef DROP_TEXT
};

static void summarise(const struct reference *r)
{
	for (uint32_t i = 0; i < r->ledger.header->n_streams; i++) {
		const struct stream_row *s = &r->ledger.streams[i];
		printf("%s: captured %llu, stored %llu", s->name,
		       (unsigned long long)ledger_last_seq(&r->ledger, i, NULL),
		       (unsigned long long)atomic_load(&s->stored));
		for (int d = 0; d < N_DROP_REASONS; d++) {
			uint64_t dropped = atomic_load(&s->drops[d]);
			if (dropped)
				printf(", %llu lost: %s", (unsigned long long)dropped,
				       drop_texts[d]);
		}
		printf("\n");
	}
}

static int finish(struct reference *r)
{
	int rc = 0;
	for (uint32_t i = 0; i < r->n_sources; i++)
		worker_destroy(r->source[i]);
	for (uint32_t i = r->n_takers; i-- > 0;) {
		int one = worker_destroy(r->taker[i]);
		rc = one < 0 ? one : rc;
	}
	ledger_finish(&r->ledger);
	return rc;
}

/* ---- the plan: from `troupe-supervisor --plan`, or from standard input ---- */

#define ARGUMENTS_MAX 130

/* The supervisor's program lies beside this one. */
static int supervisor_path(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	if (n < 0)
		return TROUPE_E_SYSTEM;
	out[n] = '\0';
	char *slash = strrchr(out, '/');
	size_t room = slash ? size - (size_t)(slash - out) : 0;
	return room && (size_t)snprintf(slash, room, "/troupe-supervisor") < room
		       ? 0
		       : TROUPE_E_OVERSIZED;
}

/* Asks the supervisor's program for the plan of what our arguments name. Returns an exit code. */
static int ask_for_plan(struct plan *plan, char **arguments, int n, char *why, size_t why_size)
{
	char path[1024];
	char mode[] = "--plan";
	char *argv[ARGUMENTS_MAX + 3] = {path, mode};
	int ends[2], status = 1;
	pid_t pid;
	if (n > ARGUMENTS_MAX || supervisor_path(path, sizeof(path)) < 0 || pipe(ends) < 0)
		return 1;
	memcpy(&argv[2], arguments, (size_t)n * sizeof(*argv));
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	int failed = posix_spawn(&pid, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	FILE *in = fdopen(ends[0], "r");
	int rc = failed || !in ? TROUPE_E_SYSTEM : plan_read(plan, in, why, why_size);
	if (in)
		fclose(in);
	if (!failed)
		waitpid(pid, &status, 0);
	if (status != 0) {
		*why = '\0'; /* it has said why */
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	return rc < 0;
}

static int run_plan(struct reference *r)
{
	if (*r->plan.folder && chdir(r->plan.folder) < 0) {
		log_error("%s: %m", r->plan.folder);
		return TROUPE_E_NOT_FOUND;
	}
	int rc = make_ledger(r);
	for (size_t part = 0; rc == 0 && part < N_PARTS; part++)
		rc = start_part(r, part);
	if (rc == 0)
		rc = run(r);
	if (rc == 0)
		summarise(r);
	int end = finish(r);
	return rc < 0 ? rc : end;
}

static void print_help(const char *program)
{
	printf("usage: %s [-c FILE [-n NAME] [--set SECTION.KEY=VALUE]...]\n\n"
	       "Runs a pipeline's workers one after another in one process: the reference for what "
	       "it\n"
	       "must store. Without arguments it reads from standard input what\n"
	       "`troupe-supervisor --plan -c FILE` prints.\n",
	       program);
}

int main(int argc, char **argv)
{
	char why[512] = "";
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		print_help(argv[0]);
		return 0;
	}
	struct reference *r = calloc(1, sizeof(*r));
	if (!r)
		return 1;
	r->ledger.fd = -1;
	int code = argc > 1 ? ask_for_plan(&r->plan, argv + 1, argc - 1, why, sizeof(why))
			    : plan_read(&r->plan, stdin, why, sizeof(why)) < 0;
	for (int i = 1; i < argc; i++)
		redact_in_place(argv[i]); /* a password of a --set would be seen by others */
	if (*why)
		fprintf(stderr, "%s\n", why);
	if (code == 0)
		code = run_plan(r) < 0;
	free(r);
	return code;
}
