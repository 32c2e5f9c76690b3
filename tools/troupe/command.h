/* A sub-command of `troupe` is one row: its name, what it takes, a line of help, and a function.
 * This header is what the rows (commands.c), the command-line parser (options.c) and the functions
 * agree on. */
#ifndef TROUPE_TOOLS_TROUPE_COMMAND_H
#define TROUPE_TOOLS_TROUPE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the program's exit code says. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* it was asked properly, and did not work */
	EXIT_USAGE = 2,	 /* wrong option, name or config: asking again will not help */
};

#define CALL_ARGS_MAX 4
#define CALL_SETS_MAX 64

struct command;

/* One call of the program, as its command line says. All strings belong to argv. */
struct call {
	const struct command *command;
	const char *name; /* -n; NULL: not said */
	bool json, help, version;
	const char *config, *exec, *signal, *stream, *against, *lines, *probation;
	const char *seconds, *folder;
	const char *from, *to, *run, *seq, *format, *cut_gaps, *quality, *speed;
	bool detach, follow, once, none, sequential, wide, force, annotate, decode, dry_run;
	const char *since, *worker, *level;
	const char *label, *prediction, *min_prob, *kind, *limit, *frames;
	bool motion, explain, adopt;
	const char *set[CALL_SETS_MAX];
	size_t n_sets;
	const char *arg[CALL_ARGS_MAX];
	size_t n_args;
	int stopped_at; /* the parser's place in argv when it stopped with an error */
};

struct command {
	const char *name;
	const char *args; /* for the usage line: "WORKER" */
	const char *help; /* one line for the list of commands */
	const char *more; /* what else --help says; may be NULL */
	const char
		*options;  /* keys of the rows of options.c that it takes beside the common ones */
	const char *needs; /* keys of options that must be given; NULL: none */
	size_t min_args, max_args;
	bool hidden;			     /* not for people: no help lists it */
	int (*run)(const struct call *call); /* returns an exit code */
};

/* The rows end with one whose name is NULL. */
extern const struct command commands[];
const struct command *command_find(const char *name);

/* Fills *call from the options and arguments behind argv[0]. *rest is where it stopped: at argc,
 * or, for the row without a function (what stands in front of the command), at the command's name.
 * Returns EXIT_DONE or, having said why, EXIT_USAGE. */
int call_parse(struct call *call, const struct command *command, int argc, char **argv, int *rest);

/* An option of a command as its page and the shells' completions show it. */
struct option_view {
	const char *name, *arg, *help; /* `arg` NULL: it takes no value */
	char letter;		       /* of its short form, '\0': it has none */
	bool needed, again;	       /* must be given; may be given more than once */
};

#define OPTIONS_MAX 64

/* The options that a command takes, in the order of its help. Returns how many. */
size_t command_options(const struct command *command, struct option_view views[OPTIONS_MAX]);

/* Reads --limit; without one *limit stays. False, having said why: it is no number from 1. */
bool call_limit(const struct call *call, uint64_t *limit);

/* Prints the command's own help. */
void call_help(const struct command *command);

/* The functions of the rows, by file. */
int list_run(const struct call *call); /* look.c */
int ps_run(const struct call *call);
int status_run(const struct call *call);
int inspect_run(const struct call *call); /* inspect.c */
int kill_run(const struct call *call);	  /* control.c */
int restart_run(const struct call *call);
int stop_run(const struct call *call);
int start_run(const struct call *call);
int scale_run(const struct call *call);
int label_run(const struct call *call);
int record_run(const struct call *call);
int swap_run(const struct call *call);	  /* swap.c */
int reload_run(const struct call *call);  /* reload.c */
int down_run(const struct call *call);	  /* down.c */
int upgrade_run(const struct call *call); /* upgrade.c */
int up_run(const struct call *call);	  /* up.c */
int check_run(const struct call *call);	  /* programs.c */
int config_run(const struct call *call);
int sequential_run(const struct call *call);
int logs_run(const struct call *call);	     /* logs.c */
int events_run(const struct call *call);     /* events.c */
int history_run(const struct call *call);    /* history.c */
int slots_run(const struct call *call);	     /* slots.c */
int quarantine_run(const struct call *call); /* quarantine.c */
int find_run(const struct call *call);	     /* find.c */
int verify_run(const struct call *call);     /* verify.c */
int backup_run(const struct call *call);     /* backup.c */
int repair_run(const struct call *call);     /* repair.c */
int devices_run(const struct call *call);    /* devices.c */
int export_run(const struct call *call);     /* export.c */
int play_run(const struct call *call);	     /* play.c */
int bench_run(const struct call *call);	     /* bench.c */
int top_run(const struct call *call);	     /* top.c */
int complete_run(const struct call *call);   /* complete.c */

#endif
