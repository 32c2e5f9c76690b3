/* State as messages. */
#include "supervisor/answers.h"

#include "ipc/base/clock.h"
#include "ipc/slots/record.h"
#include "supervisor/contain.h"
#include "supervisor/member.h"
#include "supervisor/proc.h"
#include "supervisor/quarantine.h"
#include "supervisor/stack.h"
#include "supervisor/swap.h"

#include <string.h>
#include <unistd.h>

static void fill_usage(const struct supervisor *s, const struct process *p, Troupe__Worker *out)
{
	const struct seat_row *row = &s->ledger.seats[p->seat];
	struct proc_stat stat;
	int64_t now = clock_now();
	out->frames = atomic_load_explicit(&row->frames, memory_order_relaxed);
	out->counted = atomic_load_explicit(&row->counted, memory_order_relaxed);
	if (!proc_stat_read(p->pid, &stat))
		return;
	out->rss_bytes = stat.rss_bytes;
	double seconds = (double)(now - p->before.time) / (double)NS_PER_S;
	if (seconds <= 0)
		return;
	out->frames_per_second = (double)(out->frames - p->before.frames) / seconds;
	out->cpu_percent = 100.0 * (double)(stat.cpu_ticks - p->before.cpu_ticks) /
			   (double)sysconf(_SC_CLK_TCK) / seconds;
}

static void fill_held(const struct supervisor *s, uint8_t seat, struct arena *arena,
		      Troupe__Worker *out)
{
	uint32_t n_slots = s->ledger.header->n_slots, n = 0;
	for (uint32_t i = 0; i < n_slots; i++)
		n += word_unpack(ledger_word(&s->ledger, i)).seat == seat;
	out->held = arena_get(arena, n * sizeof(*out->held));
	for (uint32_t i = 0; i < n_slots && out->held && out->n_held < n; i++)
		if (word_unpack(ledger_word(&s->ledger, i)).seat == seat)
			out->held[out->n_held++] = i;
	out->slots_held = (uint32_t)out->n_held;
}

/* One incarnation of a member, or what is left of the last. */
static Troupe__Worker *answer_part(const struct part *part, struct arena *arena)
{
	const struct member *m = part->member;
	const struct supervisor *s = m->supervisor;
	const struct process *p = &part->process;
	Troupe__Worker *out = arena_get(arena, sizeof(*out));
	if (!out)
		return NULL;
	troupe__worker__init(out);
	out->name = arena_text(arena, "%s", m->name);
	out->state = arena_text(arena, "%s", life_state_text(part->life.state));
	out->pid = p->pid;
	out->seat = p->seat;
	out->incarnation = p->pid ? p->incarnation : m->incarnations;
	out->program = arena_text(arena, "%s", part->program);
	out->version = arena_text(arena, "%s", part->version);
	out->swapped = strcmp(part->program, m->section->program) != 0;
	out->since = part->life.since;
	if (m->role->shape == ROLE_STREAM)
		out->stream = arena_text(arena, "%s", m->section->title);
	out->device = arena_text(arena, "%s", m->device.path);
	if (part->life.state == LIFE_NO_DEVICE)
		out->missing = arena_text(arena, "%s", m->device.why);
	if (p->pid) {
		char counts[NAME_SIZE];
		out->counts = arena_text(arena, "%s", ledger_counts(&s->ledger, p->seat, counts));
		fill_usage(s, p, out);
		fill_held(s, p->seat, arena, out);
	}
	return out;
}

static void fill_history(const struct member *m, Troupe__Worker *out)
{
	const struct worker_history *known = member_history(m);
	if (!known)
		return;
	struct tally sum = worker_tally(known);
	out->restarts = (uint32_t)sum.restarts;
	out->repairs = (uint32_t)sum.repairs;
	out->repair_mean = tally_repair_mean(&sum);
	out->repair_last = known->repair_last;
}

static void fill_last_exit(const struct member *m, bool standby, struct arena *arena,
			   Troupe__Worker *out)
{
	const struct exit_note *last = member_last_exit(m, standby);
	if (!last)
		return;
	out->last_exit = arena_text(arena, "%s %lld s ago", last->cause,
				    (long long)((clock_now() - last->time) / NS_PER_S));
	out->last_words = arena_text(arena, "%s", last->words);
	if (!out->pid) /* standbys have come and gone since */
		out->incarnation = last->incarnation;
}

Troupe__Worker *answer_worker(struct member *m, struct arena *arena)
{
	Troupe__Worker *out = answer_part(m->lead, arena);
	if (!out)
		return NULL;
	fill_history(m, out);
	fill_last_exit(m, false, arena, out);
	return out;
}

/* A standby, or what became of the spares that kept dying. NULL: there is none. */
static Troupe__Worker *answer_spare(const struct member *m, struct arena *arena)
{
	enum life_state state = m->next->life.state;
	if (!m->next->process.pid && state != LIFE_BACK_OFF && state != LIFE_GAVE_UP)
		return NULL;
	Troupe__Worker *out = answer_part(m->next, arena);
	if (out)
		fill_last_exit(m, true, arena, out);
	if (out && m->next->life.state == LIFE_PREPARED && !swap_is_newcomer(m->next))
		out->state = arena_text(arena, "spare");
	return out;
}

void answer_workers(struct supervisor *s, struct arena *arena, Troupe__Reply *reply)
{
	reply->worker = arena_get(arena, s->n_members * sizeof(void *));
	reply->spare = arena_get(arena, s->n_members * sizeof(void *));
	for (size_t i = 0; i < s->n_members && reply->worker && reply->spare; i++) {
		struct member *m = s->members[i];
		Troupe__Worker *worker =
			m->wanted || member_lives(m) ? answer_worker(m, arena) : NULL;
		Troupe__Worker *spare = answer_spare(m, arena);
		if (worker)
			reply->worker[reply->n_worker++] = worker;
		if (spare)
			reply->spare[reply->n_spare++] = spare;
	}
}

static void fill_drops(const struct stream_row *row, struct arena *arena, Troupe__Stream *out)
{
	static const char *const texts[] = {
#define DROP_TEXT(name, text) [DROP_##name] = (text),
		DROP_REASONS(DROP_TEXT)
#undef DROP_TEXT
	};
	out->drop = arena_get(arena, N_DROP_REASONS * sizeof(void *));
	for (int i = 0; i < N_DROP_REASONS && out->drop; i++) {
		uint64_t count = atomic_load(&row->drops[i]);
		Troupe__Drop *drop = count ? arena_get(arena, sizeof(*drop)) : NULL;
		if (!drop)
			continue;
		troupe__drop__init(drop);
		drop->reason = arena_text(arena, "%s", texts[i]);
		drop->count = count;
		out->drop[out->n_drop++] = drop;
	}
}

/* What was broken, or owed in vain. */
static void fill_losses(const struct supervisor *s, uint32_t number, struct arena *arena,
			Troupe__Stream *out)
{
	const struct stream_row *row = &s->ledger.streams[number];
	for (uint32_t i = row->first_slot; i < row->first_slot + row->n_slots; i++)
		out->slots_aside += word_unpack(ledger_word(&s->ledger, i)).phase == PHASE_ASIDE;
	out->written_off = arena_get(arena, TAPS_MAX * sizeof(void *));
	for (size_t i = 0; i < s->n_members && out->written_off; i++) {
		const struct member *m = s->members[i];
		int tap = m->role->tap;
		uint64_t count = tap > RECORDING_TAP ? atomic_load(&row->written_off[tap]) : 0;
		Troupe__WrittenOff *note = count ? arena_get(arena, sizeof(*note)) : NULL;
		if (!note)
			continue;
		troupe__written_off__init(note);
		note->worker = arena_text(arena, "%s", m->name);
		note->count = count;
		out->written_off[out->n_written_off++] = note;
	}
}

/* NULL: there is none. */
static const struct member *capture_of(const struct supervisor *s, uint32_t number)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i]->role->source && s->members[i]->number == number)
			return s->members[i];
	return NULL;
}

/* Why nothing comes from the stream's source, if nothing does. */
static void fill_absence(const struct supervisor *s, uint32_t number, struct arena *arena,
			 Troupe__Stream *out)
{
	static const char lost[] = " lost: "; /* "camera lost: …", "camera still lost: …" */
	const struct stream_row *row = &s->ledger.streams[number];
	const struct member *m = capture_of(s, number);
	out->reconnects = atomic_load(&row->reconnects);
	if (!m)
		return;
	if (m->lead->life.state == LIFE_NO_DEVICE)
		out->missing = arena_text(arena, "%s", m->device.path);
	if (m->lead->life.state == LIFE_GAVE_UP) {
		const struct exit_note *last = member_last_exit(m, false);
		bool words = last && *last->words;
		out->gave_up = arena_text(arena, "%s%s%s", last ? last->cause : "cannot be started",
					  words ? ": " : "", words ? last->words : "");
	}
	out->away_since = m->lead->process.pid ? record_time(atomic_load(&row->away_since)) : 0;
	const char *why = out->away_since ? strstr(m->said, lost) : NULL;
	if (why)
		out->away = arena_text(arena, "%s", why + strlen(lost));
}

static Troupe__Stream *stream_answer(const struct supervisor *s, uint32_t number,
				     struct arena *arena)
{
	const struct stream_row *row = &s->ledger.streams[number];
	Troupe__Stream *out = arena_get(arena, sizeof(*out));
	if (!out)
		return NULL;
	troupe__stream__init(out);
	out->name = arena_text(arena, "%s", row->name);
	out->captured = ledger_last_seq(&s->ledger, number, NULL) - row->first_seq;
	out->stored = atomic_load(&row->stored);
	out->bypassed = atomic_load(&row->stored_bypassed);
	out->quarantined = atomic_load(&row->quarantined);
	for (uint32_t i = row->first_slot; i < row->first_slot + row->n_slots; i++)
		out->owed += word_unpack(ledger_word(&s->ledger, i)).owed & 1;
	fill_drops(row, arena, out);
	out->slots = row->n_slots;
	out->slots_free = ledger_count(&s->ledger, number, PHASE_FREE);
	out->ended = atomic_load(&row->ended) != 0;
	out->recording = atomic_load(&row->taps_on) & 1;
	uint32_t label = (uint32_t)atomic_load(&row->label);
	char name[NAME_SIZE];
	if (*ledger_label(&s->ledger, label, name))
		out->label = arena_text(arena, "%s", name);
	out->width = row->width;
	out->height = row->height;
	out->fps = (double)row->fps_num / row->fps_den;
	out->live = row->live != 0;
	out->expected = s->expected[number];
	fill_absence(s, number, arena, out);
	fill_losses(s, number, arena, out);
	return out;
}

static const char *stage_text(enum stage stage)
{
	static const char *const texts[] = {
		[STAGE_TAKERS] = "starting", [STAGE_SOURCES] = "starting",
		[STAGE_RUNNING] = "running", [STAGE_STOPPING] = "draining",
		[STAGE_ENDED] = "ended",
	};
	return texts[stage];
}

void answer_pipeline(struct supervisor *s, struct arena *arena, Troupe__Reply *reply)
{
	Troupe__Pipeline *out = arena_get(arena, sizeof(*out));
	if (!out)
		return;
	troupe__pipeline__init(out);
	out->name = arena_text(arena, "%s", s->config.top.name);
	out->state = arena_text(arena, "%s", stage_text(s->stage));
	out->pid = (int32_t)getpid();
	out->run = s->ledger.header->run;
	out->since = s->started;
	out->config = arena_text(arena, "%s/%s", s->config.folder, basename(s->config.file));
	out->recording = arena_text(arena, "%s", s->recording);
	out->url = arena_text(arena, "%s", s->url);
	out->memory_bytes = s->ledger.size;
	out->limit = arena_text(arena, "%s", limits_now(s));
	const struct history *history = &s->journal.history;
	for (size_t i = 0; i < history->n_workers; i++)
		out->restarts += (uint32_t)worker_tally(history->workers[i]).restarts;
	out->journal_lost = history->lost + s->journal.lost;
	out->model_version = atomic_load(&s->ledger.model->current);
	out->stream = arena_get(arena, s->ledger.header->n_streams * sizeof(void *));
	for (uint32_t i = 0; i < s->ledger.header->n_streams && out->stream; i++) {
		Troupe__Stream *stream = stream_answer(s, i, arena);
		if (stream)
			out->stream[out->n_stream++] = stream;
		if (stream && stream->quarantined && !*out->quarantine)
			out->quarantine = arena_text(arena, "%s", quarantine_folder(s));
	}
	out->log_folder = arena_text(arena, "%s", s->runtime.state);
	out->generation = s->generation;
	out->supervisor_version = arena_text(arena, "%s", TROUPE_VERSION);
	const char *lacks = containment_lacks(s);
	out->sandbox =
		arena_text(arena, "%s%s%s", s->config.top.sandbox, *lacks ? ": " : "", lacks);
	out->upgrade_failed = arena_text(arena, "%s", s->upgrade_failed);
	reply->pipeline = out;
}

/* Of one that hung, if it could be kept and is not among those that are too many. */
static void fill_stack(const struct member *m, const struct exit_note *note, struct arena *arena,
		       Troupe__Exit *out)
{
	char path[STACK_PATH_SIZE];
	if (note->kind != EXIT_HUNG)
		return;
	stack_path(m->supervisor, m->name, note->incarnation, path, sizeof(path));
	if (access(path, F_OK) == 0)
		out->stack = arena_text(arena, "%s", path);
}

void answer_exits(const struct member *m, struct arena *arena, Troupe__Inspection *inspection)
{
	const struct worker_history *known = member_history(m);
	uint32_t all = known ? known->n_exits : 0, n = all < EXITS_KEPT ? all : EXITS_KEPT;
	inspection->exit = arena_get(arena, n * sizeof(void *));
	for (uint32_t i = all - n; i < all && inspection->exit; i++) {
		const struct exit_note *note = &known->exits[i % EXITS_KEPT];
		Troupe__Exit *out = arena_get(arena, sizeof(*out));
		if (!out)
			return;
		troupe__exit__init(out);
		out->time_wall = note->wall;
		out->pid = note->pid;
		out->incarnation = note->incarnation;
		out->cause = arena_text(arena, "%s", note->cause);
		out->last_words = arena_text(arena, "%s", note->words);
		out->lived = note->lived;
		out->standby = note->turn == 0;
		out->fault = note->fault;
		out->kind = arena_text(arena, "%s", exit_kind_text(note->kind));
		out->core = note->core;
		out->excused = note->excused;
		fill_stack(m, note, arena, out);
		inspection->exit[inspection->n_exit++] = out;
	}
}
