/* The slots as JSON; see slots.h. */
#include "workers/display/slots.h"

#include "ipc/slots/playback.h"
#include "ipc/slots/record.h"

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

static json_t *slot_json(const struct ledger *ledger, uint32_t slot)
{
	struct slot_word word = word_unpack(ledger_word(ledger, slot));
	char worker[NAME_SIZE]; /* may be a successor by now: for people only */
	const struct stream_row *stream = &ledger->streams[ledger_stream_of(ledger, slot)];
	return json_pack("{s:i, s:s, s:s, s:I, s:i, s:s, s:i, s:i, s:o}", "slot", (int)slot,
			 "stream", stream->name, "phase", phase_name(word.phase), "seq",
			 (json_int_t)word.seq, "seat", (int)word.seat, "worker",
			 ledger_worker(ledger, word.seat, worker), "owed", (int)word.owed,
			 "attempts", (int)word.attempts, "marks", marks_json(word.marks));
}

static json_t *playback_json(const struct ledger *ledger, uint32_t slot)
{
	struct playback_word word = playback_unpack(playback_word(ledger, slot));
	char filler[NAME_SIZE], asker[NAME_SIZE];
	return json_pack("{s:i, s:s, s:I, s:s, s:s}", "slot", (int)slot, "phase",
			 playback_phase_name(word.phase), "uses", (json_int_t)word.uses, "from",
			 ledger_worker(ledger, word.filler, filler), "for",
			 ledger_worker(ledger, word.asker, asker));
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
