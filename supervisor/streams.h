/* All streams of a configuration, their sources asked, ready for a ledger; and the whole plan of a
 * pipeline as text. */
#ifndef TROUPE_SUPERVISOR_STREAMS_H
#define TROUPE_SUPERVISOR_STREAMS_H

#include "supervisor/plan.h"
#include "supervisor/supervisor.h"

struct planned_streams {
	struct stream_plan plan[STREAMS_MAX];
	struct probed probed[STREAMS_MAX];
	uint32_t n;
};

/* Asks each source. An error is one line in `why`. */
int streams_plan(const struct config *config, struct planned_streams *streams, char *why,
		 size_t why_size);

/* `--plan`: prints what would be spawned with every row resolved, in the form that
 * workers/sequential/plan.h describes. Returns the exit code. */
int streams_print(const struct supervisor_options *options, FILE *out);

#endif
