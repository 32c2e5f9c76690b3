/* What runtime.c and locks.c share. */
#ifndef TROUPE_SUPERVISOR_RUNTIME_PRIVATE_H
#define TROUPE_SUPERVISOR_RUNTIME_PRIVATE_H

#include "supervisor/runtime.h"

#define RUNTIME_LOCK	 "lock"
#define RUNTIME_OWN_LOCK "supervisor.lock"

int runtime_explain(char *why, size_t size, int rc, const char *what, const char *path);

/* Makes a folder and those above it; each that it makes is 0700. */
int runtime_make_folders(const char *path);

/* Others must not be able to put sockets in our way: the folder is ours and nobody else's. */
int runtime_check_owner(const char *path);

/* Lines "PID START_TIME" of a file below the runtime folder. */
size_t runtime_remembered(const char *folder, const char *name, struct remembered *all, size_t max);

/* Removes what is in the folder but the locks. */
void runtime_empty(const char *folder);

#endif
