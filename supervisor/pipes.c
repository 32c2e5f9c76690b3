/* Messages of workers. None is believed that does not come from the very process that was spawned.
 */
#include "supervisor/pipes.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "ipc/links/json.h"
#include "ipc/links/queue.h"
#include "schemas/life.pb-c.h"
#include "schemas/report.pb-c.h"
#include "supervisor/inspect.h"
#include "supervisor/member.h"
#include "supervisor/progress.h"
#include "supervisor/strangers.h"
#include "supervisor/succession.h"
#include "supervisor/swap.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* All workers together; what is longer is cut. */
#define REPORTS_A_SECOND 100
#define REPORT_SIZE	 1024

/* One that was taken over: who told it to, or why, is not known any more. */
static void drains_by_itself(struct part *part)
{
	const struct member *m = part->member;
	enum life_state state = part->life.state;
	if (state != LIFE_STARTING && state != LIFE_PREPARED && state != LIFE_READY)
		return;
	bool again = part == m->lead && m->wanted && m->supervisor->stage < STAGE_STOPPING;
	part_event(part, again ? EVENT_RESTART : EVENT_DRAIN);
}

static void on_hello(struct part *part, const ProtobufCMessage *message)
{
	const Troupe__Hello *hello = (const Troupe__Hello *)(const void *)message;
	struct member *m = part->member;
	if (hello->schema != MESSAGE_SCHEMA)
		log_error("%s: speaks schema %u, wanted %d", m->name, hello->schema,
			  MESSAGE_SCHEMA);
	snprintf(part->version, sizeof(part->version), "%s %s", hello->program, hello->version);
	snprintf(part->takes, sizeof(part->takes), "%s", hello->takes);
	part->process.ask_at = 0;
	succession_watch(part);
	swap_part_said_hello(part);
	if (hello->draining)
		drains_by_itself(part);
	stranger_said_hello(part);
	/* What a pipe is told before somebody is at its other end is told to nobody. */
	if (part->life.state == LIFE_DRAINING)
		pipes_drain(part, part->life.again ? "restart" : "stop");
}

static bool is_it(const struct part *part, int32_t pid, const char *what)
{
	if (pid == part->process.pid)
		return true;
	log_warn("%s: %s from pid %d, but %d was spawned: not believed", part->member->name, what,
		 (int)pid, (int)part->process.pid);
	return false;
}

static void on_prepared(struct part *part, const ProtobufCMessage *message)
{
	const Troupe__Prepared *prepared = (const Troupe__Prepared *)(const void *)message;
	/* Who takes charge without being told says so too; to the life of that it means nothing. */
	if (is_it(part, prepared->pid, "prepared") && part->process.standby)
		part_event(part, EVENT_PREPARED);
}

static void on_ready(struct part *part, const ProtobufCMessage *message)
{
	const Troupe__Ready *ready = (const Troupe__Ready *)(const void *)message;
	if (is_it(part, ready->pid, "ready") && !part->process.standby)
		part_event(part, EVENT_READY);
}

static void on_finished(struct part *part, const ProtobufCMessage *message)
{
	const Troupe__Finished *finished = (const Troupe__Finished *)(const void *)message;
	if (is_it(part, finished->pid, "finished"))
		part_event(part, EVENT_FINISHED);
}

static void on_dumped(struct part *part, const ProtobufCMessage *message)
{
	inspect_dumped(part, (const Troupe__Dumped *)(const void *)message);
}

static const struct {
	enum message_kind kind;
	void (*handle)(struct part *part, const ProtobufCMessage *message);
} handlers[] = {
	{MESSAGE_HELLO, on_hello},	 {MESSAGE_PREPARED, on_prepared}, {MESSAGE_READY, on_ready},
	{MESSAGE_FINISHED, on_finished}, {MESSAGE_DUMPED, on_dumped},
};

void pipes_on_message(void *arg, struct link *link)
{
	struct part *part = arg;
	enum message_kind kind;
	ProtobufCMessage *message;
	int rc;
	while (part->process.pipe == link &&
	       (rc = link_receive(link, &kind, &message)) != TROUPE_E_AGAIN &&
	       rc != TROUPE_E_CLOSED) {
		if (rc < 0)
			continue; /* thrown away, counted and logged by the link */
		for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
			if (handlers[i].kind == kind)
				handlers[i].handle(part, message);
		message_free(message);
	}
}

/* ---- reports ---- */

static void write_report(struct supervisor *s, const char *worker, int seat, int64_t at,
			 const char *text)
{
	char part[REPORT_SIZE];
	snprintf(part, sizeof(part), "%s", text);
	progress_say(s, "%s%s%s", worker ? worker : "", worker ? ": " : "", part);
	journal_write(&s->journal, JOURNAL_REPORT, worker,
		      json_pack("{s:i, s:I, s:o}", "seat", seat, "at", (json_int_t)at, "text",
				json_text(part)));
}

/* A stranger that reports without end would push all else out of the journal. */
static bool may_report(struct supervisor *s)
{
	struct report_share *share = &s->report_share;
	int64_t now = clock_now();
	char text[96];
	if (now - share->since >= NS_PER_S) {
		uint64_t n = share->passed_over;
		*share = (struct report_share){.since = now};
		snprintf(text, sizeof(text),
			 "%" PRIu64 " report%s passed over: more than %d a second", n,
			 n == 1 ? " was" : "s were", REPORTS_A_SECOND);
		if (n)
			write_report(s, NULL, 0, now, text);
	}
	if (share->taken++ < REPORTS_A_SECOND)
		return true;
	share->passed_over++;
	return false;
}

/* Only the pipeline's own workers have something to report. */
static void on_told(struct supervisor *s, const Troupe__Report *report)
{
	struct member *m = member_find(s, report->worker);
	if (!m)
		return;
	snprintf(m->said, sizeof(m->said), "%s", report->text);
	m->said_at = report->time;
	if (may_report(s))
		write_report(s, m->name, (int)report->seat, report->time, report->text);
}

void pipes_on_report(void *arg, struct link *link)
{
	struct supervisor *s = arg;
	enum message_kind kind;
	ProtobufCMessage *message;
	/* A worker that reports without end gets its turn again after everybody else. */
	for (int i = 0; i < 64; i++) {
		int rc = link_receive(link, &kind, &message);
		if (rc == TROUPE_E_AGAIN || rc == TROUPE_E_CLOSED)
			return;
		if (rc < 0)
			continue;
		if (kind == MESSAGE_REPORT)
			on_told(s, (const Troupe__Report *)(const void *)message);
		message_free(message);
	}
}

void pipes_drain(struct part *part, const char *why)
{
	Troupe__Drain drain = TROUPE__DRAIN__INIT;
	char text[64];
	snprintf(text, sizeof(text), "%s", why);
	drain.why = text;
	if (part->process.pipe)
		link_send(part->process.pipe, MESSAGE_DRAIN, &drain.base);
}

int pipes_say_again(struct part *part)
{
	Troupe__SayAgain ask = TROUPE__SAY_AGAIN__INIT;
	ask.supervisor = getpid();
	return link_send(part->process.pipe, MESSAGE_SAY_AGAIN, &ask.base);
}

int pipes_dump(struct part *part, uint64_t id)
{
	Troupe__Dump dump = TROUPE__DUMP__INIT;
	dump.id = id;
	return link_send(part->process.pipe, MESSAGE_DUMP, &dump.base);
}
