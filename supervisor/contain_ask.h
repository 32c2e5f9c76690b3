/* Asking a program for its needs without waiting: a swap brings in programs that no config has
 * named, and the supervisor has other things to do than to wait for one that does not answer. */
#ifndef TROUPE_SUPERVISOR_CONTAIN_ASK_H
#define TROUPE_SUPERVISOR_CONTAIN_ASK_H

#include "ipc/base/needs.h"
#include "ipc/base/rows.h"
#include "supervisor/contain.h"

/* What a program has said of itself. */
struct known_program {
	struct known_program *next;
	char program[PROGRAM_SIZE];
	struct needs needs;
	struct row *rows; /* heap */
	size_t n_rows;
};

struct program_question;

/* `told` runs once, on the loop, or at once if it cannot be asked: with what the program said, or
 * with no needs and no rows if it said nothing of use in time. `known` is `told`'s to free. Returns
 * NULL when it has run already, or for want of memory. */
typedef void told_fn(void *arg, struct known_program *known);
struct program_question *program_ask(struct loop *loop, const char *program, told_fn *told,
				     void *arg);
/* Before it has told; NULL is fine. */
void program_ask_no_more(struct program_question *question);

#endif
