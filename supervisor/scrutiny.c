/* Words that cannot be right, and what else of the ledger somebody has written over. */
#include "supervisor/scrutiny.h"

#include "ipc/base/clock.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/bells.h"
#include "ipc/slots/playback.h"
#include "ipc/slots/record.h"
#include "supervisor/member.h"
#include "supervisor/proc.h"
#include "supervisor/progress.h"
#include "supervisor/watch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY (NS_PER_S / 4)

/* Who is in which seat, as we know it ourselves. */
struct seating {
	struct part *in[SEATS_MAX];
};

static void seat_all(struct supervisor *s, struct seating *seating)
{
	*seating = (struct seating){0};
	for (size_t i = 0; i < s->n_members; i++) {
		for (int k = 0; k < PARTS; k++) {
			struct part *part = &s->members[i]->parts[k];
			if (part->process.seat < SEATS_MAX)
				seating->in[part->process.seat] = part;
		}
	}
	seating->in[0] = NULL;
}

/* ---- words ---- */

/* Whether who sits there may have it in that phase. A seat leaves the words before it is given out
 * again, so nobody but its process can have written it there. */
static bool may_hold(const struct seating *seating, const struct slot_word *w, uint32_t stream)
{
	const struct part *part = w->seat < SEATS_MAX ? seating->in[w->seat] : NULL;
	if (!part)
		return false;
	const struct member *m = part->member;
	return w->phase == PHASE_FILLING ? m->role->source && m->number == stream
					 : m->role->queue || m->role->shape == ROLE_NAMED;
}

/* What is wrong with a word, NULL: nothing that can be seen from here. */
static const char *fault_of(const struct supervisor *s, const struct seating *seating,
			    uint32_t slot, uint32_t stream, uint64_t word)
{
	struct slot_word w = word_unpack(word);
	if (!word_legal(word) || w.phase == PHASE_ASIDE)
		return "no step can have made it";
	if (w.owed >> s->ledger.header->n_taps)
		return "it is owed to a tap that is not there";
	if (w.seat && !may_hold(seating, &w, stream))
		return "it is held by a seat that cannot have it";
	if (w.seq && ledger_look(&s->ledger, slot).phase == PHASE_ASIDE)
		return "its number is not that of its record";
	uint32_t where;
	if (w.seq > ledger_newest(&s->ledger, stream, &where))
		return "its number has not been published";
	return NULL;
}

static void say_aside(struct supervisor *s, uint32_t slot, uint32_t stream, const char *fault,
		      const char *word)
{
	char text[320];
	snprintf(text, sizeof(text), "slot %u of %s is set aside: %s%s%s", slot,
		 s->ledger.streams[stream].name, fault, *word ? ": " : "", word);
	log_error("%s", text);
	progress_say(s, "%s", text);
	journal_write(&s->journal, JOURNAL_SET_ASIDE, NULL,
		      json_pack("{s:i, s:s, s:s}", "slot", (int)slot, "stream",
				s->ledger.streams[stream].name, "text", text));
}

/* The number that goes into the word is the stream's last, so that none comes twice. From a word
 * that says ASIDE already, and that we have not written, no step leads out. */
static bool set_aside(struct supervisor *s, uint32_t slot, uint32_t stream, uint64_t word)
{
	uint32_t where;
	uint64_t *ours = &s->scrutiny.holding[slot].aside;
	struct word_args args = {.seq = ledger_newest(&s->ledger, stream, &where)};
	FAIL_POINT(SETS_ASIDE);
	if (ledger_step(&s->ledger, slot, word, CAUSE_SET_ASIDE, &args, ours) == 0)
		return true;
	if (word_unpack(word).phase != PHASE_ASIDE)
		return false;
	*ours = word_pack((struct slot_word){.seq = args.seq, .phase = PHASE_ASIDE});
	atomic_store(&s->ledger.words[slot], *ours);
	return true;
}

/* Whether there is nothing to find out about a slot: it is set aside, by us. What somebody else
 * writes there afterwards is of no interest. */
static bool is_aside(struct supervisor *s, uint32_t slot, uint64_t word)
{
	uint64_t ours = s->scrutiny.holding[slot].aside;
	if (ours && word != ours)
		atomic_store(&s->ledger.words[slot], ours);
	return ours != 0;
}

/* The journal has it already: by a supervisor before, and somebody wrote there since. */
static bool is_told(const struct supervisor *s, uint32_t slot)
{
	return s->scrutiny.told[slot / 64] >> slot % 64 & 1;
}

/* A fault counts if the word still is what it was found in: whoever takes a step in between has
 * changed it, and what it says then is another matter. */
static bool look_at_word(struct supervisor *s, const struct seating *seating, uint32_t slot)
{
	uint32_t stream = ledger_stream_of(&s->ledger, slot);
	uint64_t word = ledger_word(&s->ledger, slot);
	if (is_aside(s, slot, word))
		return false;
	const char *fault = fault_of(s, seating, slot, stream, word);
	if (!fault || ledger_word(&s->ledger, slot) != word ||
	    !fault_of(s, seating, slot, stream, word) || !set_aside(s, slot, stream, word))
		return false;
	char was[128];
	s->scrutiny.aside++;
	if (!is_told(s, slot))
		say_aside(s, slot, stream, fault, word_format(word, was, sizeof(was)));
	return true;
}

static void look_at_words(struct supervisor *s, const struct seating *seating)
{
	bool any = false;
	for (uint32_t slot = 0; slot < s->ledger.header->n_slots; slot++)
		any |= look_at_word(s, seating, slot);
	if (any)
		bells_ring_all(&s->ledger); /* somebody may have waited for that very slot */
}

/* What is in a playback slot is in the recording, too: one that cannot be right is simply free. */
static void look_at_playback(struct supervisor *s, const struct seating *seating)
{
	for (uint32_t slot = 0; slot < PLAYBACK_SLOTS; slot++) {
		uint64_t word = playback_word(&s->ledger, slot);
		struct playback_word w = playback_unpack(word);
		bool right = playback_legal(word) && (!w.asker || seating->in[w.asker]) &&
			     (!w.filler || seating->in[w.filler]);
		if (!right &&
		    atomic_compare_exchange_strong(&s->ledger.playback_words[slot], &word, 0))
			log_warn("playback slot %u is freed: its word could not be right", slot);
	}
}

/* ---- who holds what for too long ---- */

/* A stranger that gets on with anything but the frame that it holds would keep the slot for ever:
 * not to move is not the only way to hang. */
static void look_at_holder(struct part *part, struct holding *h, const struct slot_word *w,
			   int64_t now)
{
	if (h->seat != w->seat || h->seq != w->seq) {
		*h = (struct holding){.seq = w->seq, .since = now, .seat = w->seat};
		return;
	}
	bool too_long = now - h->since >= 2 * watch_patience(part->member);
	if (!too_long || part->life.state == LIFE_KILLING || proc_traced(part->process.pid))
		return;
	log_warn("%s: pid %d holds frame %llu and does not finish it, killing it",
		 part->member->name, (int)part->process.pid, (unsigned long long)w->seq);
	part->process.killed_for = "hung: held a frame and never finished it";
	part_event(part, EVENT_KILL);
	h->since = now;
}

static void look_at_holders(struct supervisor *s, const struct seating *seating, int64_t now)
{
	struct scrutiny *scrutiny = &s->scrutiny;
	for (uint32_t slot = 0; slot < s->ledger.header->n_slots; slot++) {
		struct slot_word w = word_unpack(ledger_word(&s->ledger, slot));
		struct part *part = w.seat < SEATS_MAX ? seating->in[w.seat] : NULL;
		if (part && part->member->role->shape == ROLE_NAMED)
			look_at_holder(part, &scrutiny->holding[slot], &w, now);
	}
}

/* ---- what the supervisor itself writes ---- */

/* They come into the recording, so one that is written over would be believed for ever. */
static void look_at_labels(struct supervisor *s)
{
	struct ledger_header *h = s->ledger.header;
	const struct scrutiny *ours = &s->scrutiny;
	if (ours->n_labels == 0)
		return;
	for (uint32_t i = 0; i < ours->n_labels; i++)
		if (memcmp(h->labels[i], ours->labels[i], NAME_SIZE) != 0)
			memcpy(h->labels[i], ours->labels[i], NAME_SIZE);
	if (atomic_load(&h->n_labels) != ours->n_labels)
		atomic_store(&h->n_labels, ours->n_labels);
}

static void note_labels(struct supervisor *s)
{
	struct scrutiny *ours = &s->scrutiny;
	uint32_t n = atomic_load(&s->ledger.header->n_labels);
	strncpy(ours->labels[0], "none", NAME_SIZE - 1);
	ours->n_labels = n < 1 ? 1 : n < LABELS_MAX ? n : LABELS_MAX;
	for (uint32_t i = 1; i < ours->n_labels; i++)
		ledger_label(&s->ledger, i, ours->labels[i]);
}

void scrutiny_new_label(struct supervisor *s, const char *label)
{
	struct scrutiny *ours = &s->scrutiny;
	if (ours->n_labels > 0 && ours->n_labels < LABELS_MAX)
		strncpy(ours->labels[ours->n_labels++], label, NAME_SIZE - 1);
}

static void look_at_head(struct supervisor *s)
{
	struct ledger_header *h = s->ledger.header;
	const struct top_settings *top = &s->config.top;
	if (h->hang_after != top->hang_after)
		h->hang_after = top->hang_after;
	if (h->bypass_after != top->bypass_after)
		h->bypass_after = top->bypass_after;
	if (h->low_water_percent != (uint32_t)top->low_water)
		h->low_water_percent = (uint32_t)top->low_water;
	if (h->orphan_wait != settings_orphan_wait(top))
		h->orphan_wait = settings_orphan_wait(top);
	if (h->supervisor_pid != getpid())
		h->supervisor_pid = getpid();
	look_at_labels(s);
}

void scrutiny_mend(struct supervisor *s)
{
	int mended = ledger_mend(&s->ledger);
	look_at_head(s);
	if (mended <= 0)
		return;
	bool first = s->scrutiny.mended == 0;
	s->scrutiny.mended += (uint64_t)mended;
	log_error("the ledger's head was written over and is mended");
	if (!first)
		return;
	progress_say(s, "somebody has written over the ledger's head: mended");
	journal_write(&s->journal, JOURNAL_SET_ASIDE, NULL,
		      json_pack("{s:s}", "text", "the ledger's head was written over: mended"));
}

static void look_at_seats(struct supervisor *s, const struct seating *seating)
{
	for (uint32_t seat = 1; seat < SEATS_MAX; seat++) {
		struct seat_row *row = &s->ledger.seats[seat];
		const struct part *part = seating->in[seat];
		uint32_t state = part ? SEAT_LIVE : SEAT_EMPTY;
		if (atomic_load(&row->state) != state)
			atomic_store(&row->state, state);
		if (!part)
			continue;
		const struct process *p = &part->process;
		if (strncmp(row->worker, part->member->name, NAME_SIZE) != 0)
			memcpy(row->worker, part->member->name, NAME_SIZE);
		row->incarnation = p->incarnation;
		atomic_store(&row->pid, p->pid);
		if (atomic_load(&row->standby) != p->standby)
			atomic_store(&row->standby, p->standby);
	}
}

/* An owner that nobody is would keep every successor away. Whoever is ready is in charge. */
static void look_at_owner(_Atomic uint64_t *owner, const struct member *m,
			  const struct seating *seating)
{
	uint64_t seat = atomic_load(owner);
	const struct part *part = seat < SEATS_MAX ? seating->in[seat] : NULL;
	if (seat == 0 || (part && part->member == m))
		return;
	bool in_charge = m->lead->life.state == LIFE_READY;
	if (atomic_compare_exchange_strong(owner, &seat, in_charge ? m->lead->process.seat : 0))
		log_warn("%s: seat %llu was said to be in charge, which is not so: mended", m->name,
			 (unsigned long long)seat);
}

static void look_at_owners(struct supervisor *s, const struct seating *seating)
{
	for (size_t i = 0; i < s->n_members; i++) {
		const struct member *m = s->members[i];
		if (m->role->source && m->number < s->ledger.header->n_streams)
			look_at_owner(&s->ledger.streams[m->number].owner, m, seating);
		if (m->role->tap >= 0 && (uint32_t)m->role->tap < s->ledger.header->n_taps)
			look_at_owner(&s->ledger.taps[m->role->tap].owner, m, seating);
	}
}

void scrutiny_hear(void *arg, const json_t *line)
{
	struct supervisor *s = arg;
	const char *event = json_string_value(json_object_get(line, "event"));
	const json_t *number = json_object_get(line, "slot");
	if (!event || !number || journal_event_find(event) != JOURNAL_SET_ASIDE)
		return;
	uint64_t slot = (uint64_t)json_integer_value(number);
	if (slot < s->ledger.header->n_slots)
		s->scrutiny.told[slot / 64] |= UINT64_C(1) << slot % 64;
}

/* Slots that another supervisor has set aside, before this one came, stay so; it may have died
 * before it said so. */
static void take_over(struct supervisor *s, uint32_t slot, uint64_t word)
{
	s->scrutiny.holding[slot].aside = word;
	s->scrutiny.aside++;
	if (!is_told(s, slot))
		say_aside(s, slot, ledger_stream_of(&s->ledger, slot),
			  "its word could not be right", "");
}

static bool begin(struct supervisor *s)
{
	uint32_t n = s->ledger.header->n_slots;
	note_labels(s);
	s->scrutiny.holding = calloc(n, sizeof(*s->scrutiny.holding));
	for (uint32_t slot = 0; slot < n && s->scrutiny.holding; slot++) {
		uint64_t word = ledger_word(&s->ledger, slot);
		if (word_unpack(word).phase == PHASE_ASIDE && word_legal(word))
			take_over(s, slot, word);
	}
	return s->scrutiny.holding != NULL;
}

void scrutiny_look(struct supervisor *s, int64_t now)
{
	struct seating seating;
	if (now - s->scrutiny.looked < LOOK_EVERY || (!s->scrutiny.holding && !begin(s)))
		return;
	s->scrutiny.looked = now;
	seat_all(s, &seating);
	scrutiny_mend(s);
	look_at_seats(s, &seating);
	look_at_owners(s, &seating);
	look_at_words(s, &seating);
	look_at_playback(s, &seating);
	look_at_holders(s, &seating, now);
}

void scrutiny_finish(struct supervisor *s)
{
	free(s->scrutiny.holding);
	s->scrutiny.holding = NULL;
}
