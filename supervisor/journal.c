/* One line, one write(2) to a descriptor in append mode. */
#include "supervisor/journal.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const texts[] = {
#define JOURNAL_TEXT(name, text) [JOURNAL_##name] = (text),
	JOURNAL_EVENTS(JOURNAL_TEXT)
#undef JOURNAL_TEXT
};

int journal_open(struct journal *journal, const char *state_folder, uint64_t run)
{
	char path[600];
	snprintf(path, sizeof(path), "%s/journal.jsonl", state_folder);
	*journal = (struct journal){.run = run};
	journal->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return journal->fd < 0 ? error_from_errno(errno) : 0;
}

void journal_close(struct journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = -1;
}

void journal_write(struct journal *journal, enum journal_event event, const char *worker,
		   json_t *details)
{
	char when[32];
	clock_format_wall(clock_wall(), when, sizeof(when));
	json_t *line = json_pack("{s:I, s:s, s:I, s:s}", "t", (json_int_t)clock_now(), "wall", when,
				 "run", (json_int_t)journal->run, "event", texts[event]);
	if (line && worker)
		json_object_set_new(line, "worker", json_string(worker));
	if (line && details)
		json_object_update(line, details);
	char *text = line ? json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	if (text && journal->fd >= 0) {
		size_t length = strlen(text);
		text[length] = '\n'; /* the final zero is not written */
		ssize_t ignored = write(journal->fd, text, length + 1);
		(void)ignored;
	}
	free(text);
	json_decref(line);
	json_decref(details);
}
