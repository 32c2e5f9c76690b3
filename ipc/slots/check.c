/* The invariants of the ledger, looked at from outside. */
#include "ipc/slots/check.h"

#include "ipc/slots/playback.h"

#include <stdio.h>

struct checker {
	const struct ledger *ledger;
	ledger_fault_fn *fault;
	void *arg;
	int faults;
};

static void say(struct checker *c, uint32_t slot, const char *what)
{
	c->faults++;
	if (c->fault)
		c->fault(c->arg, slot, what);
}

static bool seat_is_live(const struct ledger *ledger, uint64_t seat)
{
	return seat < SEATS_MAX && atomic_load(&ledger->seats[seat].state) == SEAT_LIVE;
}

static void check_word(struct checker *c, uint32_t slot, bool still)
{
	uint64_t word = ledger_word(c->ledger, slot);
	struct slot_word w = word_unpack(word);
	char text[128], line[192];
	if (!word_legal(word)) {
		snprintf(line, sizeof(line), "word cannot be right: %s",
			 word_format(word, text, sizeof(text)));
		say(c, slot, line);
	} else if (still && w.seat && !seat_is_live(c->ledger, w.seat)) {
		snprintf(line, sizeof(line), "held by a seat that is not live: %s",
			 word_format(word, text, sizeof(text)));
		say(c, slot, line);
	}
}

/* The same for a playback slot, which is named in the line: it has no number among the others. */
static void check_playback(struct checker *c, uint32_t slot, bool still)
{
	uint64_t word = playback_word(c->ledger, slot);
	struct playback_word w = playback_unpack(word);
	const char *fault = NULL;
	char text[128], line[192];
	if (!playback_legal(word))
		fault = "cannot be right";
	else if (still && ((w.asker && !seat_is_live(c->ledger, w.asker)) ||
			   (w.filler && !seat_is_live(c->ledger, w.filler))))
		fault = "is of a seat that is not live";
	if (!fault)
		return;
	snprintf(line, sizeof(line), "playback slot %u: its word %s: %s", slot, fault,
		 playback_format(word, text, sizeof(text)));
	say(c, SLOT_NONE, line);
}

/* The number of a slot may stand in no other slot of its stream; 0 stands in all that were never
 * used. */
static void check_unique(struct checker *c, const struct stream_row *s, uint32_t slot)
{
	uint64_t seq = word_unpack(ledger_word(c->ledger, slot)).seq;
	for (uint32_t i = s->first_slot; seq && i < slot; i++) {
		if (word_unpack(ledger_word(c->ledger, i)).seq == seq) {
			char line[96];
			snprintf(line, sizeof(line), "number %llu stands in slot %u too",
				 (unsigned long long)seq, i);
			say(c, slot, line);
		}
	}
}

static void check_stream(struct checker *c, uint32_t stream)
{
	const struct stream_row *s = &c->ledger->streams[stream];
	uint64_t owner = atomic_load(&s->owner);
	if (owner && !seat_is_live(c->ledger, owner))
		say(c, SLOT_NONE, "a stream is owned by a seat that is not live");
	if (ledger_count(c->ledger, stream, PHASE_FILLING) > 1)
		say(c, SLOT_NONE, "a stream has more than one slot FILLING");
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++)
		check_unique(c, s, i);
}

/* Who is gone sleeps nowhere and is rung by nobody. */
static void check_bits(struct checker *c, const _Atomic uint64_t *set, const char *name)
{
	for (uint64_t bits = atomic_load(set); bits; bits &= bits - 1) {
		unsigned seat = (unsigned)__builtin_ctzll(bits);
		char line[96];
		if (seat_is_live(c->ledger, seat))
			continue;
		snprintf(line, sizeof(line), "seat %u is not live and has a bit in %s", seat, name);
		say(c, SLOT_NONE, line);
	}
}

static void check_all_bits(struct checker *c)
{
	const struct ledger_header *h = c->ledger->header;
	check_bits(c, &h->idle, "idle");
	check_bits(c, &h->asked, "asked");
	check_bits(c, &h->waiting, "waiting");
	check_bits(c, &h->bells_all, "bells_all");
}

int ledger_check(const struct ledger *ledger, bool still, ledger_fault_fn *fault, void *arg)
{
	struct checker c = {.ledger = ledger, .fault = fault, .arg = arg};
	for (uint32_t i = 0; i < ledger->header->n_slots; i++)
		check_word(&c, i, still);
	for (uint32_t i = 0; i < PLAYBACK_SLOTS; i++)
		check_playback(&c, i, still);
	for (uint32_t i = 0; still && i < ledger->header->n_streams; i++)
		check_stream(&c, i);
	for (uint32_t t = 0; still && t < ledger->header->n_taps; t++) {
		uint64_t owner = atomic_load(&ledger->taps[t].owner);
		if (owner && !seat_is_live(ledger, owner))
			say(&c, SLOT_NONE, "a tap is owned by a seat that is not live");
	}
	if (still)
		check_all_bits(&c);
	return c.faults;
}
