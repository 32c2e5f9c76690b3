/* troupe-bench: the program behind `troupe bench`. Measures the machine, runs one bench or all of
 * them, prints what they found, and leaves nothing behind. */
#include "tools/bench/bench.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/bench/report.h"

#include <argp.h>
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long we look at the machine before and after. */
#define WINDOW NS_PER_S

/* The longest path of a folder below which sockets still fit (ipc/base/folders.h). */
#define WHERE_MAX 32

enum bench_exit { BENCH_DONE = 0, BENCH_FAILED = 1, BENCH_USAGE = 2, BENCH_BUSY = 3 };

static volatile sig_atomic_t interrupted;

bool bench_interrupted(void)
{
	return interrupted;
}

static void signal_came(int number)
{
	interrupted = number;
}

/* ---- the command line ---- */

enum key { KEY_JSON = 256, KEY_FORCE, KEY_SECONDS, KEY_FOLDER, KEY_FRAMES };

static const struct argp_option options[] = {
	{"json", KEY_JSON, NULL, 0, "print JSON", 0},
	{"seconds", KEY_SECONDS, "S", 0, "measure for so long altogether, each bench", 0},
	{"frames", KEY_FRAMES, "N", 0,
	 "so many are in the catalogue that `find` searches (10000000) and `store` shortens "
	 "(1000000)",
	 0},
	{"force", KEY_FORCE, NULL, 0, "measure on a busy machine too; the figures are marked", 0},
	{"folder", KEY_FOLDER, "DIR", 0,
	 "make the temporary folder there (/var/tmp): its file system is what `store` measures", 0},
	{0},
};

struct asked {
	const char *name;
	bool json, force;
	double seconds, frames; /* 0: the row's */
	const char *where;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct asked *asked = state->input;
	char *end;
	switch (key) {
	case KEY_JSON:
		asked->json = true;
		return 0;
	case KEY_FORCE:
		asked->force = true;
		return 0;
	case KEY_FOLDER:
		asked->where = text;
		if (strlen(text) > WHERE_MAX)
			argp_error(state, "--folder: the path is longer than %d bytes", WHERE_MAX);
		return 0;
	case KEY_SECONDS:
		asked->seconds = strtod(text, &end);
		if (*end || !(asked->seconds > 0) || !(asked->seconds <= 86400))
			argp_error(state, "--seconds: '%s' is not a number up to 86400", text);
		return 0;
	case KEY_FRAMES:
		asked->frames = strtod(text, &end);
		if (*end || !(asked->frames >= 1e5) || !(asked->frames <= 1e9))
			argp_error(state, "--frames: '%s' is not a number from 1e5 to 1e9", text);
		return 0;
	case ARGP_KEY_ARG:
		if (asked->name)
			argp_error(state, "'%s' is one bench too many", text);
		asked->name = text;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which bench? see --help");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

#define DOC                                                                                        \
	"Measures this machine's troupe, as ratios with a baseline of the same run."               \
	"\v"                                                                                       \
	"First the machine itself is measured. A second of sleep shows who else uses it; with "    \
	"somebody else at work, or time stolen by a hypervisor, there is no figure but exit 3. "   \
	"A burn on one core and then on two at once shows what two cores are worth: the burn's "   \
	"ratio, ideally 2; each of two then is 2/ratio times slower than one alone. Figures for "  \
	"which two processes worked at once are corrected by this slow-down: times are divided "   \
	"by it, rates multiplied. --json has both, the measured ones as raw_median and raw_p99. "  \
	"A ratio of two such figures is the same with and without the correction.\n\n"             \
	"Exit codes: 0 measured, whether targets are reached or not; 1 it did not work; 2 asked "  \
	"wrongly; 3 machine busy, before, while or after it was measured.\n\n"

/* The text above and the benches by name. */
static void write_doc(char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "%sBenches:\n", DOC);
	for (const struct bench_row *row = bench_rows; row->name && used < size; row++)
		used += (size_t)snprintf(out + used, size - used, "  %-9s %s (%.0f s)\n", row->name,
					 row->summary, row->seconds);
	if (used < size)
		used += (size_t)snprintf(out + used, size - used, "  all       all of them\n");
	for (const struct bench_row *row = bench_rows; row->name && used < size; row++) {
		if (row->details)
			used += (size_t)snprintf(out + used, size - used, "\n%s: %s\n", row->name,
						 row->details);
	}
}

static error_t parse_command_line(int argc, char **argv, struct asked *asked)
{
	char doc[8192];
	write_doc(doc, sizeof(doc));
	const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "NAME", .doc = doc};
	argp_err_exit_status = BENCH_USAGE;
	return argp_parse(&argp, argc, argv, 0, NULL, asked);
}

/* ---- the folder ---- */

static int folder_make(struct bench *bench)
{
	snprintf(bench->folder, sizeof(bench->folder), "%s/troupe-bench-XXXXXX", bench->where);
	snprintf(bench->memory, sizeof(bench->memory), "/dev/shm/troupe-bench-%d-XXXXXX",
		 (int)getpid());
	if (mkdtemp(bench->folder)) {
		if (!mkdtemp(bench->memory))
			memcpy(bench->memory, bench->folder, sizeof(bench->memory));
		return 0;
	}
	bench_error(bench, 0, "cannot make a folder in %s; --folder names another", bench->where);
	bench->folder[0] = bench->memory[0] = '\0';
	return TROUPE_E_IO;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
	(void)stat;
	(void)type;
	(void)at;
	return remove(path);
}

void bench_remove(const char *folder)
{
	if (folder[0])
		nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- running ---- */

/* No bench finds what another one has left. */
static int start_anew(const char *folder)
{
	bench_remove(folder);
	return mkdir(folder, 0700) < 0 ? error_from_errno(errno) : 0;
}

static int run_row(struct bench *bench, const struct bench_row *row, const struct asked *asked)
{
	bench->row = row;
	bench->seconds = asked->seconds > 0 ? asked->seconds : row->seconds;
	bench->frames = (uint64_t)(asked->frames > 0 ? asked->frames : row->frames);
	int rc = row->run(bench);
	children_kill_all(&bench->children);
	if (rc == 0)
		rc = start_anew(bench->folder);
	if (rc == 0)
		rc = start_anew(bench->memory);
	return rc;
}

static int run_rows(struct bench *bench, const struct asked *asked)
{
	struct machine_times begun = machine_times();
	int rc = 0;
	for (const struct bench_row *row = bench_rows; row->name && rc == 0; row++)
		if (strcmp(asked->name, "all") == 0 || strcmp(asked->name, row->name) == 0)
			rc = run_row(bench, row, asked);
	bench_progress(bench, "looking at the machine again");
	if (rc == 0)
		rc = machine_look_again(&bench->machine, &begun, WINDOW);
	bench_progress(bench, NULL);
	return rc;
}

static int measure(struct bench *bench, const struct asked *asked)
{
	bench_progress(bench, "measuring the machine");
	int rc = machine_measure(&bench->machine, &bench->children, WINDOW);
	bench_progress(bench, NULL);
	if (rc < 0)
		return BENCH_FAILED;
	if (bench->machine.busy_before && !bench->force) {
		report_busy(bench);
		return BENCH_BUSY;
	}
	rc = folder_make(bench);
	if (rc == 0)
		rc = run_rows(bench, asked);
	if (rc == 0)
		rc = report_print(bench);
	if (rc < 0)
		return BENCH_FAILED;
	return bench->machine.busy_after && !bench->force ? BENCH_BUSY : BENCH_DONE;
}

static bool is_bench(const char *name)
{
	const struct bench_row *row = bench_rows;
	while (row->name && strcmp(row->name, name) != 0)
		row++;
	if (row->name || strcmp(name, "all") == 0)
		return true;
	fprintf(stderr, "troupe bench: unknown bench '%s' (valid: ", name);
	for (row = bench_rows; row->name; row++)
		fprintf(stderr, "%s, ", row->name);
	fputs("all)\n", stderr);
	return false;
}

/* No SA_RESTART: what sleeps wakes up. */
static void watch_signals(void)
{
	struct sigaction action = {.sa_handler = signal_came};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	const char *where = getenv("TMPDIR");
	struct asked asked = {.where = where && strlen(where) <= WHERE_MAX ? where : "/var/tmp"};
	if (parse_command_line(argc, argv, &asked) != 0 || !is_bench(asked.name))
		return BENCH_USAGE;
	struct bench *bench = calloc(1, sizeof(*bench));
	if (!bench)
		return BENCH_FAILED;
	bench->json = asked.json;
	bench->force = asked.force;
	bench->where = asked.where;
	watch_signals();
	children_init();
	int code = measure(bench, &asked);
	bench_progress(bench, NULL);
	children_kill_all(&bench->children);
	bench_remove(bench->memory);
	bench_remove(bench->folder);
	free(bench);
	if (interrupted) {
		signal(interrupted, SIG_DFL);
		raise(interrupted);
	}
	return code;
}
