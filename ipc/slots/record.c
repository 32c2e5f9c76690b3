/* Copies of what others have written. */
#include "ipc/slots/record.h"

#include "ipc/base/utf8.h"

#include <string.h>

/* Further from now than any clock that is right, and near enough that sums and differences fit. */
#define TIME_LIMIT (INT64_C(1) << 61)

int64_t record_time(int64_t time)
{
	return time > -TIME_LIMIT && time < TIME_LIMIT ? time : 0;
}

static float share(float value)
{
	return value >= 0 && value <= 1 ? value : 0; /* not a number is neither */
}

static int32_t label(int32_t value)
{
	return value >= 0 && value < LABELS_MAX ? value : 0;
}

/* It goes into recordings and to terminals, both of which take texts. */
static void end_text(char text[NAME_SIZE])
{
	text[NAME_SIZE - 1] = '\0';
	utf8_tame(text);
}

void record_copy(const struct ledger *ledger, uint32_t slot, uint64_t word, struct slot_record *out)
{
	const struct stream_row *s = &ledger->streams[ledger_stream_of(ledger, slot)];
	int64_t *const times[] = {&out->pts,	   &out->captured, &out->captured_wall,
				  &out->published, &out->claimed,  &out->finished,
				  &out->dts};
	memcpy(out, &ledger->records[slot], sizeof(*out));
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		*times[i] = record_time(*times[i]);
	out->seq = word_unpack(word).seq;
	if (out->coded_bytes > s->coded_size)
		out->coded_bytes = 0;
	if (out->coded_at_source > CODED_KEY_UNIT)
		out->coded_at_source = CODED_NOT;
	out->label = label(out->label);
	out->prediction = label(out->prediction);
	out->motion = share(out->motion);
	out->probability = share(out->probability);
	out->processor %= SEATS_MAX;
}

void record_put_back(struct ledger *ledger, uint32_t slot, const struct slot_record *copy)
{
	struct slot_record *to = &ledger->records[slot];
	to->claimed = copy->claimed;
	to->finished = copy->finished;
	to->model_version = copy->model_version;
	to->motion = copy->motion;
	to->probability = copy->probability;
	to->prediction = copy->prediction;
	to->processor = copy->processor;
	if (copy->coded_at_source == CODED_NOT)
		to->coded_bytes = copy->coded_bytes;
}

void record_copy_playback(const struct ledger *ledger, uint32_t slot, struct playback_record *out)
{
	int64_t *const times[] = {&out->pts,	   &out->captured, &out->captured_wall,
				  &out->published, &out->claimed,  &out->finished,
				  &out->stored};
	memcpy(out, &ledger->playback_records[slot], sizeof(*out));
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		*times[i] = record_time(*times[i]);
	if (out->coded_bytes > ledger->playback_size)
		out->coded_bytes = 0;
	out->motion = share(out->motion);
	out->probability = share(out->probability);
	end_text(out->stream);
	end_text(out->label);
	end_text(out->prediction);
}

char *ledger_label(const struct ledger *ledger, int64_t number, char out[NAME_SIZE])
{
	uint32_t n = atomic_load_explicit(&ledger->header->n_labels, memory_order_acquire);
	*out = '\0';
	if (number <= 0 || number >= LABELS_MAX || number >= n)
		return out;
	memcpy(out, ledger->header->labels[number], NAME_SIZE);
	end_text(out);
	return out;
}

char *ledger_worker(const struct ledger *ledger, uint64_t seat, char out[NAME_SIZE])
{
	*out = '\0';
	if (seat == 0 || seat >= SEATS_MAX)
		return out;
	memcpy(out, ledger->seats[seat].worker, NAME_SIZE);
	end_text(out);
	return out;
}

char *ledger_counts(const struct ledger *ledger, uint8_t seat, char out[NAME_SIZE])
{
	memcpy(out, ledger->seats[seat].counts, NAME_SIZE);
	end_text(out);
	return out;
}
