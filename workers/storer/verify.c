/* Whether one recording is whole: the index by itself, segments against index in the order of
 * places, then the index in the order of frames. */
#include "workers/storer/verify_private.h"

#include "ipc/base/errors.h"
#include "workers/storer/index_check.h"

#include <stdarg.h>
#include <stdio.h>

void verify_say(struct verify *verify, const char *format, ...)
{
	char text[512];
	va_list args;

	verify->report->faults++;
	if (verify->options->fault == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	verify->options->fault(verify->options->arg, text);
}

void verify_note(struct verify *verify, const char *format, ...)
{
	char text[512];
	va_list args;

	verify->report->notes++;
	if (verify->options->note == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	verify->options->note(verify->options->arg, text);
}

static void tell_progress(void *arg)
{
	const struct verify *verify = arg;

	if (verify->options->progress != NULL)
		verify->options->progress(verify->options->arg, verify->done, verify->total);
}

void verify_went(struct verify *verify, uint64_t bytes)
{
	verify->done += bytes;
	tell_progress(verify);
}

struct index *verify_index(const struct verify *verify)
{
	return recording_index(verify->recording);
}

static void say_line(void *arg, const char *line)
{
	verify_say(arg, "%s", line);
}

static int check(struct verify *verify)
{
	struct index *index = verify_index(verify);
	int rc = index_begin_read(index);

	if (rc == 0)
		rc = verify_segments(verify);
	if (rc == 0)
		rc = verify_frames(verify);
	if (rc == 0)
		rc = index_check(index, say_line, tell_progress, verify);
	if (rc < 0) {
		verify_say(verify, "'%s' could not be read to the end: %s%s%s",
			   verify->options->folder, error_text(rc), *index_error(index) ? ": " : "",
			   index_error(index));
	}
	index_rollback(index);
	return rc;
}

int verify_recording(const struct verify_options *options, struct verify_report *report)
{
	struct verify verify = {.options = options, .report = report};
	char why[512];
	int rc;

	*report = (struct verify_report){.run = report->run, .against_run = report->against_run};
	rc = recording_open(&verify.recording, options->folder, why, sizeof(why));
	if (rc < 0) {
		verify_say(&verify, "%s", why);
		return rc;
	}
	rc = check(&verify);
	if (rc == 0 && options->against != NULL)
		rc = verify_compare(&verify, options->against);
	recording_close(verify.recording);
	return rc;
}
