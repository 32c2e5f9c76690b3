/* Making a ledger, and refusing one that is damaged. */
#include "ipc/slots/ledger.h"

#include "ipc/base/errors.h"
#include "ipc/slots/guard.h"
#include "tests/unit/small_ledger.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static void test_new_ledger_is_free_and_shows_nothing(void **state)
{
	struct ledger *ledger = *state;
	uint32_t slot;
	uint64_t word;
	assert_true(ledger_quiet(ledger));
	assert_int_equal(ledger->header->n_slots, SMALL_SLOTS);
	assert_int_equal(ledger_count(ledger, LIVE_STREAM, PHASE_FREE), 8);
	assert_int_equal(ledger_last_seq(ledger, LIVE_STREAM, &slot), 0);
	assert_int_equal(slot, SLOT_NONE);
	assert_int_equal(ledger_peek(ledger, LIVE_STREAM, 0, false, &slot, &word), TROUPE_E_AGAIN);
	for (uint32_t i = 0; i < SMALL_SLOTS; i++) {
		assert_true(word_legal(ledger_word(ledger, i)));
		assert_false(word_shows(ledger_word(ledger, i), 0));
		assert_int_equal(ledger_stream_of(ledger, i), i >= 8);
	}
}

/* Every byte of every area belongs to one slot only: each is filled with a number of its own. */
static void test_areas_do_not_overlap(void **state)
{
	struct ledger *ledger = *state;
	const struct stream_row *s = ledger->streams;
	for (uint32_t i = 0; i < SMALL_SLOTS; i++) {
		memset(ledger_image(ledger, i), (int)(3 * i + 1), s->image_size);
		memset(ledger_view(ledger, i), (int)(3 * i + 2), s->view_size);
		memset(ledger_coded(ledger, i), (int)(3 * i + 3), s->coded_size);
	}
	for (uint32_t i = 0; i < SMALL_SLOTS; i++) {
		assert_int_equal(ledger_image(ledger, i)[0], 3 * i + 1);
		assert_int_equal(ledger_image(ledger, i)[s->image_size - 1], 3 * i + 1);
		assert_int_equal(ledger_view(ledger, i)[s->view_size - 1], 3 * i + 2);
		assert_int_equal(ledger_coded(ledger, i)[0], 3 * i + 3);
		assert_int_equal(ledger_coded(ledger, i)[s->coded_size - 1], 3 * i + 3);
	}
	assert_true(ledger_coded(ledger, SMALL_SLOTS - 1) + s->coded_size <=
		    (uint8_t *)ledger->header + ledger->size);
	assert_true(ledger_quiet(ledger));
}

static void test_attached_ledger_is_the_same_memory(void **state)
{
	struct ledger *ledger = *state, other, reader;
	uint32_t slot;
	assert_int_equal(ledger_attach(&other, ledger->fd, true), 0);
	assert_int_equal(ledger_attach(&reader, ledger->fd, false), 0);
	assert_int_equal(ledger_take(&other, OTHER_STREAM, 1, &slot), 0);
	assert_int_equal(ledger_word(ledger, slot), ledger_word(&other, slot));
	assert_int_equal(ledger_word(ledger, slot), ledger_word(&reader, slot));
	assert_string_equal(reader.streams[OTHER_STREAM].name, "other");
	ledger_finish(&other);
	ledger_finish(&reader);
	ledger_finish(&reader);
	assert_int_equal(small_word(ledger, slot).phase, PHASE_FILLING);
}

/* One field of the header or of a stream's row, and a value that cannot be. */
struct damage {
	const char *name;
	size_t at, size; /* in the header; of the first stream's row when `in_stream` */
	uint64_t value;
	int says;
	bool in_stream, relative; /* relative: added to what is there */
};

#define IN_HEADER(field)                                                                           \
	.name = #field, .at = offsetof(struct ledger_header, field),                               \
	.size = sizeof(((struct ledger_header *)0)->field)
#define IN_STREAM(field)                                                                           \
	.name = #field, .at = offsetof(struct stream_row, field),                                  \
	.size = sizeof(((struct stream_row *)0)->field), .in_stream = true

static const struct damage damages[] = {
	{IN_HEADER(magic), .value = 1, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(version), .value = 1, .relative = true, .says = TROUPE_E_SCHEMA},
	{IN_HEADER(n_streams), .value = 0, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(n_streams), .value = 1, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(n_streams), .value = UINT32_MAX, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(n_slots), .value = SMALL_SLOTS - 1, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(n_slots), .value = UINT32_MAX, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(n_taps), .value = TAPS_MAX + 1, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(size), .value = 4096, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(streams_at), .value = 64, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(streams_at), .value = UINT64_MAX - 63, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(seats_at), .value = 64, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(seats_at), .value = UINT64_MAX - 63, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(taps_at), .value = 64, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(words_at), .value = 64, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(words_at), .value = UINT64_MAX - 63, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(records_at), .value = 64, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(model_at), .value = 64, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(areas_at), .value = 4096, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(playback_words_at), .value = 64, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(playback_records_at), .value = 64, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(playback_areas_at), .value = 4096, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_HEADER(playback_areas_at), .value = UINT64_MAX - 4095, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(first_slot), .value = 1, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(n_slots), .value = 0, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(n_slots), .value = 9, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(n_slots), .value = UINT32_MAX, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(width), .value = 2, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(height), .value = 2, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(view_width), .value = 2, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(view_height), .value = 2, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(image_size), .value = 1, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(view_size), .value = 1, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(coded_size), .value = 1, .relative = true, .says = TROUPE_E_CORRUPT},
	{IN_STREAM(coded_size), .value = UINT32_MAX, .says = TROUPE_E_CORRUPT},
};

static void test_damaged_header_is_refused(void **state)
{
	struct ledger *ledger = *state, other;
	for (size_t i = 0; i < N_OF(damages); i++) {
		const struct damage *d = &damages[i];
		uint8_t *field =
			(d->in_stream ? (uint8_t *)ledger->streams : (uint8_t *)ledger->header) +
			d->at;
		uint64_t was = 0, now = d->value;
		memcpy(&was, field, d->size);
		now += d->relative ? was : 0;
		memcpy(field, &now, d->size);
		int rc = ledger_attach(&other, ledger->fd, false);
		memcpy(field, &was, d->size);
		if (rc != d->says)
			fail_msg("%s = %llu: %s", d->name, (unsigned long long)now, error_name(rc));
		assert_int_equal(ledger_attach(&other, ledger->fd, false), 0);
		ledger_finish(&other);
	}
}

static void test_names_without_an_end_are_refused(void **state)
{
	struct ledger *ledger = *state, other;
	char *const names[] = {ledger->header->pipeline, ledger->streams[1].name};
	for (size_t i = 0; i < N_OF(names); i++) {
		char was[NAME_SIZE];
		memcpy(was, names[i], NAME_SIZE);
		memset(names[i], 'x', NAME_SIZE);
		assert_int_equal(ledger_attach(&other, ledger->fd, false), TROUPE_E_CORRUPT);
		memcpy(names[i], was, NAME_SIZE);
	}
	assert_int_equal(ledger_attach(&other, ledger->fd, false), 0);
	ledger_finish(&other);
}

/* Whoever has begun goes on with what was right then; who begins later needs it to be mended. */
static void test_what_never_changes_cannot_be_written_over(void **state)
{
	struct ledger *ledger = *state, before, after;
	static const uint8_t garbage[LEDGER_PAGE] = {1, 2, 3};
	if (!guard_works())
		skip();
	assert_int_equal(ledger_attach(&before, ledger->fd, true), 0);
	assert_int_equal(ledger_guard(ledger), 0);
	assert_int_equal(ledger_mend(ledger), 0);
	off_t streams = (off_t)before.header->streams_at;
	assert_int_equal(pwrite(ledger->fd, garbage, LEDGER_PAGE, 0), LEDGER_PAGE);
	assert_int_equal(pwrite(ledger->fd, garbage, LEDGER_PAGE, streams), LEDGER_PAGE);
	assert_int_equal(before.header->magic, LEDGER_MAGIC);
	assert_string_equal(before.streams[0].name, ledger->streams[0].name);
	assert_int_equal(ledger_attach(&after, ledger->fd, true), TROUPE_E_CORRUPT);
	assert_int_equal(ledger_mend(ledger), 2);
	assert_int_equal(ledger_mend(ledger), 0);
	assert_int_equal(ledger_attach(&after, ledger->fd, true), 0);
	ledger_finish(&after);
	ledger_finish(&before);
}

static void test_what_is_no_ledger_is_refused(void **state)
{
	struct ledger *ledger = *state, other;
	int fd = memfd_create("none", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ledger_attach(&other, fd, false), TROUPE_E_CORRUPT); /* empty */
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(ledger_attach(&other, fd, false), TROUPE_E_CORRUPT); /* zeros */
	/* The header of a good one. */
	assert_int_equal(ftruncate(fd, sizeof(*ledger->header)), 0);
	assert_int_equal(pwrite(fd, ledger->header, LEDGER_PAGE, 0), LEDGER_PAGE);
	assert_int_equal(ledger_attach(&other, fd, false), TROUPE_E_CORRUPT);
	close(fd);
	assert_true(ledger_attach(&other, fd, false) < 0); /* closed */
	ledger_finish(&other);
}

static void test_plans_that_make_no_sense(void **state)
{
	(void)state;
	struct stream_plan s[2];
	struct ledger ledger;
	const struct ledger_plan good = small_plan(s);
	struct ledger_plan plan = good;
	plan.n_streams = 0;
	assert_int_equal(ledger_create(&ledger, &plan), TROUPE_E_ARGUMENT);
	plan.n_streams = STREAMS_MAX + 1;
	assert_int_equal(ledger_create(&ledger, &plan), TROUPE_E_ARGUMENT);
	plan = good;
	plan.n_taps = TAPS_MAX + 1;
	assert_int_equal(ledger_create(&ledger, &plan), TROUPE_E_ARGUMENT);
	plan = good;
	plan.low_water_percent = 101;
	assert_int_equal(ledger_create(&ledger, &plan), TROUPE_E_ARGUMENT);
	plan = good;
	s[1].width = 17; /* odd */
	assert_int_equal(ledger_create(&ledger, &plan), TROUPE_E_ARGUMENT);
	plan = small_plan(s);
	s[1].n_slots = 3;
	assert_int_equal(ledger_create(&ledger, &plan), TROUPE_E_ARGUMENT);
	plan = small_plan(s);
	s[1].view_width = s[1].width + 2;
	assert_int_equal(ledger_create(&ledger, &plan), TROUPE_E_ARGUMENT);
	plan = small_plan(s);
	s[0].first_seq = SEQ_MAX;
	assert_int_equal(ledger_create(&ledger, &plan), TROUPE_E_ARGUMENT);
	ledger_finish(&ledger);
}

/* 26 TB are refused by a look at what there is, never by trying: the kernel would kill for it. */
static void test_too_large_for_any_machine(void **state)
{
	(void)state;
	struct stream_plan s[STREAMS_MAX];
	struct ledger ledger;
	struct ledger_plan plan = small_plan(s);
	plan.n_streams = STREAMS_MAX;
	for (int i = 0; i < STREAMS_MAX; i++) {
		s[i] = s[0];
		s[i].n_slots = STREAM_SLOTS_MAX;
		s[i].width = s[i].height = s[i].view_width = s[i].view_height = 16384;
	}
	assert_true(ledger_plan_size(&plan) > UINT64_C(20) << 40);
	assert_int_equal(ledger_create(&ledger, &plan), TROUPE_E_MEMORY);
	ledger_finish(&ledger);
}

/* The kernel's own refusal, by the limit on a file's size. */
static void test_pages_that_cannot_be_reserved(void **state)
{
	(void)state;
	struct stream_plan s[2];
	struct ledger ledger;
	struct ledger_plan plan = small_plan(s);
	struct rlimit was, small;
	getrlimit(RLIMIT_FSIZE, &was);
	small = was;
	small.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int rc = ledger_create(&ledger, &plan);
	setrlimit(RLIMIT_FSIZE, &was);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(rc, TROUPE_E_MEMORY);
	ledger_finish(&ledger);
}

static void test_owner_words(void **state)
{
	(void)state;
	_Atomic uint64_t owner = 0;
	assert_int_equal(owner_take(&owner, 3), 0);
	assert_int_equal(owner_take(&owner, 3), 0);
	assert_int_equal(owner_take(&owner, 4), TROUPE_E_BUSY);
	owner_release(&owner, 4);
	assert_int_equal(owner, 3);
	owner_release(&owner, 3);
	assert_int_equal(owner_take(&owner, 4), 0);
}

int main(void)
{
#define ON_SMALL(test) cmocka_unit_test_setup_teardown(test, small_setup, small_teardown)
	const struct CMUnitTest tests[] = {
		ON_SMALL(test_new_ledger_is_free_and_shows_nothing),
		ON_SMALL(test_areas_do_not_overlap),
		ON_SMALL(test_attached_ledger_is_the_same_memory),
		ON_SMALL(test_damaged_header_is_refused),
		ON_SMALL(test_names_without_an_end_are_refused),
		ON_SMALL(test_what_never_changes_cannot_be_written_over),
		ON_SMALL(test_what_is_no_ledger_is_refused),
		cmocka_unit_test(test_plans_that_make_no_sense),
		cmocka_unit_test(test_too_large_for_any_machine),
		cmocka_unit_test(test_pages_that_cannot_be_reserved),
		cmocka_unit_test(test_owner_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
