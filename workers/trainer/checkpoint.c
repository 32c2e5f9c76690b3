/* Where the model file lies and what is done when it cannot be read or written. */
#include "workers/trainer/checkpoint.h"

#include "ipc/base/errors.h"
#include "ipc/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int checkpoint_init(struct checkpoint *checkpoint, const char *state, const char *name)
{
	*checkpoint = (struct checkpoint){0};
	if (!*state)
		return 0;
	char folder[PATH_MAX];
	int n = snprintf(folder, sizeof(folder), "%s/trainer", state);
	int m = snprintf(checkpoint->path, sizeof(checkpoint->path), "%s/trainer/%s", state, name);
	if (n >= (int)sizeof(folder) || m >= (int)sizeof(checkpoint->path))
		return TROUPE_E_OVERSIZED;
	if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
		log_error("cannot make the folder for checkpoints %s: %s", folder, strerror(errno));
		return error_from_errno(errno);
	}
	return 0;
}

static void put_aside(const char *path, int why)
{
	char aside[PATH_MAX + 16];
	snprintf(aside, sizeof(aside), "%s.refused", path);
	bool moved = rename(path, aside) == 0;
	log_warn("checkpoint %s is %s: %s %s", path, error_text(why),
		 moved ? "starting without, kept as" : "starting without, could not keep it as",
		 aside);
}

int checkpoint_load(const struct checkpoint *checkpoint, struct model_file *file)
{
	if (!*checkpoint->path)
		return TROUPE_E_NOT_FOUND;
	int rc = model_file_load(checkpoint->path, file);
	if (rc < 0 && rc != TROUPE_E_NOT_FOUND)
		put_aside(checkpoint->path, rc);
	return rc < 0 ? TROUPE_E_NOT_FOUND : 0;
}

int checkpoint_save(struct checkpoint *checkpoint, const struct model_file *file)
{
	if (!*checkpoint->path)
		return 0;
	int rc = model_file_save(checkpoint->path, file);
	if (rc < 0 && !checkpoint->failing)
		log_warn("cannot save the model to %s: %s (%s); training goes on without",
			 checkpoint->path, error_text(rc), strerror(errno));
	if (rc == 0 && checkpoint->failing)
		log_info("saving the model to %s works again", checkpoint->path);
	checkpoint->failing = rc < 0;
	return rc;
}
