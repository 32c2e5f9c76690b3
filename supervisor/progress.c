/* Lines for people, on stdout. */
#include "supervisor/progress.h"

#include "ipc/base/clock.h"
#include "ipc/base/utf8.h"
#include "supervisor/answers.h"
#include "supervisor/notify.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TERMINAL_EVERY (NS_PER_S / 4)
#define LINE_EVERY     (5 * NS_PER_S)
#define LINE_MAX_SIZE  1024 /* less than a pipe takes in one go */

struct totals {
	uint64_t captured, stored, bypassed, quarantined, dropped;
};

static struct totals totals_of(const Troupe__Pipeline *pipeline)
{
	struct totals t = {0};
	for (size_t i = 0; i < pipeline->n_stream; i++) {
		const Troupe__Stream *stream = pipeline->stream[i];
		t.captured += stream->captured;
		t.stored += stream->stored;
		t.bypassed += stream->bypassed;
		t.quarantined += stream->quarantined;
		for (size_t k = 0; k < stream->n_drop; k++)
			t.dropped += stream->drop[k]->count;
	}
	return t;
}

static void print_plan(const struct supervisor *s)
{
	printf("%s: run %" PRIu64 ", slots take %.0f MB\n", s->config.top.name,
	       s->ledger.header->run, (double)s->ledger.size / 1e6);
	for (uint32_t i = 0; i < s->ledger.header->n_streams; i++) {
		const struct stream_row *row = &s->ledger.streams[i];
		printf("  %s: %u×%u, %.4g frames/s, %u slots\n", row->name, row->width, row->height,
		       (double)row->fps_num / row->fps_den, row->n_slots);
	}
	if (*s->url)
		printf("  look at %s\n", s->url);
	printf("  logs: %s\n", s->runtime.state);
	fflush(stdout);
}

/* A terminal that was stopped (Ctrl-S), or a pipe that nobody reads, costs lines: to wait for it
 * would keep every worker waiting that has died. */
static bool can_print(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
	return poll(&out, 1, 0) > 0 && (out.revents & POLLOUT);
}

void progress_say(struct supervisor *s, const char *format, ...)
{
	char line[LINE_MAX_SIZE];
	va_list args;
	if (!s->progress || !s->progress->wanted || !can_print())
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* Words of a dying process may be anything. */
	printf("%s%s\n", s->progress->terminal ? "\r\033[K" : "", utf8_tame(line));
	fflush(stdout);
}

void progress_begin(struct progress *progress, bool wanted, struct supervisor *s)
{
	bool manager = s->notify && s->notify->fd >= 0; /* that is told by its own status */
	*progress = (struct progress){.wanted = wanted,
				      .terminal = isatty(STDOUT_FILENO),
				      .due = wanted && !manager ? clock_now() : CLOCK_NEVER,
				      .time = clock_now()};
	s->progress = progress;
	if (wanted && can_print())
		print_plan(s);
}

/* "1 restart", "2 restarts". */
static const char *restarts(unsigned count)
{
	return count == 1 ? "restart" : "restarts";
}

/* A line that is wider than the terminal would be another one each time it is written. */
static int columns(void)
{
	struct winsize size = {0};
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Why nothing comes from a stream, NULL: it may. */
static const char *absence(const Troupe__Stream *stream)
{
	return *stream->missing	    ? "has no device"
	       : *stream->gave_up   ? "gave up"
	       : stream->away_since ? "has lost its camera"
	       : stream->ended	    ? "has ended"
				    : NULL;
}

/* "; front has no device, back gave up": `status` says more. Where no stream is left, nothing comes
 * at all. */
static char *absent(const Troupe__Pipeline *pipeline, char *out, size_t size)
{
	size_t used = 0, present = 0, missed = 0;
	for (size_t i = 0; i < pipeline->n_stream; i++) {
		present += !absence(pipeline->stream[i]);
		missed += absence(pipeline->stream[i]) && !pipeline->stream[i]->ended;
	}
	*out = '\0';
	for (size_t i = 0; missed && i < pipeline->n_stream && used < size; i++) {
		const Troupe__Stream *stream = pipeline->stream[i];
		const char *before = used ? ", " : present ? "; " : "; nothing comes: ";
		if (absence(stream) && !stream->ended)
			used += (size_t)snprintf(out + used, size - used, "%s%s %s", before,
						 stream->name, absence(stream));
	}
	return out;
}

/* The text of the live line. */
static void write_line(struct progress *progress, const Troupe__Pipeline *pipeline, int64_t now,
		       char *out, size_t size)
{
	struct totals t = totals_of(pipeline);
	double seconds = (double)(now - progress->time) / (double)NS_PER_S;
	double rate = seconds > 0.1 ? (double)(t.captured - progress->captured) / seconds : 0;
	char quarantined[48] = "", nobody[256];
	if (t.quarantined)
		snprintf(quarantined, sizeof(quarantined), ", %" PRIu64 " quarantined",
			 t.quarantined);
	snprintf(out, size,
		 "%s: %" PRIu64 " captured (%.1f/s), %" PRIu64 " stored, %" PRIu64
		 " dropped, %" PRIu64 " bypassed%s, %u %s%s%s%s",
		 pipeline->state, t.captured, rate, t.stored, t.dropped, t.bypassed, quarantined,
		 pipeline->restarts, restarts(pipeline->restarts),
		 absent(pipeline, nobody, sizeof(nobody)), *pipeline->limit ? "; " : "",
		 pipeline->limit);
	/* The rate is that of about the last seconds. */
	if (seconds > 2 || !progress->terminal) {
		progress->captured = t.captured;
		progress->time = now;
	}
}

static void print_line(const struct progress *progress, const char *line)
{
	if (progress->terminal)
		printf("\r%.*s\033[K", columns() - 1, line);
	else
		puts(line);
	fflush(stdout);
}

bool progress_text(struct progress *progress, struct supervisor *s, int64_t now, char *out,
		   size_t size)
{
	struct arena arena = {0};
	Troupe__Reply reply = TROUPE__REPLY__INIT;
	answer_pipeline(s, &arena, &reply);
	bool there = reply.pipeline != NULL;
	if (there)
		write_line(progress, reply.pipeline, now, out, size);
	arena_finish(&arena);
	return there;
}

int64_t progress_tick(struct progress *progress, struct supervisor *s, int64_t now)
{
	if (!progress->wanted || now < progress->due)
		return progress->due;
	progress->due = now + (progress->terminal ? TERMINAL_EVERY : LINE_EVERY);
	if (!can_print())
		return progress->due;
	char line[PROGRESS_LINE];
	if (s->stage >= STAGE_SOURCES && progress_text(progress, s, now, line, sizeof(line)))
		print_line(progress, line);
	return progress->due;
}

static void print_stream(const Troupe__Stream *stream)
{
	printf("  %s: %" PRIu64 " captured, %" PRIu64 " stored", stream->name, stream->captured,
	       stream->stored);
	uint64_t dropped = 0;
	for (size_t i = 0; i < stream->n_drop; i++)
		dropped += stream->drop[i]->count;
	printf(", %" PRIu64 " dropped", dropped);
	for (size_t i = 0; i < stream->n_drop; i++)
		printf("%s%" PRIu64 ": %s", i ? ", " : " (", stream->drop[i]->count,
		       stream->drop[i]->reason);
	printf("%s, %" PRIu64 " bypassed", stream->n_drop ? ")" : "", stream->bypassed);
	if (stream->quarantined)
		printf(", %" PRIu64 " quarantined", stream->quarantined);
	printf("\n");
}

void progress_summary(struct progress *progress, struct supervisor *s)
{
	struct arena arena = {0};
	Troupe__Reply reply = TROUPE__REPLY__INIT;
	if (!progress->wanted || !can_print())
		return;
	answer_pipeline(s, &arena, &reply);
	if (reply.pipeline) {
		printf("%s%s: run %" PRIu64 " has ended after %.1f s, %u %s\n",
		       progress->terminal ? "\r\033[K" : "", reply.pipeline->name,
		       reply.pipeline->run, (double)(clock_now() - s->started) / (double)NS_PER_S,
		       reply.pipeline->restarts, restarts(reply.pipeline->restarts));
		for (size_t i = 0; i < reply.pipeline->n_stream; i++)
			print_stream(reply.pipeline->stream[i]);
		if (*reply.pipeline->quarantine)
			printf("  the quarantined frames are in %s\n", reply.pipeline->quarantine);
		if (*s->limits.text)
			printf("  %s\n", s->limits.text);
		if (*s->recording)
			printf("  the recording is in %s\n", s->recording);
	}
	arena_finish(&arena);
	fflush(stdout);
}
