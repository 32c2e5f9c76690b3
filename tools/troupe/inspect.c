/* `troupe inspect WORKER`: everything about one worker. */
#include "ipc/base/clock.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <string.h>

#define ANSWER_WAIT (10 * NS_PER_S)

static void heading(const char *text)
{
	printf("\n%s%s%s\n", paint_begin(stdout, PAINT_BOLD), text, paint_end(stdout, PAINT_BOLD));
}

static void print_lines(const char *title, char *const *lines, size_t n)
{
	if (n == 0)
		return;
	heading(title);
	for (size_t i = 0; i < n; i++)
		printf("  %s\n", lines[i]);
}

static void print_command_line(char *const *words, size_t n)
{
	printf("  command line  ");
	for (size_t i = 0; i < n; i++)
		printf(strpbrk(words[i], " \t'\"") ? "%s\"%s\"" : "%s%s", i ? " " : "", words[i]);
	putchar('\n');
}

/* What it has of the machine, in the words of its section's rows. */
static void print_given(Troupe__Row *const *rows, size_t n)
{
	printf("  given        ");
	for (size_t i = 0; i < n; i++)
		printf("%s %s %s", i ? "," : "", rows[i]->name, rows[i]->value);
	putchar('\n');
}

static void print_held(const Troupe__Worker *worker)
{
	printf("  slots held    %u", worker->slots_held);
	for (size_t i = 0; i < worker->n_held; i++)
		printf("%s%u", i ? ", " : ": ", worker->held[i]);
	putchar('\n');
}

/* What there is to say of one without a process. */
static void print_gone(const Troupe__Worker *worker)
{
	printf("  process       none, %u incarnation%s so far, %u restart%s\n", worker->incarnation,
	       worker->incarnation == 1 ? "" : "s", worker->restarts,
	       worker->restarts == 1 ? "" : "s");
	printf("  program       %s\n", worker->program);
	if (*worker->last_exit)
		printf("  last exit     %s%s%s\n", worker->last_exit,
		       *worker->last_words ? ": " : "", worker->last_words);
	if (*worker->missing)
		printf("  no device     %s: %s; it goes on by itself when that is back\n",
		       worker->device, worker->missing);
	if (strcmp(worker->state, "gave up") == 0 || strcmp(worker->state, "stopped") == 0)
		printf("  to start it   troupe start %s\n", worker->name);
}

static void print_repairs(const Troupe__Worker *worker)
{
	char mean[32], last[32];
	human_delay(worker->repair_mean, mean, sizeof mean);
	human_delay(worker->repair_last, last, sizeof last);
	if (worker->repairs)
		printf("  repairs       %u, %s in the mean, the last one %s\n", worker->repairs,
		       mean, last);
}

static void print_worker(const Troupe__Inspection *inspection)
{
	const Troupe__Worker *worker = inspection->worker;
	char age[32], memory[32];
	human_span(clock_now() - worker->since, age, sizeof age);
	printf("%s: %s%s%s for %s\n", worker->name,
	       paint_begin(stdout, paint_of_state(worker->state)), worker->state,
	       paint_end(stdout, paint_of_state(worker->state)), age);
	if (!worker->pid) {
		print_gone(worker);
		return;
	}
	printf("  process       %d, incarnation %u, seat %u, %u restart%s\n", worker->pid,
	       worker->incarnation, worker->seat, worker->restarts,
	       worker->restarts == 1 ? "" : "s");
	print_repairs(worker);
	printf("  program       %s, %s\n", worker->program, worker->version);
	print_command_line(inspection->command_line, inspection->n_command_line);
	if (worker->stream && *worker->stream)
		printf("  stream        %s\n", worker->stream);
	if (*worker->device)
		printf("  device        %s\n", worker->device);
	print_given(inspection->given, inspection->n_given);
	print_held(worker);
	printf("  frames        %llu, %.1f a second; %llu wake-ups, progress %llu\n",
	       (unsigned long long)worker->frames, worker->frames_per_second,
	       (unsigned long long)inspection->turns, (unsigned long long)inspection->progress);
	if (*worker->counts)
		printf("  counted       %llu %s\n", (unsigned long long)worker->counted,
		       worker->counts);
	printf("  uses          %.0f%% of a core, %s of memory\n", worker->cpu_percent,
	       human_bytes(worker->rss_bytes, memory, sizeof memory));
}

static void print_rows(const Troupe__Inspection *inspection)
{
	static const char *const headings[] = {"  ROW", "VALUE", ""};
	struct table *table = table_create(headings, 3);
	for (size_t i = 0; table && i < inspection->n_row; i++) {
		const Troupe__Row *row = inspection->row[i];
		table_cell(table, PAINT_NONE, "  %s", row->name);
		table_cell(table, PAINT_NONE, "%s", row->value);
		table_cell(table, PAINT_DIM, "%s", row->is_default ? "default" : "");
	}
	if (inspection->n_row) {
		putchar('\n');
		table_print(table, stdout);
	}
	table_destroy(table);
}

static void print_exits(const Troupe__Inspection *inspection)
{
	if (inspection->n_exit)
		heading("Last exits");
	for (size_t i = 0; i < inspection->n_exit; i++) {
		const Troupe__Exit *last = inspection->exit[i];
		char when[32], lived[32];
		clock_format_wall(last->time_wall, when, sizeof when);
		printf("  %s  pid %d, incarnation %u%s, lived %s: %s%s\n", when, last->pid,
		       last->incarnation, last->standby ? ", a standby" : "",
		       human_span(last->lived, lived, sizeof lived), last->cause,
		       last->core ? " (core dumped)" : "");
		if (last->last_words && *last->last_words)
			printf("      \"%s\"\n", last->last_words);
		if (last->stack && *last->stack)
			printf("      in what it hung: %s\n", last->stack);
	}
}

int inspect_run(const struct call *call)
{
	Troupe__InspectRequest inspect = TROUPE__INSPECT_REQUEST__INIT;
	char name[64];
	snprintf(name, sizeof name, "%s", call->arg[0]);
	inspect.worker = name;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_INSPECT;
	request.inspect = &inspect;
	Troupe__Reply *reply = NULL;
	int rc = call_ask(call, &request, ANSWER_WAIT, &reply);
	if (!reply)
		return rc;
	const Troupe__Inspection *inspection = reply->inspection;
	if (inspection && inspection->worker) {
		print_worker(inspection);
		print_rows(inspection);
		print_lines("What it says of itself", inspection->line, inspection->n_line);
		print_lines("What it may", inspection->worker->may, inspection->worker->n_may);
		print_lines("Descriptors", inspection->descriptor, inspection->n_descriptor);
		print_lines("Last messages", inspection->message, inspection->n_message);
		print_exits(inspection);
	}
	troupe__reply__free_unpacked(reply, NULL);
	return rc;
}
