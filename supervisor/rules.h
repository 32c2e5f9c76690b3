/* What a worker may do, as a list that people can read: from what all need, what its program says
 * it needs, and the rows in effect. How the kernel is told is ruleset.c's and filter.c's. */
#ifndef TROUPE_SUPERVISOR_RULES_H
#define TROUPE_SUPERVISOR_RULES_H

#include "ipc/base/needs.h"
#include "supervisor/arena.h"
#include "supervisor/config.h"

#include <stdbool.h>
#include <stdint.h>

#define RULES_MAX 128

/* What may be done with a path and all below it. */
enum rule_kind {
	RULE_READ = 1,
	RULE_WRITE = 2,	  /* and make, rename and remove files and folders in it */
	RULE_RUN = 4,	  /* as a program */
	RULE_DEVICE = 8,  /* read, write and control */
	RULE_SOCKETS = 16 /* make sockets in it */
};

struct rules {
	struct rule {
		const char *path;
		unsigned kinds;
		bool own; /* from a need of its program, not what everybody may */
	} all[RULES_MAX];
	size_t count;
	bool network; /* any socket, not only those of this machine's files */
	bool starts;  /* programs of its own */
	bool writes;  /* somewhere: may change modes of files, too */
	struct arena arena;
};

struct rules_of {
	const char *program; /* path */
	const char *stock;   /* which it may run, should it be a wrapper of it; "" none */
	const struct needs *needs;
	const struct row_table *rows;  /* of the program: what holds where none is set */
	const struct section *section; /* whose rows are set */
	const char *folder;	       /* relative paths count from there */
	const char *runtime, *state;
};

/* Makes the folders (0700) that it is to write and that are not there. What cannot be made or does
 * not exist has no rule. rules_finish() after it, whatever comes of it. 0, or TROUPE_E_FULL or
 * MEMORY: then it is no list to be used. */
int rules_resolve(struct rules *rules, const struct rules_of *of);
void rules_finish(struct rules *rules);

/* "reads /usr/lib" for rule i. Returns `out`. */
char *rule_text(const struct rule *rule, char *out, size_t size);

#endif
