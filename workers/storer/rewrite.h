/* Making durable what another process has written. After a sync that failed, and the death of who
 * was told so, pages may look clean and not be on the disk: a mere second sync would succeed and
 * mean nothing. So the bytes are written over themselves first. */
#ifndef TROUPE_WORKERS_STORER_REWRITE_H
#define TROUPE_WORKERS_STORER_REWRITE_H

#include <stdint.h>

/* Writes the bytes of [from, to) over themselves; the caller syncs. */
int rewrite_bytes(int fd, uint64_t from, uint64_t to);

/* What counts of SQLite's log in a folder (an open descriptor), and syncs it. What lies behind is
 * left alone: nobody reads it. 0 when there is no such file. */
int rewrite_log(int folder, const char *name);
/* How much of a log of that size counts, at most: SQLite may stop before that. */
uint64_t rewrite_log_end(int fd, uint64_t size);

#endif
