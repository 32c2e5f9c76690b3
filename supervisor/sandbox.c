/* The child's side of a sandbox: system calls, and nothing else. */
#include "supervisor/sandbox.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int sandbox_bind(const struct sandbox *sandbox)
{
	if (!sandbox)
		return 0;
	if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	if (sandbox->ruleset < 0)
		return 0;
	return (int)syscall(SYS_landlock_restrict_self, sandbox->ruleset, 0);
}

int sandbox_filter(const struct sandbox *sandbox)
{
	if (!sandbox || !sandbox->filter.len)
		return 0;
	return (int)syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &sandbox->filter, 0, 0);
}
