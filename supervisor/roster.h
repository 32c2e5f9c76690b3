/* The roster: which workers there are, as rows. Nothing else in the supervisor knows a worker; to
 * it they differ only in what these rows say. */
#ifndef TROUPE_SUPERVISOR_ROSTER_H
#define TROUPE_SUPERVISOR_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum role_shape {
	ROLE_SINGLE, /* one worker of that name */
	ROLE_POOL,   /* `count` workers NAME.1, NAME.2, … of which each can do any frame */
	ROLE_STREAM, /* one worker NAME.TITLE for each section of the config file */
	ROLE_NAMED,  /* one worker TITLE for each section: a stranger's */
};

struct role {
	const char *section; /* in the config file */
	const char *worker;  /* its workers' name, before the dot; "" where the title is all */
	const char *program; /* in the folder of troupe-supervisor, unless the config says `exec` */
	enum role_shape shape;
	bool source;   /* fills slots; can come to an end; is asked for its stream by --probe */
	bool overlaps; /* two may play it at once for a moment */
	bool queue;    /* claims frames */
	int tap;       /* the lossless tap it owns, -1 none */
	int stops;     /* 0 stops first; what stops later takes what the earlier leave */
	const char *folder_row; /* the row that says where its results lie; NULL: none */
};

/* All roles in the order in which they start: takers before givers. */
const struct role *roster(size_t *count);

/* What a stranger's section says of itself by `takes` and `tap` makes its role. `lossless` counts
 * the sections before it that are owed every frame; NULL: there is no tap left for it. */
const struct role *roster_stranger(const char *takes, const char *tap, int lossless);

/* Whether a worker could be called so beside those of the roster. */
bool roster_name_is_free(const char *name);

/* How many ranks of `stops` there are. */
int roster_ranks(void);

/* "capture.cam1", "processor.2", "storer": `title` is of a stream's section, `number` counts in a
 * pool from 1. TROUPE_E_OVERSIZED: longer than `size`. */
int roster_name(const struct role *role, const char *title, uint32_t number, char *out,
		size_t size);

#endif
