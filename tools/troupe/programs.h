/* The programs beside this one, and the command lines that they are started with. */
#ifndef TROUPE_TOOLS_TROUPE_PROGRAMS_H
#define TROUPE_TOOLS_TROUPE_PROGRAMS_H

#include "tools/troupe/command.h"

#include <sys/types.h>

#define PROGRAM_ARGS_MAX (2 * CALL_SETS_MAX + 16)

/* A command line. The words are not copied. */
struct arguments {
	const char *word[PROGRAM_ARGS_MAX + 1]; /* ends with NULL */
	size_t n;
};

void arguments_add(struct arguments *arguments, const char *word);
/* Adds what a call says about the config: -c FILE, -n NAME, --set …. */
void arguments_add_config(struct arguments *arguments, const struct call *call);

/* Becomes the program of that name in this program's folder. Returns only when that fails, having
 * said why: EXIT_FAILED. */
int program_become(const char *name, const struct arguments *arguments);

/* Runs it and waits; returns its exit code. With call->json its output is printed as JSON: {"code",
 * "text"}. */
int program_run(const struct call *call, const char *name, const struct arguments *arguments);

/* Runs it and returns what it said on its standard output, to be freed; *code is its exit code.
 * NULL: it could not be run, or out of memory. */
char *program_ask(const char *name, const struct arguments *arguments, int *code);

/* The exit code that stands for how a child ended. */
int program_exit_code(int wait_status);

#endif
