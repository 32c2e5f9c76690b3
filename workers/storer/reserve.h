/* Some space of the disk that is taken for nothing: given up when the disk is full, so that the
 * catalogue can be told what goes to make space. recording/reserve. */
#ifndef TROUPE_WORKERS_STORER_RESERVE_H
#define TROUPE_WORKERS_STORER_RESERVE_H

#include <stdbool.h>

#define RESERVE_BYTES 1000000

/* Takes it, unless it is taken. `segments`: descriptor of recording/segments. Returns whether it
 * is; a file system that cannot do that is none the worse. */
bool reserve_take(int segments);

/* Returns whether there was any. */
bool reserve_give_up(int segments);
/* The same by the path of the recording, for who cannot open it because the disk is full. */
bool reserve_give_up_in(const char *recording);

#endif
