/* The texts of events and ways to end. */
#include "ipc/journal/events.h"

#include <string.h>

static const char *const events[] = {
#define JOURNAL_TEXT(name, text) [JOURNAL_##name] = (text),
	JOURNAL_EVENTS(JOURNAL_TEXT)
#undef JOURNAL_TEXT
};

static const char *const kinds[] = {
#define EXIT_KIND_TEXT(name, text) [EXIT_##name] = (text),
	EXIT_KINDS(EXIT_KIND_TEXT)
#undef EXIT_KIND_TEXT
};

const char *journal_event_text(enum journal_event event)
{
	return events[event];
}

const char *exit_kind_text(enum exit_kind kind)
{
	return kinds[kind];
}

enum journal_event journal_event_find(const char *text)
{
	int found = 0;
	while (found < N_JOURNAL_EVENTS && strcmp(events[found], text) != 0)
		found++;
	return found;
}

enum exit_kind exit_kind_find(const char *text)
{
	for (int i = 0; i < N_EXIT_KINDS; i++)
		if (strcmp(kinds[i], text) == 0)
			return i;
	return EXIT_UNKNOWN;
}
