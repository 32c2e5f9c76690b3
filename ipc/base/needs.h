/* Needs: what a worker does beside what all do, declared as a table beside its rows. `--rows`
 * prints it behind the rows, and the supervisor makes of it what the process may (see
 * docs/architecture.md): what is in no need is refused. */
#ifndef TROUPE_IPC_BASE_NEEDS_H
#define TROUPE_IPC_BASE_NEEDS_H

#include <stddef.h>
#include <stdio.h>

/* X(KIND, name in --rows, what `of` names) */
#define NEED_KINDS(X)                                                                              \
	X(READ, "read")		/* row: the file or folder that it reads; may be none */           \
	X(WRITE, "write")	/* row: the folder or file that it writes */                       \
	X(SOURCE, "source")	/* row: a file, a device, or a URL on the network */               \
	X(TERMINAL, "terminal") /* row: what it draws on, "" the terminal it runs on */            \
	X(STATE, "state")	/* the folder of that name in the state folder, which it writes */ \
	X(STATE_FIFO, "state-fifo") /* the FIFO of that name in the state folder, likewise */      \
	X(RUN, "run")		    /* the program of that name, beside its own */

enum need_kind {
#define NEED_ENUM(kind, name) NEED_##kind,
	NEED_KINDS(NEED_ENUM)
#undef NEED_ENUM
};

struct need {
	enum need_kind kind;
	const char *of;
};

/* Each line of needs_print() begins so, as no row can. */
#define NEED_LINE "\tneed\t"

#define NEEDS_MAX     16
#define NEED_OF_LIMIT 64

/* A program's needs as they were read; zeroed: it has none. */
struct needs {
	size_t count;
	struct need_read {
		enum need_kind kind;
		char of[NEED_OF_LIMIT];
	} all[NEEDS_MAX];
};

void needs_print(const struct need *needs, size_t count, FILE *out);

/* Finds those lines among all of an answer to `--rows`. A kind that is not known, or more than
 * NEEDS_MAX, is TROUPE_E_MALFORMED, and then there are none. */
int needs_parse(const char *text, struct needs *needs);

const char *need_kind_name(enum need_kind kind);

#endif
