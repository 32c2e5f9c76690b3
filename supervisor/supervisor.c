/* The loop: everything that happens to a pipeline comes by here. */
#include "supervisor/supervisor.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/base/utf8.h"
#include "ipc/links/json.h"
#include "supervisor/inspect.h"
#include "supervisor/journald.h"
#include "supervisor/limits.h"
#include "supervisor/logs.h"
#include "supervisor/member.h"
#include "supervisor/notify.h"
#include "supervisor/progress.h"
#include "supervisor/reap.h"
#include "supervisor/reload.h"
#include "supervisor/resume.h"
#include "supervisor/setup.h"
#include "supervisor/stack.h"
#include "supervisor/stages.h"
#include "supervisor/strangers.h"
#include "supervisor/succession.h"
#include "supervisor/swap.h"
#include "supervisor/upgrade.h"
#include "supervisor/watch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EXIT_USAGE 2

void supervisor_fail(struct supervisor *s, const char *format, ...)
{
	if (*s->failure)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(s->failure, sizeof(s->failure), format, args);
	va_end(args);
	s->exit_code = EXIT_FAILURE;
	log_error("%s", s->failure);
}

static void on_signal(void *arg, int fd, short revents)
{
	struct supervisor *s = arg;
	struct signalfd_siginfo info;
	(void)revents;
	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap_all(s);
		else if (s->stage >= STAGE_STOPPING)
			stages_hurry(s);
		else
			stages_stop(s, strsignal((int)info.ssi_signo));
	}
}

static void earlier(int64_t *due, int64_t at)
{
	if (at < *due)
		*due = at;
}

/* Fires the timers of lives; returns when the next is due. */
static int64_t run_timers(struct supervisor *s, int64_t now)
{
	int64_t next = CLOCK_NEVER;
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++) {
			struct part *part = &s->members[i]->parts[k];
			if (part->life.until <= now)
				part_event(part, EVENT_TIMER);
			earlier(&next, part->life.until);
		}
	}
	return next;
}

static void run_loop(struct supervisor *s, struct progress *progress)
{
	while (s->stage != STAGE_ENDED) {
		int64_t now = clock_now();
		int64_t due = run_timers(s, now);
		if (now >= s->watch_due || s->watch_due == CLOCK_NEVER)
			s->watch_due = watch_look(s, now);
		scrutiny_look(s, now);
		limits_look(s, now);
		earlier(&due, s->watch_due);
		earlier(&due, inspect_expire(s, now));
		earlier(&due, logs_advance(s, now));
		earlier(&due, stack_advance(s, now));
		earlier(&due, progress_tick(progress, s, now));
		earlier(&due, swap_advance(s, now));
		earlier(&due, reload_advance(s, now));
		earlier(&due, devices_advance(s, now));
		succession_advance(s);
		earlier(&due, strangers_advance(s, now));
		earlier(&due, happenings_advance(s, now));
		earlier(&due, drops_advance(s, now));
		/* Last: what came before may have changed what it decides by. */
		earlier(&due, stages_advance(s, now));
		earlier(&due, notify_advance(s, s->notify, now));
		earlier(&due, resume_advance(s, now));
		resume_keep(s);
		earlier(&due, upgrade_advance(s, now));
		if (s->stage != STAGE_ENDED)
			loop_wait(s->loop, due);
	}
}

static void report_failure(const struct supervisor *s, int console, const char *why)
{
	int to = console >= 0 ? console : STDERR_FILENO;
	char text[WHY_SIZE];
	snprintf(text, sizeof(text), "%s", why);
	dprintf(to, "%stroupe: %s\n", journald_is(to) ? "<3>" : "",
		utf8_tame(text)); /* sd-daemon(3) */
	if (s->ready_fd >= 0)
		dprintf(s->ready_fd, "error: %s\n", text);
}

static void play(struct supervisor *s, bool show)
{
	struct progress progress;
	struct notify notify;
	notify_begin(&notify);
	s->notify = &notify;
	loop_watch_fd(s->loop, s->signal_fd, POLLIN, on_signal, s);
	progress_begin(&progress, show, s);
	succession_begin(s);
	if (s->generation) {
		resume_begin(s);
	} else {
		journal_write(&s->journal, JOURNAL_UP, NULL,
			      json_pack("{s:i, s:o, s:s}", "pid", (int)getpid(), "config",
					json_text(s->config.file), "version", TROUPE_VERSION));
		stages_begin(s);
	}
	run_loop(s, &progress);
	drops_tell_rest(s);
	journal_write(&s->journal, JOURNAL_ENDED, NULL,
		      json_pack("{s:i, s:o}", "code", s->exit_code, "why", json_text(s->failure)));
	progress_summary(&progress, s);
	notify_finish(&notify);
	s->progress = NULL;
	s->notify = NULL;
}

int supervisor_run(const struct supervisor_options *options)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	char why[WHY_SIZE] = "out of memory";
	if (!s)
		return EXIT_FAILURE;
	s->devices.bell = -1;
	s->signal_fd = s->dying_fd = s->journal.fd = s->runtime.lock = s->ledger.fd = -1;
	s->ledger.bell_base = -1;
	s->runtime.own_lock = s->console = -1;
	s->oom_base = OOM_BASE_UNKNOWN;
	s->show = options->progress;
	s->ready_fd = options->ready_fd;
	s->started = clock_now();
	s->watch_due = CLOCK_NEVER;
	int rc = setup(s, options, why, sizeof(why));
	if (rc < 0) {
		s->exit_code = rc == TROUPE_E_CONFIG ? EXIT_USAGE : EXIT_FAILURE;
		report_failure(s, s->console, why);
	} else {
		int before = logs_divert(s);
		if (s->console < 0)
			s->console = before;
		else if (before >= 0)
			close(before); /* the log of the program before us */
		play(s, s->show);
		if (*s->failure)
			report_failure(s, s->console, s->failure);
	}
	int code = s->exit_code;
	setup_finish(s);
	if (s->console >= 0)
		close(s->console);
	if (options->ready_fd >= 0 && s->ready_fd >= 0)
		close(s->ready_fd);
	free(s);
	return code;
}
