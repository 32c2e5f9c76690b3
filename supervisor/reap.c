/* waitid, and what follows from it. */
#include "supervisor/reap.h"

#include "ipc/base/clock.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/seats.h"
#include "ipc/worker/contract.h"
#include "supervisor/contain.h"
#include "supervisor/devices.h"
#include "supervisor/ended.h"
#include "supervisor/logs.h"
#include "supervisor/member.h"
#include "supervisor/pipes.h"
#include "supervisor/progress.h"
#include "supervisor/quarantine.h"
#include "supervisor/spawn.h"
#include "supervisor/strategy.h"
#include "supervisor/succession.h"
#include "supervisor/swap.h"
#include "supervisor/upgrade.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long at most the pipe of a source that has ended is listened to. */
#define HEAR_OUT_MS 100

uint64_t oom_kills(void)
{
	FILE *in = fopen("/proc/vmstat", "re");
	char line[128];
	uint64_t count = 0;
	while (in && fgets(line, sizeof(line), in))
		if (strncmp(line, "oom_kill ", 9) == 0)
			count = strtoull(line + 9, NULL, 10);
	if (in)
		fclose(in);
	return count;
}

static const char *exit_text(int code)
{
	switch (code) {
	case CONTRACT_EXIT_CONFIG:
		return " (configuration)";
	case CONTRACT_EXIT_BUG:
		return " (bug)";
	case CONTRACT_EXIT_ENVIRONMENT:
		return " (environment)";
	default:
		return "";
	}
}

/* Why we sent SIGKILL, as a kind. */
static enum exit_kind kind_of_kill(const char *killed_for)
{
	if (strncmp(killed_for, "hung", 4) == 0)
		return EXIT_HUNG;
	if (strncmp(killed_for, "forbidden", 9) == 0)
		return EXIT_FORBIDDEN;
	return strstr(killed_for, "in time") ? EXIT_LATE : EXIT_REFUSED;
}

static struct ending ending_of_signal(const siginfo_t *info, const char *killed_for, bool asked,
				      bool out_of_memory)
{
	int number = info->si_status;
	struct ending end = {.fault = true,
			     .signal = number,
			     .core = info->si_code == CLD_DUMPED,
			     .kind = EXIT_SIGNAL};
	const char *name = sigabbrev_np(number);
	if (number == SIGKILL && killed_for) {
		end.kind = kind_of_kill(killed_for);
		snprintf(end.cause, sizeof(end.cause), "%s", killed_for);
	} else if (number == SIGKILL && out_of_memory) {
		end.kind = EXIT_MEMORY;
		snprintf(end.cause, sizeof(end.cause), "out of memory (killed by the kernel)");
	} else if (number == SIGKILL || (asked && number == SIGTERM)) {
		end.kind = EXIT_OUTSIDE;
		end.fault = false;
		snprintf(end.cause, sizeof(end.cause), "killed from outside (SIG%s)", name);
	} else {
		snprintf(end.cause, sizeof(end.cause), "died of SIG%s", name ? name : "?");
	}
	return end;
}

/* Nobody could see how. To take it for a fault would count an attempt of a frame on a guess. */
static struct ending ending_unseen(void)
{
	struct ending end = {.kind = EXIT_UNKNOWN};
	snprintf(end.cause, sizeof(end.cause), "ended while adopted, status unknown");
	return end;
}

struct ending ending_of(const siginfo_t *info, const char *killed_for, bool asked,
			bool out_of_memory)
{
	static const siginfo_t by_us = {.si_code = CLD_KILLED, .si_status = SIGKILL};
	if (info->si_code == 0)
		return killed_for ? ending_of_signal(&by_us, killed_for, asked, false)
				  : ending_unseen();
	if (info->si_code != CLD_EXITED)
		return ending_of_signal(info, killed_for, asked, out_of_memory);
	struct ending end = {.clean = info->si_status == CONTRACT_EXIT_ASKED};
	end.fault = !end.clean || !asked;
	end.kind = end.clean && asked ? EXIT_ASKED : EXIT_CODE;
	if (end.clean) {
		snprintf(end.cause, sizeof(end.cause), "%s",
			 asked ? "ended as asked" : "exit 0, unasked");
	} else {
		snprintf(end.cause, sizeof(end.cause), "exit %d%s", info->si_status,
			 exit_text(info->si_status));
	}
	return end;
}

/* Who dies at every start says so once: it never got ready, and ended as another one did by its own
 * fault. Of outside kills in between nothing is said. */
static bool is_repeated(const struct member *m, const struct exit_note *note)
{
	const struct worker_history *known = member_history(m);
	uint32_t n = known ? known->n_exits : 0;
	for (uint32_t i = 1; i <= n && i <= EXITS_KEPT && !note->ready; i++) {
		const struct exit_note *before = &known->exits[(n - i) % EXITS_KEPT];
		if (before->fault && !before->turn == !note->turn)
			return strcmp(note->cause, before->cause) == 0 &&
			       strcmp(note->words, before->words) == 0;
	}
	return false;
}

/* Whether it was told to end because another one takes its place. */
static bool is_replaced(const struct part *part)
{
	const struct member *m = part->member;
	return part->process.asked && m->wanted &&
	       (part == m->last || (part == m->lead && m->swap.stage == SWAP_DRAINING));
}

static struct exit_note describe(const struct part *part, const struct ending *end,
				 const char *words)
{
	const struct process *p = &part->process;
	int64_t now = clock_now();
	struct exit_note note = {.time = now,
				 .wall = clock_wall(),
				 .lived = now - p->started,
				 .pid = p->pid,
				 .incarnation = p->incarnation,
				 .kind = end->kind,
				 .signal = end->signal,
				 .core = end->core,
				 .fault = end->fault,
				 .ready = part->life.ready_since != 0,
				 .turn = p->turn};
	if (note.kind == EXIT_ASKED && is_replaced(part))
		note.kind = EXIT_REPLACED;
	snprintf(note.cause, sizeof(note.cause), "%s", end->cause);
	snprintf(note.words, sizeof(note.words), "%s", words);
	return note;
}

/* Its end may have been seen and told, and nothing more. */
static bool was_told(const struct part *part)
{
	const struct worker_history *known = member_history(part->member);
	uint32_t n = known ? known->n_exits : 0;
	for (uint32_t i = 1; i <= n && i <= EXITS_KEPT; i++) {
		const struct exit_note *note = &known->exits[(n - i) % EXITS_KEPT];
		if (note->pid == part->process.pid &&
		    note->incarnation == part->process.incarnation)
			return true;
	}
	return false;
}

static void tell_exit(const struct part *part, const struct exit_note *note)
{
	struct member *m = part->member;
	const char *colon = *note->words ? ": " : "";
	bool repeated = is_repeated(m, note);
	json_t *details = exit_json(note);
	json_object_set_new(details, "seat", json_integer(part->process.seat));
	json_object_set_new(details, "asked", json_boolean(part->process.asked));
	journal_write(&m->supervisor->journal, JOURNAL_EXIT, m->name, details);
	if (!note->fault)
		return;
	log_warn("%s: pid %d: %s%s%s", m->name, (int)note->pid, note->cause, colon, note->words);
	if (m->was_ready && !repeated) {
		progress_say(m->supervisor, "%s%s: %s%s%s", m->name, note->turn ? "" : " (standby)",
			     note->cause, colon, note->words);
	}
}

/* Only now, when no instruction of it can run any more, is what it held given back. */
static void give_back(struct supervisor *s, const struct member *m, uint8_t seat, bool fault)
{
	struct reclaimed what;
	if (seat == 0)
		return; /* one who supervised before us has done it */
	seat_reclaim(&s->ledger, seat, fault, &what);
	bells_ring_all(&s->ledger);
	quarantine_judge(s, m, what.quarantined);
	journal_write(&s->journal, JOURNAL_RECLAIM, m->name,
		      json_pack("{s:i, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "seat", seat,
				"fault", fault, "filling", (int)what.filling, "held",
				(int)what.held, "bypassed", (int)what.bypassed, "quarantined",
				(int)what.quarantined, "playback", (int)what.playback, "streams",
				(int)what.streams, "taps", (int)what.taps));
}

/* A source has finished if it said so, or if the ledger does: the word on the pipe may be lost. */
static bool source_ended(const struct part *part)
{
	const struct member *m = part->member;
	return m->role->source && atomic_load(&m->supervisor->ledger.streams[m->number].ended) != 0;
}

static bool is_clean(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED && info->si_status == CONTRACT_EXIT_ASKED;
}

/* The last words of a source that ended by itself: they lie in the socket already, but libzmq's
 * thread may need a moment to bring them in. */
static void hear_out(struct part *part, const siginfo_t *info)
{
	bool clean = is_clean(info);
	if (!part->process.pipe)
		return;
	pipes_on_message(part, part->process.pipe);
	for (int i = 0; i < HEAR_OUT_MS && clean && part->member->role->source &&
			!part->process.asked && !part->life.said_finished && !source_ended(part);
	     i++) {
		poll(NULL, 0, 1);
		pipes_on_message(part, part->process.pipe);
	}
}

static void fail_early(struct member *m, const siginfo_t *info, const struct ending *end,
		       const char *words)
{
	bool hopeless =
		info->si_code == CLD_EXITED && (info->si_status == CONTRACT_EXIT_CONFIG ||
						info->si_status == CONTRACT_EXIT_ENVIRONMENT);
	if (hopeless && !m->was_ready && m->supervisor->stage < STAGE_RUNNING)
		supervisor_fail(m->supervisor, "%s: %s", m->name, *words ? words : end->cause);
}

/* What its end was, and whether the kernel's killer was at work since the last one. */
static struct ending judge(const struct part *part, const siginfo_t *info, bool finished)
{
	struct supervisor *s = part->member->supervisor;
	const struct process *p = &part->process;
	uint64_t kills = oom_kills(), before = s->oom_kills;
	s->oom_kills = kills;
	/* Who has not answered since it was taken over may have drained as an orphan. */
	bool asked = p->asked || finished || (p->ask_at && is_clean(info));
	struct ending end = ending_of(info, p->killed_for, asked, kills != before);
	if (p->gone)
		snprintf(end.cause, sizeof(end.cause), "ended while nobody supervised");
	return end;
}

/* Everything of the process but its seat. */
static void bury(struct part *part)
{
	struct member *m = part->member;
	char inbox[LINK_PATH_SIZE + 64];
	socket_path(m->supervisor, m->name, part->process.incarnation, "in", inbox, sizeof(inbox));
	contain_ended(part);
	process_finish(&part->process, m->supervisor);
	unlink(inbox);
}

/* Only a lead waits for the device; who stood by is started again when there is one. */
static void wait_for_device(struct part *part)
{
	if (part == part->member->lead)
		part_misses_device(part);
	else
		part_final_exit(part);
}

static void what_follows(struct part *part, bool finished, const struct ending *end,
			 const char *words, bool excused)
{
	enum follows follows = swap_part_ended(part, finished, end, words);
	if (end->lost && follows != FOLLOWS_NOBODY) {
		wait_for_device(part);
		return;
	}
	switch (follows) {
	case FOLLOWS_AS_EVER:
		part_exit_event(part, end->clean, excused);
		break;
	case FOLLOWS_AT_ONCE:
		part_exit_event(part, false, true);
		break;
	case FOLLOWS_NOBODY:
		part_final_exit(part);
		break;
	}
}

/* Who was in the way of nothing when it was killed from outside starts again as if nothing had
 * happened, or the one does that took its place before the cause was known. */
static bool excuse(struct part *part, const struct ending *end)
{
	enum life_state state = part->life.state;
	bool succeeded = part->process.succeeded;
	if (end->fault || !(succeeded || state == LIFE_READY || state == LIFE_PREPARED))
		return false;
	if (succeeded)
		life_excuse(&part->member->lead->life);
	return true;
}

/* Whose device is gone could not but end. */
static void blame_device(struct ending *end)
{
	char how[CAUSE_SIZE];
	snprintf(how, sizeof(how), "%s", end->cause);
	snprintf(end->cause, sizeof(end->cause), "device gone (%.*s)", (int)strcspn(how, "("), how);
	end->lost = true;
	end->fault = false;
	end->kind = EXIT_DEVICE;
}

/* One that has a limit of its own and complains of it did not run into the machine's. */
static void blame_limit(const struct part *part, struct ending *end, const char *words)
{
	static const char *const signs[] = {"out of memory", "Cannot allocate memory",
					    "MemoryError", "bad_alloc", "failed to allocate"};
	const struct section_settings *set = &swap_section(part)->settings;
	char limit[64];
	bool said = false;
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		said |= strstr(words, signs[i]) != NULL;
	if (!said || !end->fault || set->limit_memory == 0)
		return;
	row_format(settings_find(part->member->role, "limit_memory"), set, limit, sizeof(limit));
	snprintf(end->cause, sizeof(end->cause), "out of memory (limit_memory = %s)", limit);
}

/* The successor first, before anything is written or asked: others wait for it. */
static void part_ended(struct part *part, const siginfo_t *info)
{
	struct member *m = part->member;
	struct supervisor *s = m->supervisor;
	char words[256];
	bells_ring_all(&s->ledger);
	hear_out(part, info);
	bool said_end = part->life.said_finished || source_ended(part);
	bool finished = said_end && is_clean(info);
	if (finished)
		part_event(part, EVENT_FINISHED);
	else
		succession_follow(part);
	logs_take_rest(part);
	words_last(&part->process.words, words, sizeof(words));
	struct ending end = judge(part, info, said_end);
	if (!finished && device_gone(m))
		blame_device(&end);
	blame_limit(part, &end, words);
	if (finished && end.kind == EXIT_ASKED)
		end.kind = EXIT_FINISHED;
	struct exit_note note = describe(part, &end, words);
	note.excused = excuse(part, &end);
	if (!part->process.gone || !was_told(part))
		tell_exit(part, &note);
	FAIL_POINT(EXIT_NOTED);
	if (end.fault)
		quarantine_accuse(part, &note);
	fail_early(m, info, &end, words);
	bool unasked = note.turn && !finished && !end.lost && !part->process.asked;
	uint8_t seat = part->process.seat;
	bury(part);
	if (end.lost)
		device_lose(m);
	what_follows(part, finished, &end, words, note.excused);
	give_back(s, m, seat, end.fault);
	if (unasked)
		strategy_follow(m, end.cause);
	remember_workers(s);
}

static struct part *find_part(struct supervisor *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++)
			if (s->members[i]->parts[k].process.pid == pid)
				return &s->members[i]->parts[k];
	}
	return NULL;
}

void reap_all(struct supervisor *s)
{
	siginfo_t info;
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		/* Else an orphan of a worker that came to us as the subreaper. */
		struct part *part = find_part(s, info.si_pid);
		if (part && part->process.adopted)
			part = NULL;
		/* What it may have left of its group, while the number cannot be another's. */
		if (part)
			kill(-info.si_pid, SIGKILL);
		waitid(P_PID, (id_t)info.si_pid, &info, WEXITED);
		FAIL_POINT(EXIT_SEEN);
		if (part)
			part_ended(part, &info);
		else
			upgrade_hear_end(s, &info);
	}
}

void reap_on_pidfd(void *arg, int fd, short revents)
{
	(void)fd;
	(void)revents;
	reap_all(arg);
}

/* Its parent, whoever that is, waits for it; it has ended all the same. */
void reap_adopted(void *arg, int fd, short revents)
{
	struct part *part = arg;
	struct process *p = &part->process;
	siginfo_t info;
	(void)revents;
	if (p->pidfd != fd || !ended_surely(fd))
		return;
	ended_how(fd, p->pid, p->start_time, &info);
	ended_signal_group(fd, p->pid, SIGKILL);
	FAIL_POINT(EXIT_SEEN);
	part_ended(part, &info);
}

void reap_gone(struct part *part)
{
	siginfo_t info = {.si_pid = part->process.pid};
	char pipe[LINK_PATH_SIZE + 64];
	socket_path(part->member->supervisor, part->member->name, part->process.incarnation, "pipe",
		    pipe, sizeof(pipe));
	unlink(pipe);
	part_ended(part, &info);
}
