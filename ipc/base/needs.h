/* Needs: what a worker does beside what all do, declared as a table beside its rows. `--rows`
 * prints it behind the rows, and the supervisor makes of it what the process may (see
 * docs/architecture.md): what is in no need is refused. */
#ifndef TROUPE_IPC_BASE_NEEDS_H
#define TROUPE_IPC_BASE_NEEDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* X(KIND, name in --rows, what `of` names) */
#define NEED_KINDS(X)                                                                              \
	X(READ, "read", "a row: the file or folder that it reads, or none of that name")           \
	X(WRITE, "write", "a row: the folder or file that it writes")                              \
	X(SOURCE, "source", "a row: a file, a device, or a URL on the network")                    \
	X(TERMINAL, "terminal", "a row: what it draws on, or \"\" for the terminal it runs on")    \
	X(STATE, "state", "a folder in the pipeline's state folder, which it writes")              \
	X(STATE_FIFO, "state-fifo", "a FIFO there, which it writes")                               \
	X(RUN, "run", "a program, by its path or beside its own, which it runs")                   \
	X(READ_PATH, "read-path", "the path of a file or folder that it reads")                    \
	X(WRITE_PATH, "write-path", "the path of a file or folder that it writes")

enum need_kind {
#define NEED_ENUM(kind, name, of) NEED_##kind,
	NEED_KINDS(NEED_ENUM)
#undef NEED_ENUM
};

struct need {
	enum need_kind kind;
	const char *of;
};

/* Each line of needs_print() begins so, as no row can. */
#define NEED_LINE "\tneed\t"

#define NEEDS_MAX  16
#define NEEDS_TEXT 1024

/* A program's needs as they were read; zeroed: it has none. May be copied. */
struct needs {
	size_t count;
	struct {
		enum need_kind kind;
		uint32_t at; /* of `of` in `text` */
	} all[NEEDS_MAX];
	char text[NEEDS_TEXT];
	size_t used;
};

static inline struct need need_at(const struct needs *needs, size_t i)
{
	return (struct need){.kind = needs->all[i].kind, .of = needs->text + needs->all[i].at};
}

void needs_print(const struct need *needs, size_t count, FILE *out);

/* Finds those lines among all of an answer to `--rows`. A kind that is not known, or more than
 * fit, is TROUPE_E_MALFORMED, and then there are none. */
int needs_parse(const char *text, struct needs *needs);

#endif
