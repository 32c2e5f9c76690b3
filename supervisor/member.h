/* Members: making them from the configuration, and driving their lives. */
#ifndef TROUPE_SUPERVISOR_MEMBER_H
#define TROUPE_SUPERVISOR_MEMBER_H

#include "supervisor/supervisor.h"

/* Makes members for all enabled sections (pools as many as `count`). Streams get numbers in the
 * order of the file. */
int members_create(struct supervisor *s);
void members_destroy(struct supervisor *s);

/* Whether there are seats for all wanted workers and their spares, and `more` besides. False: `why`
 * is one line with the figures. */
bool members_seated(const struct supervisor *s, uint32_t more, char *why, size_t why_size);

/* NULL: no such worker. Those that are not wanted (any more) and do not run are not found. */
struct member *member_find(struct supervisor *s, const char *name);

/* Adds one member to a pool or revives one that was scaled away. NULL: there are too many. */
struct member *member_add(struct supervisor *s, const struct section *section, const char *title,
			  uint32_t number);

/* One event in the life of a part, with everything that follows from it. */
void part_event(struct part *part, enum life_event_kind kind);
void part_exit_event(struct part *part, bool clean, bool excused);

/* The process of a part has ended because its device is gone. */
void part_misses_device(struct part *part);

/* The process of a part has ended, and nothing is to follow in this part. */
void part_final_exit(struct part *part);

/* Notes that the process of a part plays the member from now on, or is the one to. */
void part_plays(struct part *part);

/* Tells a standby to take charge. */
void part_charge(struct part *part);

/* Starts the process of an empty part with a life that another has lived. */
void part_start_as(struct part *part, const struct life *life);

/* Whether a successor may work while its predecessor dies: each can do any frame, or an owner word
 * keeps them apart. Others wait for the dead. */
bool member_may_overlap(const struct member *member);

/* What follows if its lead ends now, see life_judge. */
enum life_verdict member_verdict(const struct member *member, struct life *heir);

/* The standby becomes the lead, and the lead the last, which must be empty before. */
void member_promote(struct member *member);

/* Whether a process plays the member right now. */
bool member_lives(const struct member *member);

/* What the journal has of it. NULL: nothing yet. */
const struct worker_history *member_history(const struct member *member);

/* It is started again though nobody asked for it, after `wait` ns: a line of the journal. */
void member_restarted(const struct member *member, int64_t wait);

/* How it ended last, or how one of its standbys did. NULL: none has. */
const struct exit_note *member_last_exit(const struct member *member, bool standby);

/* "processor.1, processor.2, storer": what can be named. Returns `out`. */
char *members_list(struct supervisor *s, char *out, size_t size);

#endif
