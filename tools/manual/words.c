/* From the names of values to what they may be. */
#include "tools/manual/words.h"

#include "ipc/journal/events.h"

#include <stdio.h>
#include <string.h>

struct guess {
	const char *option; /* NULL: any with that value */
	const char *arg;    /* NULL: whatever its value is called */
	const char *words;
};

#define WORD(name, text) " " text
static const struct guess guesses[] = {
	{"name", NULL, "pipelines"},
	{"stream", NULL, "streams"},
	{"worker", NULL, "workers"},
	{"signal", NULL, "words TERM KILL INT HUP QUIT ABRT SEGV STOP CONT USR1 USR2"},
	{"format", NULL, "words mp4 mjpeg frames csv"},
	{"level", NULL, "words error warn info debug"},
	{NULL, "KIND", "words" JOURNAL_EVENTS(WORD)},
	{NULL, "K", "words recorded motion label prediction lost died"},
	{NULL, "FILE", "files"},
	{NULL, "PATH", "programs"},
	{NULL, "DIR", "folders"},
	{NULL, "DIR2", "folders"},
	{NULL, "RECORDING", "folders"},
};
#undef WORD

/* What the usage line of a command does not list. */
static const struct {
	const char *command, *words;
} arguments[] = {
	{"logs", "logs"},
	{"bench", "words hop store restart pipeline operate find all"},
};

const char *words_of_option(const struct option_view *option)
{
	if (!option->arg)
		return "";
	for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
		const struct guess *g = &guesses[i];
		if ((!g->option || strcmp(g->option, option->name) == 0) &&
		    (!g->arg || strcmp(g->arg, option->arg) == 0))
			return g->words;
	}
	return "";
}

const char *words_of_argument(const struct command *command, char *out, size_t size)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
		if (strcmp(arguments[i].command, command->name) == 0)
			return arguments[i].words;
	if (strstr(command->args, "WORKER"))
		return "workers";
	if (strstr(command->args, "DIR") || strstr(command->args, "OUT"))
		return "files";
	size_t length = strcspn(command->args, " ");
	bool literal = length > 0 && command->args[0] >= 'a' && command->args[0] <= 'z';
	snprintf(out, size, "words %.*s", (int)length, command->args);
	for (char *c = out; *c; c++)
		if (*c == '|')
			*c = ' ';
	return literal ? out : "";
}
