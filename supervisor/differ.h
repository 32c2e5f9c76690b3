/* What differs between the config that runs and another one, row by row, and what it takes to get
 * from the one to the other. A pure function of the two. */
#ifndef TROUPE_SUPERVISOR_DIFFER_H
#define TROUPE_SUPERVISOR_DIFFER_H

#include "supervisor/config.h"

#include <stdbool.h>
#include <stddef.h>

/* X(NAME, text) */
#define CHANGE_KINDS(X)                                                                            \
	X(LIVE, "live")	      /* at once, and nobody notices */                                    \
	X(RESTART, "restart") /* the section's workers start anew, by the way of a swap */         \
	X(ADD, "add")	      /* a worker that there was not */                                    \
	X(REMOVE, "remove")                                                                        \
	X(NEVER, "never") /* only a new run can have it: see why */

enum change_kind {
#define CHANGE_ENUM(name, text) CHANGE_##name,
	CHANGE_KINDS(CHANGE_ENUM)
#undef CHANGE_ENUM
};

const char *change_text(enum change_kind kind);

struct change {
	enum change_kind kind;
	const struct section *was, *now; /* NULL: the top level, or there is none */
	char section[2 * NAME_SIZE];	 /* "storer", "stream.cam1", "" the top level */
	const char *row;		 /* "" the whole section */
	char *before, *after;		 /* as a person would write it; NULL: no such row. Heap */
	int line;			 /* of the new config's file; 0: it says nothing of it */
	const char *why;		 /* of CHANGE_NEVER: what to do instead */
};

struct changes {
	struct change *all;
	size_t count;
};

/* The changes in the order of the rows' tables and the sections. Both configs must outlive them. 0,
 * or TROUPE_E_MEMORY. Free with changes_finish either way. */
int differ(const struct config *running, const struct config *wanted, struct changes *out);
void changes_finish(struct changes *changes);

/* One more, with texts that are copied. */
int changes_add(struct changes *changes, const struct change *change, const char *before,
		const char *after);

/* The first that can never be; NULL: all can. */
const struct change *changes_never(const struct changes *changes);

/* Whether the workers of that section of the new config start anew. */
bool changes_restart(const struct changes *changes, const struct section *now);

#endif
