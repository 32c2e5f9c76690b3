/* Histograms of a frame's way. */
#include "ipc/slots/stations.h"

/* Bucket 0 is everything below 2^FIRST_OCTAVE ns, about 1 µs; then four buckets an octave. */
#define FIRST_OCTAVE 10
#define QUARTERS     4

const char *station_text(enum station station)
{
	static const char *const texts[] = {
#define STATION_TEXT(name, text, step) [STATION_##name] = (text),
		STATIONS(STATION_TEXT)
#undef STATION_TEXT
	};
	return texts[station];
}

unsigned station_bucket(int64_t took)
{
	if (took < INT64_C(1) << FIRST_OCTAVE)
		return 0;
	unsigned octave = 63 - (unsigned)__builtin_clzll((uint64_t)took);
	unsigned quarter = (unsigned)(took >> (octave - 2)) & (QUARTERS - 1);
	unsigned bucket = (octave - FIRST_OCTAVE) * QUARTERS + quarter + 1;
	return bucket < STATION_BUCKETS ? bucket : STATION_BUCKETS - 1;
}

int64_t station_bucket_begin(unsigned bucket)
{
	if (bucket == 0)
		return 0;
	unsigned octave = FIRST_OCTAVE + (bucket - 1) / QUARTERS;
	return (int64_t)(QUARTERS + (bucket - 1) % QUARTERS) << (octave - 2);
}

void stations_note(struct ledger *ledger, uint32_t stream, enum station station, int64_t took)
{
	struct station_row *row = &ledger->stations[stream];
	atomic_fetch_add_explicit(&row->count[station][station_bucket(took)], 1,
				  memory_order_relaxed);
}

void stations_note_finished(struct ledger *ledger, uint32_t stream,
			    const struct slot_record *record)
{
	stations_note(ledger, stream, STATION_PUBLISHED, record->published - record->captured);
	stations_note(ledger, stream, STATION_CLAIMED, record->claimed - record->published);
	stations_note(ledger, stream, STATION_FINISHED, record->finished - record->claimed);
}

void stations_copy(const struct ledger *ledger, uint32_t stream, struct stations *out)
{
	const struct station_row *row = &ledger->stations[stream];
	for (int s = 0; s < N_STATIONS; s++) {
		for (unsigned b = 0; b < STATION_BUCKETS; b++)
			out->count[s][b] =
				atomic_load_explicit(&row->count[s][b], memory_order_relaxed);
	}
}

/* Of one bucket. Another run's copy may have more: then nothing is known. */
static uint64_t between(const struct stations *now, const struct stations *before,
			enum station station, unsigned bucket)
{
	uint64_t had = before ? before->count[station][bucket] : 0;
	uint64_t has = now->count[station][bucket];
	return has > had ? has - had : 0;
}

uint64_t stations_count(const struct stations *now, const struct stations *before,
			enum station station)
{
	uint64_t sum = 0;
	for (unsigned b = 0; b < STATION_BUCKETS; b++)
		sum += between(now, before, station, b);
	return sum;
}

int64_t stations_percentile(const struct stations *now, const struct stations *before,
			    enum station station, double share)
{
	double wanted = (double)stations_count(now, before, station) * share, passed = 0;
	int64_t last = -1;
	for (unsigned b = 0; b < STATION_BUCKETS; b++) {
		double here = (double)between(now, before, station, b);
		if (here <= 0)
			continue;
		int64_t begin = station_bucket_begin(b),
			width = station_bucket_begin(b + 1) - begin;
		double part = wanted > passed ? (wanted - passed) / here : 0;
		if (part <= 1)
			return begin + (int64_t)(part * (double)width);
		passed += here;
		last = begin + width;
	}
	return last; /* `share` was above 1, or rounded away */
}
