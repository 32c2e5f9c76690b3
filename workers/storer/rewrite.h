/* Making durable what another process has written. After a sync that failed, and the death of who
 * was told so, pages may look clean and not be on the disk: a mere second sync would succeed and
 * mean nothing. So the bytes are written over themselves first. */
#ifndef TROUPE_WORKERS_STORER_REWRITE_H
#define TROUPE_WORKERS_STORER_REWRITE_H

#include <stdint.h>

/* Writes the bytes of [from, to) over themselves; the caller syncs. */
int rewrite_bytes(int fd, uint64_t from, uint64_t to);

/* All of a file in a folder (an open descriptor), and syncs it. 0 when there is no such file. */
int rewrite_file(int folder, const char *name);

#endif
