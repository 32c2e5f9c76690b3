/* A worker that plays whatever it is told: what its section of the config says, or a processor. */
#include "ipc/worker/worker_private.h"

#include "ipc/base/errors.h"
#include "ipc/base/log.h"

#include <stdlib.h>
#include <string.h>

static enum worker_takes told(void)
{
	const char *takes = getenv(CONTRACT_ENV_TAKES), *how = getenv(CONTRACT_ENV_HOW);
	if (takes && strcmp(takes, "queue") == 0)
		return WORKER_TAKES_QUEUE;
	if (how && strcmp(how, "lossless") == 0)
		return WORKER_TAKES_TAP;
	return how && strcmp(how, "each") == 0 ? WORKER_TAKES_EACH : WORKER_TAKES_LATEST;
}

int as_told(struct worker *w, const struct worker_table *table)
{
	w->table = table;
	if (table->takes != WORKER_TAKES_AS_TOLD)
		return 0;
	w->as_told = *table;
	w->as_told.takes = told();
	w->table = &w->as_told;
	if (w->table->takes == WORKER_TAKES_QUEUE)
		w->as_told.frame = table->process;
	if (w->table->frame)
		return 0;
	log_error("%s %s: its section, or the place it was put in, says otherwise", table->name,
		  table->frame ? "processes no frames, it looks at them"
			       : "looks at no frames, it processes them");
	return TROUPE_E_CONFIG;
}

static bool is_known(const struct row_table *rows, const char *line)
{
	char name[NAME_SIZE];
	size_t length = strcspn(line, "=\n");
	if (length >= sizeof(name))
		return false;
	memcpy(name, line, length);
	name[length] = '\0';
	return row_find(rows, name) != NULL;
}

void as_told_rows(const struct worker *w, char *lines)
{
	char *to = lines;
	if (w->table != &w->as_told)
		return;
	for (char *line = lines, *next; *line; line = next) {
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (is_known(&w->table->rows, line)) {
			memmove(to, line, (size_t)(next - line));
			to += next - line;
		} else {
			log_info("\"%.*s\" is a row of whose place this is, and passed over",
				 (int)strcspn(line, "=\n"), line);
		}
	}
	*to = '\0';
}
