/* The whole life of a worker process: the contract in, an exit code out. */
#include "ipc/worker/worker_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/bells.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than the rows of any worker take. */
#define CONFIG_LIMIT 65536

/* How long the last messages may take to get out. */
#define LINGER_MS 200

static int exit_code(int rc)
{
	switch (rc) {
	case 0:
		return CONTRACT_EXIT_ASKED;
	case TROUPE_E_CONFIG:
	case TROUPE_E_SCHEMA: /* as of a recording that a newer storer wrote */
		return CONTRACT_EXIT_CONFIG;
	case TROUPE_E_IO:
	case TROUPE_E_NOT_FOUND:
	case TROUPE_E_DENIED:
	case TROUPE_E_NO_SPACE:
	case TROUPE_E_BUSY:
	case TROUPE_E_EXISTS:
	case TROUPE_E_MEMORY:
		return CONTRACT_EXIT_ENVIRONMENT;
	default:
		return CONTRACT_EXIT_BUG;
	}
}

/* ---- the rows that were set ---- */

/* Everything up to the end, a heap text; NULL: cannot be read, or too much. */
static char *read_all(int fd)
{
	char *text = malloc(CONFIG_LIMIT + 1);
	size_t used = 0;
	while (text) {
		ssize_t n = read(fd, text + used, CONFIG_LIMIT + 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		used += n > 0 ? (size_t)n : 0;
		if (n < 0 || used > CONFIG_LIMIT) {
			free(text);
			return NULL;
		}
		if (n == 0) {
			text[used] = '\0';
			break;
		}
	}
	return text;
}

/* Takes them in. What they came in is closed: they may hold a password. */
static int read_config(struct worker *w, char *why, size_t why_size)
{
	char *lines = read_all(CONTRACT_FD_CONFIG);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, CONTRACT_FD_CONFIG);
		close(null);
	}
	if (!lines) {
		snprintf(why, why_size, "descriptor %d cannot be read, or has more than %d bytes",
			 CONTRACT_FD_CONFIG, CONFIG_LIMIT);
		return TROUPE_E_CONFIG;
	}
	as_told_rows(w, lines);
	int rc = worker_prepare(w, lines, why, why_size);
	explicit_bzero(lines, strlen(lines));
	free(lines);
	return rc;
}

/* ---- without a pipeline ---- */

/* Our own programs are called after what they play. */
static const char *prefix(const struct worker_table *table)
{
	return table->takes == WORKER_TAKES_AS_TOLD ? "" : "troupe-";
}

static void print_help(const struct worker_table *table)
{
	printf("%s%s: %s\n\n"
	       "A worker of a troupe pipeline: `troupe up` starts it. By hand it answers\n"
	       "  --rows     its config rows, separated by tabs\n"
	       "  --version  its name and version\n%s%s\nConfig rows:\n",
	       prefix(table), table->name, table->summary,
	       table->probe
		       ? "  --probe    what its source delivers; \"row=value\" lines on standard "
			 "input\n"
		       : "",
	       table->devices ? "  --devices  what could be its source here, as JSON\n" : "");
	for (size_t i = 0; i < table->rows.count; i++) {
		const struct row *row = &table->rows.rows[i];
		printf("  %-18s %s (default \"%s\")\n", row->name, row->help ? row->help : "",
		       row->fallback);
	}
}

static int probe(const struct worker_table *table)
{
	char why[512] = "";
	struct worker w = {.table = table};
	int rc = read_config(&w, why, sizeof(why));
	if (rc == 0)
		rc = table->probe(w.config, stdout, why, sizeof(why));
	free(w.config);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", table->name, *why ? why : error_text(rc));
	return exit_code(rc < 0 ? rc : 0);
}

/* Whether argv asks for something that needs no pipeline; then *code is the exit code. */
static bool answer_by_hand(int argc, char **argv, const struct worker_table *table, int *code)
{
	*code = CONTRACT_EXIT_ASKED;
	const char *asked = argc > 1 ? argv[1] : "";
	if (strcmp(asked, CONTRACT_ARG_ROWS) == 0) {
		rows_print(&table->rows, stdout);
		needs_print(table->needs, table->n_needs, stdout);
	} else if (strcmp(asked, CONTRACT_ARG_VERSION) == 0)
		printf("%s%s %s\n", prefix(table), table->name, table->version);
	else if (strcmp(asked, CONTRACT_ARG_PROBE) == 0 && table->probe)
		*code = probe(table);
	else if (strcmp(asked, CONTRACT_ARG_DEVICES) == 0 && table->devices)
		*code = exit_code(table->devices(stdout));
	else if (strcmp(asked, "--help") == 0)
		print_help(table);
	else if (argc > 1) {
		fprintf(stderr, "%s%s: unknown argument \"%s\", see --help\n", prefix(table),
			table->name, asked);
		*code = CONTRACT_EXIT_CONFIG;
	} else if (!getenv(CONTRACT_ENV_SEAT)) {
		fprintf(stderr, "%s%s is started by `troupe up`; --help tells more\n",
			prefix(table), table->name);
		*code = CONTRACT_EXIT_CONFIG;
	} else
		return false;
	return true;
}

/* ---- the contract ---- */

static int env_text(const char *name, char *out, size_t size)
{
	const char *value = getenv(name);
	if (!value || strlen(value) >= size) {
		log_error("environment: %s is %s", name, value ? "too long" : "missing");
		return TROUPE_E_CONFIG;
	}
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

static int env_number(const char *name, long max, long *out)
{
	char text[32], *end;
	int rc = env_text(name, text, sizeof(text));
	*out = 0;
	if (rc < 0 || !*text)
		return rc;
	*out = strtol(text, &end, 10);
	if (*end || *out < 0 || *out > max) {
		log_error("environment: %s=\"%s\" is not a number up to %ld", name, text, max);
		return TROUPE_E_CONFIG;
	}
	return 0;
}

static int read_environment(struct worker *w, char *pipe_path, size_t pipe_size)
{
	long seat, stream, tap;
	if (env_text(CONTRACT_ENV_PIPELINE, w->pipeline, sizeof(w->pipeline)) < 0 ||
	    env_text(CONTRACT_ENV_WORKER, w->name, sizeof(w->name)) < 0 ||
	    env_text(CONTRACT_ENV_RUNTIME, w->runtime_folder, sizeof(w->runtime_folder)) < 0 ||
	    env_text(CONTRACT_ENV_STATE, w->state_folder, sizeof(w->state_folder)) < 0 ||
	    env_text(CONTRACT_ENV_CONTROL, w->control_path, sizeof(w->control_path)) < 0 ||
	    env_text(CONTRACT_ENV_REPORTS, w->reports_path, sizeof(w->reports_path)) < 0 ||
	    env_text(CONTRACT_ENV_PIPE, pipe_path, pipe_size) < 0 ||
	    env_number(CONTRACT_ENV_SEAT, SEATS_MAX - 1, &seat) < 0 ||
	    env_number(CONTRACT_ENV_STREAM, STREAMS_MAX - 1, &stream) < 0 ||
	    env_number(CONTRACT_ENV_TAP, TAPS_MAX - 1, &tap) < 0)
		return TROUPE_E_CONFIG;
	w->seat = (uint8_t)seat;
	w->number = (uint32_t)(w->table->takes == WORKER_TAKES_SOURCE ? stream : tap);
	w->handed_fd = fcntl(CONTRACT_FD_HANDED, F_GETFD) < 0 ? -1 : CONTRACT_FD_HANDED;
	return 0;
}

static int attach(struct worker *w, struct ledger *ledger, pid_t born_of)
{
	int rc = ledger_attach(ledger, CONTRACT_FD_LEDGER, true);
	if (rc < 0) {
		log_error("ledger on descriptor %d: %s", CONTRACT_FD_LEDGER, error_text(rc));
		return rc;
	}
	w->ledger = ledger;
	if (supervised_too_late(w, born_of)) {
		log_warn("another supervisor has taken over before I began: ending");
		return 1;
	}
	ledger->bell_base = CONTRACT_FD_BELLS;
	if (w->seat == 0 || atomic_load(&ledger->seats[w->seat].state) != SEAT_LIVE ||
	    (w->table->takes == WORKER_TAKES_SOURCE && w->number >= ledger->header->n_streams) ||
	    (w->table->takes == WORKER_TAKES_TAP && w->number >= ledger->header->n_taps)) {
		log_error("the ledger has no seat %u, stream or tap %u for me", w->seat, w->number);
		return TROUPE_E_CONFIG;
	}
	w->row = &ledger->seats[w->seat];
	if (w->table->counts)
		strncpy(w->row->counts, w->table->counts, NAME_SIZE - 1);
	/* Before Hello, on which somebody begins to wait for it. */
	rc = alive_take(&w->alive, &w->row->alive);
	if (rc < 0)
		log_debug("%s: my end will be known by my pidfd: %s", w->name, error_text(rc));
	return 0;
}

/* ---- signals: a descriptor of the loop like any other ---- */

static void signal_came(void *arg, int fd, short revents)
{
	struct worker *w = arg;
	struct signalfd_siginfo info;
	(void)revents;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			supervised_hang_up(w, (pid_t)info.ssi_pid);
		else
			w->draining = true;
	}
}

/* A library may have started a thread before main(), which blocks nothing: what comes to that is
 * the main thread's all the same. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	(void)context;
	info->si_code = SI_QUEUE; /* so much is asked of who repeats what another has said */
	syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), number, info);
	errno = saved;
}

static int watch_signals(struct worker *w)
{
	static const int numbers[] = {SIGTERM, SIGHUP, SIGINT};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	/* Before the first thread of ours exists, so that none takes them. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaction(numbers[i],
			  &(struct sigaction){.sa_sigaction = pass_on,
					      .sa_flags = SA_RESTART | SA_SIGINFO},
			  NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error of write(), not a death */
	w->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return w->signal_fd < 0 ? error_from_errno(errno) : 0;
}

/* ---- the loop ---- */

static void bell_rang(void *arg, int fd, short revents)
{
	struct worker *w = arg;
	(void)fd;
	(void)revents;
	w->rung = true;
}

/* Answers a bell that rang, after the turn that it asked for: the claim of a frame does not wait
 * for this system call. Whatever was rung for since that turn looked is seen by the next one, which
 * must come before any sleep: returns true then. */
static bool answered_bell(struct worker *w)
{
	if (!w->rung)
		return false;
	bell_answer(w->ledger, w->seat);
	w->rung = false;
	return true;
}

static int open_links(struct worker *w, const char *pipe_path)
{
	w->links = links_create();
	w->loop = loop_create();
	if (!w->links || !w->loop)
		return TROUPE_E_MEMORY;
	int rc = loop_watch_fd(w->loop, CONTRACT_FD_BELLS + w->seat, POLLIN, bell_rang, w);
	if (rc == 0)
		rc = loop_watch_fd(w->loop, w->signal_fd, POLLIN, signal_came, w);
	if (rc == 0)
		rc = pipe_side_open(w, pipe_path);
	if (rc < 0)
		log_error("cannot link up at %s: %s", pipe_path, error_text(rc));
	return rc;
}

/* Sleeps until there may be something to do: a bell, a message, `due`, or the guard. */
static int sleep_until(struct worker *w, int64_t due)
{
	if (role_before_sleep(w)) {
		role_after_sleep(w);
		return 0;
	}
	int64_t guard = clock_now() + GUARD_INTERVAL;
	if (due > guard && (!ledger_quiet(w->ledger) || !w->in_charge || w->orphan))
		due = guard;
	atomic_store_explicit(&w->row->due, due, memory_order_relaxed);
	int rc = loop_wait(w->loop, due);
	atomic_store_explicit(&w->row->due, clock_now(), memory_order_relaxed);
	atomic_fetch_add_explicit(&w->row->turns, 1, memory_order_relaxed);
	worker_progress(w);
	role_after_sleep(w);
	return rc == TROUPE_E_AGAIN ? 0 : rc;
}

/* Whether a worker that was asked to drain, or is an orphan with nothing to wait for, is through:
 * 1 yes, 0 not yet, or an error. */
static int drained(struct worker *w)
{
	if (w->stop)
		return 1;
	if (w->orphan && role_orphan_done(w))
		w->draining = true;
	if (!w->draining)
		return 0;
	if (!w->in_charge || !w->table->drain)
		return 1;
	int rc = w->table->drain(w, w->self);
	return rc < 0 ? rc : rc == 0;
}

static int take_charge(struct worker *w)
{
	if (w->in_charge || w->draining)
		return 0;
	int rc = worker_take_charge(w);
	if (rc > 0) {
		FAIL_POINT(IN_CHARGE);
		pipe_side_ready(w);
		FAIL_POINT(READY_SAID);
	}
	return rc;
}

/* What follows a turn. Nothing runs between a paced source's ring and its nap, not even a look at
 * the mail: the processor it woke may wait for this very CPU, and each system call here makes the
 * frame's hop a third longer. */
static int rest(struct worker *w, bool again, int64_t due)
{
	if (w->rang) {
		w->rang = false;
		return loop_wait(w->loop, w->nap_until);
	}
	return again ? loop_wait(w->loop, 0) : sleep_until(w, due);
}

/* Turns until the end. Work comes first, then messages: a frame does not wait for the mail. */
static int live(struct worker *w)
{
	int rc;
	while ((rc = take_charge(w)) >= 0) {
		int64_t due;
		int done = worker_turn(w, &due);
		supervised_turn(w, &due);
		bool again = answered_bell(w) || done > 0;
		again |= pipe_side_read(w);
		if (done == TROUPE_E_ENDED) {
			log_info("the source has ended");
			pipe_side_finished(w);
			return 0;
		}
		if (done < 0)
			return done;
		rc = drained(w);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		rc = rest(w, again, due);
		if (rc < 0 && rc != TROUPE_E_AGAIN)
			return rc;
	}
	return rc;
}

static int run(struct worker *w)
{
	char why[512] = "";
	int rc = read_config(w, why, sizeof(why));
	if (rc < 0) {
		log_error("config: %s", why);
		return rc;
	}
	rc = worker_open(w);
	if (rc < 0)
		return rc;
	pipe_side_prepared(w);
	FAIL_POINT(PREPARED_SAID);
	return live(w);
}

static void finish(struct worker *w)
{
	if (w->ledger && w->row)
		worker_leave(w);
	notes_close(w);
	link_close(w->inbox);
	loop_destroy(w->loop);
	links_destroy(w->links, LINGER_MS);
	supervised_end(w);
	if (w->signal_fd >= 0)
		close(w->signal_fd);
}

/* 1: another supervisor has come before us, who knows nothing of us. */
static int join(struct worker *w, struct ledger *ledger, char *pipe_path, size_t pipe_size)
{
	long born_of = 0;
	int rc = read_environment(w, pipe_path, pipe_size);
	if (rc == 0)
		rc = env_number(CONTRACT_ENV_SUPERVISOR, INT32_MAX, &born_of);
	if (rc == 0)
		rc = attach(w, ledger, (pid_t)born_of);
	if (rc == 0)
		rc = watch_signals(w);
	if (rc != 0)
		return rc;
	supervised_begin(w, (pid_t)born_of);
	return open_links(w, pipe_path);
}

static int live_as_worker(struct worker *w)
{
	struct ledger ledger = {.fd = -1};
	char pipe_path[LINK_PATH_SIZE];
	int rc = join(w, &ledger, pipe_path, sizeof(pipe_path));
	if (rc == 0) {
		pipe_side_hello(w);
		FAIL_POINT(HELLO_SAID);
		rc = run(w);
		if (rc < 0) /* a warning: the last words are the callback's own, if it had any */
			log_warn("%s ends: %s", w->name, error_text(rc));
	}
	finish(w);
	alive_release(&w->alive); /* in good order: nobody is to be alarmed */
	ledger_finish(&ledger);
	return exit_code(rc < 0 ? rc : 0);
}

int worker_main(int argc, char **argv, const struct worker_table *table)
{
	int code;
	if (answer_by_hand(argc, argv, table, &code))
		return code;
	struct worker *w = calloc(1, sizeof(*w));
	if (!w)
		return CONTRACT_EXIT_ENVIRONMENT;
	w->signal_fd = w->adopter_fd = -1;
	int rc = as_told(w, table);
	code = rc < 0 ? exit_code(rc) : live_as_worker(w);
	free(w);
	return code;
}
