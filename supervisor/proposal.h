/* A config that a running pipeline shall have, read by a process of its own: to ask all programs
 * for their rows and new sources for their pictures takes as long as it takes, and the supervisor
 * waits for nobody. What comes back are answers, not judgements: the supervisor reads the same text
 * with the rows that the programs gave, and decides. */
#ifndef TROUPE_SUPERVISOR_PROPOSAL_H
#define TROUPE_SUPERVISOR_PROPOSAL_H

#include "supervisor/plan.h"
#include "supervisor/supervisor.h"

#include <stdio.h>

/* The argument of troupe-supervisor that makes it that process. */
#define PROPOSAL_ARGUMENT "--propose"

/* A stream whose source has other rows than the one that runs, and what the program said of it. */
struct proposed_stream {
	char title[NAME_SIZE];
	struct probed probed;
};

struct proposal {
	struct supervisor *s;
	void (*ended)(struct supervisor *s);
	pid_t pid;
	int pidfd, fd; /* -1: not there */
	int64_t deadline;
	char *text; /* what it has said so far */
	size_t used, size;
};

struct proposed {
	struct config config;
	struct proposed_stream streams[STREAMS_MAX];
	size_t n_streams;
};

/* Starts it. `ended` is called from the loop when all is said. 0, or an error with `why`; then
 * proposal_finish is still to be called. */
int proposal_begin(struct proposal *proposal, struct supervisor *s, const char *file,
		   void (*ended)(struct supervisor *s), char *why, size_t why_size);

/* What it said. TROUPE_E_CONFIG and others with one line in `why`. proposed_finish either way. */
int proposal_take(const struct proposal *proposal, const char *file, struct proposed *out,
		  char *why, size_t why_size);
void proposed_finish(struct proposed *proposed);

/* Ends the process if it is still there. */
void proposal_finish(struct proposal *proposal);

/* The other side, `troupe-supervisor --propose`. Returns the exit code. */
int proposal_make(FILE *in, FILE *out, const char *programs);

#endif
