/* The asker's side of playback, with the other side played by the test: what is late, doubled, lost
 * or of a dead storer harms nothing, every question is answered once, and no slot is kept. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/links/queue.h"
#include "ipc/slots/playback.h"
#include "ipc/slots/seats.h"
#include "ipc/worker/worker_private.h"
#include "tests/unit/links_stage.h"
#include "tests/unit/small_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUT (PLAYBACK_SLOTS / 2)

struct storer {
	uint8_t seat;
	struct link *inbox;
};

struct rig {
	struct worker worker;
	struct stage *stage;
	struct ledger *ledger;
	struct storer storers[2];
	int64_t now, due;
	/* of the last answer */
	uint64_t seq;
	size_t spans;
	unsigned answers;
	int code;
	char text[128];
	bool asks_again;
};

/* ---- the storers ---- */

static void storer_begin(struct rig *rig, int i, const char *name, uint32_t incarnation)
{
	struct storer *storer = &rig->storers[i];
	int seat = seat_assign(rig->ledger, name, incarnation);
	struct seat_row *row = &rig->ledger->seats[seat];
	assert_true(seat > 0);
	storer->seat = (uint8_t)seat;
	snprintf(row->inbox, sizeof(row->inbox), "%s/%d.in", rig->stage->folder, i);
	assert_int_equal(inbox_bind(rig->stage->other, row->inbox, &storer->inbox), 0);
	atomic_store(&row->inbox_set, 1);
}

static void in_charge(struct rig *rig, int i)
{
	atomic_store(&rig->ledger->taps[0].owner, i < 0 ? 0 : rig->storers[i].seat);
}

/* The next question that reaches a storer. */
static Troupe__Question *hear(struct rig *rig, int i)
{
	enum message_kind kind;
	ProtobufCMessage *message = next_message(rig->storers[i].inbox, &kind);
	assert_non_null(message);
	assert_int_equal(kind, MESSAGE_QUESTION);
	return (Troupe__Question *)(void *)message;
}

static void hears_nothing(struct rig *rig, int i)
{
	assert_false(wait_for(rig->storers[i].inbox, clock_now() + 30 * NS_PER_MS));
}

/* Owes a frame for a question, `seq` standing for the frame. */
static int owe(struct rig *rig, int i, uint64_t question, uint64_t seq)
{
	struct playback_asker asker = playback_asker_of(rig->ledger, rig->worker.seat);
	uint8_t filler = rig->storers[i].seat;
	uint32_t slot;
	int rc = playback_take(rig->ledger, filler, &asker, &slot);
	if (rc < 0)
		return rc;
	*playback_record(rig->ledger, slot) =
		(struct playback_record){.question = question, .seq = seq, .coded_bytes = 1};
	*playback_area(rig->ledger, slot) = (uint8_t)seq;
	return playback_owe(rig->ledger, slot, filler);
}

/* ---- the asker ---- */

static int ask_for(struct rig *rig, uint64_t seq, int64_t patience);

static void on_answer(void *arg, const struct recorded_answer *answer)
{
	struct rig *rig = arg;
	rig->answers++;
	rig->code = answer->code;
	rig->seq = answer->record ? answer->record->seq : answer->seq;
	rig->spans = answer->timeline ? answer->timeline->n_span : 0;
	snprintf(rig->text, sizeof(rig->text), "%s", answer->text);
	if (answer->record)
		assert_int_equal(*answer->coded, (uint8_t)answer->record->seq);
	if (rig->asks_again)
		assert_int_equal(ask_for(rig, 1, NS_PER_S), 0);
	rig->asks_again = false;
}

static int ask_for(struct rig *rig, uint64_t seq, int64_t patience)
{
	struct recorded_question question = {
		.which = TROUPE__WHICH__NUMBER, .stream = "cam1", .run = 7, .seq = seq};
	return worker_ask_recorded(&rig->worker, &question, rig->now + patience, on_answer, rig);
}

static void turn(struct rig *rig, int64_t later)
{
	rig->now += later;
	rig->due = CLOCK_NEVER;
	asking_take(&rig->worker, rig->now);
	asking_send(&rig->worker, rig->now, &rig->due);
}

/* Asks, lets the question go out, and returns its id. */
static uint64_t ask_and_hear(struct rig *rig, int storer, uint64_t seq)
{
	assert_int_equal(ask_for(rig, seq, 10 * NS_PER_S), 0);
	turn(rig, 0);
	Troupe__Question *question = hear(rig, storer);
	uint64_t id = question->id;
	assert_int_equal(question->seq, seq);
	assert_int_equal(question->run, 7);
	assert_string_equal(question->stream, "cam1");
	assert_string_equal(question->worker, "display");
	assert_int_equal(question->seat, rig->worker.seat);
	assert_int_equal(question->incarnation, 3);
	message_free(&question->base);
	return id;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	void *stage, *ledger;
	assert_non_null(rig);
	assert_int_equal(stage_setup(&stage), 0);
	assert_int_equal(small_setup(&ledger), 0);
	rig->stage = stage;
	rig->ledger = ledger;
	rig->now = clock_now();
	int seat = seat_assign(ledger, "display", 3);
	rig->worker = (struct worker){
		.ledger = ledger,
		.seat = (uint8_t)seat,
		.row = &rig->ledger->seats[seat],
		.links = rig->stage->mine,
		.name = "display",
	};
	storer_begin(rig, 0, "storer", 1);
	storer_begin(rig, 1, "storer", 2);
	in_charge(rig, 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	void *stage = rig->stage, *ledger = rig->ledger;
	asking_end(&rig->worker);
	notes_close(&rig->worker);
	int rc = playback_quiet(rig->ledger) ? 0 : -1;
	for (int i = 0; i < 2; i++)
		link_close(rig->storers[i].inbox);
	rc = stage_teardown(&stage) < 0 ? -1 : rc;
	small_teardown(&ledger);
	free(rig);
	return rc;
}

static void test_a_frame_is_the_answer(void **state)
{
	struct rig *rig = *state;
	uint64_t id = ask_and_hear(rig, 0, 17);
	turn(rig, 0);
	assert_int_equal(rig->answers, 0);
	assert_true(rig->due < rig->now + NS_PER_S); /* a bell is never the only cause */
	assert_int_equal(owe(rig, 0, id, 17), 0);
	turn(rig, 0);
	assert_int_equal(rig->answers, 1);
	assert_int_equal(rig->code, 0);
	assert_int_equal(rig->seq, 17);
	assert_true(playback_quiet(rig->ledger));
	assert_int_equal(rig->due, CLOCK_NEVER);
	hears_nothing(rig, 0);
}

static void test_what_nobody_expects_is_given_back(void **state)
{
	struct rig *rig = *state;
	uint64_t id = ask_and_hear(rig, 0, 17);
	assert_int_equal(owe(rig, 0, id, 17), 0);
	assert_int_equal(owe(rig, 0, id, 17), 0); /* the same once more */
	assert_int_equal(owe(rig, 0, id - 1, 3), 0);
	turn(rig, 0);
	assert_int_equal(rig->answers, 1);
	assert_true(playback_quiet(rig->ledger));
	assert_int_equal(owe(rig, 0, id, 17), 0); /* and much later */
	turn(rig, NS_PER_S);
	assert_int_equal(rig->answers, 1);
	assert_true(playback_quiet(rig->ledger));
}

static void test_deadline(void **state)
{
	struct rig *rig = *state;
	assert_int_equal(ask_for(rig, 5, NS_PER_S / 4), 0);
	turn(rig, 0);
	assert_true(rig->due <= rig->now + NS_PER_S / 4);
	Troupe__Question *question = hear(rig, 0);
	turn(rig, NS_PER_S / 4);
	assert_int_equal(rig->answers, 1);
	assert_int_equal(rig->code, TROUPE_E_TIMEOUT);
	assert_true(strlen(rig->text) > 0);
	assert_int_equal(owe(rig, 0, question->id, 5), 0);
	message_free(&question->base);
	turn(rig, 0);
	assert_int_equal(rig->answers, 1);
	assert_true(playback_quiet(rig->ledger));
}

static void test_a_successor_is_asked(void **state)
{
	struct rig *rig = *state;
	uint64_t id = ask_and_hear(rig, 0, 17);
	in_charge(rig, -1);
	turn(rig, 0);
	hears_nothing(rig, 0);
	in_charge(rig, 1);
	turn(rig, 0);
	Troupe__Question *again = hear(rig, 1);
	assert_int_equal(again->id, id);
	assert_int_equal(again->seq, 17);
	message_free(&again->base);
	assert_int_equal(owe(rig, 1, id, 17), 0);
	turn(rig, 0);
	assert_int_equal(rig->answers, 1);
}

static void test_nobody_has_the_recording_yet(void **state)
{
	struct rig *rig = *state;
	in_charge(rig, -1);
	assert_int_equal(ask_for(rig, 9, 10 * NS_PER_S), 0);
	turn(rig, 0);
	assert_true(rig->due < rig->now + NS_PER_S / 10);
	in_charge(rig, 0);
	turn(rig, 0);
	message_free(&hear(rig, 0)->base);
}

static void test_a_lost_question_is_asked_again(void **state)
{
	struct rig *rig = *state;
	uint64_t id = ask_and_hear(rig, 0, 17);
	turn(rig, NS_PER_S / 10);
	hears_nothing(rig, 0);
	turn(rig, NS_PER_S);
	Troupe__Question *again = hear(rig, 0);
	assert_int_equal(again->id, id);
	message_free(&again->base);
}

static void test_no_more_than_there_are_slots_for(void **state)
{
	struct rig *rig = *state;
	unsigned asked = 0;
	uint64_t first = 0;
	while (ask_for(rig, asked + 1, 10 * NS_PER_S) == 0)
		asked++;
	assert_int_equal(ask_for(rig, 1, NS_PER_S), TROUPE_E_FULL);
	assert_true(asked > 2 * OUT);
	turn(rig, 0);
	for (uint64_t i = 1; i <= OUT; i++) {
		Troupe__Question *question = hear(rig, 0);
		assert_int_equal(question->seq, i);
		first = i == 1 ? question->id : first;
		message_free(&question->base);
	}
	hears_nothing(rig, 0);
	assert_int_equal(owe(rig, 0, first, 1), 0);
	turn(rig, 0);
	Troupe__Question *next = hear(rig, 0);
	assert_int_equal(next->seq, OUT + 1);
	message_free(&next->base);
	asking_end(&rig->worker);
	assert_int_equal(rig->answers, asked);
	assert_int_equal(rig->code, TROUPE_E_CLOSED);
}

static void test_words(void **state)
{
	struct rig *rig = *state;
	Troupe__Answer answer = TROUPE__ANSWER__INIT;
	Troupe__Timeline timeline = TROUPE__TIMELINE__INIT;
	Troupe__Span span = TROUPE__SPAN__INIT, *spans[] = {&span};
	char text[] = "There is no later frame.";
	answer.id = 4711;
	answer.code = TROUPE_E_ENDED;
	answer.text = text;
	answer.seq = 12;
	asking_answered(&rig->worker, &answer); /* it has never asked */
	answer.id = ask_and_hear(rig, 0, 17);
	asking_answered(&rig->worker, &answer);
	asking_answered(&rig->worker, &answer); /* doubled */
	assert_int_equal(rig->answers, 1);
	assert_int_equal(rig->code, TROUPE_E_ENDED);
	assert_int_equal(rig->seq, 12);
	assert_string_equal(rig->text, text);
	timeline.n_span = 1;
	timeline.span = spans;
	answer.timeline = &timeline;
	answer.id = ask_and_hear(rig, 0, 18);
	asking_answered(&rig->worker, &answer);
	assert_int_equal(rig->code, 0);
	assert_int_equal(rig->spans, 1);
	answer.timeline = NULL; /* all is well, and nothing is there */
	answer.code = 0;
	answer.id = ask_and_hear(rig, 0, 19);
	asking_answered(&rig->worker, &answer);
	assert_int_equal(rig->code, TROUPE_E_MALFORMED);
	assert_int_equal(rig->answers, 3);
}

static void test_an_answer_may_ask(void **state)
{
	struct rig *rig = *state;
	uint64_t id = ask_and_hear(rig, 0, 17);
	rig->asks_again = true;
	assert_int_equal(owe(rig, 0, id, 17), 0);
	turn(rig, 0);
	Troupe__Question *next = hear(rig, 0);
	assert_true(next->id > id);
	message_free(&next->base);
}

static void test_the_end_answers_all(void **state)
{
	struct rig *rig = *state;
	uint64_t id = ask_and_hear(rig, 0, 17);
	assert_int_equal(ask_for(rig, 18, NS_PER_S), 0);
	assert_int_equal(owe(rig, 0, id, 17), 0);
	asking_end(&rig->worker);
	assert_int_equal(rig->answers, 2);
	assert_int_equal(rig->code, TROUPE_E_CLOSED);
	assert_true(playback_quiet(rig->ledger));
	asking_end(&rig->worker);
	assert_int_equal(rig->answers, 2);
}

/* In one process, without links, there is nobody to ask. */
static void test_without_links(void **state)
{
	struct rig *rig = *state;
	rig->worker.links = NULL;
	assert_int_equal(ask_for(rig, 1, NS_PER_S), TROUPE_E_UNSUPPORTED);
	turn(rig, 0);
	assert_int_equal(rig->due, CLOCK_NEVER);
	rig->worker.links = rig->stage->mine;
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_frame_is_the_answer),
		TEST(test_what_nobody_expects_is_given_back),
		TEST(test_deadline),
		TEST(test_a_successor_is_asked),
		TEST(test_nobody_has_the_recording_yet),
		TEST(test_a_lost_question_is_asked_again),
		TEST(test_no_more_than_there_are_slots_for),
		TEST(test_words),
		TEST(test_an_answer_may_ask),
		TEST(test_the_end_answers_all),
		TEST(test_without_links),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
