/* The folder of a recording as its one writer sees it: made when it is not there, and locked. */
#ifndef TROUPE_WORKERS_STORER_FOLDER_H
#define TROUPE_WORKERS_STORER_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOLDER_LOCK	"lock"
#define FOLDER_SEGMENTS "segments"

/* Descriptors of a recording's folder; -1: not open. */
struct folder {
	int folder;
	int segments;
	int lock;
};

/* Called while it waits, so that a caller can say that it is alive. May be NULL. */
typedef void folder_waiting_fn(void *arg);

/* Makes the folder and what lies in it if need be, and opens it. `durably`: what lies in it is
 * synced, whoever made it; needed before anything is recorded. Takes no lock. Errors are explained
 * in `why`. */
int folder_open(struct folder *folder, const char *path, bool durably, char *why, size_t why_size);

/* Takes the writer's lock; it is held until folder_close or the end of the process. Waits up to
 * `wait` ns: the storer of a pipeline whose supervisor was killed may still be writing what it is
 * owed. TROUPE_E_BUSY: `why` names the holder's pid. */
int folder_lock(struct folder *folder, const char *path, int64_t wait, folder_waiting_fn *waiting,
		void *arg, char *why, size_t why_size);

/* Closes what is open. */
void folder_close(struct folder *folder);

#endif
