/* The child's side of a sandbox: system calls, and nothing else. */
#include "supervisor/sandbox.h"

#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The parent has the listener then; ours closes with the exec, unless it is kept. */
static int send_listener(int over, int listener)
{
	char nothing = 0;
	struct iovec bytes = {.iov_base = &nothing, .iov_len = 1};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(listener))];
	} control = {0};
	struct msghdr message = {.msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS,
					  .cmsg_len = CMSG_LEN(sizeof(listener))};
	memcpy(CMSG_DATA(&control.header), &listener, sizeof(listener));
	return (int)syscall(SYS_sendmsg, over, &message, MSG_NOSIGNAL);
}

static int filter(const struct sandbox *sandbox)
{
	unsigned flags = sandbox->tell >= 0 ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &sandbox->filter);
	if (rc < 0 || !flags || send_listener(sandbox->tell, (int)rc) < 0)
		return rc < 0 || !flags ? (int)rc : -1;
	return sandbox->keep < 0 ? 0 : (int)syscall(SYS_dup3, (int)rc, sandbox->keep, 0);
}

int sandbox_apply(const struct sandbox *sandbox)
{
	if (!sandbox)
		return 0;
	if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	if (sandbox->ruleset >= 0 && syscall(SYS_landlock_restrict_self, sandbox->ruleset, 0) < 0)
		return -1;
	return sandbox->filter.len ? filter(sandbox) : 0;
}
