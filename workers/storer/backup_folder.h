/* The folder of a backup: whether it is one, its lock, and the place for what is not finished. */
#ifndef TROUPE_WORKERS_STORER_BACKUP_FOLDER_H
#define TROUPE_WORKERS_STORER_BACKUP_FOLDER_H

#include "workers/storer/folder.h"

#include <stddef.h>

#define BACKUP_PATH 4096

struct backup_folder {
	struct folder folder;		   /* with the lock that a storer takes too */
	int unfinished;			   /* descriptor of … */
	char unfinished_path[BACKUP_PATH]; /* … a folder in it that is empty at first */
};

/* Opens, or makes, the folder `path` for backups of the recording `from`. Errors are explained in
 * `why`: TROUPE_E_EXISTS: something else is there; TROUPE_E_BUSY: it is being written. */
int backup_folder_open(struct backup_folder *backup, const char *path, const char *from, char *why,
		       size_t why_size);

/* Takes the place for unfinished things away and lets go. */
void backup_folder_close(struct backup_folder *backup);

#endif
