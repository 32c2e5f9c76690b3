/* Workers that try what they may not: the stock ones, which when they come to be in charge try each
 * row of a table and say in their log what came of it, "tried NAME: ERRNO" (0: it was done). Each
 * is harmless where it succeeds. PRYING_TRY names the only one that is to be tried, PRYING_LATER
 * one that is tried at an orderly end, and none before. The build says which worker it is
 * otherwise. */
#include TRIES_HEADER

#include "ipc/base/log.h"
#include "ipc/worker/contract.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- files: the variable of the environment says which ---- */

static long try_open(const char *variable, int flags)
{
	const char *path = getenv(variable);
	long fd = path ? open(path, flags | O_CLOEXEC, 0600) : -1;
	if (fd >= 0)
		close((int)fd);
	return fd;
}

static long read_recording(void)
{
	return try_open("TROUPE_TEST_RECORDING", O_RDONLY);
}

static long write_recording(void)
{
	return try_open("TROUPE_TEST_RECORDING", O_WRONLY | O_APPEND);
}

static long change_recording(void)
{
	const char *path = getenv("TROUPE_TEST_RECORDING");
	return path ? chmod(path, 0644) : -1;
}

static long write_journal(void)
{
	return try_open("TROUPE_TEST_JOURNAL", O_WRONLY | O_APPEND);
}

static long write_home(void)
{
	return try_open("TROUPE_TEST_HOME", O_WRONLY | O_CREAT);
}

static long read_secret(void)
{
	return try_open("TROUPE_TEST_SECRET", O_RDONLY);
}

static long read_supervisor(void)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)getppid());
	long fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close((int)fd);
	return fd;
}

static long remove_control(void)
{
	const char *path = getenv("TROUPE_TEST_SOCKET"); /* beside the control socket */
	return path ? unlink(path) : -1;
}

static long make_device(void)
{
	const char *path = getenv("TROUPE_TEST_HOME");
	long rc = path ? mknod(path, S_IFCHR | 0600, 0x103) : -1;
	if (rc == 0)
		unlink(path);
	return rc;
}

/* ---- sockets ---- */

static long open_socket(int family, int type)
{
	long fd = socket(family, type, 0);
	if (fd >= 0)
		close((int)fd);
	return fd;
}

static long make_udp(void)
{
	return open_socket(AF_INET, SOCK_DGRAM);
}

static long make_tcp6(void)
{
	return open_socket(AF_INET6, SOCK_STREAM);
}

static long make_netlink(void)
{
	return open_socket(AF_NETLINK, SOCK_RAW);
}

static long connect_tcp(void)
{
	const char *port = getenv("TROUPE_TEST_PORT");
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)atoi(port ? port : "0")),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	long rc = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof(to));
	int why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	return rc;
}

static long listen_tcp(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	long rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&at, sizeof(at));
	int why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	return rc;
}

/* A socket without a file, on which the test listens. */
static long connect_abstract(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *name = getenv("TROUPE_TEST_ABSTRACT");
	int length = snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1, "%s", name ? name : "");
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	long rc = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, size);
	int why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	return rc;
}

/* ---- other processes ---- */

static long signal_supervisor(void)
{
	return kill(getppid(), 0);
}

/* It is not ours to trace, so the kernel finds no such process: if it looks. */
static long trace_supervisor(void)
{
	long rc = ptrace(PTRACE_PEEKUSER, getppid(), NULL, NULL);
	return rc < 0 && errno == ESRCH ? 0 : rc;
}

static long look_into_supervisor(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static long limit_supervisor(void)
{
	struct rlimit limit;
	return prlimit(getppid(), RLIMIT_CORE, NULL, &limit);
}

static long nice_supervisor(void)
{
	return setpriority(PRIO_PROCESS, (id_t)getppid(),
			   getpriority(PRIO_PROCESS, (id_t)getppid()));
}

static long start_process(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid > 0 ? waitpid(pid, NULL, 0) : -1;
}

/* The kernel opens the program before it looks at the arguments, which cannot be read. */
static long run_shell(void)
{
	long rc = syscall(SYS_execve, "/bin/sh", (void *)8, NULL);
	return rc < 0 && errno == EFAULT ? 0 : rc;
}

/* ---- the system ---- */

static long become_other(void)
{
	return syscall(SYS_setresuid, getuid(), geteuid(), getuid());
}

static long mount_something(void)
{
	long rc = syscall(SYS_mount, "none", "/nowhere/at/all", "tmpfs", 0, NULL);
	return rc < 0 && errno == ENOENT ? 0 : rc;
}

static long leave_namespace(void)
{
	return unshare(CLONE_FS); /* its thread's working folder */
}

static long load_program(void)
{
	long rc = syscall(SYS_bpf, -1, NULL, 0);
	return rc < 0 && errno == EINVAL ? 0 : rc;
}

static long load_module(void)
{
	long rc = syscall(SYS_finit_module, -1, "", 0);
	return rc < 0 && errno == EBADF ? 0 : rc;
}

static long ask_keys(void)
{
	return syscall(SYS_keyctl, 0, -3, 0); /* the session's own */
}

static long count_events(void)
{
	long rc = syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
	return rc < 0 && errno == EFAULT ? 0 : rc;
}

static long reboot_machine(void)
{
	long rc = syscall(SYS_reboot, 0, 0, 0, NULL); /* without its magic numbers */
	return rc < 0 && errno == EINVAL ? 0 : rc;
}

static long make_ring(void)
{
	long rc = syscall(SYS_io_uring_setup, 0, NULL);
	return rc < 0 && (errno == EFAULT || errno == EINVAL) ? 0 : rc;
}

/* ---- its own filter, and a terminal's input ---- */

static long answer_for_itself(void)
{
	return ioctl(CONTRACT_FD_EARS, SECCOMP_IOCTL_NOTIF_SEND, NULL);
}

static long type_for_others(void)
{
	return ioctl(STDIN_FILENO, TIOCSTI, "x");
}

/* ---- the table ---- */

static const struct {
	const char *name;
	long (*attempt)(void);
} tries[] = {
	{"read_recording", read_recording},
	{"write_recording", write_recording},
	{"change_recording", change_recording},
	{"write_journal", write_journal},
	{"write_home", write_home},
	{"read_secret", read_secret},
	{"read_supervisor", read_supervisor},
	{"remove_control", remove_control},
	{"make_device", make_device},
	{"make_udp", make_udp},
	{"make_tcp6", make_tcp6},
	{"make_netlink", make_netlink},
	{"connect_tcp", connect_tcp},
	{"listen_tcp", listen_tcp},
	{"connect_abstract", connect_abstract},
	{"signal_supervisor", signal_supervisor},
	{"trace_supervisor", trace_supervisor},
	{"look_into_supervisor", look_into_supervisor},
	{"limit_supervisor", limit_supervisor},
	{"nice_supervisor", nice_supervisor},
	{"start_process", start_process},
	{"run_shell", run_shell},
	{"become_other", become_other},
	{"mount_something", mount_something},
	{"leave_namespace", leave_namespace},
	{"load_program", load_program},
	{"load_module", load_module},
	{"ask_keys", ask_keys},
	{"count_events", count_events},
	{"reboot_machine", reboot_machine},
	{"make_ring", make_ring},
	{"answer_for_itself", answer_for_itself},
	{"type_for_others", type_for_others},
};

/* NULL: all. */
static void try_them(const char *only)
{
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		if (only && strcmp(only, tries[i].name) != 0)
			continue;
		long done = tries[i].attempt();
		log_info("tried %s: %d", tries[i].name, done < 0 ? errno : 0);
	}
}

static void prying_close(struct worker *w, void *self)
{
	if (getenv("PRYING_LATER"))
		try_them(getenv("PRYING_LATER"));
	if (TRIES_TABLE.close)
		TRIES_TABLE.close(w, self);
}

static int prying_ready(struct worker *w, void *self)
{
	int rc = TRIES_TABLE.ready ? TRIES_TABLE.ready(w, self) : 0;
	if (rc == 0 && !getenv("PRYING_LATER"))
		try_them(getenv("PRYING_TRY"));
#ifdef TROUPE_SANITIZED
	log_info("tried sanitized: 0");
#endif
	if (rc == 0)
		log_info("tried all");
	return rc;
}

int main(int argc, char **argv)
{
	struct worker_table table = TRIES_TABLE;
	table.ready = prying_ready;
	table.close = prying_close;
	return worker_main(argc, argv, &table);
}
