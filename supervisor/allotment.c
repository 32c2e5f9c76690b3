/* The steps of an allotment, each a few system calls. */
#include "supervisor/allotment.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The rows, in the order in which they are applied: the user last, for the others need its rights.
 */
enum step { STEP_OOM, STEP_LIMITS, STEP_NICE, STEP_CPUS, STEP_USER, N_STEPS };

static const char *const step_names[N_STEPS] = {
	[STEP_OOM] = "oom_score_adj", [STEP_LIMITS] = "limits", [STEP_NICE] = "nice",
	[STEP_CPUS] = "cpus",	      [STEP_USER] = "user",
};

#define ERRNO_SPAN 4096 /* a code is -(step * ERRNO_SPAN + errno) */

/* /proc/self is the child: its memory is shared with the parent, its process is its own. */
static bool set_oom(const struct allotment *a)
{
	size_t length = strlen(a->oom_score_adj);
	if (length == 0)
		return true;
	long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	long written = syscall(SYS_write, fd, a->oom_score_adj, length);
	int why = errno;
	syscall(SYS_close, fd);
	errno = why;
	return written == (long)length;
}

static bool set_limits(const struct allotment *a)
{
	for (size_t i = 0; i < a->n_limits; i++) {
		/* The kernel's own shape, struct rlimit64. */
		uint64_t pair[2] = {a->limits[i].value, a->limits[i].value};
		if (syscall(SYS_prlimit64, 0, a->limits[i].resource, pair, NULL) < 0)
			return false;
	}
	return true;
}

static bool set_nice(const struct allotment *a)
{
	return !a->renice || syscall(SYS_setpriority, PRIO_PROCESS, 0, a->nice) == 0;
}

static bool set_cpus(const struct allotment *a)
{
	return !a->pinned || syscall(SYS_sched_setaffinity, 0, sizeof(a->cpus), a->cpus) == 0;
}

/* The calls of libc would change all threads of the process, and so the parent's idea of its own.
 * Capabilities that a change between ordinary users would leave are given up by hand. */
static bool set_user(const struct allotment *a)
{
	if (!a->other_user)
		return true;
	syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_setgroups, a->n_groups, a->groups) < 0 ||
	    syscall(SYS_setresgid, a->gid, a->gid, a->gid) < 0 ||
	    syscall(SYS_setresuid, a->uid, a->uid, a->uid) < 0)
		return false;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
	return a->uid == 0 || syscall(SYS_capset, &header, none) == 0;
}

int allotment_apply(const struct allotment *allotment)
{
	bool (*const steps[N_STEPS])(const struct allotment *) = {
		[STEP_OOM] = set_oom,	[STEP_LIMITS] = set_limits, [STEP_NICE] = set_nice,
		[STEP_CPUS] = set_cpus, [STEP_USER] = set_user,
	};
	for (int i = 0; i < N_STEPS; i++)
		if (!steps[i](allotment))
			return -(i * ERRNO_SPAN + errno);
	return 0;
}

char *allotment_explain(int code, char *out, size_t size)
{
	int step = -code / ERRNO_SPAN, why = -code % ERRNO_SPAN;
	snprintf(out, size, "%s: %s", step < N_STEPS ? step_names[step] : "?", strerror(why));
	return out;
}
