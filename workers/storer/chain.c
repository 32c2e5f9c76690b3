/* Looks along the row of access units that a frame belongs to. */
#include "workers/storer/chain.h"

static bool follows(const struct slot_record *record)
{
	for (int i = 0; i < N_DROP_REASONS; i++)
		if (record->drops_before[i])
			return false;
	return record->coded_at_source == CODED_UNIT;
}

/* The slot of a frame that is owed to the tap, and its word; SLOT_NONE: it is in none. */
static uint32_t find_owed(const struct ledger *ledger, uint32_t stream, uint32_t tap, uint64_t seq,
			  struct slot_word *word)
{
	const struct stream_row *s = &ledger->streams[stream];
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		*word = word_unpack(ledger_word(ledger, i));
		if (word->seq == seq && word->owed >> tap & 1)
			return i;
	}
	return SLOT_NONE;
}

static bool is_late(const struct frame *frame)
{
	const struct stream_row *s = frame->stream;
	int64_t step = NS_PER_S * s->fps_den / s->fps_num;
	int64_t patience = CHAIN_PATIENCE + 2 * step * (frame->record->lacks + 1);
	return clock_now() - frame->record->published > patience;
}

/* Whether all that follows up to where the row closes is there, and finished. A frame that was
 * published before we looked and is not owed to us now never will be: see docs/slots.md, "Why the
 * scan is exact". One that is not finished yet will be, as any frame that is owed. */
static enum chain_answer look_ahead(const struct ledger *ledger, uint32_t tap,
				    const struct frame *frame, bool coming)
{
	bool finished = true;
	uint64_t newest = ledger_last_seq(ledger, frame->stream_number, NULL);
	const struct slot_record *record = frame->record;
	for (uint64_t seq = frame->seq + 1; record->lacks; seq++) {
		struct slot_word word;
		uint32_t slot = find_owed(ledger, frame->stream_number, tap, seq, &word);
		if (slot == SLOT_NONE)
			return coming && seq > newest && !is_late(frame) ? CHAIN_WAIT
									 : CHAIN_BROKEN;
		record = &ledger->records[slot];
		if (!follows(record))
			return CHAIN_BROKEN;
		finished &= word.phase == PHASE_DONE;
	}
	return finished ? CHAIN_STORE : CHAIN_WAIT;
}

enum chain_answer chain_ask(const struct ledger *ledger, uint32_t tap, const struct frame *frame,
			    bool linked, bool coming)
{
	const struct slot_record *record = frame->record;
	if (!coded_is_unit(record->coded_at_source) || record->coded_bytes == 0 ||
	    record->coded_bytes > frame->stream->coded_size)
		return CHAIN_BROKEN;
	if (record->coded_at_source != CODED_KEY_UNIT && !(linked && follows(record)))
		return CHAIN_BROKEN;
	return look_ahead(ledger, tap, frame, coming);
}
