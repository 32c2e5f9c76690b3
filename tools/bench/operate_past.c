/* A journal of a pipeline that has ended, as long as one of weeks, and a person who watches. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/folders.h"
#include "ipc/journal/reader.h"
#include "tools/bench/look.h"
#include "tools/bench/operate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIVES	2500 /* of four lines each */
#define LIVE_NS (NS_PER_S / 2)

#define WATCHED_SPANS 5
#define SPAN	      NS_PER_S

/* ---- the journal ---- */

static void write_line(FILE *out, int64_t time, const char *event, const char *rest)
{
	char when[32];
	clock_format_wall(time, when, sizeof(when));
	fprintf(out, "{\"t\":%" PRId64 ",\"wall\":\"%s\",\"run\":1,\"event\":\"%s\",%s}\n", time,
		when, event, rest);
}

/* A start, a death, and all that is told of them. */
static void write_life(FILE *out, int64_t begun, int number)
{
	char rest[512];
	snprintf(rest, sizeof(rest),
		 "\"worker\":\"processor.%d\",\"pid\":%d,\"incarnation\":%d,\"program\":"
		 "\"/usr/libexec/troupe/troupe-processor\",\"standby\":false",
		 number % 4 + 1, number + 2, number / 4 + 1);
	write_line(out, begun, "spawn", rest);
	snprintf(rest, sizeof(rest), "\"worker\":\"processor.%d\",\"pid\":%d,\"took\":5000000",
		 number % 4 + 1, number + 2);
	write_line(out, begun + LIVE_NS / 4, "ready", rest);
	snprintf(rest, sizeof(rest),
		 "\"worker\":\"processor.%d\",\"pid\":%d,\"incarnation\":%d,\"turn\":%d,\"signal\":"
		 "11,\"lived\":250000000,\"kind\":\"signal\",\"standby\":false,\"fault\":true,"
		 "\"ready\":true,\"core\":false,\"cause\":\"died of SIGSEGV\",\"words\":\"what it "
		 "said last\"",
		 number % 4 + 1, number + 2, number / 4 + 1, number / 4 + 1);
	write_line(out, begun + LIVE_NS / 2, "exit", rest);
	snprintf(rest, sizeof(rest), "\"worker\":\"processor.%d\",\"wait\":100000000",
		 number % 4 + 1);
	write_line(out, begun + LIVE_NS / 2, "restart", rest);
}

int operate_make_past(struct operate *operate)
{
	char folder[256], path[300];
	int rc = folder_state(OPERATE_PAST, folder, sizeof(folder));
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/" JOURNAL_NAME, folder);
	FILE *out = mkdir(folder, 0700) < 0 && errno != EEXIST ? NULL : fopen(path, "we");
	for (int i = 0; out && i < LIVES; i++)
		write_life(out, (i + 1) * LIVE_NS, i);
	bool failed = !out || ferror(out);
	if (out)
		failed |= fclose(out) != 0;
	return failed ? bench_error(operate->bench, TROUPE_E_IO, "%s cannot be written", path) : 0;
}

/* ---- top ---- */

/* The side of a new terminal that reads what is shown, and in *screen that of a program. */
static int open_terminal(int *screen)
{
	const struct winsize size = {.ws_row = 24, .ws_col = 80};
	int reader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	*screen = -1;
	if (reader >= 0 && grantpt(reader) == 0 && unlockpt(reader) == 0)
		*screen = open(ptsname(reader), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*screen >= 0 && ioctl(*screen, TIOCSWINSZ, &size) == 0)
		return reader;
	int rc = error_from_errno(errno);
	if (*screen >= 0)
		close(*screen);
	if (reader >= 0)
		close(reader);
	return rc;
}

/* A program that shows something waits for whoever reads it. */
static int read_until(int reader, int64_t deadline)
{
	char shown[4096];
	struct pollfd item = {.fd = reader, .events = POLLIN};
	while (clock_now() < deadline && !bench_interrupted()) {
		if (poll(&item, 1, clock_poll_ms(clock_now(), deadline)) > 0 &&
		    read(reader, shown, sizeof(shown)) <= 0)
			return TROUPE_E_CLOSED;
	}
	return bench_interrupted() ? TROUPE_E_AGAIN : 0;
}

static int watch_spans(struct operate *operate, pid_t top, int reader, struct samples *cpu)
{
	int spans = operate_times(operate, WATCHED_SPANS, 1);
	int rc = read_until(reader, clock_now() + SPAN);
	for (int i = 0; i < spans && rc == 0; i++) {
		int64_t begun = clock_now(), before = look_cpu(top);
		rc = read_until(reader, begun + SPAN);
		int64_t used = look_cpu(top) - before, took = clock_now() - begun;
		if (rc == 0 && before >= 0)
			rc = samples_add(cpu, (double)used / (double)took * 1e3);
	}
	return rc;
}

int operate_top(struct operate *operate)
{
	struct bench *bench = operate->bench;
	const char *const words[] = {"troupe", "top", "-n", operate->rig.name, NULL};
	static const char *const environment[] = {"TERM=vt100", NULL};
	struct samples cpu = {0};
	struct figure figure = {.name = "top's CPU", .unit = "ms/s", .kind = FIGURE_COUNT};
	int screen, reader = open_terminal(&screen);
	if (reader < 0)
		return bench_error(bench, reader, "a terminal: %s", error_text(reader));
	bench_progress(bench, "operate: top");
	pid_t top = children_start(&bench->children, words[0], words, environment, screen);
	close(screen);
	int rc = top < 0 ? (int)top : watch_spans(operate, top, reader, &cpu);
	children_kill(&bench->children, top);
	close(reader);
	if (rc == 0) {
		figure_take(&figure, &cpu);
		rc = figure_add(bench, &figure);
	} else if (rc != TROUPE_E_AGAIN) {
		bench_error(bench, rc, "top: %s", error_text(rc));
	}
	samples_finish(&cpu);
	return rc;
}
