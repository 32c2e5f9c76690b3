/* pidfds as far as this needs them. What the headers of the C library do not have yet is written
 * down here as include/uapi/linux/pidfd.h of Linux 6.15 has it. */
#include "supervisor/ended.h"

#include "supervisor/proc.h"
#include "supervisor/runtime.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INFO_EXIT	   (UINT64_C(1) << 3) /* PIDFD_INFO_EXIT, Linux 6.15 */
#define SIGNAL_TO_GROUP	   (1U << 2)	      /* PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9 */
#define GET_INFO	   _IOWR(0xFF, 11, struct info)
#define FIELD_OF_EXIT_CODE 52 /* of /proc/PID/stat, see proc_pid_stat(5) */

/* struct pidfd_info in its first size; newer kernels fill as much as they are given room for. */
struct info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
static_assert(sizeof(struct info) == 64, "as the kernel has it");

bool ended_surely(int pidfd)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	return pidfd >= 0 && poll(&end, 1, 0) > 0;
}

/* The kernel keeps it for whoever has a pidfd once the process was waited for. */
static bool ask_kernel(int pidfd, int *status)
{
	struct info info = {.mask = INFO_EXIT};
	if (ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return false;
	*status = info.exit_code;
	return true;
}

/* Until then the process is a zombie, and /proc says it. */
static bool ask_proc(pid_t pid, uint64_t start_time, int *status)
{
	char text[1024];
	const char *state = proc_stat_state(pid, text, sizeof(text));
	if (!state || *state != 'Z' || process_start_time(pid) != start_time)
		return false;
	const char *at = proc_stat_field(state, FIELD_OF_EXIT_CODE);
	if (at)
		*status = (int)strtol(at, NULL, 10);
	return at;
}

void ended_how(int pidfd, pid_t pid, uint64_t start_time, siginfo_t *info)
{
	int status;
	*info = (siginfo_t){.si_pid = pid};
	/* It may be waited for between the two questions. */
	if (!ask_kernel(pidfd, &status) && !ask_proc(pid, start_time, &status) &&
	    !ask_kernel(pidfd, &status))
		return;
	info->si_code = WIFEXITED(status)   ? CLD_EXITED
			: WCOREDUMP(status) ? CLD_DUMPED
					    : CLD_KILLED;
	info->si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

void ended_signal(int pidfd, pid_t pid, int number)
{
	if (pidfd < 0 ||
	    (syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 && errno == ENOSYS))
		kill(pid, number);
}

/* A kernel before 6.9 knows no groups there: then only while the leader is surely there. */
void ended_signal_group(int pidfd, pid_t pid, int number)
{
	if (pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, number, NULL, SIGNAL_TO_GROUP) == 0)
		return;
	if (errno == ESRCH || ended_surely(pidfd))
		return;
	kill(-pid, number);
	ended_signal(pidfd, pid, number);
}
