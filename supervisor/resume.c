/* The way from an image to a supervisor that plays. */
#include "supervisor/resume.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/links/pipe.h"
#include "ipc/worker/contract.h"
#include "supervisor/adopt.h"
#include "supervisor/contain.h"
#include "supervisor/image.h"
#include "supervisor/member.h"
#include "supervisor/pipes.h"
#include "supervisor/proc.h"
#include "supervisor/reap.h"
#include "supervisor/setup.h"
#include "supervisor/spawn.h"
#include "supervisor/stages.h"
#include "supervisor/upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A worker connects within milliseconds, and one that is busy answers when it is not. */
#define ASK_WHILE_ALONE (5 * NS_PER_MS)
#define ASK_AGAIN	(NS_PER_S / 2)
/* Who has not answered by then does not know the question. */
#define ASK_NO_MORE (10 * NS_PER_S)
#define IMAGE_LIMIT (8 << 20)

/* ---- before it plays ---- */

/* Everything of the descriptor, a heap text. NULL: it cannot be read. */
static char *read_whole(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > IMAGE_LIMIT)
		return NULL;
	char *text = calloc(1, (size_t)st.st_size + 1);
	if (text && pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
		free(text);
		text = NULL;
	}
	return text;
}

int resume_config(struct supervisor *s, const struct supervisor_options *options, const char *text,
		  char *why, size_t why_size)
{
	int rc = image_origin(text, &s->origin, why, why_size);
	if (rc < 0)
		return rc;
	s->sets = (const char *const *)s->origin.sets;
	s->n_sets = s->origin.n_sets;
	rc = config_load_text(&s->config, s->origin.file, s->origin.folder, s->origin.config,
			      options->programs, s->sets, s->n_sets, why, why_size);
	if (rc == 0)
		snprintf(s->config.top.name, sizeof(s->config.top.name), "%s", s->origin.name);
	if (rc == 0 && chdir(s->config.folder) < 0) {
		snprintf(why, why_size, "%s: %s", s->config.folder, strerror(errno));
		rc = TROUPE_E_CONFIG;
	}
	return rc;
}

int resume_check(const struct supervisor_options *options)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	char *text = read_whole(STDIN_FILENO);
	char why[WHY_SIZE] = "no image on standard input";
	int rc = text && s ? resume_config(s, options, text, why, sizeof(why)) : TROUPE_E_ARGUMENT;
	if (rc < 0)
		fprintf(stderr, "troupe: %s\n", why);
	if (s) {
		config_finish(&s->config);
		image_origin_finish(&s->origin);
	}
	free(text);
	free(s);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int attach(struct supervisor *s, char *why, size_t why_size)
{
	int fd = s->ledger.fd;
	int rc = ledger_attach(&s->ledger, fd, true);
	if (rc < 0) {
		snprintf(why, why_size, "the ledger: %s", error_text(rc));
		return rc;
	}
	s->ledger.fd = fd;
	s->ledger.bell_base = CONTRACT_FD_BELLS;
	return 0;
}

static int from_text(struct supervisor *s, const struct supervisor_options *options,
		     const char *text, char *why, size_t why_size)
{
	int rc = resume_config(s, options, text, why, why_size);
	if (rc == 0)
		rc = runtime_find(&s->runtime, s->config.top.name, why, why_size);
	if (rc == 0 && (rc = members_create(s)) < 0)
		snprintf(why, why_size, "more than %d workers", MEMBERS_MAX);
	if (rc == 0 && (rc = image_apply(s, text)) < 0)
		snprintf(why, why_size, "%s", error_text(rc));
	if (rc == 0)
		rc = attach(s, why, why_size);
	if (rc == 0)
		upgrade_take_descriptors(s);
	return rc;
}

int resume_setup(struct supervisor *s, const struct supervisor_options *options, char *why,
		 size_t why_size)
{
	char *text = read_whole(options->resume);
	close(options->resume);
	snprintf(why, why_size, "the image cannot be read");
	int rc = text ? from_text(s, options, text, why, why_size) : TROUPE_E_MEMORY;
	free(text);
	if (rc < 0)
		return rc;
	s->generation++;
	return setup_rest(s, true, why, why_size);
}

/* ---- when it plays ---- */

/* What it has done for others is no rate of ours. */
static struct usage usage_so_far(const struct supervisor *s, const struct process *p)
{
	struct proc_stat stat = {0};
	proc_stat_read(p->pid, &stat);
	return (struct usage){.time = p->ask_at,
			      .frames = atomic_load_explicit(&s->ledger.seats[p->seat].frames,
							     memory_order_relaxed),
			      .cpu_ticks = stat.cpu_ticks};
}

void resume_part(struct part *part)
{
	struct supervisor *s = part->member->supervisor;
	struct process *p = &part->process;
	char path[LINK_PATH_SIZE + 64];
	socket_path(s, part->member->name, p->incarnation, "pipe", path, sizeof(path));
	unlink(path); /* that of the supervisor before us, who is no more */
	p->ask_at = clock_now();
	p->before = p->last = usage_so_far(s, p);
	if (part->life.state == LIFE_KILLING)
		p->killed_for = "did not end in time";
	if (!p->guard)
		guard_again(part);
	int rc = pipe_bind(s->links, path, &p->pipe);
	if (rc == 0)
		rc = part_watch(part);
	if (rc < 0) {
		log_error("%s: %s: %s", part->member->name, path, error_text(rc));
		part_event(part, EVENT_KILL);
	}
}

typedef void part_fn(struct part *part);

/* All parts with a process that runs, or (gone) that does not any more. */
static void each_process(struct supervisor *s, bool gone, part_fn *fn)
{
	for (size_t i = 0; i < s->n_members; i++) {
		struct member *m = s->members[i];
		/* The deaths of those who played before are dealt with before that of who plays. */
		struct part *const parts[PARTS] = {m->last, m->next, m->lead};
		for (int k = 0; k < PARTS; k++)
			if (parts[k]->process.pid && parts[k]->process.gone == gone)
				fn(parts[k]);
	}
}

/* Who was to play after a swap that is not known any more, and who is to play no longer. */
static void send_away(struct member *m)
{
	const struct part *next = m->next;
	if (next->process.pid && (!next->process.standby || strcmp(next->program, m->program) != 0))
		part_event(m->next, EVENT_DRAIN);
	if (m->last->process.pid && !m->last->process.gone)
		part_event(m->last, EVENT_DRAIN);
}

void resume_begin(struct supervisor *s)
{
	s->resuming_until = clock_now() + ASK_NO_MORE;
	each_process(s, false, resume_part);
	for (size_t i = 0; i < s->n_members; i++)
		send_away(s->members[i]);
	each_process(s, true, reap_gone);
	/* Children that have ended in between: SIGCHLD has come and gone. */
	reap_all(s);
	remember_workers(s);
}

/* Returns when to ask it again. */
static int64_t ask_part(struct process *p, struct part *part, int64_t now)
{
	if (now >= p->ask_at)
		p->ask_at = now + (pipes_say_again(part) == 0 ? ASK_AGAIN : ASK_WHILE_ALONE);
	return p->ask_at;
}

int64_t resume_advance(struct supervisor *s, int64_t now)
{
	int64_t due = CLOCK_NEVER;
	if (!s->resuming_until)
		return due;
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++) {
			struct part *part = &s->members[i]->parts[k];
			struct process *p = &part->process;
			if (!p->pid || !p->ask_at)
				continue;
			if (now >= s->resuming_until)
				p->ask_at = 0;
			else if (ask_part(p, part, now) < due)
				due = p->ask_at;
		}
	}
	if (due != CLOCK_NEVER)
		return due;
	s->resuming_until = 0;
	adopt_look_again(s);
	if (s->stage == STAGE_RUNNING)
		stages_say_ready(s);
	return due;
}

/* Nobody is to wait for one who can only be missed; so no image, no waiting. */
static void forget_image(struct supervisor *s)
{
	char path[LINK_PATH_SIZE + 8];
	if (!s->image)
		return;
	snprintf(path, sizeof(path), "%s/image", s->runtime.folder);
	unlink(path);
	free(s->image);
	s->image = NULL;
}

void resume_keep(struct supervisor *s)
{
	int64_t wait = settings_orphan_wait(&s->config.top);
	atomic_store(&s->ledger.header->orphan_wait, wait);
	if (wait == 0) {
		forget_image(s);
		return;
	}
	char *text = image_write(s);
	if (!text || (s->image && strcmp(text, s->image) == 0)) {
		free(text);
		return;
	}
	int rc = runtime_keep_image(&s->runtime, text);
	if (rc < 0)
		log_warn("%s/image: %s", s->runtime.folder, error_text(rc));
	free(s->image);
	s->image = rc < 0 ? NULL : text;
	if (rc < 0)
		free(text);
}
