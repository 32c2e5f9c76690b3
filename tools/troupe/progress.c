/* The line that says how far long work is. */
#include "tools/troupe/progress.h"

#include "ipc/base/clock.h"
#include "tools/troupe/output.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SHOW_EVERY  (100 * NS_PER_MS)
#define GUESS_AFTER NS_PER_S /* before that a guess at the time left is none */
#define BAR_WIDEST  40
#define BAR_LEAST   8

void progress_begin(struct progress *progress, const char *what)
{
	*progress = (struct progress){
		.what = what, .terminal = isatty(STDERR_FILENO), .begun = clock_now()};
}

static void amount_text(uint64_t amount, const char *unit, char *out, size_t size)
{
	if (unit)
		snprintf(out, size, "%llu", (unsigned long long)amount);
	else
		human_bytes(amount, out, size);
}

/* ", 312 frames/s, 12 s left"; nothing while that cannot be known. Of bytes the time says enough.
 */
static void pace_text(uint64_t done, uint64_t total, const char *unit, int64_t elapsed, char *out,
		      size_t size)
{
	char span[32];
	out[0] = '\0';
	if (elapsed < GUESS_AFTER || done == 0 || done >= total)
		return;
	double pace = (double)done / (double)elapsed, left = (double)(total - done) / pace;
	int n = unit ? snprintf(out, size, ", %.0f %s/s", pace * (double)NS_PER_S, unit) : 0;
	if (left < (double)INT64_MAX / 2)
		snprintf(out + n, size - (size_t)n, ", %s left",
			 human_span((int64_t)left, span, sizeof(span)));
}

char *progress_text(const char *what, uint64_t done, uint64_t total, const char *unit,
		    int64_t elapsed, int columns, char *out, size_t size)
{
	char some[32], all[32], pace[96], words[PROGRESS_TEXT], bar[BAR_WIDEST + 1];
	done = done < total ? done : total;
	double part = total ? (double)done / (double)total : 0;
	amount_text(done, unit, some, sizeof(some));
	amount_text(total, unit, all, sizeof(all));
	pace_text(done, total, unit, elapsed, pace, sizeof(pace));
	int length = snprintf(words, sizeof(words), "%3d %%  %s of %s%s%s%s", (int)(part * 100),
			      some, all, unit ? " " : "", unit ? unit : "", pace);
	int room = columns - 1 - length - (int)strlen(what) - 6;
	if (room < BAR_LEAST) {
		snprintf(out, size, "%s %.*s", what,
			 columns > (int)strlen(what) + 2 ? columns - (int)strlen(what) - 2 : 0,
			 words);
		return out;
	}
	room = room < BAR_WIDEST ? room : BAR_WIDEST;
	int full = (int)(part * room);
	memset(bar, '.', (size_t)room);
	memset(bar, '#', (size_t)full);
	bar[room] = '\0';
	snprintf(out, size, "%s  [%s] %s", what, bar, words);
	return out;
}

static int columns_of_terminal(void)
{
	struct winsize window;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col
										   : 80;
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total, const char *unit)
{
	char text[PROGRESS_TEXT + 64];
	int64_t now = clock_now();
	if (!progress->terminal || now - progress->last < SHOW_EVERY)
		return;
	progress->last = now;
	progress->shown = true;
	fprintf(stderr, "\r%s\033[K",
		progress_text(progress->what, done, total, unit, now - progress->begun,
			      columns_of_terminal(), text, sizeof(text)));
	fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
