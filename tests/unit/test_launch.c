/* A program that was launched is what it was asked to be, and one that could not be leaves nothing
 * but the reason. */
#include "supervisor/launch.h"

#include "ipc/base/errors.h"
#include "supervisor/allotment.h"
#include "supervisor/sandbox.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SHELL "/bin/sh"

static int output[2];

static int set_up(void **state)
{
	(void)state;
	return pipe2(output, O_CLOEXEC);
}

static int tear_down(void **state)
{
	(void)state;
	close(output[0]);
	if (output[1] >= 0)
		close(output[1]);
	return 0;
}

static struct launch shell(const char *script)
{
	return (struct launch){.program = SHELL,
			       .title = "sh",
			       .input = script,
			       .out = output[1],
			       .err = output[1],
			       .close_from = 3};
}

/* What it prints until it has ended. */
static const char *told(const struct launched *made, int *status)
{
	static char text[4096];
	size_t used = 0;
	ssize_t n;
	close(output[1]);
	output[1] = -1;
	while ((n = read(output[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	assert_int_equal(waitpid(made->pid, status, 0), made->pid);
	close(made->pidfd);
	return text;
}

static void its_input_and_environment_are_what_was_given(void **state)
{
	struct launched made;
	const char *more[] = {"TROUPE_TEST_A=ours", "HOME=/nowhere"};
	int status;
	(void)state;
	struct launch what = shell("echo $TROUPE_TEST_A $HOME ${PATH:+path} $0");
	what.environment = more;
	what.n_environment = 2;
	assert_int_equal(launch(&what, &made), 0);
	assert_string_equal(told(&made, &status), "ours /nowhere path sh\n");
	assert_int_equal(status, 0);
}

static void it_has_its_descriptors_and_no_others(void **state)
{
	struct launched made;
	int status, high = fcntl(output[0], F_DUPFD, 200); /* not closed by exec itself */
	(void)state;
	struct launch what = shell("for i in 4 5 6 7 200; do "
				   "[ -e /proc/self/fd/$i ] && echo $i; done; "
				   "cat <&4 | head -c 4");
	int from = open(SHELL, O_RDONLY | O_CLOEXEC);
	int above = fcntl(from, F_DUPFD_CLOEXEC, 100);
	what.fds[what.n_fds++] = (struct launch_fd){above, 4};
	what.close_from = 5;
	assert_int_equal(launch(&what, &made), 0);
	close(high);
	close(from);
	close(above);
	const char *text = told(&made, &status);
	assert_memory_equal(text, "4\n\177ELF", 6);
}

static void it_ignores_and_blocks_no_signal(void **state)
{
	struct launched made;
	sigset_t some, before;
	int status;
	(void)state;
	sigemptyset(&some);
	sigaddset(&some, SIGTERM);
	sigprocmask(SIG_BLOCK, &some, &before);
	signal(SIGPIPE, SIG_IGN);
	/* Without a child: while it makes one, a shell blocks signals itself. */
	struct launch what = shell("while read -r a b; do case $a in SigBlk:|SigIgn:) "
				   "echo $a $b;; esac; done </proc/$$/status");
	assert_int_equal(launch(&what, &made), 0);
	sigset_t now;
	sigprocmask(SIG_SETMASK, &before, &now);
	signal(SIGPIPE, SIG_DFL);
	assert_string_equal(told(&made, &status),
			    "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n");
	assert_true(sigismember(&now, SIGTERM)); /* and ours are as they were */
	assert_false(sigismember(&now, SIGINT));
}

static void it_leads_a_group_of_its_own_and_has_a_pidfd(void **state)
{
	struct launched made;
	int status;
	(void)state;
	struct launch what = shell("read forever <&5");
	what.fds[what.n_fds++] = (struct launch_fd){output[0], 5};
	what.close_from = 6;
	assert_int_equal(launch(&what, &made), 0);
	assert_int_equal(getpgid(made.pid), made.pid);
	assert_int_equal(syscall(SYS_pidfd_send_signal, made.pidfd, SIGKILL, NULL, 0), 0);
	assert_int_equal(waitpid(made.pid, &status, 0), made.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(made.pidfd);
}

static void no_children(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void what_cannot_be_executed_is_told_exactly(void **state)
{
	struct launched made;
	(void)state;
	struct launch what = shell("");
	int before = dup(0);
	close(before);
	what.program = "/nowhere/at/all";
	assert_int_equal(launch(&what, &made), TROUPE_E_NOT_FOUND);
	assert_string_equal(made.why, "its program: No such file or directory");
	what.program = "/proc/self/status";
	assert_int_equal(launch(&what, &made), TROUPE_E_DENIED);
	assert_string_equal(made.why, "its program: Permission denied");
	what.program = SHELL;
	what.out = 999;
	assert_int_equal(launch(&what, &made), TROUPE_E_SYSTEM);
	assert_string_equal(made.why, "its descriptors: Bad file descriptor");
	assert_int_equal(made.pidfd, -1);
	no_children();
	int after = dup(0);
	close(after);
	assert_int_equal(before, after); /* and no descriptor is left */
}

static void what_cannot_be_allotted_is_told_exactly(void **state)
{
	struct launched made;
	(void)state;
	struct allotment allotment = {.limits = {{.resource = 999, .value = 1}}, .n_limits = 1};
	struct launch what = shell("");
	char why[128];
	what.allotment = &allotment;
	assert_true(launch(&what, &made) < 0);
	assert_non_null(strstr(made.why, "Invalid argument"));
	allotment_explain(allotment_apply(&allotment), why, sizeof(why));
	assert_string_equal(made.why, why);
	no_children();
}

static void what_the_sandbox_lacks_is_told_exactly(void **state)
{
	struct launched made;
	(void)state;
	struct sandbox sandbox = {.ruleset = output[0], .tell = -1, .hear = -1};
	struct launch what = shell("");
	what.sandbox = &sandbox;
	assert_true(launch(&what, &made) < 0);
	assert_string_equal(made.why, "its sandbox: File descriptor in bad state");
	no_children();
}

/* Each system call of a number is refused by EPERM. */
static void it_runs_with_its_filter(void **state)
{
	struct launched made;
	int status;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sandbox sandbox = {
		.ruleset = -1, .tell = -1, .hear = -1, .filter = {.len = 4, .filter = filter}};
	struct launch what = shell("grep -E 'NoNewPrivs|Seccomp:' /proc/$$/status");
	(void)state;
	what.sandbox = &sandbox;
	assert_int_equal(launch(&what, &made), 0);
	assert_string_equal(told(&made, &status), "NoNewPrivs:\t1\nSeccomp:\t2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(its_input_and_environment_are_what_was_given),
		TEST(it_has_its_descriptors_and_no_others),
		TEST(it_ignores_and_blocks_no_signal),
		TEST(it_leads_a_group_of_its_own_and_has_a_pidfd),
		TEST(what_cannot_be_executed_is_told_exactly),
		TEST(what_cannot_be_allotted_is_told_exactly),
		TEST(what_the_sandbox_lacks_is_told_exactly),
		TEST(it_runs_with_its_filter),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
