/* What the files of a reload share. */
#ifndef TROUPE_SUPERVISOR_RELOAD_PRIVATE_H
#define TROUPE_SUPERVISOR_RELOAD_PRIVATE_H

#include "supervisor/differ.h"
#include "supervisor/proposal.h"
#include "supervisor/reload.h"
#include "supervisor/swap.h"

/* A worker that starts anew. */
struct reload_target {
	struct member *member;
	const struct section *was, *now;
	bool done;	 /* it has the new rows */
	int replaced_fd; /* the socket that it listened at before; -1: that one stays */
};

struct reload {
	struct asker asker;
	uint64_t id;
	bool dry_run, stages;
	bool read; /* the proposal is there: the rest is */
	int64_t probation;
	char file[PROGRAM_SIZE];
	struct proposal proposal;
	struct proposed wanted;
	struct changes changes;
	struct top_settings was_top; /* what to go back to */
	char was_url[96];
	struct reload_target targets[MEMBERS_MAX];
	size_t n_targets, at;
	bool under_way; /* of targets[at] */
	char outcome[SWAP_OUTCOME];
};

/* ---- reload_judge.c: may it be? ---- */

/* Compares, and looks for what only shows on this machine. 0, or an error with `why`: it is refused
 * whole. */
int reload_judge(struct supervisor *s, struct reload *reload, char *why, size_t why_size);

/* ---- reload_apply.c: what the supervisor does by itself ---- */

/* Rows of the top level and of streams, into settings and the ledger. */
void reload_apply_rows(struct supervisor *s, const struct top_settings *top,
		       const struct config *was, const struct config *now);

/* Makes `wanted` the config that runs, with all that follows; what ran before is in `wanted` then.
 */
void reload_commit(struct supervisor *s, struct reload *reload);

/* The member has the rows of another section from now on, its process not yet. */
void reload_rebase(struct member *m, const struct section *section);

/* ---- reload_answer.c ---- */

/* Answers who asked, and writes it down. */
void reload_answer(struct supervisor *s, const struct reload *reload, int code, const char *text);

/* The address that the section's program listens at; "" none. */
const char *reload_address(const struct section *section);

#endif
