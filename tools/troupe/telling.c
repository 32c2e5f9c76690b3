/* Saying what long work says. */
#include "tools/troupe/telling.h"

#include "ipc/links/json.h"
#include "tools/troupe/interrupt.h"
#include "tools/troupe/output.h"

#include <stdio.h>

#define TEXT_SIZE 8192 /* a path, and what is said of it */

static void say(struct telling *telling, json_t *list, enum paint paint, const char *word,
		const char *text)
{
	char shown[TEXT_SIZE];
	progress_end(&telling->progress);
	if (list)
		json_array_append_new(list, json_text(text));
	else
		fprintf(stderr, "%s%-5s%s  %s\n", paint_begin(stderr, paint), word,
			paint_end(stderr, paint), out_tamed(text, shown, sizeof(shown)));
}

void telling_fault(void *arg, const char *text)
{
	struct telling *telling = arg;
	say(telling, telling->faults, PAINT_BAD, "fault", text);
}

void telling_note(void *arg, const char *text)
{
	struct telling *telling = arg;
	say(telling, telling->notes, PAINT_DIM, "note", text);
}

void telling_line(void *arg, const char *text)
{
	struct telling *telling = arg;
	char shown[TEXT_SIZE];
	progress_end(&telling->progress);
	if (telling->notes)
		json_array_append_new(telling->notes, json_text(text));
	else
		puts(out_tamed(text, shown, sizeof(shown)));
}

bool telling_goes_on(void *arg, uint64_t done, uint64_t total)
{
	struct telling *telling = arg;
	progress_show(&telling->progress, done, total, NULL);
	return !interrupt_came(NULL);
}
