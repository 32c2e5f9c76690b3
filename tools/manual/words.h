/* What may stand where a shell is asked to complete a word. */
#ifndef TROUPE_TOOLS_MANUAL_WORDS_H
#define TROUPE_TOOLS_MANUAL_WORDS_H

#include "tools/troupe/command.h"

/* One of "files", "folders", "programs", "pipelines", "workers", "logs", "streams", "words A B C"
 * (one of these), or "" for what nobody can guess. */
const char *words_of_option(const struct option_view *option);

/* The same for the first argument of a command. `out` takes the words that its usage line lists. */
const char *words_of_argument(const struct command *command, char *out, size_t size);

#endif
