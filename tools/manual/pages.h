/* What is made of the tables: a page of each command and one of the config file, and what the
 * shells need to complete words. */
#ifndef TROUPE_TOOLS_MANUAL_PAGES_H
#define TROUPE_TOOLS_MANUAL_PAGES_H

#include "tools/manual/page.h"

/* troupe.1 and troupe-COMMAND.1, from commands.c and options.c of the command. */
void command_pages(const struct manual *manual);

/* troupe.conf.5, from what `troupe-supervisor --rows` printed into the file `tables`. */
void config_page(const struct manual *manual, const char *tables);

/* The completions: troupe.bash and _troupe. */
void bash_completion(const struct manual *manual);
void zsh_completion(const struct manual *manual);

#endif
