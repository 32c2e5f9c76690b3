/* From a checked configuration to an empty stage. */
#include "supervisor/setup.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/links/queue.h"
#include "ipc/slots/bells.h"
#include "ipc/worker/contract.h"
#include "supervisor/adopt.h"
#include "supervisor/allot.h"
#include "supervisor/contain.h"
#include "supervisor/control.h"
#include "supervisor/image.h"
#include "supervisor/member.h"
#include "supervisor/pipes.h"
#include "supervisor/quarantine.h"
#include "supervisor/reap.h"
#include "supervisor/reload.h"
#include "supervisor/resume.h"
#include "supervisor/share.h"
#include "supervisor/spawn.h"
#include "supervisor/strangers.h"
#include "supervisor/streams.h"
#include "supervisor/succession.h"
#include "supervisor/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* How long the workers of a killed supervisor may take to end by themselves. */
#define ORPHAN_PATIENCE (15 * NS_PER_S)
/* Ours lie above all numbers that mean something to a worker. */
#define FIRST_OWN_FD	 128
#define LAST_CONTRACT_FD (CONTRACT_FD_BELLS + SEATS_MAX - 1)

/* From so many bytes on a block is a mapping of its own. libzmq makes and frees a few of 8 to 18 KB
 * for each connection, of which it touches the first page and the last. Whatever is asked, and
 * whoever dies, makes new ones: on the heap each would leave a hole between small blocks, and we
 * would grow by a quarter of a MB. */
#define LARGE_BLOCK 8000
/* By so many bytes the heap grows. */
#define HEAP_STEP 16384

static void signals_of_loop(sigset_t *set)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(set, numbers[i]);
}

/* Numbers that mean something to a worker are taken, so that nothing of ours comes to lie there. */
static int take_numbers(void)
{
	for (int fd = 0; fd >= 0 && fd < LAST_CONTRACT_FD;) {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return error_from_errno(errno);
		if (fd > LAST_CONTRACT_FD)
			close(fd);
	}
	return 0;
}

int setup_process_again(void)
{
	sigset_t set;
	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	mallopt(M_TOP_PAD, HEAP_STEP);
	signals_of_loop(&set);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error of a call, not our death */
	/* Before any thread (libzmq's) is made, so that all inherit it. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_from_errno(errno);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return error_from_errno(errno);
	return take_numbers();
}

int setup_process(int *keep)
{
	int kept = -1;
	if (*keep >= 0) {
		kept = fcntl(*keep, F_DUPFD_CLOEXEC, FIRST_OWN_FD);
		if (kept < 0)
			return error_from_errno(errno);
		*keep = kept;
	}
	if (close_range(3, kept >= 0 ? (unsigned)kept - 1 : ~0U, 0) < 0 ||
	    (kept >= 0 && close_range((unsigned)kept + 1, ~0U, 0) < 0))
		return error_from_errno(errno);
	return setup_process_again();
}

/* ---- the ledger ---- */

/* "none,person,dog": each name becomes a label of the ledger. */
static int add_labels(struct supervisor *s, const char *names, char *why, size_t why_size)
{
	for (const char *at = names; *at;) {
		char name[256];
		size_t span = strcspn(at, ",");
		snprintf(name, sizeof(name), "%.*s", (int)span, at);
		at += span + (at[span] == ',');
		int rc = strcmp(name, "none") == 0 ? 0 : control_label(s, name);
		if (rc < 0) {
			snprintf(why, why_size, "label \"%s\": %s", name, error_text(rc));
			return rc;
		}
	}
	return 0;
}

/* The recording's tap, and one for each stranger that is owed every frame. Returns how many. */
static uint32_t name_taps(const struct config *config, const char *names[TAPS_MAX])
{
	uint32_t n = RECORDING_TAP + 1;
	names[RECORDING_TAP] = "recording";
	for (size_t i = 0; i < config->n_sections; i++) {
		int tap = config->sections[i].role->tap;
		if (tap <= RECORDING_TAP)
			continue;
		names[tap] = config->sections[i].title;
		n = (uint32_t)tap + 1;
	}
	return n;
}

static int make_planned(struct supervisor *s, const struct planned_streams *p, char *why,
			size_t why_size)
{
	const char *taps[TAPS_MAX];
	const struct top_settings *top = &s->config.top;
	for (uint32_t i = 0; i < p->n; i++) {
		s->expected[i] = p->probed[i].frames;
		memcpy(s->device[i], p->probed[i].device, sizeof(s->device[i]));
	}
	struct ledger_plan plan = {.pipeline = top->name,
				   .run = (uint64_t)(clock_wall() / NS_PER_MS),
				   .hang_after = top->hang_after,
				   .bypass_after = top->bypass_after,
				   .orphan_wait = settings_orphan_wait(top),
				   .low_water_percent = (uint32_t)top->low_water,
				   .n_streams = p->n,
				   .streams = p->plan,
				   .n_taps = name_taps(&s->config, taps),
				   .taps = taps};
	int rc = plan_check(&plan, top, memory_available(), why, why_size);
	if (rc < 0)
		return rc;
	rc = ledger_create(&s->ledger, &plan);
	if (rc < 0) {
		snprintf(why, why_size, "memory: %.1f MB for the slots: %s",
			 (double)ledger_plan_size(&plan) / 1e6, error_text(rc));
		return rc;
	}
	for (uint32_t i = 0; i < p->n && rc == 0; i++)
		rc = add_labels(s, p->probed[i].labels, why, why_size);
	if (rc == 0)
		rc = ledger_guard(&s->ledger);
	return rc;
}

/* The plan is too large for a stack whose pages nobody would give back. */
static int make_ledger(struct supervisor *s, char *why, size_t why_size)
{
	struct planned_streams *p = malloc(sizeof(*p));
	int rc = p ? streams_plan(&s->config, p, why, why_size) : TROUPE_E_MEMORY;
	if (rc == 0)
		rc = make_planned(s, p, why, why_size);
	free(p);
	return rc;
}

/* ---- what outlives a worker ---- */

/* Where the results of a role lie, as an absolute path for people. */
static void note_folder(struct supervisor *s, const struct section *section)
{
	const char *folder = section->role->folder_row
				     ? section_value(section, section->role->folder_row)
				     : NULL;
	if (!folder)
		return;
	if (*folder == '/')
		snprintf(s->recording, sizeof(s->recording), "%s", folder);
	else
		snprintf(s->recording, sizeof(s->recording), "%.500s/%.500s", s->config.folder,
			 folder);
}

/* Opens what the section's program wants to listen at; `again`: where that is already. */
static int open_sockets(struct supervisor *s, struct member *m, const char *again, char *why,
			size_t why_size)
{
	const struct section *section = m->section;
	note_folder(s, section);
	for (size_t i = 0; i < section->n_rows; i++) {
		char actual[80];
		if (section->rows[i].type != ROW_LISTEN)
			continue;
		const char *address = section_value(section, section->rows[i].name);
		if (!*address)
			continue;
		int fd = listen_at(again ? again : address, actual, sizeof(actual), why, why_size);
		if (fd < 0)
			return fd;
		m->handed_fd = fd;
		snprintf(s->url, sizeof(s->url), "http://%s/", actual);
		return 0;
	}
	return 0;
}

int setup_socket_again(struct supervisor *s, struct member *m, char *why, size_t why_size)
{
	char address[sizeof(s->url)];
	m->handed_fd = -1;
	if (sscanf(s->url, "http://%95[^/]", address) != 1)
		return 0;
	int rc = open_sockets(s, m, address, why, why_size);
	if (rc < 0)
		m->handed_fd = HANDED_LOST;
	return rc;
}

static int open_device(struct supervisor *s, struct member *m, char *why, size_t why_size)
{
	const char *path = m->role->source ? s->device[m->number] : "";
	return *path ? device_open(m, path, why, why_size) : 0;
}

/* The pipeline's owner, and those users that workers of it are. */
static int allow_users(struct supervisor *s)
{
	uid_t users[LINK_USERS] = {geteuid()};
	size_t n = 1;
	for (size_t i = 0; i < s->config.n_sections; i++) {
		const char *name = s->config.sections[i].settings.user;
		uid_t uid;
		gid_t gid;
		if (!*name || allot_user(name, &uid, &gid) < 0)
			continue;
		bool known = false;
		for (size_t k = 0; k < n; k++)
			known |= users[k] == uid;
		if (!known && n == LINK_USERS)
			return TROUPE_E_FULL;
		if (!known)
			users[n++] = uid;
	}
	return links_answer_only(s->links, users, n);
}

int setup_sockets(struct supervisor *s, char *why, size_t why_size)
{
	s->links = links_create();
	int rc = s->links ? allow_users(s) : TROUPE_E_MEMORY;
	if (rc == 0)
		rc = answer_bind(s->links, s->runtime.control, &s->control);
	if (rc == 0)
		rc = inbox_bind(s->links, s->runtime.reports, &s->reports);
	if (rc == 0)
		rc = loop_watch_link(s->loop, s->control, control_on_request, s);
	if (rc == 0)
		rc = loop_watch_link(s->loop, s->reports, pipes_on_report, s);
	if (rc < 0)
		snprintf(why, why_size, "%s: %s", s->runtime.folder, error_text(rc));
	return rc;
}

static int make_links(struct supervisor *s, char *why, size_t why_size)
{
	s->loop = loop_create();
	int rc = s->loop ? setup_sockets(s, why, why_size) : TROUPE_E_MEMORY;
	sigset_t set;
	signals_of_loop(&set);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (rc == 0 && s->signal_fd < 0) {
		rc = error_from_errno(errno);
		snprintf(why, why_size, "signals: %s", error_text(rc));
	}
	return rc;
}

/* The process title shows the pipeline's name, as a worker's does: written over argv[0], as far as
 * there is room. */
static void retitle(char *title, const char *name)
{
	char wanted[PROGRAM_SIZE];
	if (!title)
		return;
	size_t room = strlen(title);
	int length = snprintf(wanted, sizeof(wanted), "troupe: %s supervisor", name);
	if ((size_t)length > room || strncmp(title, "troupe: ", 8) != 0)
		return;
	memset(title, 0, room);
	memcpy(title, wanted, (size_t)length);
}

/* Of a line of this run's journal, whoever wrote it. */
static void hear(void *arg, const json_t *line)
{
	happenings_hear(arg, line);
	scrutiny_hear(arg, line);
	strangers_hear(arg, line);
}

int setup_rest(struct supervisor *s, bool again, char *why, size_t why_size)
{
	if (again) {
		unlink(s->runtime.control);
		unlink(s->runtime.reports);
	}
	int rc = make_links(s, why, why_size);
	if (rc == 0 && (rc = journal_open(&s->journal, s->runtime.state, s->ledger.header->run,
					  s->config.top.journal_size)) < 0)
		snprintf(why, why_size, "%s/journal.jsonl: %s", s->runtime.state, error_text(rc));
	s->journal.hear = hear;
	s->journal.hearer = s;
	if (rc == 0 && again && journal_resume(&s->journal) < 0)
		log_warn("%s/journal.jsonl: cannot be read again", s->runtime.state);
	if (rc == 0 && (rc = containment_create(s)) < 0)
		snprintf(why, why_size, "sandbox: %s", error_text(rc));
	if (rc == 0 && (rc = quarantine_create(s)) < 0)
		snprintf(why, why_size, "quarantine: %s", error_text(rc));
	if (rc == 0 && (rc = runtime_announce(&s->runtime, s->ledger.fd)) < 0)
		snprintf(why, why_size, "%s: %s", s->runtime.folder, error_text(rc));
	s->oom_kills = oom_kills();
	if (s->oom_base == OOM_BASE_UNKNOWN) {
		s->oom_base = allot_oom_base();
		allot_spare_supervisor(s->oom_base);
	}
	return rc;
}

static int setup_fresh(struct supervisor *s, char *why, size_t why_size)
{
	int rc = members_seated(s, 0, why, why_size) ? make_ledger(s, why, why_size)
						     : TROUPE_E_CONFIG;
	if (rc == 0 && (rc = bells_create(&s->ledger, CONTRACT_FD_BELLS)) < 0)
		snprintf(why, why_size, "bells: %s", error_text(rc));
	for (size_t i = 0; i < s->n_members && rc == 0; i++)
		if ((rc = open_sockets(s, s->members[i], NULL, why, why_size)) == 0)
			rc = open_device(s, s->members[i], why, why_size);
	return rc == 0 ? setup_rest(s, false, why, why_size) : rc;
}

/* Without --adopt nobody is asked to end who would go on for a while. */
static int refuse_waiting(const struct supervisor *s, const char *name, char *why, size_t why_size)
{
	snprintf(why, why_size,
		 "pipeline \"%s\": its supervisor was killed and its workers go on: `troupe up "
		 "--adopt -n %s` takes them over, `troupe -n %s down` ends them",
		 name, name, name);
	(void)s;
	return TROUPE_E_STATE;
}

/* Becomes the supervisor of that name. *image: there is somebody to be taken over. */
static int take_runtime(struct supervisor *s, const struct supervisor_options *options,
			char **image, char *why, size_t why_size)
{
	char reason[WHY_SIZE];
	const char *name = options->file ? s->config.top.name : options->name;
	int rc = runtime_take(&s->runtime, name, ORPHAN_PATIENCE, why, why_size);
	if (rc < 0)
		return rc;
	bool possible = adopt_possible(s, image, reason, sizeof(reason));
	if (possible && options->adopt)
		return 0;
	free(*image);
	*image = NULL;
	if (possible)
		return refuse_waiting(s, name, why, why_size);
	if (!options->file) {
		snprintf(why, why_size, "pipeline \"%s\": %s: `troupe up -c FILE` starts it anew",
			 name, *reason ? reason : "there is nobody to be taken over");
		return TROUPE_E_NOT_FOUND;
	}
	if (*reason && options->adopt)
		fprintf(stderr, "troupe: %s: %s\n", name, reason);
	return runtime_end_orphans(&s->runtime, ORPHAN_PATIENCE, why, why_size);
}

/* What cannot be taken over drains by itself, and then the pipeline begins anew. */
static int adopt_or_not(struct supervisor *s, const struct supervisor_options *options,
			const char *image, char *why, size_t why_size)
{
	int rc = adopt_setup(s, image, why, why_size);
	if (rc == 0 || s->ledger.header || !options->file)
		return rc;
	fprintf(stderr, "troupe: %s: %s: waiting for its workers to drain\n", s->config.top.name,
		why);
	rc = runtime_end_orphans(&s->runtime, ORPHAN_PATIENCE, why, why_size);
	return rc == 0 ? setup_fresh(s, why, why_size) : rc;
}

int setup(struct supervisor *s, const struct supervisor_options *options, char *why,
	  size_t why_size)
{
	char *image = NULL;
	if (options->resume >= 0)
		return resume_setup(s, options, why, why_size);
	s->sets = options->sets;
	s->n_sets = options->n_sets;
	int rc = options->file ? setup_config(&s->config, options, why, why_size) : 0;
	if (rc == 0)
		rc = take_runtime(s, options, &image, why, why_size);
	if (rc == 0 && !options->file)
		rc = resume_config(s, options, image, why, why_size);
	if (rc == 0)
		rc = share_folders(&s->config, &s->runtime, why, why_size);
	if (rc == 0)
		retitle(options->title, s->config.top.name);
	if (rc == 0 && (rc = members_create(s)) < 0)
		snprintf(why, why_size, "more than %d workers", MEMBERS_MAX);
	if (rc == 0)
		rc = image ? adopt_or_not(s, options, image, why, why_size)
			   : setup_fresh(s, why, why_size);
	free(image);
	return rc;
}

void setup_finish(struct supervisor *s)
{
	reload_drop(s);
	upgrade_finish(s);
	members_destroy(s);
	succession_finish(s);
	devices_finish(s);
	quarantine_destroy(s);
	scrutiny_finish(s);
	containment_destroy(s);
	if (s->control)
		link_close(s->control);
	if (s->reports)
		link_close(s->reports);
	loop_destroy(s->loop);
	/* The answer to `down` may still be on its way. */
	links_destroy(s->links, 200);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	if (s->ledger.header)
		bells_destroy(&s->ledger);
	ledger_finish(&s->ledger);
	journal_close(&s->journal);
	runtime_close(&s->runtime);
	config_finish(&s->config);
	image_origin_finish(&s->origin);
	free(s->image);
}
