/* Asking, stepping aside, exec; and back if that fails.
 *
 * Nothing may be said to us between our last look and the new program's first: so sockets are
 * closed in order, and whoever speaks meanwhile keeps it until it can connect again, or is asked to
 * say it again. The workers' parent is this very thread: as long as it is that which executes, no
 * PDEATHSIG is sent. */
#include "supervisor/upgrade.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/links/json.h"
#include "ipc/slots/layout.h"
#include "ipc/worker/contract.h"
#include "supervisor/devices.h"
#include "supervisor/dying.h"
#include "supervisor/image.h"
#include "supervisor/launch.h"
#include "supervisor/member.h"
#include "supervisor/pipes.h"
#include "supervisor/progress.h"
#include "supervisor/reap.h"
#include "supervisor/resume.h"
#include "supervisor/setup.h"
#include "supervisor/succession.h"
#include "supervisor/words.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ASK_TIMEOUT (10 * NS_PER_S)
/* What was answered a moment ago still gets out. */
#define LINGER_MS 200

/* What the program that is asked says, of which the end is kept. A pipe holds it until it has
 * ended. */
#define TOLD_SIZE 4096

struct upgrade {
	char program[PROGRAM_SIZE];
	pid_t pid; /* while it is asked; 0: it has agreed */
	int pidfd, words_fd;
	int64_t deadline;
};

/* ---- asking ---- */

static int refuse(char *why, size_t size, const char *name, const char *what)
{
	snprintf(why, size, "%s: %s", name, what);
	return TROUPE_E_BUSY;
}

/* Somebody waits for the outcome of what is under way, on a socket that will not be. */
static int check_calm(const struct supervisor *s, char *why, size_t why_size)
{
	if (s->stage != STAGE_RUNNING)
		return refuse(why, why_size, s->config.top.name, "it is starting or draining");
	if (s->upgrade || s->resuming_until)
		return refuse(why, why_size, s->config.top.name, "an upgrade is under way");
	if (s->reload)
		return refuse(why, why_size, s->config.top.name, "a reload is under way");
	for (size_t i = 0; i < s->n_members; i++) {
		if (s->members[i]->swap.stage != SWAP_NONE)
			return refuse(why, why_size, s->members[i]->name, "a swap is under way");
	}
	for (int i = 0; i < PENDING_MAX; i++) {
		if (s->pending[i].used)
			return refuse(why, why_size, s->pending[i].member->name,
				      "is being inspected");
	}
	return 0;
}

static void refused(struct supervisor *s, const char *program, const char *what)
{
	snprintf(s->upgrade_failed, sizeof(s->upgrade_failed),
		 "%.200s cannot go on with this pipeline: %s", program,
		 *what ? what : "it does not know how");
	log_warn("upgrade: %s", s->upgrade_failed);
}

/* It reads the config and asks all programs for their rows, which takes as long as it takes: the
 * loop goes on meanwhile. */
static int ask_program(struct supervisor *s, struct upgrade *upgrade, const char *image, char *why,
		       size_t why_size)
{
	struct launched made = {0};
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0) {
		snprintf(why, why_size, "a pipe: %s", strerror(errno));
		return error_from_errno(errno);
	}
	int rc = launch(&(struct launch){.program = upgrade->program,
					 .title = upgrade->program,
					 .argument = "--can-resume",
					 .input = image,
					 .out = fds[1],
					 .err = fds[1],
					 .close_from = 3},
			&made);
	close(fds[1]);
	if (rc < 0) {
		close(fds[0]);
		snprintf(why, why_size, "%.200s cannot go on with this pipeline: %s",
			 upgrade->program, made.why);
		return rc;
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	upgrade->pid = made.pid;
	upgrade->pidfd = made.pidfd;
	upgrade->words_fd = fds[0];
	upgrade->deadline = clock_now() + ASK_TIMEOUT;
	if (made.pidfd >= 0)
		loop_watch_fd(s->loop, made.pidfd, POLLIN, reap_on_pidfd, s);
	return 0;
}

/* The child is reaped already, or is nobody's business any more. */
static void forget_asked(struct supervisor *s, struct upgrade *upgrade)
{
	if (!upgrade->pid)
		return;
	upgrade->pid = 0;
	if (upgrade->pidfd >= 0) {
		loop_watch_fd(s->loop, upgrade->pidfd, 0, NULL, NULL);
		close(upgrade->pidfd);
	}
	close(upgrade->words_fd);
}

static void last_words(int fd, char *out, size_t size)
{
	struct words words = {0};
	char bytes[TOLD_SIZE];
	ssize_t n;
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		words_add(&words, bytes, (size_t)n);
	words_last(&words, out, size);
	words_finish(&words);
}

void upgrade_finish(struct supervisor *s)
{
	struct upgrade *upgrade = s->upgrade;
	s->upgrade = NULL;
	if (upgrade && upgrade->pid)
		kill(-upgrade->pid, SIGKILL); /* its number is its own until it is reaped */
	if (upgrade)
		forget_asked(s, upgrade);
	free(upgrade);
}

bool upgrade_hear_end(struct supervisor *s, const siginfo_t *end)
{
	struct upgrade *upgrade = s->upgrade;
	char words[WHY_SIZE / 2];
	if (!upgrade || !upgrade->pid || upgrade->pid != end->si_pid)
		return false;
	last_words(upgrade->words_fd, words, sizeof(words));
	forget_asked(s, upgrade);
	if (end->si_code == CLD_EXITED && end->si_status == 0)
		return true;
	refused(s, upgrade->program, words);
	upgrade_finish(s);
	return true;
}

int upgrade_begin(struct supervisor *s, const char *exec, char *why, size_t why_size)
{
	int rc = check_calm(s, why, why_size);
	if (rc < 0)
		return rc;
	struct upgrade *upgrade = calloc(1, sizeof(*upgrade));
	char *image = upgrade ? image_write(s) : NULL;
	if (!image) {
		free(upgrade);
		snprintf(why, why_size, "%s", error_text(TROUPE_E_MEMORY));
		return TROUPE_E_MEMORY;
	}
	if (*exec)
		snprintf(upgrade->program, sizeof(upgrade->program), "%s", exec);
	else
		snprintf(upgrade->program, sizeof(upgrade->program), "%.1000s/troupe-supervisor",
			 s->config.programs);
	rc = ask_program(s, upgrade, image, why, why_size);
	free(image);
	if (rc < 0) {
		free(upgrade);
		return rc;
	}
	s->upgrade = upgrade;
	*s->upgrade_failed = '\0';
	return 0;
}

/* ---- descriptors ---- */

typedef void descriptor_fn(int *fd, void *arg);

static void each_descriptor(struct supervisor *s, descriptor_fn *fn, void *arg)
{
	int *const own[] = {&s->ledger.fd, &s->runtime.lock, &s->runtime.own_lock, &s->console};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		fn(own[i], arg);
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		fn(&m->handed_fd, arg);
		for (int k = 0; k < PARTS; k++) {
			if (!m->parts[k].process.pid)
				continue;
			fn(&m->parts[k].process.pidfd, arg);
			fn(&m->parts[k].process.log_fd, arg);
			if (m->parts[k].process.guard_fd)
				fn(&m->parts[k].process.guard_fd, arg);
		}
	}
}

static void set_flag(int *fd, void *flag)
{
	if (*fd >= 0)
		fcntl(*fd, F_SETFD, *(const int *)flag);
}

static void note_known(int *fd, void *arg)
{
	if (*fd >= 0 && *fd < 4096)
		((bool *)arg)[*fd] = true;
}

void upgrade_take_descriptors(struct supervisor *s)
{
	int flag = FD_CLOEXEC;
	bool known[4096] = {0};
	each_descriptor(s, set_flag, &flag);
	each_descriptor(s, note_known, known);
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		bool contract = fd < CONTRACT_FD_BELLS + SEATS_MAX;
		if (!contract && fd < 4096 && fd != dirfd(dir) && !known[fd])
			close(fd);
	}
	if (dir)
		closedir(dir);
}

/* ---- stepping aside, and back ---- */

typedef void part_fn(struct part *part);

static void each_process(struct supervisor *s, part_fn *fn)
{
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++)
			if (s->members[i]->parts[k].process.pid)
				fn(&s->members[i]->parts[k]);
	}
}

static void hear(struct part *part)
{
	pipes_on_message(part, part->process.pipe);
}

/* The thread that waits for its death is this program's. */
static void let_go(struct part *part)
{
	struct process *p = &part->process;
	loop_forget_link(part->member->supervisor->loop, p->pipe);
	link_close(p->pipe);
	p->pipe = NULL;
	dying_forget(p->dying);
	p->dying = NULL;
}

static void step_aside(struct supervisor *s)
{
	pipes_on_report(s, s->reports);
	each_process(s, hear);
	each_process(s, let_go);
	loop_forget_link(s->loop, s->control);
	loop_forget_link(s->loop, s->reports);
	links_destroy(s->links, LINGER_MS);
	s->links = NULL;
	s->control = s->reports = NULL;
}

static void step_back(struct supervisor *s, const char *program, int error)
{
	char why[WHY_SIZE];
	snprintf(s->upgrade_failed, sizeof(s->upgrade_failed), "%.300s: %s", program,
		 strerror(error));
	log_error("upgrade: %s", s->upgrade_failed);
	progress_say(s, "upgrade: %s; all goes on as it was", s->upgrade_failed);
	if (setup_sockets(s, why, sizeof(why)) < 0) {
		supervisor_fail(s, "after an upgrade that failed: %s", why);
		return;
	}
	resume_begin(s);
}

/* The image as an open file. -1: errno says why. */
static int image_file(const struct supervisor *s)
{
	char *text = image_write(s);
	int fd = text ? memfd_create("troupe-image", 0) : -1;
	size_t length = text ? strlen(text) : 0;
	if (fd >= 0 && write(fd, text, length) != (ssize_t)length) {
		close(fd);
		fd = -1;
	}
	free(text);
	return fd;
}

/* Returns errno. */
static int become(struct supervisor *s, char *program)
{
	int keep = 0, close_again = FD_CLOEXEC;
	char number[16], option[] = "--resume", title[NAME_SIZE + 32];
	int fd = image_file(s);
	if (fd < 0)
		return errno;
	snprintf(number, sizeof(number), "%d", fd);
	snprintf(title, sizeof(title), "troupe: %s supervisor", s->config.top.name);
	char *argv[] = {title, option, number, NULL};
	each_descriptor(s, set_flag, &keep);
	FAIL_POINT(UPGRADE_EXEC);
	execv(program, argv);
	int error = errno;
	each_descriptor(s, set_flag, &close_again);
	close(fd);
	return error;
}

static void go_on_as(struct supervisor *s, char *program)
{
	log_info("%s goes on from here", program);
	journal_write(
		&s->journal, JOURNAL_UPGRADE, NULL,
		json_pack("{s:o, s:s}", "program", json_text(program), "from", TROUPE_VERSION));
	step_aside(s);
	step_back(s, program, become(s, program));
}

int64_t upgrade_advance(struct supervisor *s, int64_t now)
{
	struct upgrade *upgrade = s->upgrade;
	if (!upgrade)
		return CLOCK_NEVER;
	if (upgrade->pid && now < upgrade->deadline)
		return upgrade->deadline;
	if (upgrade->pid) {
		refused(s, upgrade->program, "it does not say whether it can");
		upgrade_finish(s);
		return CLOCK_NEVER;
	}
	s->upgrade = NULL;
	/* Something else may have begun since it was asked. */
	if (check_calm(s, s->upgrade_failed, sizeof(s->upgrade_failed)) == 0)
		go_on_as(s, upgrade->program);
	free(upgrade);
	return now;
}
