/* The asker's side of playback. A question goes to the inbox of the worker that owns the recording
 * tap. A frame that answers it comes in a playback slot, whose word and record say all there is to
 * know, so no message can be missed; what is no frame comes as an Answer. A question is asked again
 * when another seat owns the tap, and now and then anyway: whatever comes twice is given back. */
#include "ipc/worker/worker_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/slots/playback.h"
#include "ipc/slots/record.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 64
/* At once with the recording: as many as there may be slots for. The others wait here. */
#define OUT_MAX (PLAYBACK_SLOTS / 2)

#define ASK_AGAIN (NS_PER_S / 2)   /* a message may have been lost */
#define LOOK	  (20 * NS_PER_MS) /* while nobody has the recording */
#define GUARD	  GUARD_INTERVAL   /* a bell is never the only cause of progress */

struct open_question {
	uint64_t id; /* 0: this row is free */
	struct recorded_question what;
	int64_t deadline, asked; /* when it was last sent */
	uint8_t asked_of;	 /* the seat that it was last sent to; 0: to nobody yet */
	recorded_fn *answer;
	void *arg;
};

struct asking {
	uint64_t last_id;
	uint32_t n_open;
	struct open_question open[OPEN_MAX]; /* in the order of asking */
};

static const char *const code_texts[] = {
	"The recording did not answer in time; its storer may be busy or gone.",
	"The worker that asked ends.",
};

/* An id that no earlier incarnation of anybody has used: messages may be older than we. */
static uint64_t next_id(struct asking *asking)
{
	uint64_t now = (uint64_t)clock_now();
	asking->last_id = now > asking->last_id ? now : asking->last_id + 1;
	return asking->last_id;
}

int worker_ask_recorded(struct worker *w, const struct recorded_question *question,
			int64_t deadline, recorded_fn *answer, void *arg)
{
	if (!w->links)
		return TROUPE_E_UNSUPPORTED;
	if (!w->asking)
		w->asking = calloc(1, sizeof(*w->asking));
	struct asking *asking = w->asking;
	if (!asking)
		return TROUPE_E_MEMORY;
	if (asking->n_open == OPEN_MAX)
		return TROUPE_E_FULL;
	asking->open[asking->n_open++] = (struct open_question){
		.id = next_id(asking),
		.what = *question,
		.deadline = deadline,
		.answer = answer,
		.arg = arg,
	};
	return 0;
}

/* ---- answers ---- */

static struct open_question *find(struct asking *asking, uint64_t id)
{
	for (uint32_t i = 0; i < asking->n_open; i++)
		if (asking->open[i].id == id)
			return &asking->open[i];
	return NULL;
}

/* The row is free before the callback runs, which may ask the next question. */
static void finish(struct asking *asking, struct open_question *open,
		   const struct recorded_answer *answer)
{
	struct open_question done = *open;
	size_t behind = asking->n_open - (size_t)(open - asking->open) - 1;
	memmove(open, open + 1, behind * sizeof(*open));
	asking->n_open--;
	done.answer(done.arg, answer);
}

/* What is owed and belongs to no open question was asked for twice, or given up on. */
static int take_what_is_owed(struct worker *w)
{
	struct ledger *ledger = w->ledger;
	int taken = 0;
	for (uint32_t slot = 0; (slot = playback_owed(ledger, w->seat, slot)) != SLOT_NONE;
	     slot++) {
		struct playback_record record;
		record_copy_playback(ledger, slot, &record);
		struct open_question *open = find(w->asking, record.question);
		if (open) {
			struct recorded_answer answer = {.text = "",
							 .record = &record,
							 .coded = playback_area(ledger, slot)};
			finish(w->asking, open, &answer);
			taken++;
		}
		playback_give_back(ledger, slot, w->seat);
	}
	return taken;
}

void asking_answered(struct worker *w, const Troupe__Answer *answer)
{
	struct open_question *open = w->asking ? find(w->asking, answer->id) : NULL;
	if (!open)
		return;
	/* Whoever says that all is well without a timeline has said nothing. */
	finish(w->asking, open,
	       &(struct recorded_answer){.code = answer->timeline   ? 0
						 : answer->code < 0 ? answer->code
								    : TROUPE_E_MALFORMED,
					 .text = answer->text,
					 .run = answer->run,
					 .seq = answer->seq,
					 .timeline = answer->timeline});
}

static void give_up(struct asking *asking, struct open_question *open, int code)
{
	const char *text = code_texts[code == TROUPE_E_TIMEOUT ? 0 : 1];
	finish(asking, open, &(struct recorded_answer){.code = code, .text = text});
}

/* ---- questions ---- */

static void send_question(struct worker *w, struct open_question *open, uint8_t seat, int64_t now)
{
	Troupe__Question q = TROUPE__QUESTION__INIT;
	q.id = open->id;
	q.deadline = open->deadline;
	q.seat = w->seat;
	q.worker = w->name;
	q.incarnation = w->row->incarnation;
	q.stream = open->what.stream;
	q.which = open->what.which;
	q.run = open->what.run;
	q.seq = open->what.seq;
	q.wall = open->what.wall;
	q.until = open->what.until;
	int rc = worker_send(w, seat, MESSAGE_QUESTION, &q.base);
	open->asked_of = rc == 0 ? seat : 0;
	open->asked = now;
	FAIL_POINT(QUESTION_SENT);
}

static void sooner(int64_t *due, int64_t at)
{
	if (at < *due)
		*due = at;
}

int asking_take(struct worker *w, int64_t now)
{
	struct asking *asking = w->asking;
	if (!asking)
		return 0;
	int answered = take_what_is_owed(w);
	for (uint32_t i = 0; i < asking->n_open;) {
		if (asking->open[i].deadline > now) {
			i++;
			continue;
		}
		give_up(asking, &asking->open[i], TROUPE_E_TIMEOUT);
		answered++;
	}
	return answered;
}

void asking_send(struct worker *w, int64_t now, int64_t *due)
{
	struct asking *asking = w->asking;
	uint64_t owner = atomic_load(&w->ledger->taps[RECORDING_TAP].owner);
	for (uint32_t i = 0; asking && i < asking->n_open; i++) {
		struct open_question *open = &asking->open[i];
		sooner(due, open->deadline);
		if (i >= OUT_MAX)
			continue;
		bool again = open->asked_of != owner || now - open->asked >= ASK_AGAIN;
		if (owner && owner < SEATS_MAX && again)
			send_question(w, open, (uint8_t)owner, now);
		sooner(due, open->asked_of ? now + GUARD : now + LOOK);
	}
}

void asking_dump(const struct worker *w, FILE *out)
{
	uint32_t asked = 0;
	for (uint32_t i = 0; w->asking && i < w->asking->n_open; i++)
		asked += w->asking->open[i].asked_of != 0;
	if (w->asking)
		fprintf(out, "questions to the recording: %u open, %u of them asked\n",
			w->asking->n_open, asked);
}

void asking_end(struct worker *w)
{
	struct asking *asking = w->asking;
	if (!asking)
		return;
	while (asking->n_open)
		give_up(asking, asking->open, TROUPE_E_CLOSED);
	take_what_is_owed(w);
	free(asking);
	w->asking = NULL;
}
