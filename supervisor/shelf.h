/* A shelf is a folder with one folder a thing, of which only the newest are kept, so that it can
 * never fill the disk. */
#ifndef TROUPE_SUPERVISOR_SHELF_H
#define TROUPE_SUPERVISOR_SHELF_H

#include <stddef.h>

/* Removes the oldest folders on the shelf until at most `keep` are left. What cannot be removed
 * stays; no shelf is an empty one. */
void shelf_prune(const char *shelf, size_t keep);

/* Removes one folder and the files in it; a folder in it stays, and so does it. */
void shelf_remove(const char *folder);

#endif
