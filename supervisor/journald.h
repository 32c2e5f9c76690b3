/* The workers' lines in the system's journal, beside their files: where our own output goes there
 * (systemd says so by JOURNAL_STREAM), each line becomes an entry of its own with the fields
 * TROUPE_PIPELINE, TROUPE_WORKER and PRIORITY. It is journald's native protocol: a datagram an
 * entry. */
#ifndef TROUPE_SUPERVISOR_JOURNALD_H
#define TROUPE_SUPERVISOR_JOURNALD_H

#include <stdbool.h>
#include <stddef.h>

#define JOURNALD_SOCKET "/run/systemd/journal/socket"

/* Whether that descriptor is the journal's. */
bool journald_is(int fd);

/* A socket to the journal at `path`; -1: neither our output nor our errors go there. The caller
 * closes it. */
int journald_open(const char *path);

/* What a worker wrote. Never waits: an entry that the journal has no room for is in the file alone,
 * and so is what is behind the first few hundred lines at a time. `fd` -1: nothing happens. */
void journald_tell(int fd, const char *pipeline, const char *worker, const char *bytes,
		   size_t size);

#endif
