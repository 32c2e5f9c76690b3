/* Log pipes to log files. */
#include "supervisor/logs.h"

#include "ipc/base/clock.h"
#include "supervisor/journald.h"
#include "supervisor/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* So much is read at a time … */
#define READ_AT_ONCE 65536
/* … and so much of a process in each of these spans: 10 MB/s is more than anybody reads. */
#define SPAN	 (100 * NS_PER_MS)
#define SPAN_MAX (1 << 20)

#define OWN_LOG "supervisor"

static struct log_limits limits_of(const struct supervisor *s)
{
	const struct top_settings *top = &s->config.top;
	return (struct log_limits){
		.size = top->log_size, .age = top->log_age, .files = top->log_files};
}

static void append(struct member *m, const char *bytes, size_t size)
{
	struct supervisor *s = m->supervisor;
	struct log_limits limits = limits_of(s);
	struct log_loss loss;
	journald_tell(s->notify ? s->notify->journal : -1, s->config.top.name, m->name, bytes,
		      size);
	log_file_append(&m->log, s->runtime.state, m->name, &limits, bytes, size, &loss);
	if (loss.lines) {
		journal_write(
			&s->journal, JOURNAL_DROPPED, m->name,
			json_pack("{s:I, s:s}", "lines", (json_int_t)loss.lines, "why", loss.why));
	}
}

/* Returns what read(2) returned. Mostly a line or two are there, and pages of a stack that were
 * touched once stay ours for good: so what takes more comes and goes. */
static ssize_t take(struct part *part)
{
	char little[4096], *large = NULL;
	int fd = part->process.log_fd, waiting = 0;
	if (ioctl(fd, FIONREAD, &waiting) == 0 && waiting > (int)sizeof(little))
		large = malloc(READ_AT_ONCE);
	char *bytes = large ? large : little;
	ssize_t n = read(fd, bytes, large ? READ_AT_ONCE : sizeof(little));
	if (n > 0) {
		append(part->member, bytes, (size_t)n);
		words_add(&part->process.words, bytes, (size_t)n);
	}
	free(large);
	return n;
}

/* Whether the process has had its share of this span. */
static bool has_had_its_share(struct log_share *share, ssize_t taken)
{
	int64_t now = clock_now();
	if (now - share->since >= SPAN)
		*share = (struct log_share){.since = now};
	share->taken += taken > 0 ? taken : 0;
	return share->taken >= SPAN_MAX;
}

void logs_on_output(void *arg, int fd, short revents)
{
	struct part *part = arg;
	struct loop *loop = part->member->supervisor->loop;
	(void)revents;
	ssize_t n = take(part);
	/* Closed by the worker: nothing more will come, and an end of file would wake us for ever.
	 */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		loop_watch_fd(loop, fd, 0, NULL, NULL);
		return;
	}
	if (has_had_its_share(&part->process.log_share, n)) {
		part->process.log_share.waits = true;
		loop_watch_fd(loop, fd, 0, NULL, NULL);
	}
}

void logs_take_rest(struct part *part)
{
	/* What a pipe can hold, and no more: a child that escaped may go on writing. */
	for (int i = 0; i < 16 && take(part) > 0; i++)
		continue;
}

/* Returns when a process that waits for its next share gets it. */
static int64_t go_on(struct supervisor *s, struct part *part, int64_t now)
{
	struct log_share *share = &part->process.log_share;
	if (!share->waits || part->process.log_fd < 0)
		return CLOCK_NEVER;
	if (now - share->since < SPAN)
		return share->since + SPAN;
	*share = (struct log_share){.since = now};
	loop_watch_fd(s->loop, part->process.log_fd, POLLIN, logs_on_output, part);
	return CLOCK_NEVER;
}

/* ---- the supervisor's own ---- */

/* Descriptor 2 becomes STATE/supervisor.log. */
static void open_own(struct supervisor *s)
{
	char path[600];
	snprintf(path, sizeof(path), "%s/" OWN_LOG ".log", s->runtime.state);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	s->log_begun = log_file_begun(fd, clock_now());
	dup2(fd, STDERR_FILENO);
	close(fd);
}

int logs_divert(struct supervisor *s)
{
	int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	open_own(s);
	return before;
}

/* Its lines are written by whoever has something to say; here it is only looked how many. */
static void rotate_own(struct supervisor *s, int64_t now)
{
	struct log_limits limits = limits_of(s);
	struct stat st;
	if (!s->log_begun || fstat(STDERR_FILENO, &st) < 0 ||
	    !log_file_is_full(&limits, st.st_size, s->log_begun, now))
		return;
	log_file_rotate(s->runtime.state, OWN_LOG, limits.files);
	open_own(s);
}

int64_t logs_advance(struct supervisor *s, int64_t now)
{
	int64_t next = CLOCK_NEVER;
	rotate_own(s, now);
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++) {
			int64_t at = go_on(s, &s->members[i]->parts[k], now);
			next = at < next ? at : next;
		}
	}
	return next;
}
