/* Threads of a hung process, by /proc and by eu-stack. */
#include "supervisor/stack.h"

#include "ipc/base/clock.h"
#include "ipc/base/log.h"
#include "supervisor/launch.h"
#include "supervisor/member.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TIME_LIMIT  (2 * NS_PER_S) /* of eu-stack */
#define FILES_KEPT  20
#define THREADS_MAX 64

/* ---- the folder ---- */

char *stack_path(const struct supervisor *s, const char *worker, uint32_t incarnation, char *out,
		 size_t size)
{
	snprintf(out, size, "%s/stacks/%s.%u.txt", s->runtime.state, worker, incarnation);
	return out;
}

static bool is_ours(const char *name)
{
	size_t length = strlen(name);
	return name[0] != '.' && length > 4 && strcmp(name + length - 4, ".txt") == 0;
}

/* Removes the oldest when there are more than FILES_KEPT; returns whether there were. */
static bool remove_oldest(int folder)
{
	DIR *dir = fdopendir(dup(folder));
	char oldest[256] = "";
	struct timespec when = {0};
	int n = 0;
	if (!dir)
		return false;
	rewinddir(dir);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		struct stat st;
		if (!is_ours(entry->d_name) || fstatat(folder, entry->d_name, &st, 0) < 0)
			continue;
		n++;
		if (*oldest &&
		    (st.st_mtim.tv_sec > when.tv_sec ||
		     (st.st_mtim.tv_sec == when.tv_sec && st.st_mtim.tv_nsec >= when.tv_nsec)))
			continue;
		when = st.st_mtim;
		snprintf(oldest, sizeof(oldest), "%s", entry->d_name);
	}
	closedir(dir);
	return n > FILES_KEPT && unlinkat(folder, oldest, 0) == 0;
}

/* A new, empty file; -1: none can be made. */
static int begin_file(const struct supervisor *s, const char *path)
{
	char folder[STACK_PATH_SIZE];
	snprintf(folder, sizeof(folder), "%s/stacks", s->runtime.state);
	mkdir(folder, 0700);
	unlink(path); /* an earlier run's */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	int all = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && all >= 0 && remove_oldest(all))
		continue;
	if (all >= 0)
		close(all);
	return fd;
}

/* ---- what /proc knows ---- */

/* Of what a thread mostly waits in; others have a number only. */
static const struct {
	long number;
	const char *name;
} calls[] = {
	{SYS_read, "read"},
	{SYS_write, "write"},
	{SYS_pread64, "pread64"},
	{SYS_pwrite64, "pwrite64"},
	{SYS_readv, "readv"},
	{SYS_writev, "writev"},
	{SYS_openat, "openat"},
	{SYS_close, "close"},
	{SYS_ioctl, "ioctl"},
	{SYS_fsync, "fsync"},
	{SYS_fdatasync, "fdatasync"},
	{SYS_fcntl, "fcntl"},
	{SYS_flock, "flock"},
	{SYS_ppoll, "ppoll"},
	{SYS_pselect6, "pselect6"},
	{SYS_epoll_pwait, "epoll_pwait"},
	{SYS_futex, "futex"},
	{SYS_nanosleep, "nanosleep"},
	{SYS_clock_nanosleep, "clock_nanosleep"},
	{SYS_sched_yield, "sched_yield"},
	{SYS_connect, "connect"},
	{SYS_accept4, "accept4"},
	{SYS_sendto, "sendto"},
	{SYS_recvfrom, "recvfrom"},
	{SYS_sendmsg, "sendmsg"},
	{SYS_recvmsg, "recvmsg"},
	{SYS_wait4, "wait4"},
	{SYS_waitid, "waitid"},
	{SYS_munmap, "munmap"},
	{SYS_madvise, "madvise"},
	{SYS_rt_sigtimedwait, "rt_sigtimedwait"},
#ifdef SYS_poll /* older architectures have more than one of these */
	{SYS_poll, "poll"},
	{SYS_select, "select"},
	{SYS_pause, "pause"},
	{SYS_epoll_wait, "epoll_wait"},
	{SYS_accept, "accept"},
#endif
};

static const char *call_name(const char *number)
{
	char *end;
	long n = strtol(number, &end, 10);
	for (size_t i = 0; end != number && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == n)
			return calls[i].name;
	return "";
}

/* The text of /proc/PID/task/TID/FILE without its last line's end; "" when it cannot be read. */
static char *read_of(pid_t pid, const char *tid, const char *file, char *out, size_t size)
{
	char path[96];
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/%s", (int)pid, tid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : 0;
	out[n > 0 ? n : 0] = '\0';
	if (n > 0 && out[n - 1] == '\n')
		out[n - 1] = '\0';
	if (fd >= 0)
		close(fd);
	return out;
}

static char state_of(pid_t pid, const char *tid)
{
	char text[512];
	const char *at = strrchr(read_of(pid, tid, "stat", text, sizeof(text)), ')');
	if (!at || at[1] != ' ' || !at[2])
		return '?';
	return at[2];
}

static void write_thread(int fd, pid_t pid, const char *tid)
{
	char comm[64], wchan[128], call[256], kernel[4096];
	read_of(pid, tid, "comm", comm, sizeof(comm));
	read_of(pid, tid, "wchan", wchan, sizeof(wchan));
	read_of(pid, tid, "syscall", call, sizeof(call));
	read_of(pid, tid, "stack", kernel, sizeof(kernel));
	dprintf(fd, "thread %s (%s): state %c\n", tid, comm, state_of(pid, tid));
	if (*wchan && strcmp(wchan, "0") != 0)
		dprintf(fd, "  waits in the kernel in %s\n", wchan);
	if (*call)
		dprintf(fd, "  system call %s%s%s\n", call_name(call), *call_name(call) ? ": " : "",
			call);
	for (char *line = kernel, *end; *line; line = end + (*end != '\0')) {
		end = line + strcspn(line, "\n");
		dprintf(fd, "  kernel %.*s\n", (int)(end - line), line);
	}
}

static void write_threads(int fd, pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	int n = 0;
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] != '.' && ++n <= THREADS_MAX)
			write_thread(fd, pid, entry->d_name);
	}
	if (n > THREADS_MAX)
		dprintf(fd, "and %d threads more\n", n - THREADS_MAX);
	if (dir)
		closedir(dir);
}

static void write_head(int fd, const struct part *part, int64_t now)
{
	const struct process *p = &part->process;
	char when[32];
	clock_format_wall(clock_wall(), when, sizeof(when));
	dprintf(fd, "%s: pid %d, incarnation %u, %s\n%s: it has not got on for %.1f s\n\n",
		part->member->name, (int)p->pid, p->incarnation, part->program, when,
		(double)(now - p->still_since) / (double)NS_PER_S);
}

/* ---- eu-stack ---- */

/* Finds it on PATH. */
static bool find_eu_stack(char *out, size_t size)
{
	const char *path = getenv("PATH");
	for (const char *at = path ? path : ""; *at;) {
		size_t length = strcspn(at, ":");
		if (length &&
		    (size_t)snprintf(out, size, "%.*s/eu-stack", (int)length, at) < size &&
		    access(out, X_OK) == 0)
			return true;
		at += length + (at[length] == ':');
	}
	return false;
}

/* By its pidfd: it may have been reaped already. */
static void end_it(const struct stack_taking *taking)
{
	if (taking->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, taking->pidfd, SIGKILL, NULL, 0);
}

static void let_go(struct stack_taking *taking, struct supervisor *s)
{
	if (taking->pidfd >= 0) {
		loop_watch_fd(s->loop, taking->pidfd, 0, NULL, NULL);
		close(taking->pidfd);
	}
	*taking = (struct stack_taking){0};
}

/* It has ended, and was reaped with the other children; now its process's turn has come. */
static void on_end(void *arg, int fd, short revents)
{
	struct part *part = arg;
	(void)fd;
	(void)revents;
	let_go(&part->process.stack, part->member->supervisor);
	part_event(part, EVENT_KILL);
}

/* Returns whether it runs. */
static bool start_eu_stack(struct part *part, int out, int64_t now)
{
	struct supervisor *s = part->member->supervisor;
	/* Nobody asks a server for what debuggers might like to know. */
	static const char *const environment[] = {"DEBUGINFOD_URLS="};
	char program[512], argument[32];
	struct launched made = {.pidfd = -1};
	struct launch what = {.program = program,
			      .title = "eu-stack",
			      .argument = argument,
			      .environment = environment,
			      .n_environment = 1,
			      .out = out,
			      .err = out,
			      .close_from = 3};
	if (!find_eu_stack(program, sizeof(program)))
		return false;
	snprintf(argument, sizeof(argument), "-mp%d", (int)part->process.pid);
	dprintf(out, "\neu-stack:\n");
	if (launch(&what, &made) < 0) {
		dprintf(out, "%s\n", made.why);
		return false;
	}
	part->process.stack = (struct stack_taking){
		.pid = made.pid, .pidfd = made.pidfd, .until = now + TIME_LIMIT};
	return made.pidfd >= 0 && loop_watch_fd(s->loop, made.pidfd, POLLIN, on_end, part) == 0;
}

/* ---- for others ---- */

bool stack_keep(struct part *part, char state, int64_t now)
{
	struct supervisor *s = part->member->supervisor;
	char path[STACK_PATH_SIZE];
	stack_path(s, part->member->name, part->process.incarnation, path, sizeof(path));
	int fd = begin_file(s, path);
	if (fd < 0) {
		log_warn("%s: cannot be written: %m", path);
		return false;
	}
	write_head(fd, part, now);
	write_threads(fd, part->process.pid);
	bool runs = state != 'T' && start_eu_stack(part, fd, now);
	close(fd);
	if (!runs)
		stack_forget(&part->process, s);
	return runs;
}

bool stack_is_taken(const struct process *process)
{
	return process->stack.pid != 0;
}

int64_t stack_advance(struct supervisor *s, int64_t now)
{
	int64_t next = CLOCK_NEVER;
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++) {
			const struct stack_taking *t = &s->members[i]->parts[k].process.stack;
			if (!t->pid)
				continue;
			if (t->until <= now)
				end_it(t); /* on_end is what follows */
			else
				next = t->until < next ? t->until : next;
		}
	}
	return next;
}

void stack_forget(struct process *process, struct supervisor *s)
{
	if (!process->stack.pid)
		return;
	end_it(&process->stack);
	let_go(&process->stack, s);
}
