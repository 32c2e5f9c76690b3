/* The slots as JSON; see slots.h. */
#include "workers/display/slots.h"

#include "ipc/slots/playback.h"

#include <jansson.h>
#include <string.h>

static json_t *marks_json(uint8_t marks)
{
	static const struct {
		enum mark mark;
		const char *name;
	} names[] = {
		{MARK_BYPASSED, "bypassed"},
		{MARK_QUARANTINED, "quarantined"},
		{MARK_SPOILED, "spoiled"},
	};
	json_t *out = json_array();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (marks & names[i].mark)
			json_array_append_new(out, json_string(names[i].name));
	return out;
}

/* Who sits there; the row may be given to a successor at any time, so this is for people only. */
static const char *worker_of(const struct ledger *ledger, uint8_t seat)
{
	const struct seat_row *row = &ledger->seats[seat];
	return seat && memchr(row->worker, '\0', sizeof(row->worker)) ? row->worker : "";
}

static json_t *slot_json(const struct ledger *ledger, uint32_t slot)
{
	struct slot_word word = word_unpack(ledger_word(ledger, slot));
	const struct stream_row *stream = &ledger->streams[ledger_stream_of(ledger, slot)];
	return json_pack("{s:i, s:s, s:s, s:I, s:i, s:s, s:i, s:i, s:o}", "slot", (int)slot,
			 "stream", stream->name, "phase", phase_name(word.phase), "seq",
			 (json_int_t)word.seq, "seat", (int)word.seat, "worker",
			 worker_of(ledger, word.seat), "owed", (int)word.owed, "attempts",
			 (int)word.attempts, "marks", marks_json(word.marks));
}

static json_t *playback_json(const struct ledger *ledger, uint32_t slot)
{
	struct playback_word word = playback_unpack(playback_word(ledger, slot));
	return json_pack("{s:i, s:s, s:I, s:s, s:s}", "slot", (int)slot, "phase",
			 playback_phase_name(word.phase), "uses", (json_int_t)word.uses, "from",
			 worker_of(ledger, word.filler), "for", worker_of(ledger, word.asker));
}

char *slots_json(const struct ledger *ledger)
{
	json_t *slots = json_array();
	for (uint32_t slot = 0; slot < ledger->header->n_slots; slot++)
		json_array_append_new(slots, slot_json(ledger, slot));
	json_t *playback = json_array();
	for (uint32_t slot = 0; slot < PLAYBACK_SLOTS; slot++)
		json_array_append_new(playback, playback_json(ledger, slot));
	json_t *out = json_pack("{s:I, s:o, s:o}", "run", (json_int_t)ledger->header->run, "slots",
				slots, "playback", playback);
	char *text = out ? json_dumps(out, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	json_decref(out);
	return text;
}
