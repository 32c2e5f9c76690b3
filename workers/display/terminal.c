/* The display for the terminal; see terminal.h. */
#include "workers/display/terminal.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/display/caption.h"
#include "workers/display/notice.h"
#include "workers/media/cells.h"
#include "workers/media/screen.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Below the picture: the line about the frames, and one for whoever else writes on the terminal. */
#define LINES_BELOW 2

/* How soon a screen is looked at again that is busy, or not there. */
#define BUSY_PAUSE   (20 * NS_PER_MS)
#define ABSENT_PAUSE (250 * NS_PER_MS)

#define RATE_OVER  NS_PER_S
#define WORDS_SIZE 160

/* What is known of a stream. */
struct seen {
	struct shot *newest;
	uint64_t rate_seq; /* frames per second are counted from this frame on */
	int64_t rate_captured;
	double rate;
};

struct terminal {
	struct feed *feed;
	struct screen *screen;
	struct notice *notice;
	char fifo[PATH_MAX];
	struct seen seen[STREAMS_MAX];
	bool fresh; /* something to draw has come */
	int64_t draw_due;
	struct cells cells;
	uint64_t drawn;
};

#define ROW(name_) .name = #name_, ROW_AT(struct terminal_config, name_)

static const struct row rows[] = {
	DISPLAY_ROWS,
	{ROW(terminal), .type = ROW_TEXT, .fallback = "",
	 .help = "Terminal to draw on (/dev/pts/3; also a FIFO or a file that exists); \"\": the "
		 "one that `troupe up` runs on, or without one the FIFO `terminal` in the state "
		 "folder: cat it in any terminal."},
	{ROW(colours), .type = ROW_CHOICE, .choices = "auto|24bit|256", .fallback = "auto",
	 .help = "Colours of the terminal; auto: 24bit if COLORTERM says so."},
	{ROW(fps), .type = ROW_INT, .min = 1, .max = 60, .fallback = "15",
	 .help = "Pictures a second at most."},
	{ROW(columns), .type = ROW_INT, .min = 1, .max = 1000, .fallback = "80",
	 .help = "Columns of what is no terminal and does not say its size."},
	{ROW(lines), .type = ROW_INT, .min = 1, .max = 1000, .fallback = "24",
	 .help = "Lines of what is no terminal."},
};

static_assert(offsetof(struct terminal_config, stock) == 0, "the stock display's rows fit");

/* ---- its life ---- */

static void terminal_close(struct worker *w, void *self)
{
	(void)w;
	struct terminal *t = self;
	screen_destroy(t->screen);
	notice_destroy(t->notice);
	for (int i = 0; i < STREAMS_MAX; i++)
		shot_release(t->seen[i].newest);
	feed_destroy(t->feed);
	cells_finish(&t->cells);
	free(t);
}

static int terminal_open(struct worker *w, void **self)
{
	struct terminal *t = calloc(1, sizeof(*t));
	if (!t)
		return TROUPE_E_MEMORY;
	int n = snprintf(t->fifo, sizeof(t->fifo), "%s/terminal", worker_state_folder(w));
	t->feed = feed_create(worker_ledger(w));
	if (!t->feed || n >= (int)sizeof(t->fifo)) {
		int rc = t->feed ? TROUPE_E_OVERSIZED : TROUPE_E_MEMORY;
		terminal_close(w, t);
		return rc;
	}
	worker_want(w, false);
	*self = t;
	return 0;
}

/* There is one terminal and one socket: they are touched from here on. */
static int terminal_ready(struct worker *w, void *self)
{
	const struct terminal_config *config = worker_config(w);
	struct terminal *t = self;
	char text[PATH_MAX + 128];
	/* A worker is in the background of its terminal, which it shall write on nevertheless. */
	signal(SIGTTOU, SIG_IGN);
	int rc = screen_create(&t->screen, &(struct screen_plan){
						   .path = config->terminal,
						   .fifo = t->fifo,
						   .columns = (uint32_t)config->columns,
						   .lines = (uint32_t)config->lines,
					   });
	if (rc < 0)
		return rc;
	snprintf(text, sizeof(text), "There is no page now: troupe-display-terminal draws on %s.",
		 screen_name(t->screen));
	log_info("draws on %s%s", screen_name(t->screen),
		 screen_name(t->screen) == t->fifo ? ": cat it in a terminal" : "");
	return notice_create(&t->notice, w, &config->stock, text);
}

/* ---- frames ---- */

static void count_rate(struct seen *seen, const struct slot_record *record)
{
	int64_t passed = record->captured - seen->rate_captured;
	if (seen->rate_captured && passed < RATE_OVER)
		return;
	if (seen->rate_captured)
		seen->rate = (double)(record->seq - seen->rate_seq) * NS_PER_S / (double)passed;
	seen->rate_seq = record->seq;
	seen->rate_captured = record->captured;
}

static int terminal_frame(struct worker *w, void *self, struct frame *frame)
{
	struct terminal *t = self;
	struct shot *shot;
	int rc = feed_peek(t->feed, w, frame, &shot);
	if (rc < 0)
		return rc == TROUPE_E_MEMORY ? rc : 0;
	struct seen *seen = &t->seen[frame->stream_number];
	shot_release(seen->newest);
	seen->newest = shot;
	count_rate(seen, &shot->record);
	t->fresh = true;
	return 0;
}

/* ---- drawing ---- */

/* The part of the screen that a stream has. */
struct tile {
	uint32_t left, columns, lines;
};

static void place(const struct terminal *t, const struct stream_row *stream,
		  const struct shot *shot, struct tile tile)
{
	struct picture from = {shot->view, stream->view_width, stream->view_height};
	struct area area = {.width = tile.columns, .height = tile.lines * 2};
	blocks_fit(from.width, from.height, &area.width, &area.height);
	area.x = tile.left + (tile.columns - area.width) / 2;
	area.y = tile.lines - area.height / 2;
	blocks_scale(from, t->cells.sheet, area);
}

/* "cam1 #1234 25.0 fps label triangle, seen as circle 97 %" */
static void describe(const struct ledger *ledger, const struct seen *seen, char *out, size_t size)
{
	const struct shot *shot = seen->newest;
	const struct slot_record *record = &shot->record;
	char name[NAME_SIZE], prediction[NAME_SIZE];
	const char *label = caption_label(ledger, record->label, name);
	int n = snprintf(out, size, "%s #%" PRIu64 " %.1f fps", ledger->streams[shot->stream].name,
			 record->seq, seen->rate);
	if (*label)
		n += snprintf(out + n, size - (size_t)n, " label %s", label);
	if (shot->bypassed) {
		snprintf(out + n, size - (size_t)n, " not processed");
	} else if (record->prediction) {
		snprintf(out + n, size - (size_t)n, " seen as %s %.0f %%",
			 caption_label(ledger, record->prediction, prediction),
			 (double)record->probability * 100);
	}
}

/* Below each picture what is known of it; the cursor goes to the last line. */
static size_t write_words(const struct terminal *t, const struct ledger *ledger, uint32_t columns,
			  uint32_t line, char *out)
{
	uint32_t n = ledger->header->n_streams;
	size_t used = (size_t)sprintf(out, "\033[%" PRIu32 ";1H\033[K", line);
	for (uint32_t i = 0; i < n; i++) {
		char words[WORDS_SIZE] = "";
		uint32_t left = i * columns / n, right = (i + 1) * columns / n;
		if (!t->seen[i].newest || right - left < 2)
			continue;
		describe(ledger, &t->seen[i], words, sizeof(words));
		used += (size_t)sprintf(out + used, "\033[%" PRIu32 ";%" PRIu32 "H%.*s", line,
					left + 1, (int)(right - left - 1), words);
	}
	return used + (size_t)sprintf(out + used, "\033[%" PRIu32 ";1H", line + 1);
}

static enum blocks_colours colours_of(const struct terminal_config *config)
{
	if (strcmp(config->colours, "auto") == 0)
		return cells_colours();
	return strcmp(config->colours, "256") == 0 ? BLOCKS_256 : BLOCKS_24BIT;
}

static int draw(struct terminal *t, const struct worker *w)
{
	const struct ledger *ledger = worker_ledger(w);
	uint32_t columns, lines, n = ledger->header->n_streams;
	screen_size(t->screen, &columns, &lines);
	lines = lines > LINES_BELOW ? lines - LINES_BELOW : 1;
	int rc = cells_resize(&t->cells, columns, lines, LINES_BELOW);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < n; i++) {
		struct tile tile = {i * columns / n, 0, lines};
		tile.columns = (i + 1) * columns / n - tile.left;
		if (t->seen[i].newest && tile.columns)
			place(t, &ledger->streams[i], t->seen[i].newest, tile);
	}
	size_t used = cells_write(&t->cells, colours_of(worker_config(w)));
	used += write_words(t, ledger, columns, lines + 1, t->cells.text + used);
	t->drawn++;
	return screen_put(t->screen, t->cells.text, used);
}

/* Frames are wanted from when the next picture is due until it is drawn: between that nothing is
 * copied, and this process sleeps. */
static int64_t draw_when_due(struct terminal *t, struct worker *w, int64_t now)
{
	const struct terminal_config *config = worker_config(w);
	bool due = now >= t->draw_due;
	if (due && !screen_turn(t->screen)) {
		worker_want(w, false);
		return now + (screen_is_there(t->screen) ? BUSY_PAUSE : ABSENT_PAUSE);
	}
	if (due && t->fresh) {
		int rc = draw(t, w);
		if (rc < 0)
			return rc;
		t->fresh = false;
		t->draw_due = now + NS_PER_S / config->fps;
		due = false;
	}
	worker_want(w, due);
	return due ? CLOCK_NEVER : t->draw_due;
}

static int64_t terminal_tick(struct worker *w, void *self, int64_t now)
{
	struct terminal *t = self;
	int64_t page = notice_turn(t->notice, now), picture = draw_when_due(t, w, now);
	return page < picture ? page : picture;
}

static void terminal_dump(struct worker *w, void *self, FILE *out)
{
	(void)w;
	const struct terminal *t = self;
	fprintf(out, "draws on: %s%s\n", screen_name(t->screen),
		screen_is_there(t->screen) ? "" : " (not there)");
	fprintf(out, "pictures drawn: %" PRIu64 "\n", t->drawn);
}

static const struct need needs[] = {
	{NEED_TERMINAL, "terminal"},
	{NEED_STATE_FIFO, "terminal"},
};

const struct worker_table terminal_table = {
	.name = "display-terminal",
	.version = TROUPE_VERSION,
	.summary = "a display that shows the live video in a terminal",
	.takes = WORKER_TAKES_LATEST,
	.needs = needs,
	.n_needs = sizeof(needs) / sizeof(needs[0]),
	.rows = {rows, sizeof(rows) / sizeof(rows[0]), sizeof(struct terminal_config)},
	.open = terminal_open,
	.ready = terminal_ready,
	.frame = terminal_frame,
	.tick = terminal_tick,
	.close = terminal_close,
	.dump = terminal_dump,
};
