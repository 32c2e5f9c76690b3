/* What the kernel runs in place of a file that is to be executed. */
#ifndef TROUPE_SUPERVISOR_INTERPRETER_H
#define TROUPE_SUPERVISOR_INTERPRETER_H

#include <stddef.h>

#define INTERPRETERS_MAX 6
#define INTERPRETER_SIZE 1024

struct interpreters {
	char path[INTERPRETERS_MAX][INTERPRETER_SIZE];
	size_t count;
};

/* Everything that has to be executed for `program` to run: a script's interpreter, what env is to
 * find, and the loaders of all of them. A file that cannot be read has none. */
void interpreters_of(const char *program, struct interpreters *found);

#endif
