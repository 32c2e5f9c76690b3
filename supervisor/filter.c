/* libseccomp makes of lists of names what the kernel runs for each system call. What is on no list
 * is forbidden: what a worker does not need yet is not there to be misused. A name that this
 * machine or libseccomp does not know is none that it could make. */
#include "supervisor/filter.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define LARGEST_BYTES (BPF_MAXINSNS * sizeof(struct sock_filter))

/* Names, separated by blanks. */
static const char everybody[] =
	/* descriptors */
	"read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close "
	"close_range dup dup2 dup3 fcntl poll ppoll select pselect6 epoll_create epoll_create1 "
	"epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 "
	"timerfd_create timerfd_settime timerfd_gettime pipe pipe2 splice tee vmsplice sendfile "
	"copy_file_range inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
	/* files, as far as rules let it */
	"open openat openat2 creat stat lstat fstat newfstatat statx access faccessat faccessat2 "
	"readlink readlinkat getdents getdents64 getcwd chdir fchdir rename renameat renameat2 "
	"link linkat symlink symlinkat unlink unlinkat mkdir mkdirat rmdir mknod mknodat truncate "
	"ftruncate fallocate fadvise64 readahead fsync fdatasync sync_file_range syncfs statfs "
	"fstatfs umask flock getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr "
	/* memory */
	"brk mmap munmap mremap mprotect madvise mlock mlock2 munlock mlockall munlockall msync "
	"mincore membarrier memfd_create pkey_alloc pkey_free pkey_mprotect get_mempolicy "
	"set_mempolicy mbind "
	/* itself */
	"execve exit exit_group wait4 waitid getpid getppid gettid getpgid getpgrp getsid setpgid "
	"setsid getuid geteuid getgid getegid getresuid getresgid getgroups capget prctl "
	"arch_prctl set_tid_address set_robust_list get_robust_list rseq futex futex_waitv "
	"sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam "
	"sched_getscheduler sched_setscheduler sched_getattr "
	"sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority "
	"ioprio_get getrlimit setrlimit getrusage times sysinfo uname getcpu getrandom seccomp "
	"landlock_create_ruleset landlock_add_rule landlock_restrict_self "
	/* signals, as far as rules let it */
	"kill tkill tgkill pidfd_open pidfd_send_signal rt_sigaction rt_sigprocmask rt_sigpending "
	"rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack "
	"restart_syscall pause "
	/* time */
	"clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time timer_create "
	"timer_settime timer_gettime timer_getoverrun timer_delete getitimer setitimer alarm "
	/* sockets that it has, or that are files */
	"socketpair bind connect listen accept accept4 getsockname getpeername getsockopt "
	"setsockopt sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg shutdown "
#ifdef TROUPE_SANITIZED
	"ptrace process_vm_readv personality clone fork vfork "
#endif
	;

static const char network[] = "socket";
static const char starts[] = "clone fork vfork";
/* Only of what it could open: Landlock does not look at changes by path. */
static const char writes[] = "fchmod fchown fsetxattr";

/* Where it depends on an argument: allowed if (argument & mask) == wanted. Who has the part may
 * make it whatever its arguments are. */
static const struct condition {
	const char *name;
	uint64_t mask, wanted;
	unsigned argument, part;
} conditions[] = {
	{"socket", UINT32_MAX, AF_UNIX, 0, FILTER_NETWORK},
	/* Threads, no processes. */
	{"clone", CLONE_THREAD, CLONE_THREAD, 0, FILTER_STARTS},
	/* For itself, and nobody else. */
	{"prlimit64", UINT32_MAX, 0, 0, 0},
	{"setpriority", UINT32_MAX, 0, 1, 0},
	{"ioprio_set", UINT32_MAX, 0, 1, 0},
};

/* What gets another answer than EPERM: a library that asks for it knows another way. */
static const struct {
	const char *name;
	int why;
} answered[] = {
	{"clone3", ENOSYS}, /* its flags are in memory, where no filter looks */
};

static int number_of(const char *name, size_t length)
{
	char copy[64];
	snprintf(copy, sizeof(copy), "%.*s", (int)length, name);
	return seccomp_syscall_resolve_name(copy);
}

/* What libseccomp does not know, or cannot be here, is passed over. */
static int allow_all(scmp_filter_ctx filter, const char *names)
{
	for (const char *at = names; *at;) {
		size_t length = strcspn(at, " ");
		int number = number_of(at, length);
		int rc = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
		if (rc < 0)
			return rc;
		at += length + strspn(at + length, " ");
	}
	return 0;
}

static int allow_if(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp is)
{
	int number = number_of(name, strlen(name));
	return number < 0 ? 0 : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &is);
}

/* Any but the one that puts words into a terminal's mouth: one bit of the request is another. The
 * kernel looks at 32 of its 64 bits, so nothing can be said by greater and less. */
static int allow_ioctl(scmp_filter_ctx filter)
{
	int rc = 0;
	for (unsigned bit = 0; bit < 32 && rc == 0; bit++) {
		uint64_t mask = 1ULL << bit, other = ~(uint64_t)TIOCSTI & mask;
		rc = allow_if(filter, "ioctl", SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, mask, other));
	}
	return rc;
}

/* So, too, but none of a filter's listener either: who has its own open must not answer for itself.
 * The type (bits 8 to 15) differs from both, or it is a terminal's and the rest differs. */
static int allow_ioctl_unheard(scmp_filter_ctx filter)
{
	const uint64_t words = TIOCSTI, ears = SECCOMP_IOCTL_NOTIF_SEND, type = 0xff00;
	int rc = 0;
	for (unsigned a = 8; a < 16; a++) {
		for (unsigned b = 8; b < 16 && rc == 0; b++) {
			uint64_t one = 1ULL << a, two = 1ULL << b;
			if (a == b && ((words ^ ears) & one))
				continue;
			rc = allow_if(filter, "ioctl",
				      SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, one | two,
						 (~ears & one) | (~words & two)));
		}
	}
	for (unsigned bit = 0; bit < 32 && rc == 0; bit++) {
		uint64_t one = 1ULL << bit;
		if (one & type)
			continue;
		rc = allow_if(filter, "ioctl",
			      SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, type | one,
					 (words & type) | (~words & one)));
	}
	return rc;
}

static int fill(scmp_filter_ctx filter, unsigned parts)
{
	static const struct {
		unsigned part;
		const char *names;
	} lists[] = {{FILTER_NETWORK, network}, {FILTER_STARTS, starts}, {FILTER_WRITES, writes}};
	int rc = allow_all(filter, everybody);
	for (size_t i = 0; i < COUNT(lists) && rc == 0; i++)
		rc = parts & lists[i].part ? allow_all(filter, lists[i].names) : 0;
	for (size_t i = 0; i < COUNT(conditions) && rc == 0; i++) {
		const struct condition *c = &conditions[i];
		if (parts & c->part)
			continue;
		rc = allow_if(filter, c->name,
			      SCMP_CMP64(c->argument, SCMP_CMP_MASKED_EQ, c->mask, c->wanted));
	}
	for (size_t i = 0; i < COUNT(answered) && rc == 0; i++) {
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)answered[i].why),
				      number_of(answered[i].name, strlen(answered[i].name)), 0);
	}
	if (rc == 0)
		rc = parts & FILTER_ASKS ? allow_ioctl_unheard(filter) : allow_ioctl(filter);
	return rc;
}

/* libseccomp writes it only into a file. */
static int take_out(scmp_filter_ctx filter, struct sock_fprog *out)
{
	struct stat st = {0};
	int fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0)
		return error_from_errno(errno);
	int rc = seccomp_export_bpf(filter, fd);
	rc = rc < 0 ? error_from_errno(-rc) : fstat(fd, &st) < 0 ? error_from_errno(errno) : 0;
	void *code = rc == 0 && st.st_size > 0 && st.st_size <= (off_t)LARGEST_BYTES
			     ? malloc((size_t)st.st_size)
			     : NULL;
	if (code && pread(fd, code, (size_t)st.st_size, 0) == st.st_size) {
		*out = (struct sock_fprog){
			.len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter)),
			.filter = code};
		code = NULL;
	} else if (rc == 0) {
		rc = TROUPE_E_MEMORY;
	}
	free(code);
	close(fd);
	return rc;
}

int filter_create(unsigned parts, struct sock_fprog *out)
{
	*out = (struct sock_fprog){0};
	scmp_filter_ctx filter =
		seccomp_init(parts & FILTER_ASKS ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return TROUPE_E_MEMORY;
	/* A tree: a call costs a few comparisons, not hundreds, where the kernel keeps no map. */
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = fill(filter, parts);
	rc = rc < 0 ? error_from_errno(-rc) : take_out(filter, out);
	seccomp_release(filter);
	malloc_trim(0); /* what it took to make is a good part of what a supervisor has */
	return rc;
}

static bool has_action(uint32_t action)
{
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool filter_is_there(void)
{
	return has_action(SECCOMP_RET_ERRNO);
}

bool filter_can_ask(void)
{
	return has_action(SECCOMP_RET_USER_NOTIF);
}

char *filter_call_name(int number, char *out, size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	if (name)
		snprintf(out, size, "%s", name);
	else
		snprintf(out, size, "system call %d", number);
	free(name);
	return out;
}
