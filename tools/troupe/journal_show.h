/* The journal for people: `troupe events` and `troupe history` share how they choose and say
 * things. */
#ifndef TROUPE_TOOLS_TROUPE_JOURNAL_SHOW_H
#define TROUPE_TOOLS_TROUPE_JOURNAL_SHOW_H

#include "ipc/journal/reader.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <sys/types.h>

/* One readable line of what a line of the journal says, without its time and worker, and how it
 * looks. Returns `out`. */
char *event_say(json_t *line, char *out, size_t size, enum paint *paint);

/* Which lines are wanted. */
struct event_choice {
	int64_t since;			  /* wall, 0: from the beginning */
	uint64_t run;			  /* 0: of all */
	const char *worker;		  /* or a pool; NULL: all */
	bool kinds[N_JOURNAL_EVENTS + 1]; /* the last one: those that this program does not know */
	uint64_t limit;			  /* the last so many; 0: all */
};

/* From the options of a call. EXIT_DONE or, having said what is wrong, EXIT_USAGE. */
int event_choose(const struct call *call, struct event_choice *choice);
bool event_wanted(const struct event_choice *choice, const json_t *line);

/* Whether a name is that of a worker, or of one of its pool. */
bool worker_matches(const char *wanted, const char *name);

/* "--run": a number, or "all" (0). False: neither, and said. */
bool run_read(const struct call *call, uint64_t *run);

/* Opens the journal of the pipeline that a call means; `folder` gets its state folder. EXIT_DONE
 * or, having said what is wrong, another exit code. */
int journal_pick(const struct call *call, struct journal_reader *reader, char *folder, size_t size);

/* Says on stderr what was skipped; `half`: the last line is not whole and nobody writes it. */
void journal_say_damage(const struct journal_reader *reader, bool half);

/* Fields of a line; 0, "" where it has none of that name. */
int64_t line_number(const json_t *line, const char *key);
const char *line_text(const json_t *line, const char *key);

/* The supervisor that writes the journal of this state folder, 0: none does. */
pid_t journal_writer(const char *folder);

/* Every life of one worker in one run, or in all (lives.c): each process, its beginning and end. */
struct lives;
struct lives *lives_create(const char *worker); /* NULL: out of memory */
void lives_destroy(struct lives *lives);	/* NULL is fine */
/* Takes a line of any kind and of any worker. */
void lives_take(struct lives *lives, const json_t *line);
void lives_forget(struct lives *lives);
/* `known`: how many there were, as far as the fold knows; what is older is only counted. 0 or
 * TROUPE_E_MEMORY. */
int lives_print(const struct lives *lives, uint64_t known);
json_t *lives_json(const struct lives *lives);

#endif
