/* Commands that look at a whole pipeline: list, ps, status. */
#include "ipc/base/clock.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_WAIT (5 * NS_PER_S)
#define LIST_WAIT   (1 * NS_PER_S)

static Troupe__Request status_request(Troupe__StatusRequest *status)
{
	troupe__status_request__init(status);
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_STATUS;
	request.status = status;
	return request;
}

/* One line of `list`; a supervisor that does not answer is shown as "silent", one that is dead as
 * "killed", or "orphaned" while its workers go on and can be taken over. */
static void list_row(struct table *table, const struct pipeline *pipeline)
{
	Troupe__Reply *reply = NULL;
	const char *state = pipeline->orphans ? "orphaned" : "killed";
	if (pipeline->pid)
		state = pipeline_status(pipeline, LIST_WAIT, &reply) == 0 ? "" : "silent";
	const Troupe__Pipeline *about = reply ? reply->pipeline : NULL;
	if (about)
		state = about->state;
	char age[32] = "-";
	if (about)
		human_span(clock_now() - about->since, age, sizeof age);
	table_cell(table, PAINT_NONE, "%s", pipeline->name);
	table_cell(table, paint_of_state(state), "%s", state);
	table_cell(table, PAINT_NONE, "%d", (int)pipeline->pid);
	table_cell(table, PAINT_NONE, "%s", age);
	table_cell(table, PAINT_NONE, "%s", about && *about->url ? about->url : "-");
	table_cell(table, PAINT_NONE, "%s", about ? about->config : "-");
	if (reply)
		troupe__reply__free_unpacked(reply, NULL);
}

static int list_json(const struct pipeline *found, size_t n)
{
	puts("[");
	for (size_t i = 0; i < n; i++)
		printf("  {\"name\": \"%s\", \"pid\": %d, \"folder\": \"%s\"}%s\n", found[i].name,
		       (int)found[i].pid, found[i].folder, i + 1 < n ? "," : "");
	puts("]");
	return EXIT_DONE;
}

int list_run(const struct call *call)
{
	static const char *const headings[] = {"NAME", "STATE", ">PID", ">FOR", "PAGE", "CONFIG"};
	struct pipeline found[PIPELINES_MAX];
	size_t n = pipelines_find(found, PIPELINES_MAX);
	if (call->json)
		return list_json(found, n);
	if (n == 0) {
		char hint[HINT_SIZE];
		printf("no pipeline runs%s\n", service_hint(hint, sizeof hint));
		return EXIT_DONE;
	}
	struct table *table = table_create(headings, 6);
	for (size_t i = 0; i < n; i++)
		list_row(table, &found[i]);
	int rc = table_print(table, stdout);
	table_destroy(table);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* ---- ps ---- */

/* "troupe-processor 0.1.0" is shown as "processor 0.1.0": what is left out is the same everywhere.
 * The version is what the process said of itself, "NAME VERSION", or "" before it did. */
static char *program_text(const Troupe__Worker *worker, char *out, size_t size)
{
	const char *slash = strrchr(worker->program, '/');
	const char *name = slash ? slash + 1 : worker->program;
	const char *space = strrchr(worker->version, ' ');
	name = strncmp(name, "troupe-", 7) == 0 ? name + 7 : name;
	snprintf(out, size, "%s%s", name, space ? space : "");
	return out;
}

/* "killed from outside (SIGKILL) 3 s ago" is "SIGKILL" where there is little room, "out of memory
 * (killed by the kernel) 3 s ago" is "out of memory". */
static char *short_exit(const char *last_exit, char *out, size_t size)
{
	const char *number = strstr(last_exit, "SIG"), *ago = strstr(last_exit, " s ago");
	size_t length = strcspn(last_exit, "(");
	for (; ago && ago > last_exit && length > (size_t)(ago - last_exit); ago--)
		if (ago[-1] == ' ')
			length = (size_t)(ago - 1 - last_exit);
	if (number)
		snprintf(out, size, "%.*s", (int)strcspn(number, ") "), number);
	else
		snprintf(out, size, "%.*s", (int)(length > 14 ? 14 : length), last_exit);
	return out;
}

static void pid_cell(struct table *table, int32_t pid)
{
	if (pid)
		table_cell(table, PAINT_NONE, "%d", pid);
	else
		table_cell(table, PAINT_DIM, "-");
}

/* What it counts of its own; the column is there where anybody counts. */
static void count_cell(struct table *table, const Troupe__Worker *worker)
{
	if (*worker->counts) {
		table_cell(table, PAINT_NONE, "%llu %s", (unsigned long long)worker->counted,
			   worker->counts);
	} else {
		table_cell(table, PAINT_DIM, "-");
	}
}

static void narrow_row(struct table *table, const Troupe__Worker *worker, int64_t now, bool counts)
{
	char age[32], program[128], last[64];
	table_cell(table, PAINT_NONE, "%s", worker->name);
	table_cell(table, paint_of_state(worker->state), "%s", worker->state);
	pid_cell(table, worker->pid);
	table_cell(table, PAINT_NONE, "%s", human_span(now - worker->since, age, sizeof age));
	table_cell(table, worker->swapped ? PAINT_BUSY : PAINT_NONE, "%s%s",
		   program_text(worker, program, sizeof program), worker->swapped ? " *" : "");
	table_cell(table, worker->restarts ? PAINT_BUSY : PAINT_NONE, "%u", worker->incarnation);
	table_cell(table, PAINT_NONE, "%.1f", worker->frames_per_second);
	if (counts)
		count_cell(table, worker);
	table_cell(table, PAINT_NONE, "%s", short_exit(worker->last_exit, last, sizeof last));
}

static void wide_row(struct table *table, const Troupe__Worker *worker, int64_t now, bool counts)
{
	char age[32], memory[32], repair[32];
	table_cell(table, PAINT_NONE, "%s", worker->name);
	table_cell(table, paint_of_state(worker->state), "%s", worker->state);
	pid_cell(table, worker->pid);
	table_cell(table, PAINT_NONE, "%s", human_span(now - worker->since, age, sizeof age));
	table_cell(table, worker->swapped ? PAINT_BUSY : PAINT_NONE, "%s%s", worker->program,
		   worker->swapped ? " *" : "");
	table_cell(table, PAINT_NONE, "%s", worker->version);
	table_cell(table, PAINT_NONE, "%u", worker->incarnation);
	table_cell(table, worker->restarts ? PAINT_BUSY : PAINT_NONE, "%u", worker->restarts);
	table_cell(table, PAINT_NONE, "%s",
		   worker->repairs ? human_delay(worker->repair_mean, repair, sizeof repair) : "-");
	table_cell(table, PAINT_NONE, "%.1f", worker->frames_per_second);
	table_cell(table, PAINT_NONE, "%llu", (unsigned long long)worker->frames);
	table_cell(table, PAINT_NONE, "%u", worker->slots_held);
	table_cell(table, PAINT_NONE, "%.0f%%", worker->cpu_percent);
	table_cell(table, PAINT_NONE, "%s", human_bytes(worker->rss_bytes, memory, sizeof memory));
	if (counts)
		count_cell(table, worker);
	table_cell(table, PAINT_NONE, "%s", worker->last_exit);
}

static bool anybody_counts(const Troupe__Reply *reply)
{
	for (size_t i = 0; i < reply->n_worker; i++)
		if (*reply->worker[i]->counts)
			return true;
	return false;
}

#define COLUMNS_MAX 16

/* Both tables end with what may be long. Returns how many there are. */
static size_t workers_headings(bool wide, bool counts, const char *headings[COLUMNS_MAX])
{
	static const char *const narrow[] = {"WORKER",	"STATE", ">PID", ">FOR",
					     "PROGRAM", ">NTH",	 ">FPS"};
	static const char *const all[] = {"WORKER",  "STATE",  ">PID",	    ">FOR",    "PROGRAM",
					  "SAYS",    ">NTH",   ">RESTARTS", ">REPAIR", ">FRAMES/S",
					  ">FRAMES", ">HOLDS", ">CPU",	    ">MEMORY"};
	size_t n = wide ? sizeof all / sizeof all[0] : sizeof narrow / sizeof narrow[0];
	memcpy(headings, wide ? all : narrow, n * sizeof headings[0]);
	if (counts)
		headings[n++] = "COUNT";
	headings[n++] = "LAST EXIT";
	return n;
}

static int print_workers(const Troupe__Reply *reply, bool wide)
{
	bool counts = anybody_counts(reply);
	const char *headings[COLUMNS_MAX];
	struct table *table = table_create(headings, workers_headings(wide, counts, headings));
	int64_t now = clock_now();
	bool swapped = false;
	for (size_t i = 0; table && i < reply->n_worker; i++) {
		(wide ? wide_row : narrow_row)(table, reply->worker[i], now, counts);
		swapped |= reply->worker[i]->swapped;
		for (size_t k = 0; k < reply->n_spare; k++)
			if (strcmp(reply->spare[k]->name, reply->worker[i]->name) == 0)
				(wide ? wide_row : narrow_row)(table, reply->spare[k], now, counts);
	}
	int rc = table_print(table, stdout);
	table_destroy(table);
	if (swapped)
		puts("* not the program of the config");
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

static void print_why_gone(const Troupe__Reply *reply, const Troupe__Worker *worker,
			   const char *whose)
{
	bool gave_up = strcmp(worker->state, "gave up") == 0;
	if (!gave_up && strcmp(worker->state, "back-off") != 0)
		return;
	printf("%s%s%s: %s%s: %s%s%s", paint_begin(stdout, PAINT_BAD), worker->name, whose,
	       gave_up ? "gave up" : "is started again soon", paint_end(stdout, PAINT_BAD),
	       worker->last_exit, *worker->last_words ? ": " : "", worker->last_words);
	if (gave_up && reply->pipeline)
		printf("; `troupe -n %s start %s` tries again", reply->pipeline->name,
		       worker->name);
	putchar('\n');
}

/* Who goes on by itself once what it reads from is there again. */
static void print_missing(const Troupe__Reply *reply)
{
	for (size_t i = 0; i < reply->n_worker; i++) {
		const Troupe__Worker *worker = reply->worker[i];
		if (!*worker->missing)
			continue;
		printf("%s%s: no device%s: %s: %s; it goes on by itself when that is back\n",
		       paint_begin(stdout, PAINT_BAD), worker->name, paint_end(stdout, PAINT_BAD),
		       worker->device, worker->missing);
	}
}

static void print_trouble(const Troupe__Stream *stream, const char *what)
{
	printf("%s%s: %s%s", paint_begin(stdout, PAINT_BAD), stream->name, what,
	       paint_end(stdout, PAINT_BAD));
}

/* Of a source in the network. */
static void print_connection(const Troupe__Stream *stream)
{
	char age[32];
	if (stream->away_since) {
		print_trouble(stream, "camera lost");
		printf(" %s ago%s%s; it is connected to again by itself\n",
		       human_span(clock_now() - stream->away_since, age, sizeof age),
		       *stream->away ? ": " : "", stream->away);
	}
	if (stream->reconnects)
		printf("%s: its camera was lost and came back %u time%s\n", stream->name,
		       stream->reconnects, stream->reconnects == 1 ? "" : "s");
}

/* Whom nobody will start again but a person, or who keeps dying: why, and what to do. */
static void print_gone(const Troupe__Reply *reply)
{
	for (size_t i = 0; i < reply->n_worker; i++)
		print_why_gone(reply, reply->worker[i], "");
	for (size_t i = 0; i < reply->n_spare; i++)
		print_why_gone(reply, reply->spare[i], " (its spare)");
}

/* Only when there is something to say. */
static void print_quarantine(const Troupe__Pipeline *pipeline)
{
	for (size_t i = 0; pipeline && i < pipeline->n_stream; i++) {
		const Troupe__Stream *stream = pipeline->stream[i];
		if (stream->quarantined) {
			printf("%s%s: %llu frame%s in quarantine%s: `troupe -n %s quarantine` says "
			       "why; %s\n",
			       paint_begin(stdout, PAINT_BAD), stream->name,
			       (unsigned long long)stream->quarantined,
			       stream->quarantined == 1 ? "" : "s", paint_end(stdout, PAINT_BAD),
			       pipeline->name, pipeline->quarantine);
		}
	}
}

int ps_run(const struct call *call)
{
	Troupe__PsRequest ps = TROUPE__PS_REQUEST__INIT;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_PS;
	request.ps = &ps;
	Troupe__Reply *reply = NULL;
	int rc = call_ask(call, &request, ANSWER_WAIT, &reply);
	if (reply) {
		rc = print_workers(reply, call->wide);
		print_gone(reply);
		print_missing(reply);
		for (size_t i = 0; reply->pipeline && i < reply->pipeline->n_stream; i++)
			print_connection(reply->pipeline->stream[i]);
		print_quarantine(reply->pipeline);
		troupe__reply__free_unpacked(reply, NULL);
	}
	return rc;
}

/* "3 no slot was free, 1 …", or "0". */
static void drops_text(const Troupe__Stream *stream, char *out, size_t size)
{
	size_t used = 0;
	snprintf(out, size, "0");
	for (size_t i = 0; i < stream->n_drop && used < size; i++) {
		const Troupe__Drop *drop = stream->drop[i];
		if (drop->count) {
			used += (size_t)snprintf(out + used, size - used, "%s%llu (%s)",
						 used ? ", " : "", (unsigned long long)drop->count,
						 drop->reason);
		}
	}
}

static void stream_row(struct table *table, const Troupe__Stream *stream)
{
	char drops[256];
	drops_text(stream, drops, sizeof drops);
	table_cell(table, PAINT_NONE, "%s", stream->name);
	table_cell(table, PAINT_NONE, "%ux%u", stream->width, stream->height);
	table_cell(table, PAINT_NONE, "%.4g", stream->fps);
	if (stream->expected) {
		table_cell(table, PAINT_NONE, "%llu of %llu", (unsigned long long)stream->captured,
			   (unsigned long long)stream->expected);
	} else {
		table_cell(table, PAINT_NONE, "%llu", (unsigned long long)stream->captured);
	}
	table_cell(table, PAINT_NONE, "%llu", (unsigned long long)stream->stored);
	table_cell(table, PAINT_NONE, "%llu", (unsigned long long)stream->owed);
	table_cell(table, stream->bypassed ? PAINT_BUSY : PAINT_NONE, "%llu",
		   (unsigned long long)stream->bypassed);
	table_cell(table, stream->quarantined ? PAINT_BAD : PAINT_NONE, "%llu",
		   (unsigned long long)stream->quarantined);
	table_cell(table, drops[0] == '0' ? PAINT_NONE : PAINT_BAD, "%s", drops);
	table_cell(table, PAINT_NONE, "%u of %u", stream->slots_free, stream->slots);
	table_cell(table, PAINT_NONE, "%s", stream->recording ? "on" : "off");
	table_cell(table, PAINT_NONE, "%s", stream->label && *stream->label ? stream->label : "-");
}

static void print_pipeline(const Troupe__Pipeline *pipeline)
{
	char age[32], memory[32];
	human_span(clock_now() - pipeline->since, age, sizeof age);
	printf("%s is %s%s%s for %s, supervisor %d, %u restart%s\n", pipeline->name,
	       paint_begin(stdout, paint_of_state(pipeline->state)), pipeline->state,
	       paint_end(stdout, paint_of_state(pipeline->state)), age, pipeline->pid,
	       pipeline->restarts, pipeline->restarts == 1 ? "" : "s");
	printf("  supervisor %s", pipeline->supervisor_version);
	if (pipeline->generation)
		printf(", after %u before it", pipeline->generation);
	printf("\n  config     %s\n", pipeline->config);
	printf("  recording  %s, run %llu\n", pipeline->recording,
	       (unsigned long long)pipeline->run);
	if (pipeline->url && *pipeline->url)
		printf("  page       %s\n", pipeline->url);
	printf("  logs       %s\n", pipeline->log_folder);
	if (pipeline->quarantine && *pipeline->quarantine)
		printf("  quarantine %s\n", pipeline->quarantine);
	if (pipeline->sandbox && *pipeline->sandbox)
		printf("  sandbox    %s\n", pipeline->sandbox);
	printf("  slots      %s\n", human_bytes(pipeline->memory_bytes, memory, sizeof memory));
	if (pipeline->limit && *pipeline->limit)
		printf("  %slimit%s      %s\n", paint_begin(stdout, PAINT_BAD),
		       paint_end(stdout, PAINT_BAD), pipeline->limit);
	if (pipeline->model_version)
		printf("  model      version %llu\n", (unsigned long long)pipeline->model_version);
}

/* From whom nothing comes, why, and what to do. */
static void print_absent(const Troupe__Pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->n_stream; i++) {
		const Troupe__Stream *stream = pipeline->stream[i];
		if (*stream->missing) {
			print_trouble(stream, "no device");
			printf(": %s; it goes on by itself when that is back\n", stream->missing);
		}
		if (*stream->gave_up) {
			print_trouble(stream, "gave up");
			printf(": %s; `troupe -n %s start capture.%s` tries again\n",
			       stream->gave_up, pipeline->name, stream->name);
		}
		print_connection(stream);
	}
}

static void print_aside(const Troupe__Pipeline *pipeline, const Troupe__Stream *stream)
{
	char what[64];
	if (!stream->slots_aside)
		return;
	snprintf(what, sizeof what, "%u slot%s set aside", stream->slots_aside,
		 stream->slots_aside == 1 ? " is" : "s are");
	print_trouble(stream, what);
	printf(" for the rest of the run, because somebody has written over them; `troupe -n %s "
	       "events --kind set-aside` says what\n",
	       pipeline->name);
}

static void print_written_off(const Troupe__Stream *stream, const Troupe__WrittenOff *off)
{
	char what[64];
	snprintf(what, sizeof what, "%llu frame%s written off", (unsigned long long)off->count,
		 off->count == 1 ? " is" : "s are");
	print_trouble(stream, what);
	printf(" that %s was owed: it was too far behind, or not there\n", off->worker);
}

/* What somebody broke, or was owed and did not take. */
static void print_losses(const Troupe__Pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->n_stream; i++) {
		const Troupe__Stream *stream = pipeline->stream[i];
		print_aside(pipeline, stream);
		for (size_t k = 0; k < stream->n_written_off; k++)
			print_written_off(stream, stream->written_off[k]);
	}
}

static int print_status(const Troupe__Reply *reply)
{
	static const char *const headings[] = {"STREAM",  "SIZE",  ">FPS",	">CAPTURED",
					       ">STORED", ">OWED", ">BYPASSED", ">QUARANTINED",
					       "DROPPED", ">FREE", "REC",	"LABEL"};
	if (!reply->pipeline)
		return EXIT_FAILED;
	print_pipeline(reply->pipeline);
	putchar('\n');
	struct table *table = table_create(headings, sizeof headings / sizeof headings[0]);
	for (size_t i = 0; table && i < reply->pipeline->n_stream; i++)
		stream_row(table, reply->pipeline->stream[i]);
	int rc = table_print(table, stdout);
	table_destroy(table);
	print_absent(reply->pipeline);
	print_losses(reply->pipeline);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

int status_run(const struct call *call)
{
	Troupe__StatusRequest status;
	Troupe__Request request = status_request(&status);
	Troupe__Reply *reply = NULL;
	int rc = call_ask(call, &request, ANSWER_WAIT, &reply);
	if (reply) {
		rc = print_status(reply);
		troupe__reply__free_unpacked(reply, NULL);
	}
	return rc;
}
