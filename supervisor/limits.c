/* Sampling loads, and judging them. */
#include "supervisor/limits.h"

#include "ipc/base/clock.h"
#include "ipc/base/log.h"
#include "supervisor/member.h"
#include "supervisor/progress.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY NS_PER_S
/* So long a limit holds after a loss, and so far apart are two that are told. */
#define NEWS (10 * NS_PER_S)
/* Of time; above this something is used up. */
#define BUSY 0.9

/* ---- judging ---- */

static double percent(double part)
{
	return 100 * (part > 1 ? 1 : part);
}

static bool cores_limit(const struct load *l, char *out, size_t size)
{
	if (l->cores_busy < BUSY)
		return false;
	snprintf(out, size,
		 "the cores are the limit: %u of %u busy %.0f %%, %.1f of them with this pipeline; "
		 "processors busy %.0f %%",
		 l->cores, l->cores, percent(l->cores_busy), l->ours, percent(l->processors_busy));
	return true;
}

static bool processors_limit(const struct load *l, char *out, size_t size)
{
	if (l->processors == 0 || l->processors_busy < BUSY || l->no_slot + l->bypassed == 0)
		return false;
	snprintf(out, size,
		 "processors are the limit: %u of %u busy %.0f %%, the %u cores %.0f %%: `troupe "
		 "scale processor %u`",
		 l->processors, l->processors, percent(l->processors_busy), l->cores,
		 percent(l->cores_busy), l->processors + 1);
	return true;
}

static bool recording_limit(const struct load *l, char *out, size_t size)
{
	if (l->no_slot == 0 || l->owed < l->waiting || l->owed < l->slots / 2)
		return false;
	snprintf(out, size, "the recording is the limit: %u of %u slots of %s are owed to it",
		 l->owed, l->slots, l->stream);
	return true;
}

static bool slots_limit(const struct load *l, char *out, size_t size)
{
	if (l->no_slot == 0)
		return false;
	snprintf(out, size,
		 "slots are the limit: %s has %u, and %" PRIu64 " frames found none free; %u wait, "
		 "%u are owed",
		 l->stream, l->slots, l->no_slot, l->waiting, l->owed);
	return true;
}

static bool source_limit(const struct load *l, char *out, size_t size)
{
	if (l->device == 0)
		return false;
	snprintf(out, size,
		 "the source of %s is the limit: %" PRIu64
		 " frames were lost before they were ours, with slots free",
		 l->stream, l->device);
	return true;
}

char *limit_text(const struct load *load, char *out, size_t size)
{
	/* What explains most comes first: without cores all the others suffer, too. */
	static bool (*const limits[])(const struct load *l, char *out, size_t size) = {
		cores_limit, processors_limit, recording_limit, slots_limit, source_limit,
	};
	*out = '\0';
	if (load->no_slot + load->device + load->bypassed == 0)
		return out;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (limits[i](load, out, size))
			return out;
	return out;
}

/* ---- looking ---- */

/* Ticks of the cores that we may run on: their own lines, for we may not have all. */
static uint32_t read_cores(uint64_t *busy, uint64_t *total)
{
	cpu_set_t set;
	FILE *in = fopen("/proc/stat", "re");
	char line[512];
	uint32_t cores = 0;
	*busy = *total = 0;
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	while (in && fgets(line, sizeof(line), in)) {
		uint64_t t[8];
		int cpu;
		if (sscanf(line,
			   "cpu%d %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %" SCNu64 " %" SCNu64 " %" SCNu64,
			   &cpu, &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 9 ||
		    line[3] == ' ' || cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &set))
			continue;
		cores++;
		for (int i = 0; i < 8; i++)
			*total += t[i];
		*busy += t[0] + t[1] + t[2] + t[5] + t[6] + t[7]; /* all but idle and iowait */
	}
	if (in)
		fclose(in);
	return cores;
}

static double used_by(const struct process *p)
{
	double seconds = (double)(p->last.time - p->before.time) / (double)NS_PER_S;
	return p->pid && seconds > 0 ? (double)(p->last.cpu_ticks - p->before.cpu_ticks) /
					       (double)sysconf(_SC_CLK_TCK) / seconds
				     : 0;
}

/* What the workers use, and how much of it the processors. */
static double look_at_workers(const struct supervisor *s, struct load *load)
{
	double processors = 0;
	for (size_t i = 0; i < s->n_members; i++) {
		const struct member *m = s->members[i];
		double used = 0;
		for (int k = 0; k < PARTS; k++)
			used += used_by(&m->parts[k].process);
		load->ours += used;
		if (!m->role->queue || !m->wanted)
			continue;
		load->processors++;
		processors += used;
	}
	return processors;
}

/* How long frames were held between the two times, all together, as far as their records still
 * tell. They are hints here: what is written over in between makes a figure less exact. */
static int64_t held_between(const struct ledger *ledger, int64_t from, int64_t to)
{
	int64_t held = 0;
	for (uint32_t i = 0; i < ledger->header->n_slots; i++) {
		struct slot_word word = word_unpack(ledger_word(ledger, i));
		const struct slot_record *record = &ledger->records[i];
		bool now = word.phase == PHASE_HELD;
		if (word.phase == PHASE_QUEUED || (word.marks & MARK_BYPASSED))
			continue;
		int64_t begin = record->claimed > from ? record->claimed : from;
		int64_t end = now || record->finished > to ? to : record->finished;
		held += end > begin ? end - begin : 0;
	}
	return held;
}

static void look_at_stream(struct supervisor *s, uint32_t number, uint64_t *most, struct load *load)
{
	struct limits *before = &s->limits;
	const struct stream_row *row = &s->ledger.streams[number];
	uint64_t new_drops[N_DROP_REASONS], bypassed = atomic_load(&row->stored_bypassed);
	for (int k = 0; k < N_DROP_REASONS; k++) {
		uint64_t count = atomic_load(&row->drops[k]);
		new_drops[k] = count - before->drops[number][k];
		before->drops[number][k] = count;
	}
	uint64_t new_bypassed = bypassed - before->bypassed[number];
	before->bypassed[number] = bypassed;
	load->no_slot += new_drops[DROP_NO_SLOT];
	load->device += new_drops[DROP_DEVICE];
	load->bypassed += new_bypassed;
	uint64_t lost = new_drops[DROP_NO_SLOT] + new_drops[DROP_DEVICE] + new_bypassed;
	if (lost <= *most)
		return;
	*most = lost;
	load->stream = row->name;
	load->slots = row->n_slots;
	load->waiting = ledger_count(&s->ledger, number, PHASE_QUEUED) +
			ledger_count(&s->ledger, number, PHASE_HELD);
	load->owed = ledger_count(&s->ledger, number, PHASE_DONE);
}

static struct load look(struct supervisor *s, int64_t now)
{
	struct limits *before = &s->limits;
	struct load load = {.stream = ""};
	uint64_t busy, total, most = 0;
	load.cores = read_cores(&busy, &total);
	if (total > before->total)
		load.cores_busy = (double)(busy - before->busy) / (double)(total - before->total);
	before->busy = busy;
	before->total = total;
	double used = look_at_workers(s, &load);
	double span = (double)(now - before->looked) * (load.processors ? load.processors : 1);
	double held = (double)held_between(&s->ledger, before->looked, now) / span;
	used /= load.processors ? load.processors : 1;
	load.processors_busy = load.processors ? (held > used ? held : used) : 0;
	for (uint32_t i = 0; i < s->ledger.header->n_streams; i++)
		look_at_stream(s, i, &most, &load);
	return load;
}

/* One kind of limit is told once as long as it lasts, and two that take turns now and then; the
 * figure is in `status`. */
static void tell(struct supervisor *s, const char *text, int64_t now)
{
	struct limits *limits = &s->limits;
	bool same = now < limits->until && strncmp(limits->text, text, strcspn(text, ":")) == 0;
	if (same || (limits->said && now - limits->said < NEWS))
		return;
	limits->said = now;
	log_warn("%s", text);
	progress_say(s, "%s", text);
	journal_write(&s->journal, JOURNAL_LIMIT, NULL, json_pack("{s:s}", "text", text));
}

void limits_look(struct supervisor *s, int64_t now)
{
	struct limits *limits = &s->limits;
	char text[LIMIT_SIZE];
	if (s->stage != STAGE_RUNNING || now - limits->looked < LOOK_EVERY)
		return;
	bool first = limits->looked == 0;
	struct load load = look(s, now);
	limits->looked = now;
	if (first || !*limit_text(&load, text, sizeof(text)))
		return;
	tell(s, text, now);
	memcpy(limits->text, text, sizeof(text));
	limits->until = now + NEWS;
}

const char *limits_now(const struct supervisor *s)
{
	return clock_now() < s->limits.until ? s->limits.text : "";
}
