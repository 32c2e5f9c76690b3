/* The trainer's memory across restarts: one model file in the state folder. */
#ifndef TROUPE_WORKERS_TRAINER_CHECKPOINT_H
#define TROUPE_WORKERS_TRAINER_CHECKPOINT_H

#include "workers/media/model_file.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct checkpoint {
	char path[PATH_MAX]; /* "": nothing is kept */
	bool failing;	     /* the last save failed, and that was said */
};

/* Takes STATE/trainer/NAME and makes the folder. With a `state` of "" nothing is ever saved. */
int checkpoint_init(struct checkpoint *checkpoint, const char *state, const char *name);

/* 0: *file is the model saved last; TROUPE_E_NOT_FOUND: there is none. A file that cannot be used
 * is put aside with a warning, never overwritten, and counts as none. */
int checkpoint_load(const struct checkpoint *checkpoint, struct model_file *file);

/* Saves. Training goes on without, so a failure is said once and then only counted by its return
 * value. */
int checkpoint_save(struct checkpoint *checkpoint, const struct model_file *file);

#endif
