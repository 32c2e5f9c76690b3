/* What `troupe find` was asked, and what it found. */
#ifndef TROUPE_TOOLS_TROUPE_FIND_H
#define TROUPE_TOOLS_TROUPE_FIND_H

#include "tools/troupe/spans.h"

#include <jansson.h>

/* Spans of one thing: of either of the kinds, with this text. */
struct condition {
	enum event_kind kinds[2];
	size_t n_kinds;
	const char *what; /* NULL: any */
	double best;
};

#define CONDITIONS_MAX 4

struct call;

struct finding {
	const char *folder;
	const char *stream; /* NULL: any */
	bool json;
	struct recording *recording;
	int64_t from, to; /* wall */
	uint64_t run;	  /* 0: any */
	size_t limit;
	struct condition conditions[CONDITIONS_MAX];
	size_t n_conditions;
	json_t *queries; /* with --explain: an array of what was asked of the catalogue */
	int64_t took;	 /* ns, all of them */
};

/* Reads the call's conditions. EXIT_DONE or, having said what is wrong, EXIT_USAGE. */
int find_read(struct finding *finding, const struct call *call);

/* Finds. 0, or an error. */
int find_spans(struct finding *finding, struct spans *spans);

/* Prints as a table, or with --json. Returns an exit code. */
int find_show(struct finding *finding, const struct spans *spans);

#endif
