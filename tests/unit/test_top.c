/* What `troupe top` shows: spans in five characters, rows filtered and sorted, the selection. */
#include "tools/top/keys.h"
#include "tools/top/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* protobuf-c's strings are not const, though nobody writes them here. */
static char *text(const char *from)
{
	return request_text(from);
}

struct crew {
	Troupe__Worker worker[4], spare;
	Troupe__Worker *workers[4], *spares[1];
	Troupe__Reply reply;
};

static void make(struct crew *crew)
{
	static const struct {
		const char *name, *state;
		double cpu;
	} all[] = {{"storer", "ready", 5},
		   {"processor.1", "ready", 40},
		   {"processor.2", "starting", 40},
		   {"trainer", "ready", 90}};
	troupe__reply__init(&crew->reply);
	for (int i = 0; i < 4; i++) {
		troupe__worker__init(&crew->worker[i]);
		crew->worker[i].name = text(all[i].name);
		crew->worker[i].state = text(all[i].state);
		crew->worker[i].cpu_percent = all[i].cpu;
		crew->workers[i] = &crew->worker[i];
	}
	troupe__worker__init(&crew->spare);
	crew->spare.name = text("storer");
	crew->spare.state = text("spare");
	crew->spares[0] = &crew->spare;
	crew->reply.n_worker = 4;
	crew->reply.worker = crew->workers;
	crew->reply.n_spare = 1;
	crew->reply.spare = crew->spares;
}

static const struct worker_column *column(const char *heading)
{
	for (const struct worker_column *c = worker_columns; c->heading; c++)
		if (strcmp(c->heading, heading) == 0)
			return c;
	return NULL;
}

static void spans_are_short(void **state)
{
	static const struct {
		int64_t ns;
		const char *shown;
	} cases[] = {{-1, "-"},
		     {0, "0.0us"},
		     {850, "0.8us"},
		     {9940, "9.9us"},
		     {9960, "10us"},
		     {999400, "999us"},
		     {999600, "1.0ms"},
		     {35400000, "35ms"},
		     {INT64_C(1200000000), "1.2s"},
		     {INT64_C(60000000000), "60s"}};
	char out[16];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(short_span(cases[i].ns, out, sizeof(out)), cases[i].shown);
}

static void rows_come_as_the_supervisor_has_them(void **state)
{
	struct crew crew;
	struct worker_row rows[8];
	(void)state;
	make(&crew);
	assert_int_equal(rows_of(&crew.reply, "", NULL, rows, 8), 5);
	assert_string_equal(rows[0].worker->name, "storer");
	assert_true(rows[1].spare);
	assert_string_equal(rows[4].worker->name, "trainer");
	assert_int_equal(rows_of(&crew.reply, "", NULL, rows, 2), 2);
	assert_int_equal(rows_of(&crew.reply, "processor", NULL, rows, 8), 2);
	assert_int_equal(rows_of(&crew.reply, "starting", NULL, rows, 8), 1);
	assert_int_equal(rows_of(&crew.reply, "nobody", NULL, rows, 8), 0);
}

/* The most first; who has as much as another stays behind that one. */
static void rows_are_sorted_by_a_column(void **state)
{
	struct crew crew;
	struct worker_row rows[8];
	(void)state;
	make(&crew);
	rows_of(&crew.reply, "", column("CPU"), rows, 8);
	static const char *const order[] = {"trainer", "processor.1", "processor.2", "storer"};
	for (int i = 0; i < 4; i++)
		assert_string_equal(rows[i].worker->name, order[i]);
	rows_of(&crew.reply, "", column("WORKER"), rows, 8);
	assert_string_equal(rows[0].worker->name, "processor.1");
}

static void the_selection_stays_on_its_worker(void **state)
{
	struct crew crew;
	struct watched w = {.reply = &crew.reply};
	struct view view = {0};
	(void)state;
	make(&crew);
	view_update(&view, &w);
	assert_string_equal(view.selected, "storer");
	view_select(&view, 2);
	assert_string_equal(view.selected, "processor.1");
	view.sort = column("CPU");
	view_update(&view, &w);
	assert_int_equal(view_place(&view), 1);
	/* It is filtered away: another one is selected, and never none. */
	snprintf(view.filter, sizeof(view.filter), "train");
	view_update(&view, &w);
	assert_string_equal(view.selected, "trainer");
	view_select(&view, SIZE_MAX);
	assert_string_equal(view.selected, "trainer");
	snprintf(view.filter, sizeof(view.filter), "nobody");
	view_update(&view, &w);
	assert_int_equal(view.n_rows, 0);
}

/* Nobody answers here, so what would be an order says that. */
#define TRIED "nobody is there to do it"

static void press(struct view *view, struct watched *w, const char *keys)
{
	view->said[0] = '\0';
	for (; *keys; keys++) {
		view_update(view, w);
		assert_true(key_pressed(view, w, *keys));
	}
}

static void who_was_meant_is_killed_and_nobody_else(void **state)
{
	struct crew crew;
	struct watched w = {.reply = &crew.reply, .lost_at = 1};
	struct view view = {0};
	(void)state;
	make(&crew);
	crew.worker[0].pid = 100;
	press(&view, &w, "kn");
	assert_string_equal(view.said, "");
	press(&view, &w, "ky");
	assert_string_equal(view.said, TRIED);
	press(&view, &w, "k");
	crew.worker[0].pid = 101;
	press(&view, &w, "y");
	assert_string_equal(view.said, "storer is another process by now: nobody was killed");
	press(&view, &w, "k");
	crew.reply.n_worker = 0;
	press(&view, &w, "y");
	assert_string_equal(view.said, "storer is another process by now: nobody was killed");
}

static void a_spare_takes_no_orders(void **state)
{
	struct crew crew;
	struct watched w = {.reply = &crew.reply, .lost_at = 1};
	struct view view = {0};
	(void)state;
	make(&crew);
	view_update(&view, &w);
	view_select(&view, 1);
	for (const char *key = "krs"; *key; key++) {
		press(&view, &w, (char[]){*key, 'y', '\0'});
		assert_string_equal(view.said, "a spare takes no orders: select storer itself");
	}
	view_select(&view, 0);
	press(&view, &w, "r");
	assert_string_equal(view.said, TRIED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_short),
		cmocka_unit_test(rows_come_as_the_supervisor_has_them),
		cmocka_unit_test(rows_are_sorted_by_a_column),
		cmocka_unit_test(the_selection_stays_on_its_worker),
		cmocka_unit_test(who_was_meant_is_killed_and_nobody_else),
		cmocka_unit_test(a_spare_takes_no_orders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
