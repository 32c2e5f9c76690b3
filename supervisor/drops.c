/* The counters are the ledger's; here is how much of them was told. */
#include "supervisor/drops.h"

#include "ipc/base/clock.h"
#include "supervisor/supervisor.h"

#define TELL_EVERY NS_PER_S

static const char *source_name(const struct supervisor *s, uint32_t stream)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i]->role->source && s->members[i]->number == stream)
			return s->members[i]->name;
	return NULL;
}

/* Counts what is new by reason. */
static uint64_t count_new(const struct supervisor *s, uint32_t stream,
			  uint64_t fresh[N_DROP_REASONS])
{
	uint64_t sum = 0;
	for (int i = 0; i < N_DROP_REASONS; i++) {
		fresh[i] = atomic_load(&s->ledger.streams[stream].drops[i]) -
			   s->drops.told[stream].count[i];
		sum += fresh[i];
	}
	return sum;
}

static void tell(struct supervisor *s, uint32_t stream, const uint64_t fresh[N_DROP_REASONS],
		 uint64_t sum, int64_t now)
{
	static const char *const texts[] = {
#define DROP_TEXT(name, text) [DROP_##name] = (text),
		DROP_REASONS(DROP_TEXT)
#undef DROP_TEXT
	};
	json_t *reasons = json_object();
	uint64_t total = 0;
	for (int i = 0; i < N_DROP_REASONS; i++) {
		s->drops.told[stream].count[i] += fresh[i];
		total += s->drops.told[stream].count[i];
		if (fresh[i])
			json_object_set_new(reasons, texts[i], json_integer((json_int_t)fresh[i]));
	}
	s->drops.told[stream].said = now;
	journal_write(&s->journal, JOURNAL_DROPS, source_name(s, stream),
		      json_pack("{s:s, s:I, s:o, s:I}", "stream", s->ledger.streams[stream].name,
				"count", (json_int_t)sum, "reasons", reasons, "total",
				(json_int_t)total));
}

static int64_t look_at(struct supervisor *s, uint32_t stream, int64_t now, bool rest)
{
	uint64_t fresh[N_DROP_REASONS];
	uint64_t sum = count_new(s, stream, fresh);
	int64_t said = s->drops.told[stream].said;
	if (!sum)
		return CLOCK_NEVER;
	if (said && now < said + TELL_EVERY && !rest)
		return said + TELL_EVERY;
	tell(s, stream, fresh, sum, now);
	return CLOCK_NEVER;
}

int64_t drops_advance(struct supervisor *s, int64_t now)
{
	int64_t due = CLOCK_NEVER;
	for (uint32_t i = 0; i < s->ledger.header->n_streams; i++) {
		int64_t next = look_at(s, i, now, false);
		due = next < due ? next : due;
	}
	return due;
}

void drops_tell_rest(struct supervisor *s)
{
	for (uint32_t i = 0; i < s->ledger.header->n_streams; i++)
		look_at(s, i, clock_now(), true);
}
