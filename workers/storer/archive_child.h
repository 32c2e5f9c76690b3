/* troupe-archive as the storer's child: it may crash, hang or be killed, and nothing comes of it
 * but that a segment stays as it is. It dies with the storer. */
#ifndef TROUPE_WORKERS_STORER_ARCHIVE_CHILD_H
#define TROUPE_WORKERS_STORER_ARCHIVE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARCHIVE_PROGRAM	  "troupe-archive"
#define ARCHIVE_ARGUMENTS 8 /* its title, and seven more: see its usage */

enum archive_exit {
	ARCHIVE_EXIT_WHOLE = 0, /* the new file is there, synced and checked */
	ARCHIVE_EXIT_FAILED,	/* not with this segment; why is in the log */
	ARCHIVE_EXIT_NO_CODEC,	/* not with any segment here */
	ARCHIVE_EXIT_DISK,	/* perhaps later */
	ARCHIVE_EXIT_USAGE,
};

struct archive_child {
	pid_t pid;	    /* 0: there is none */
	int fd;		    /* becomes readable when it has ended */
	int64_t cpu, moved; /* time it has used, ns, and when that was seen to have grown */
};

struct archive_order {
	const char *pipeline; /* for its title */
	const char *segments; /* the folder's path */
	uint32_t from, to, quality;
	uint64_t bytes; /* of `from` */
	bool eager;	/* it need not stand back */
};

/* TROUPE_E_SYSTEM, TROUPE_E_NOT_FOUND, …: there is no such program, or no process. */
int archive_child_start(struct archive_child *child, const struct archive_order *order);

/* Whether it has ended, and how: *status is as of waitid's si_code and si_status. It is no more
 * then. */
bool archive_child_ended(struct archive_child *child, int *code, int *status);

/* Whether it has done nothing at all for `limit` ns: it is stopped, or waits for what never comes.
 * On a busy machine its turn comes seldom, but it comes. */
bool archive_child_hangs(struct archive_child *child, int64_t now, int64_t limit);

void archive_child_kill(const struct archive_child *child);

/* Kills it, and waits a moment for its end, that it makes no file any more. */
void archive_child_drop(struct archive_child *child);

#endif
