/* troupe-supervisor: options, and which of its few modes is meant. `troupe` starts it; people
 * rarely do. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/redact.h"
#include "ipc/base/utf8.h"
#include "supervisor/config.h"
#include "supervisor/proposal.h"
#include "supervisor/resume.h"
#include "supervisor/runtime.h"
#include "supervisor/setup.h"
#include "supervisor/streams.h"
#include "supervisor/tables.h"

#include <argp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE     2
#define CLEAN_PATIENCE (15 * NS_PER_S)
#define SETS_MAX       64

enum option_key {
	KEY_CHECK = 256,
	KEY_PRINT,
	KEY_ROWS,
	KEY_PLAN,
	KEY_CLEAN,
	KEY_SET,
	KEY_READY_FD,
	KEY_PROGRESS,
	KEY_ADOPT,
	KEY_RESUME,
	KEY_CAN_RESUME,
	KEY_PROPOSE
};

enum mode {
	MODE_UP,
	MODE_CHECK,
	MODE_PRINT,
	MODE_ROWS,
	MODE_PLAN,
	MODE_CLEAN,
	MODE_CAN_RESUME,
	MODE_PROPOSE
};

struct arguments {
	struct supervisor_options up;
	char *sets[SETS_MAX]; /* heap texts */
	enum mode mode;
};

static const struct argp_option options[] = {
	{"config", 'c', "FILE", 0, "the pipeline's configuration", 0},
	{"name", 'n', "NAME", 0, "its name, instead of the one in FILE", 0},
	{"set", KEY_SET, "SECTION.KEY=VALUE", 0, "overrides FILE; may be given several times", 0},
	{"check", KEY_CHECK, NULL, 0, "check FILE and end", 0},
	{"print-config", KEY_PRINT, NULL, 0, "print a complete commented default and end", 0},
	{"rows", KEY_ROWS, NULL, 0, "print all that a config can say, in tables, and end", 0},
	{"plan", KEY_PLAN, NULL, 0, "print what FILE would run, resolved, and end", 0},
	{"clean", KEY_CLEAN, NULL, 0, "clean up what a killed supervisor of NAME left, and end", 0},
	{"ready-fd", KEY_READY_FD, "N", 0, "write \"ready\" or \"error: …\" to descriptor N", 0},
	{"progress", KEY_PROGRESS, NULL, 0, "show a live line and a summary", 0},
	{"adopt", KEY_ADOPT, NULL, 0, "take over the workers of a killed supervisor of NAME", 0},
	{"can-resume", KEY_CAN_RESUME, NULL, 0,
	 "say whether this program could go on with the image on standard input, and end", 0},
	{"propose", KEY_PROPOSE, NULL, OPTION_HIDDEN, "answer the question on standard input", 0},
	{"resume", KEY_RESUME, "N", OPTION_HIDDEN, "go on with the image on descriptor N", 0},
	{0},
};

/* Whoever looks at our command line from now on sees no password. */
static void add_set(struct arguments *a, char *arg)
{
	char *copy = strdup(arg);
	if (copy)
		a->sets[a->up.n_sets++] = copy;
	redact_in_place(arg);
}

static int descriptor(const char *arg, const char *option, struct argp_state *state)
{
	char *end;
	long fd = strtol(arg, &end, 10);
	if (*end || end == arg || fd < 3 || fd > 1 << 20)
		argp_error(state, "%s %s: wanted a descriptor from 3 on", option, arg);
	return (int)fd;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	switch (key) {
	case 'c':
		a->up.file = arg;
		return 0;
	case 'n':
		a->up.name = arg;
		return 0;
	case KEY_SET:
		if (a->up.n_sets == SETS_MAX)
			argp_error(state, "--set: at most %d of them", SETS_MAX);
		else
			add_set(a, arg);
		return 0;
	case KEY_CHECK:
		a->mode = MODE_CHECK;
		return 0;
	case KEY_PRINT:
		a->mode = MODE_PRINT;
		return 0;
	case KEY_ROWS:
		a->mode = MODE_ROWS;
		return 0;
	case KEY_PLAN:
		a->mode = MODE_PLAN;
		return 0;
	case KEY_CLEAN:
		a->mode = MODE_CLEAN;
		return 0;
	case KEY_PROGRESS:
		a->up.progress = true;
		return 0;
	case KEY_ADOPT:
		a->up.adopt = true;
		return 0;
	case KEY_PROPOSE:
		a->mode = MODE_PROPOSE;
		return 0;
	case KEY_CAN_RESUME:
		a->mode = MODE_CAN_RESUME;
		return 0;
	case KEY_RESUME:
		a->up.resume = descriptor(arg, "--resume", state);
		return 0;
	case KEY_READY_FD:
		a->up.ready_fd = descriptor(arg, "--ready-fd", state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The folder of this very program; the workers' programs lie beside it. */
static int find_programs(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	if (n < 0)
		return TROUPE_E_SYSTEM;
	out[n] = '\0';
	char *slash = strrchr(out, '/');
	slash[slash == out] = '\0';
	return 0;
}

static int check(const struct arguments *a)
{
	struct config config;
	char why[WHY_SIZE];
	int rc = config_load(&config, a->up.file, a->up.programs, a->up.sets, a->up.n_sets, why,
			     sizeof(why));
	if (rc < 0)
		fprintf(stderr, "troupe: %s\n", utf8_tame(why));
	else
		printf("%s: right\n", a->up.file);
	config_finish(&config);
	return rc < 0 ? EXIT_USAGE : EXIT_SUCCESS;
}

static int print_config(const struct arguments *a)
{
	char why[WHY_SIZE];
	int rc = a->mode == MODE_ROWS
			 ? tables_print(a->up.programs, stdout, why, sizeof(why))
			 : config_print_default(a->up.programs, stdout, why, sizeof(why));
	if (rc < 0)
		fprintf(stderr, "troupe: %s\n", utf8_tame(why));
	return rc < 0 || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int clean(const struct arguments *a)
{
	char why[WHY_SIZE];
	pid_t pid;
	int rc = runtime_clean(a->up.name ? a->up.name : "troupe", CLEAN_PATIENCE, &pid, why,
			       sizeof(why));
	if (rc < 0)
		fprintf(stderr, "troupe: %s\n", utf8_tame(why));
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int up(struct arguments *a)
{
	int rc = a->up.resume >= 0 ? setup_process_again() : setup_process(&a->up.ready_fd);
	if (rc < 0) {
		fprintf(stderr, "troupe: %s\n", error_text(rc));
		return EXIT_FAILURE;
	}
	return supervisor_run(&a->up);
}

static int act(struct arguments *a)
{
	if (a->mode == MODE_PRINT || a->mode == MODE_ROWS)
		return print_config(a);
	if (a->mode == MODE_CLEAN)
		return clean(a);
	if (a->mode == MODE_PROPOSE)
		return proposal_make(stdin, stdout, a->up.programs);
	if (a->mode == MODE_CAN_RESUME)
		return resume_check(&a->up);
	if (a->up.resume >= 0 || (a->mode == MODE_UP && a->up.adopt && a->up.name))
		return up(a);
	if (!a->up.file) {
		fprintf(stderr, "troupe: no configuration: give one by -c FILE\n");
		return EXIT_USAGE;
	}
	if (a->mode == MODE_PLAN)
		return streams_print(&a->up, stdout);
	return a->mode == MODE_CHECK ? check(a) : up(a);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
					 .parser = parse,
					 .doc = "Runs one pipeline of troupe in the foreground."};
	char programs[PROGRAM_SIZE];
	struct arguments a = {.up = {.ready_fd = -1, .resume = -1}};
	a.up.sets = (const char *const *)a.sets;
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	a.up.programs = programs;
	a.up.title = argv[0];
	if (find_programs(programs, sizeof(programs)) < 0) {
		fprintf(stderr, "troupe: /proc/self/exe cannot be read\n");
		return EXIT_FAILURE;
	}
	int code = act(&a);
	for (size_t i = 0; i < a.up.n_sets; i++)
		free(a.sets[i]);
	return code;
}
