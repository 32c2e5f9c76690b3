/* What the parent prepares, the child that runs in the parent's memory, and how its error comes
 * back.
 *
 * The child is a clone with CLONE_VM | CLONE_VFORK: this thread stands still until it has become
 * the program or ended, while other threads (libzmq's) go on. So it runs on a stack of its own,
 * takes no lock, changes nothing but its `struct child`, and calls only what is one raw system
 * call; libc's wrappers of some do more. All signals are blocked from before the clone until the
 * child has default dispositions: no handler of ours can run in it. Sanitizers must not look at
 * functions that never return, on a stack that they do not know. */
#include "supervisor/launch.h"

#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "supervisor/allotment.h"
#include "supervisor/notify.h"
#include "supervisor/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD	     __attribute__((no_sanitize("address", "thread", "undefined")))
#define CHILD_STACK  16384
#define SIGNALS_LAST 64
#define SIGNAL_BYTES 8 /* of the kernel's signal set */

/* clone(2) as libc has it. ThreadSanitizer's own of that name takes every child for a fork. */
int launch_clone(int (*run)(void *), void *stack_top, int flags, void *arg,
		 int *pidfd) __asm__("__clone");

/* All that the child needs; it writes the last three. */
struct child {
	const struct launch *what;
	char *const *argv, *const *environment;
	int input;
	const char *failed;
	int why;      /* errno */
	int allotted; /* what allotment_apply() said */
};

/* ---- in the child ---- */

CHILD static long descriptor(int from, int to)
{
	if (from == to)
		return syscall(SYS_fcntl, to, F_SETFD, 0);
	return syscall(SYS_dup3, from, to, 0);
}

CHILD static long descriptors(const struct child *child)
{
	const struct launch *what = child->what;
	const int standard[] = {child->input, what->out, what->err};
	for (int i = 0; i < 3; i++)
		if (descriptor(standard[i], i) < 0)
			return -1;
	for (size_t i = 0; i < what->n_fds; i++)
		if (descriptor(what->fds[i].from, what->fds[i].to) < 0)
			return -1;
	return syscall(SYS_close_range, what->close_from, ~0U, 0);
}

/* Exec makes default what has a handler, but not what is ignored. KILL and STOP refuse. */
CHILD static long signals(void)
{
	const uint64_t as_born[4] = {0}, nothing = 0; /* the kernel's struct sigaction */
	for (int i = 1; i <= SIGNALS_LAST; i++)
		syscall(SYS_rt_sigaction, i, as_born, NULL, SIGNAL_BYTES);
	return syscall(SYS_rt_sigprocmask, SIG_SETMASK, &nothing, NULL, SIGNAL_BYTES);
}

CHILD static bool failed(struct child *child, long rc, const char *what)
{
	if (rc >= 0)
		return false;
	child->failed = what;
	child->why = errno; /* of the thread that waits for us: it is ours to use until then */
	return true;
}

CHILD static bool not_allotted(struct child *child)
{
	if (child->what->allotment)
		child->allotted = allotment_apply(child->what->allotment);
	return failed(child, child->allotted, "");
}

/* What is allotted takes rights that the sandbox ends; what comes behind that is what any filter
 * allows. */
CHILD static int become(void *arg)
{
	struct child *child = arg;
	const struct launch *what = child->what;
	if (!failed(child, syscall(SYS_setpgid, 0, 0), "its process group") &&
	    !not_allotted(child) && !failed(child, sandbox_apply(what->sandbox), "its sandbox") &&
	    !failed(child, descriptors(child), "its descriptors") &&
	    !failed(child, signals(), "its signals"))
		failed(child, syscall(SYS_execve, what->program, child->argv, child->environment),
		       "its program");
	syscall(SYS_exit, 127);
	return 127;
}

/* ---- in the parent ---- */

static bool is_replaced(const char *entry, const struct launch *what)
{
	size_t name = strcspn(entry, "=") + 1;
	for (size_t i = 0; i < what->n_environment; i++)
		if (strncmp(entry, what->environment[i], name) == 0)
			return true;
	return false;
}

/* What the service manager has told the supervisor is for it alone: a worker that said WATCHDOG=1
 * would hide a supervisor that hangs. */
static bool is_private(const char *entry)
{
	static const char *const names[] = {NOTIFY_ENV_SOCKET "=", NOTIFY_ENV_WATCHDOG "=",
					    NOTIFY_ENV_WATCHDOG_PID "=", "JOURNAL_STREAM="};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(entry, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Ours first, then what we have ourselves. One heap block of pointers; the strings stay where they
 * are. */
static char **merge_environment(const struct launch *what)
{
	size_t own = 0, n = 0;
	while (environ[own])
		own++;
	const char **all = calloc(own + what->n_environment + 1, sizeof(*all));
	if (!all)
		return NULL;
	for (size_t i = 0; i < what->n_environment; i++)
		all[n++] = what->environment[i];
	for (size_t i = 0; i < own; i++)
		if (!is_replaced(environ[i], what) && !is_private(environ[i]))
			all[n++] = environ[i];
	void *same = all; /* exec takes char *const [] for historical reasons and changes nothing */
	return same;
}

/* A file of its own with `text`, open at its beginning, without a name. -1: errno says why. */
static int file_of(const char *text)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	size_t length = strlen(text), used = 0;
	while (fd >= 0 && used < length) {
		ssize_t n = write(fd, text + used, length - used);
		if (n < 0) {
			close(fd);
			return -1;
		}
		used += (size_t)n;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Returns when the child is the program, or has ended: then child->failed says what was not to be.
 */
static void clone_and_wait(struct child *child, struct launched *out)
{
	alignas(16) char stack[CHILD_STACK];
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	out->pid = launch_clone(become, stack + sizeof(stack),
				CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, child, &out->pidfd);
	if (!failed(child, out->pid, "its process") && child->failed)
		while (waitpid(out->pid, NULL, 0) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A child that becomes another user takes from the memory that it shares with us that it may be
 * looked at, as by a debugger. */
static void clone_as(struct child *child, struct launched *out)
{
	bool other = child->what->allotment && child->what->allotment->other_user;
	int dumpable = other ? prctl(PR_GET_DUMPABLE) : 0;
	clone_and_wait(child, out);
	if (other && dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
}

static int start(struct child *child, struct launched *out)
{
	clone_as(child, out);
	if (!child->failed)
		return 0;
	if (out->pidfd >= 0)
		close(out->pidfd);
	*out = (struct launched){.pidfd = -1};
	if (child->allotted < 0)
		allotment_explain(child->allotted, out->why, sizeof(out->why));
	else
		snprintf(out->why, sizeof(out->why), "%s: %s", child->failed, strerror(child->why));
	return error_from_errno(child->why);
}

int launch(const struct launch *what, struct launched *out)
{
	char title[256] = "", argument[64] = "";
	strncpy(title, what->title, sizeof(title) - 1);
	strncpy(argument, what->argument ? what->argument : "", sizeof(argument) - 1);
	char *argv[] = {title, what->argument ? argument : NULL, NULL};
	char **environment = merge_environment(what);
	struct child child = {
		.what = what,
		.argv = argv,
		.environment = environment,
		.input = what->input ? file_of(what->input)
				     : open("/dev/null", O_RDONLY | O_CLOEXEC),
	};
	int rc = !environment ? TROUPE_E_MEMORY : child.input < 0 ? error_from_errno(errno) : 0;
	*out = (struct launched){.pidfd = -1};
	if (rc == 0)
		rc = start(&child, out);
	else
		snprintf(out->why, sizeof(out->why), "its input: %s", error_text(rc));
	FAIL_POINT(SPAWNED);
	if (child.input >= 0)
		close(child.input);
	free(environment);
	return rc;
}
