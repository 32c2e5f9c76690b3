/* `troupe slots`: who holds which frame. Reads the ledger's memory itself and changes nothing, so
 * it shows the truth whatever state the supervisor is in. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/slots/ledger.h"
#include "ipc/slots/playback.h"
#include "ipc/slots/record.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define FRAME_MS 200

static const struct {
	char letter;
	enum paint paint;
} phases[N_PHASES] = {
	[PHASE_FREE] = {'.', PAINT_DIM},    [PHASE_FILLING] = {'f', PAINT_BUSY},
	[PHASE_QUEUED] = {'q', PAINT_BUSY}, [PHASE_HELD] = {'h', PAINT_GOOD},
	[PHASE_DONE] = {'d', PAINT_NONE},   [PHASE_ASIDE] = {'!', PAINT_BAD},
};

static const struct {
	char letter;
	enum paint paint;
} playback_phases[N_PLAYBACK_PHASES] = {
	[PLAYBACK_FREE] = {'.', PAINT_DIM},
	[PLAYBACK_FILLING] = {'f', PAINT_BUSY},
	[PLAYBACK_OWED] = {'o', PAINT_GOOD},
};

/* A slot as it was at one moment. */
struct look {
	uint32_t slot, stream;
	struct slot_word word;
	char holder[NAME_SIZE]; /* the worker in its seat, "" nobody */
	int64_t age;		/* ns since it was captured; 0 while nothing is in it */
};

static struct look look_at(const struct ledger *ledger, uint32_t slot, int64_t now)
{
	struct look look = {.slot = slot, .stream = ledger_stream_of(ledger, slot)};
	look.word = word_unpack(ledger_word(ledger, slot));
	ledger_worker(ledger, look.word.seat, look.holder);
	if (look.word.phase != PHASE_FREE && look.word.phase != PHASE_FILLING &&
	    look.word.phase != PHASE_ASIDE)
		look.age = now - record_time(ledger->records[slot].captured);
	return look;
}

static const char *marks_text(uint8_t marks)
{
	if (marks & MARK_QUARANTINED)
		return "quarantined";
	return marks & MARK_BYPASSED ? "bypassed" : "";
}

/* One line a stream: a letter a slot. */
static void print_strips(const struct ledger *ledger)
{
	for (uint32_t i = 0; i < ledger->header->n_streams; i++) {
		const struct stream_row *stream = &ledger->streams[i];
		printf("%-12s ", stream->name);
		for (uint32_t slot = stream->first_slot;
		     slot < stream->first_slot + stream->n_slots; slot++) {
			uint8_t phase = word_unpack(ledger_word(ledger, slot)).phase;
			if (phase < N_PHASES) {
				printf("%s%c%s", paint_begin(stdout, phases[phase].paint),
				       phases[phase].letter,
				       paint_end(stdout, phases[phase].paint));
			}
		}
		printf("  frame %llu, stored %llu",
		       (unsigned long long)ledger_last_seq(ledger, i, NULL),
		       (unsigned long long)atomic_load(&stream->settled));
		uint32_t quarantined = atomic_load(&stream->quarantined);
		if (quarantined)
			printf(", %s%u quarantined%s", paint_begin(stdout, PAINT_BAD), quarantined,
			       paint_end(stdout, PAINT_BAD));
		puts("\033[K");
	}
	printf("%-12s ", "playback");
	for (uint32_t slot = 0; slot < PLAYBACK_SLOTS; slot++) {
		uint8_t phase = playback_unpack(playback_word(ledger, slot)).phase;
		if (phase < N_PLAYBACK_PHASES) {
			printf("%s%c%s", paint_begin(stdout, playback_phases[phase].paint),
			       playback_phases[phase].letter,
			       paint_end(stdout, playback_phases[phase].paint));
		}
	}
	puts("\033[K");
}

static void slot_row(struct table *table, const struct ledger *ledger, const struct look *look)
{
	char age[32];
	table_cell(table, PAINT_NONE, "%u", look->slot);
	table_cell(table, PAINT_NONE, "%s", ledger->streams[look->stream].name);
	table_cell(table, PAINT_NONE, "%llu", (unsigned long long)look->word.seq);
	table_cell(table, phases[look->word.phase].paint, "%s", phase_name(look->word.phase));
	table_cell(table, PAINT_NONE, "%s", look->holder);
	table_cell(table, PAINT_NONE, "%s", look->word.owed ? "storer" : "");
	table_cell(table, look->word.attempts ? PAINT_BAD : PAINT_NONE, "%u", look->word.attempts);
	table_cell(table, PAINT_BUSY, "%s", marks_text(look->word.marks));
	table_cell(table, PAINT_NONE, "%s",
		   look->age > 0 ? human_span(look->age, age, sizeof age) : "");
}

/* Recorded frames on their way; nothing while there are none. */
static int print_playback(const struct ledger *ledger)
{
	static const char *const headings[] = {">PLAYBACK", "PHASE", "FROM", "FOR", ">USES"};
	if (playback_quiet(ledger))
		return EXIT_DONE;
	struct table *table = table_create(headings, sizeof headings / sizeof headings[0]);
	for (uint32_t slot = 0; table && slot < PLAYBACK_SLOTS; slot++) {
		struct playback_word word = playback_unpack(playback_word(ledger, slot));
		char filler[NAME_SIZE], asker[NAME_SIZE];
		if (word.phase == PLAYBACK_FREE || word.phase >= N_PLAYBACK_PHASES)
			continue;
		table_cell(table, PAINT_NONE, "%u", slot);
		table_cell(table, playback_phases[word.phase].paint, "%s",
			   playback_phase_name(word.phase));
		table_cell(table, PAINT_NONE, "%s", ledger_worker(ledger, word.filler, filler));
		table_cell(table, PAINT_NONE, "%s", ledger_worker(ledger, word.asker, asker));
		table_cell(table, PAINT_NONE, "%llu", (unsigned long long)word.uses);
	}
	putchar('\n');
	int rc = table_print(table, stdout);
	table_destroy(table);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int print_slots(const struct ledger *ledger)
{
	static const char *const headings[] = {">SLOT", "STREAM",    ">FRAME", "PHASE", "HOLDER",
					       "OWED",	">ATTEMPTS", "MARK",   ">AGE"};
	struct table *table = table_create(headings, sizeof headings / sizeof headings[0]);
	int64_t now = clock_now();
	for (uint32_t slot = 0; table && slot < ledger->header->n_slots; slot++) {
		struct look look = look_at(ledger, slot, now);
		if (look.word.phase != PHASE_FREE && look.word.phase < N_PHASES)
			slot_row(table, ledger, &look);
	}
	int rc = table_print(table, stdout);
	table_destroy(table);
	return rc < 0 ? EXIT_FAILED : print_playback(ledger);
}

static void add_playback(json_t *slots, const struct ledger *ledger)
{
	for (uint32_t slot = 0; slot < PLAYBACK_SLOTS; slot++) {
		struct playback_word word = playback_unpack(playback_word(ledger, slot));
		char filler[NAME_SIZE], asker[NAME_SIZE];
		json_array_append_new(slots,
				      json_pack("{s:i, s:s, s:I, s:s, s:s}", "playback", (int)slot,
						"phase", playback_phase_name(word.phase), "uses",
						(json_int_t)word.uses, "from",
						ledger_worker(ledger, word.filler, filler), "for",
						ledger_worker(ledger, word.asker, asker)));
	}
}

static int print_json(const struct ledger *ledger)
{
	json_t *slots = json_array();
	int64_t now = clock_now();
	for (uint32_t slot = 0; slots && slot < ledger->header->n_slots; slot++) {
		struct look look = look_at(ledger, slot, now);
		json_t *row =
			json_pack("{s:i, s:s, s:I, s:s, s:i, s:s, s:i, s:i, s:s, s:I}", "slot",
				  (int)slot, "stream", ledger->streams[look.stream].name, "seq",
				  (json_int_t)look.word.seq, "phase", phase_name(look.word.phase),
				  "seat", (int)look.word.seat, "holder", look.holder, "owed",
				  (int)look.word.owed, "attempts", (int)look.word.attempts, "mark",
				  marks_text(look.word.marks), "age", (json_int_t)look.age);
		json_array_append_new(slots, row);
	}
	if (slots)
		add_playback(slots, ledger);
	int rc = slots ? json_dumpf(slots, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(slots);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Draws again and again, until Ctrl-C or the pipeline's end. */
static int live(const struct ledger *ledger, const struct pipeline *pipeline)
{
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	struct pollfd end[] = {{.fd = signalfd(-1, &ends, SFD_CLOEXEC), .events = POLLIN},
			       {.fd = pidfd_open(pipeline->pid, 0), .events = POLLIN}};
	int rc = end[0].fd < 0 || end[1].fd < 0 ? EXIT_FAILED : EXIT_DONE;
	printf("\033[?25l\033[2J"); /* no cursor, an empty screen */
	while (rc == EXIT_DONE) {
		printf("\033[H%s: %u slots   . free  f filling  q queued  h held  d done  o owed   "
		       "Ctrl-C ends this\033[K\n\n",
		       pipeline->name, ledger->header->n_slots);
		print_strips(ledger);
		puts("\033[J");
		rc = print_slots(ledger);
		fflush(stdout);
		if (poll(end, 2, FRAME_MS) > 0)
			break;
	}
	puts("\033[?25h");
	close(end[0].fd);
	close(end[1].fd);
	return rc;
}

int slots_run(const struct call *call)
{
	struct pipeline pipeline;
	char path[320];
	int rc = pipeline_pick(call, false, &pipeline);
	if (rc != EXIT_DONE)
		return rc;
	snprintf(path, sizeof path, "%s/ledger", pipeline.folder);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		out_error("cannot open the ledger of '%s': %s", pipeline.name, strerror(errno));
		return EXIT_FAILED;
	}
	struct ledger ledger = {0};
	int error = ledger_attach(&ledger, fd, false);
	if (error < 0) {
		out_error("the ledger of '%s' is %s", pipeline.name, error_text(error));
		rc = EXIT_FAILED;
	} else if (call->json) {
		rc = print_json(&ledger);
	} else if (call->once || !isatty(STDOUT_FILENO)) {
		rc = print_slots(&ledger);
	} else {
		rc = live(&ledger, &pipeline);
	}
	ledger_finish(&ledger);
	close(fd);
	return rc;
}
