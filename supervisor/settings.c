/* The supervisor's own rows. */
#include "supervisor/settings.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "supervisor/allot.h"

#include <stdio.h>
#include <string.h>

#define HANG_LEAST (100 * NS_PER_MS)
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

/* "drain" or "wait TIME"; 0 and *wait. */
static int parse_orphan(const char *text, int64_t *wait, char *why, size_t size)
{
	static const struct row row = {
		.name = "on_orphan", .type = ROW_DURATION, .min = 100e6, .max = 3600e9};
	*wait = 0;
	if (strcmp(text, "drain") == 0)
		return 0;
	if (strncmp(text, "wait ", 5) == 0 && row_set(&row, wait, text + 5, why, size) == 0)
		return 0;
	snprintf(why, size, " is neither \"drain\" nor \"wait TIME\" with 100ms to 1h");
	return TROUPE_E_CONFIG;
}

static int check_orphan(const char *text, char *why, size_t size)
{
	int64_t wait;
	return parse_orphan(text, &wait, why, size);
}

int64_t settings_orphan_wait(const struct top_settings *top)
{
	char why[128];
	int64_t wait;
	return parse_orphan(top->on_orphan, &wait, why, sizeof(why)) == 0 ? wait : 0;
}

static const struct row top_rows[] = {
	{.name = "name",
	 .type = ROW_TEXT,
	 ROW_AT(struct top_settings, name),
	 .fallback = "troupe",
	 .change = ROW_NEVER,
	 .help = "The pipeline's name: its folders, its process titles, and -n of every command."},
	{.name = "hang_after",
	 .type = ROW_DURATION,
	 ROW_AT(struct top_settings, hang_after),
	 .min = 100e6,
	 .max = 3600e9,
	 .fallback = "3s",
	 .change = ROW_LIVE,
	 .help = "A worker that does not get on for so long is killed and started again."},
	{.name = "bypass_after",
	 .type = ROW_DURATION,
	 ROW_AT(struct top_settings, bypass_after),
	 .min = 50e6,
	 .max = 3600e9,
	 .fallback = "1500ms",
	 .change = ROW_LIVE,
	 .help = "A frame that has waited so long for a processor is recorded unprocessed. Longer "
		 "than hang_after: a processor that hangs is replaced first."},
	{.name = "low_water",
	 .type = ROW_INT,
	 ROW_AT(struct top_settings, low_water),
	 .min = 0,
	 .max = 90,
	 .fallback = "25",
	 .change = ROW_LIVE,
	 .help = "Percent of a stream's slots: with fewer free, the oldest frames are bypassed "
		 "too."},
	{.name = "drain_timeout",
	 .type = ROW_DURATION,
	 ROW_AT(struct top_settings, drain_timeout),
	 .min = 100e6,
	 .max = 3600e9,
	 .fallback = "10s",
	 .change = ROW_LIVE,
	 .help = "How long a worker may take to finish what it holds before it is told to stop."},
	{.name = "memory",
	 .type = ROW_SIZE,
	 ROW_AT(struct top_settings, memory),
	 .fallback = "0",
	 .change = ROW_NEVER,
	 .help = "The slots may take so much memory, e.g. 2GB; 0: what is available."},
	{.name = "strategy",
	 .type = ROW_CHOICE,
	 ROW_AT(struct top_settings, strategy),
	 .fallback = "one-for-one",
	 .choices = "one-for-one|rest-for-one",
	 .change = ROW_LIVE,
	 .help = "Who is started anew when a worker dies: only that one, or all that come after it "
		 "in the frames' way (capture, processors, storer, trainer, display), too."},
	{.name = "quarantine_keep",
	 .type = ROW_INT,
	 ROW_AT(struct top_settings, quarantine_keep),
	 .min = 0,
	 .max = 1e6,
	 .fallback = "20",
	 .change = ROW_LIVE,
	 .help = "So many frames that killed three processors are kept in the state folder with "
		 "the reasons; the oldest go first. See `troupe quarantine`."},
	{.name = "on_orphan",
	 .type = ROW_TEXT,
	 ROW_AT(struct top_settings, on_orphan),
	 .fallback = "drain",
	 .check = check_orphan,
	 .change = ROW_LIVE,
	 .help = "What workers do when the supervisor is killed: \"drain\", or \"wait 10s\" and go "
		 "on so long for `troupe up --adopt` to take them over."},
	{.name = "sandbox",
	 .type = ROW_CHOICE,
	 ROW_AT(struct top_settings, sandbox),
	 .fallback = "on",
	 .choices = "on|strict|off",
	 .help = "Whether workers may do what they need and no more; strict: one that tries a "
		 "system call that it may not make is killed. `troupe inspect` says what each "
		 "may."},
	{.name = "log_size",
	 .type = ROW_SIZE,
	 ROW_AT(struct top_settings, log_size),
	 .fallback = "16MB",
	 .change = ROW_LIVE,
	 .help = "A log that has grown so large is followed by a new file; 0: it may grow."},
	{.name = "log_age",
	 .type = ROW_DURATION,
	 ROW_AT(struct top_settings, log_age),
	 .fallback = "7d",
	 .change = ROW_LIVE,
	 .help = "A log that was begun so long ago is followed by a new file; 0s: never for its "
		 "age."},
	{.name = "log_files",
	 .type = ROW_INT,
	 ROW_AT(struct top_settings, log_files),
	 .min = 0,
	 .max = 1000,
	 .fallback = "3",
	 .change = ROW_LIVE,
	 .help = "So many earlier files of each log are kept beside it, WORKER.log.1 the newest."},
	{.name = "journal_size",
	 .type = ROW_SIZE,
	 ROW_AT(struct top_settings, journal_size),
	 .min = 0,
	 .fallback = "8MB",
	 .change = ROW_LIVE,
	 .help = "The journal (`troupe events`) begins a new file after so much, and keeps four "
		 "older ones; 0: never."},
};

const struct row_table settings_top = {
	.rows = top_rows, .count = COUNT(top_rows), .config_size = sizeof(struct top_settings)};

static int check_hang(const char *text, char *why, size_t size)
{
	static const struct row row = {
		.name = "hang_after", .type = ROW_DURATION, .min = 0, .max = 3600e9};
	int64_t value = 0;
	if (row_set(&row, &value, text, why, size) < 0 || value == 0 || value >= HANG_LEAST)
		return 0; /* or the row's type says it */
	snprintf(why, size, " is too short, valid: 100ms to 1h, or 0");
	return TROUPE_E_CONFIG;
}

static const struct row worker_rows[] = {
	{.name = "exec",
	 .type = ROW_TEXT,
	 ROW_AT(struct section_settings, exec),
	 .fallback = "",
	 .help = "Another program that plays this worker; empty: the one that comes with troupe."},
	{.name = "enabled",
	 .type = ROW_BOOL,
	 ROW_AT(struct section_settings, enabled),
	 .fallback = "yes",
	 .change = ROW_LIVE,
	 .help = "Whether the worker is started at all."},
	{.name = "max_restarts",
	 .type = ROW_INT,
	 ROW_AT(struct section_settings, max_restarts),
	 .min = 0,
	 .max = 1e6,
	 .fallback = "10",
	 .change = ROW_LIVE,
	 .help = "More restarts than this within restart_window and the supervisor gives up."},
	{.name = "restart_window",
	 .type = ROW_DURATION,
	 ROW_AT(struct section_settings, restart_window),
	 .min = 1e9,
	 .max = 86400e9,
	 .fallback = "60s",
	 .change = ROW_LIVE,
	 .help = "The time in which restarts are counted; a worker that runs as long is healthy "
		 "again."},
	{.name = "backoff",
	 .type = ROW_DURATION,
	 ROW_AT(struct section_settings, backoff),
	 .min = 1e6,
	 .max = 3600e9,
	 .fallback = "100ms",
	 .change = ROW_LIVE,
	 .help = "The first restart comes at once, the second after about so long, then twice "
		 "that, …"},
	{.name = "backoff_max",
	 .type = ROW_DURATION,
	 ROW_AT(struct section_settings, backoff_max),
	 .min = 1e6,
	 .max = 3600e9,
	 .fallback = "10s",
	 .change = ROW_LIVE,
	 .help = "… but never after more than this."},
	{.name = "ready_timeout",
	 .type = ROW_DURATION,
	 ROW_AT(struct section_settings, ready_timeout),
	 .min = 100e6,
	 .max = 3600e9,
	 .fallback = "10s",
	 .change = ROW_LIVE,
	 .help = "A worker that is not ready after so long is killed."},
	{.name = "spares",
	 .type = ROW_INT,
	 ROW_AT(struct section_settings, spares),
	 .min = 0,
	 .max = 1,
	 .fallback = "0",
	 .change = ROW_LIVE,
	 .help = "1: a second process stands by, all prepared, and takes over when the worker "
		 "dies."},
	{.name = "hang_after",
	 .type = ROW_DURATION,
	 ROW_AT(struct section_settings, hang_after),
	 .min = 0,
	 .max = 3600e9,
	 .fallback = "0s",
	 .check = check_hang,
	 .change = ROW_LIVE,
	 .help = "As the pipeline's hang_after, for this worker; 0: that one."},
	{.name = "strategy",
	 .type = ROW_CHOICE,
	 ROW_AT(struct section_settings, strategy),
	 .fallback = "pipeline",
	 .choices = "pipeline|one-for-one|rest-for-one",
	 .change = ROW_LIVE,
	 .help = "Who is started anew when this worker dies; pipeline: as its strategy says."},
};

static const struct row pool_rows[] = {
	{.name = "count",
	 .type = ROW_INT,
	 ROW_AT(struct section_settings, count),
	 .min = 0,
	 .max = 32,
	 .fallback = "2",
	 .change = ROW_LIVE,
	 .help = "How many of them there are; `troupe scale` changes it while the video runs."},
};

static const struct row stream_rows[] = {
	{.name = "view_width",
	 .type = ROW_INT,
	 ROW_AT(struct section_settings, view_width),
	 .min = 2,
	 .max = 16384,
	 .fallback = "320",
	 .change = ROW_NEVER,
	 .help = "Width of the view, which models look at, in pixels; its height follows."},
	{.name = "quality",
	 .type = ROW_INT,
	 ROW_AT(struct section_settings, quality),
	 .min = 1,
	 .max = 100,
	 .fallback = "85",
	 .change = ROW_LIVE,
	 .help = "JPEG quality of the recording."},
	{.name = "slots",
	 .type = ROW_INT,
	 ROW_AT(struct section_settings, slots),
	 .min = 0,
	 .max = STREAM_SLOTS_MAX,
	 .fallback = "0",
	 .change = ROW_NEVER,
	 .help = "Frames that can be under way at a time; 0: computed."},
	{.name = "record",
	 .type = ROW_BOOL,
	 ROW_AT(struct section_settings, record),
	 .fallback = "yes",
	 .change = ROW_LIVE,
	 .help = "Whether the stream is recorded from the start."},
	{.name = "record_fps",
	 .type = ROW_REAL,
	 ROW_AT(struct section_settings, record_fps),
	 .min = 0,
	 .max = 1000,
	 .fallback = "0",
	 .change = ROW_LIVE,
	 .help = "At most so many frames a second are recorded; 0: all."},
	{.name = "keep",
	 .type = ROW_KEEP,
	 ROW_AT(struct section_settings, keep),
	 .fallback = "",
	 .change = ROW_TAPS,
	 .help = "How much of the stream's recording is kept: a size (\"20GB\"), a time (\"7d\"), "
		 "or "
		 "both. The time stands in place of the storer's, the size beside it."},
};

static const struct row stranger_rows[] = {
	{.name = "takes",
	 .type = ROW_CHOICE,
	 ROW_AT(struct section_settings, takes),
	 .fallback = "view",
	 .choices = "view|image|coded|queue",
	 .help = "What it looks at of a frame; queue: it processes frames beside the processors."},
	{.name = "tap",
	 .type = ROW_CHOICE,
	 ROW_AT(struct section_settings, tap),
	 .fallback = "latest",
	 .choices = "latest|each|lossless",
	 .change = ROW_NEVER,
	 .help = "How: the newest frame, each that it is fast enough for, or lossless: each, kept "
		 "for "
		 "it as far as its share of the slots goes. Nothing to a worker of the queue."},
};

static const struct row_table worker_table = {.rows = worker_rows,
					      .count = COUNT(worker_rows),
					      .config_size = sizeof(struct section_settings)};
static const struct row_table pool_table = {.rows = pool_rows,
					    .count = COUNT(pool_rows),
					    .config_size = sizeof(struct section_settings)};
static const struct row_table stranger_table = {.rows = stranger_rows,
						.count = COUNT(stranger_rows),
						.config_size = sizeof(struct section_settings)};
static const struct row_table stream_table = {.rows = stream_rows,
					      .count = COUNT(stream_rows),
					      .config_size = sizeof(struct section_settings)};

size_t settings_for(const struct role *role, const struct row_table *parts[SETTINGS_PARTS])
{
	static const struct row_table *const special[] = {[ROLE_SINGLE] = NULL,
							  [ROLE_POOL] = &pool_table,
							  [ROLE_STREAM] = &stream_table,
							  [ROLE_NAMED] = &stranger_table};
	parts[0] = &worker_table;
	parts[1] = &allot_rows;
	parts[2] = special[role->shape];
	return parts[2] ? 3 : 2;
}

const struct row *settings_find(const struct role *role, const char *name)
{
	const struct row_table *parts[SETTINGS_PARTS];
	size_t n = settings_for(role, parts);
	const struct row *row = NULL;
	for (size_t i = 0; i < n && !row; i++)
		row = row_find(parts[i], name);
	return row;
}

void settings_defaults(const struct role *role, struct section_settings *settings)
{
	const struct row_table *parts[SETTINGS_PARTS];
	size_t n = settings_for(role, parts);
	*settings = (struct section_settings){.count = 1};
	for (size_t i = 0; i < n; i++)
		rows_defaults(parts[i], settings);
}
