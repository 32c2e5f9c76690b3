/* A lossless tap under stress. It takes what it is owed, looks at every byte, writes down what it
 * took and only then settles; a successor believes what is written down, settles it and goes on
 * behind it. */
#include "ipc/base/errors.h"
#include "ipc/slots/bells.h"
#include "tests/stress/pattern.h"
#include "tests/stress/players.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 6

/* One stream as the tap sees it. */
struct intake {
	int log;
	uint64_t last;		   /* number taken or passed over last */
	struct taken batch[BATCH]; /* taken, not yet written down */
	uint32_t n_batch;
	uint64_t ordinal; /* of the frame taken last */
};

static bool is_planted(const struct player *p, const char *name)
{
	return strcmp(p->plant, name) == 0;
}

static int open_log(const char *folder, uint32_t stream, uint32_t tap, int flags)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/tap-%u.stream-%u", folder, tap, stream);
	return open(path, flags | O_CLOEXEC, 0600);
}

/* Cuts off what a predecessor has written in part, and finds where it stood. */
static void adopt_log(struct player *p, struct intake *in, uint32_t stream)
{
	struct taken last = {0};
	in->log = open_log(p->folder, stream, p->number, O_RDWR | O_CREAT | O_APPEND);
	off_t size = lseek(in->log, 0, SEEK_END);
	size -= size % (off_t)sizeof(last);
	bool whole = in->log >= 0 && ftruncate(in->log, size) == 0;
	if (whole && size > 0)
		whole = pread(in->log, &last, sizeof(last), size - (off_t)sizeof(last)) ==
			sizeof(last);
	if (!whole) {
		stage_wrong(p->stage, "tap: its log cannot be read");
		return;
	}
	in->ordinal = last.ordinal;
	if (is_planted(p, "believe-nothing"))
		return; /* what was written down but not settled is taken again */
	in->last = last.seq;
	player_hesitate(p);
	ledger_settle(p->ledger, stream, (uint8_t)p->number, last.seq);
	bells_freed(p->ledger);
}

static void commit(struct player *p, struct intake *in, uint32_t stream)
{
	if (in->n_batch == 0)
		return;
	uint64_t seq = in->batch[in->n_batch - 1].seq;
	size_t size = in->n_batch * sizeof(in->batch[0]);
	if (is_planted(p, "settle-early")) {
		ledger_settle(p->ledger, stream, (uint8_t)p->number, seq);
		player_hesitate(p);
	}
	if (write(in->log, in->batch, size) != (ssize_t)size)
		stage_wrong(p->stage, "tap: its log cannot be written");
	player_hesitate(p);
	ledger_settle(p->ledger, stream, (uint8_t)p->number, seq);
	player_hesitate(p);
	bells_freed(p->ledger);
	in->n_batch = 0;
}

static void take(struct player *p, struct intake *in, uint32_t stream, uint32_t slot)
{
	struct slot_word w = word_unpack(ledger_word(p->ledger, slot));
	const struct slot_record *record = &p->ledger->records[slot];
	bool sound = pattern_image_is(ledger_image(p->ledger, slot), stream, w.seq) &&
		     record->seq == w.seq;
	if (!(w.marks & MARK_BYPASSED))
		sound = sound && pattern_view_is(ledger_view(p->ledger, slot), stream, w.seq) &&
			pattern_coded_is(ledger_coded(p->ledger, slot), stream, w.seq);
	if (!sound)
		stage_wrong(p->stage, "tap %u: what it took is not frame %u/%llu", p->number,
			    stream, (unsigned long long)w.seq);
	if (record->ordinal[p->number] != in->ordinal + 1 || w.seq != in->last + 1) {
		stage_wrong(p->stage, "tap %u: frame %u/%llu is its number %llu, after number %llu",
			    p->number, stream, (unsigned long long)w.seq,
			    (unsigned long long)record->ordinal[p->number],
			    (unsigned long long)in->ordinal);
	}
	in->ordinal = record->ordinal[p->number];
	in->last = w.seq;
	in->batch[in->n_batch++] = (struct taken){
		.seq = w.seq,
		.ordinal = in->ordinal,
		.marks = w.marks,
		.sound = sound,
		.source_index = record->source_index,
	};
}

/* Takes what there is of one stream; returns how many frames. */
static uint32_t drink(struct player *p, struct intake *in, uint32_t stream)
{
	uint32_t slot, count = 0;
	while (ledger_next_owed(p->ledger, stream, (uint8_t)p->number, &in->last, &slot) == 0) {
		player_hesitate(p);
		take(p, in, stream, slot);
		count++;
		if (in->n_batch == BATCH || player_chance(p, 4))
			commit(p, in, stream);
	}
	return count;
}

void play_tap(struct player *p)
{
	struct tap_row *row = &p->ledger->taps[p->number];
	struct intake in[STRESS_STREAMS] = {0};
	if (!player_take_charge(p, &row->owner))
		return;
	for (uint32_t i = 0; i < STRESS_STREAMS; i++)
		adopt_log(p, &in[i], i);
	while (!atomic_load(&p->stage->stop)) {
		uint32_t count = 0;
		for (uint32_t i = 0; i < STRESS_STREAMS; i++) {
			player_bypass(p, i);
			count += drink(p, &in[i], i);
			commit(p, &in[i], i);
		}
		if (count == 0)
			player_sleep(p);
	}
	for (uint32_t i = 0; i < STRESS_STREAMS; i++)
		close(in[i].log);
	owner_release(&row->owner, p->seat);
}

/* ---- afterwards ---- */

static void judge_one(struct stage *stage, uint32_t tap, const struct taken *was,
		      const struct taken *is)
{
	bool quarantined = is->marks & MARK_QUARANTINED, bypassed = is->marks & MARK_BYPASSED;
	unsigned long long seq = is->seq;
	if (is->ordinal != was->ordinal + 1 || is->seq <= was->seq) {
		stage_wrong(stage, "log of tap %u: %llu (its %llu) follows %llu (its %llu)", tap,
			    seq, (unsigned long long)is->ordinal, (unsigned long long)was->seq,
			    (unsigned long long)was->ordinal);
	}
	if (tap == 0 && is->seq != was->seq + 1)
		stage_wrong(stage, "log of tap 0: %llu is not the next number", seq);
	if (is->source_index != is->seq - 1)
		stage_wrong(stage, "log of tap %u: %llu is frame %llu of its source", tap, seq,
			    (unsigned long long)is->source_index);
	if (!is->sound)
		stage_wrong(stage, "log of tap %u: %llu is damaged", tap, seq);
	if (quarantined && !players_poison(is->seq))
		stage_wrong(stage, "log of tap %u: %llu is in quarantine for nothing", tap, seq);
	if (stage->mortal && players_poison(is->seq) && !bypassed)
		stage_wrong(stage, "log of tap %u: %llu cannot have been processed", tap, seq);
}

uint64_t tap_log_judge(struct stage *stage, const char *folder, uint32_t stream, uint32_t tap,
		       uint64_t last, uint64_t ordinal)
{
	struct taken was = {0}, is;
	uint64_t count = 0;
	int fd = open_log(folder, stream, tap, O_RDONLY);
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
	if (!in) {
		stage_wrong(stage, "log of tap %u: not there", tap);
		return 0;
	}
	while (fread(&is, sizeof(is), 1, in) == 1) {
		judge_one(stage, tap, &was, &is);
		was = is;
		count++;
	}
	fclose(in);
	if (was.seq > last || was.ordinal != ordinal || count != ordinal)
		stage_wrong(stage, "log of tap %u, stream %u: %llu frames, %llu were owed", tap,
			    stream, (unsigned long long)count, (unsigned long long)ordinal);
	return count;
}
