/* From the rows of a worker's section to its allotment: the rows themselves and what is right for
 * them (allot_rows.c), and the numbers that follow (allot.c). */
#ifndef TROUPE_SUPERVISOR_ALLOT_H
#define TROUPE_SUPERVISOR_ALLOT_H

#include "ipc/base/rows.h"
#include "supervisor/allotment.h"
#include "supervisor/roster.h"

struct section_settings;

/* The rows; they fill struct section_settings. */
extern const struct row_table allot_rows;

/* What a worker of that role is given by these settings. `oom_base`: the supervisor's own
 * oom_score_adj as it was when it began. TROUPE_E_NOT_FOUND: there is no such user any more. */
int allot(const struct role *role, const struct section_settings *settings, int oom_base,
	  struct allotment *out);

/* Gives it to a process that runs, all its threads included. What is not said in `settings` is as
 * the supervisor has it. User and environment stay: only a new process can have others. 0, or
 * TROUPE_E_DENIED: a new process can have that, this one cannot. */
int allot_again(pid_t pid, const struct role *role, const struct section_settings *settings,
		int oom_base);

/* The user and group that "name", "number" or "name:group" means. TROUPE_E_NOT_FOUND: none. */
int allot_user(const char *text, uid_t *uid, gid_t *gid);

/* What the texts of `cpus` ("0,2-3", as bits) and `limit_core` mean. False: nothing. */
bool allot_cpus(const char *text, uint64_t cpus[ALLOTMENT_CPUS / 64]);
bool allot_core(const char *text, uint64_t *value);

/* Our own niceness with so much more. */
int allot_nice(int64_t more);

/* The next "NAME=value" of an environment row, copied to `out`; *at goes behind it. False: there is
 * none any more. */
bool allot_variable(const char **at, char *out, size_t size);

/* Our own oom_score_adj; 0 where it cannot be read. */
int allot_oom_base(void);

/* Makes the supervisor the last that the kernel's out-of-memory killer takes of its pipeline, where
 * it may. */
void allot_spare_supervisor(int oom_base);

#endif
