/* From settings to the numbers of an allotment, for a process to come and for one that runs. */
#include "supervisor/allot.h"

#include "ipc/base/errors.h"
#include "supervisor/settings.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define OOM_WORST   1000
#define OOM_STORER  50
#define OOM_OTHERS  100
#define OOM_RANK    50
#define OOM_OF_OURS 100

/* ---- the out-of-memory killer ---- */

int allot_oom_base(void)
{
	FILE *in = fopen("/proc/self/oom_score_adj", "re");
	char text[16] = "";
	if (in && !fgets(text, sizeof(text), in))
		text[0] = '\0';
	if (in)
		fclose(in);
	return (int)strtol(text, NULL, 10);
}

static int clamp_oom(int value)
{
	return value > OOM_WORST ? OOM_WORST : value < -OOM_WORST ? -OOM_WORST : value;
}

/* Who keeps the recording goes last of all; of the others those first that can be missed best,
 * which is the order from the last to stop to the first. */
static int oom_of(const struct role *role, const struct section_settings *set, int base)
{
	if (*set->oom_score_adj)
		return (int)strtol(set->oom_score_adj, NULL, 10);
	return clamp_oom(base +
			 (role->tap == 0 ? OOM_STORER : OOM_OTHERS + OOM_RANK * role->stops));
}

static int write_number(const char *path, int value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_from_errno(errno);
	int rc = dprintf(fd, "%d", value) < 0 ? error_from_errno(errno) : 0;
	close(fd);
	return rc;
}

void allot_spare_supervisor(int oom_base)
{
	write_number("/proc/self/oom_score_adj", clamp_oom(oom_base - OOM_OF_OURS));
}

/* ---- from settings to numbers ---- */

static void add_limit(struct allotment *a, int resource, bool set, uint64_t value)
{
	if (set)
		a->limits[a->n_limits++] =
			(struct allotment_limit){.resource = resource, .value = value};
}

static void fill_limits(struct allotment *a, const struct section_settings *set)
{
	uint64_t core = 0;
	add_limit(a, RLIMIT_DATA, set->limit_memory > 0, (uint64_t)set->limit_memory);
	add_limit(a, RLIMIT_NOFILE, set->limit_files > 0, (uint64_t)set->limit_files);
	add_limit(a, RLIMIT_CORE, *set->limit_core && allot_core(set->limit_core, &core), core);
}

/* The groups of the user, and the one that the pipeline's folders are opened to. */
static int fill_user(struct allotment *a, const struct section_settings *set)
{
	if (!*set->user)
		return 0;
	int rc = allot_user(set->user, &a->uid, &a->gid);
	if (rc < 0)
		return rc;
	const struct passwd *entry = getpwuid(a->uid);
	int n = ALLOTMENT_GROUPS;
	a->other_user = true;
	a->groups[0] = a->gid;
	a->n_groups = 1;
	if (entry && getgrouplist(entry->pw_name, a->gid, a->groups, &n) > 0)
		a->n_groups = (size_t)n;
	return 0;
}

int allot(const struct role *role, const struct section_settings *settings, int oom_base,
	  struct allotment *out)
{
	*out = (struct allotment){.renice = settings->nice != 0,
				  .nice = allot_nice(settings->nice),
				  .pinned = *settings->cpus != '\0'};
	if (out->pinned)
		allot_cpus(settings->cpus, out->cpus);
	fill_limits(out, settings);
	snprintf(out->oom_score_adj, sizeof(out->oom_score_adj), "%d",
		 oom_of(role, settings, oom_base));
	return fill_user(out, settings);
}

/* ---- to one that runs ---- */

/* What was said before and is not any more is as the supervisor has it. */
static void fill_rest(struct allotment *a)
{
	static const enum __rlimit_resource resources[] = {RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_CORE};
	a->renice = true;
	if (!a->pinned)
		sched_getaffinity(0, sizeof(a->cpus), (cpu_set_t *)(void *)a->cpus);
	for (size_t i = 0; i < COUNT(resources); i++) {
		bool said = false;
		struct rlimit own;
		for (size_t k = 0; k < a->n_limits; k++)
			said |= a->limits[k].resource == (int)resources[i];
		if (!said && getrlimit(resources[i], &own) == 0)
			add_limit(a, (int)resources[i], true, own.rlim_cur);
	}
}

static bool give_thread(pid_t tid, const struct allotment *a)
{
	return (getpriority(PRIO_PROCESS, (id_t)tid) == a->nice ||
		setpriority(PRIO_PROCESS, (id_t)tid, a->nice) == 0 || errno == ESRCH) &&
	       (sched_setaffinity(tid, sizeof(a->cpus), (const cpu_set_t *)(const void *)a->cpus) ==
			0 ||
		errno == ESRCH);
}

/* A thread that is made meanwhile has what its maker has: so until a round finds nothing new. */
static bool give_threads(pid_t pid, const struct allotment *a)
{
	char path[64];
	bool given = true;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	for (int round = 0; round < 2; round++) {
		DIR *dir = opendir(path);
		const struct dirent *entry;
		while (dir && given && (entry = readdir(dir)))
			if (isdigit((unsigned char)*entry->d_name))
				given = give_thread((pid_t)strtol(entry->d_name, NULL, 10), a);
		if (dir)
			closedir(dir);
	}
	return given;
}

/* The hard limit stays what it was if it is higher: only who has the right could raise it again. */
static bool give_limit(pid_t pid, const struct allotment_limit *limit)
{
	struct rlimit now;
	if (prlimit(pid, (unsigned)limit->resource, NULL, &now) < 0)
		return errno == ESRCH;
	struct rlimit wanted = {.rlim_cur = limit->value,
				.rlim_max =
					now.rlim_max > limit->value ? now.rlim_max : limit->value};
	return prlimit(pid, (unsigned)limit->resource, &wanted, NULL) == 0;
}

int allot_again(pid_t pid, const struct role *role, const struct section_settings *settings,
		int oom_base)
{
	struct allotment a;
	char path[64];
	int rc = allot(role, settings, oom_base, &a);
	if (rc < 0)
		return rc;
	fill_rest(&a);
	for (size_t i = 0; i < a.n_limits; i++)
		if (!give_limit(pid, &a.limits[i]))
			return TROUPE_E_DENIED;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	rc = write_number(path, (int)strtol(a.oom_score_adj, NULL, 10));
	return (rc < 0 && rc != TROUPE_E_NOT_FOUND) || !give_threads(pid, &a) ? TROUPE_E_DENIED : 0;
}
