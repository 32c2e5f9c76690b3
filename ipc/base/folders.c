/* Names of a pipeline's folders. */
#include "ipc/base/folders.h"

#include "ipc/base/errors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool folder_name_valid(const char *pipeline)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t length = strlen(pipeline);
	return length > 0 && length <= PIPELINE_NAME_MAX && pipeline[0] != '.' &&
	       pipeline[0] != '-' && strspn(pipeline, allowed) == length;
}

static int fits(int length, size_t size)
{
	return length >= 0 && (size_t)length < size ? 0 : TROUPE_E_OVERSIZED;
}

/* An environment variable that is set to something, or NULL. */
static const char *setting(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

/* Whether it is the folder of the service (troupe@.service), and we are the user of that. */
static bool is_service(const char *path)
{
	struct stat st;
	return getuid() != 0 && stat(path, &st) == 0 && st.st_uid == getuid();
}

int folder_runtime_root(char *out, size_t size)
{
	const char *own = setting("TROUPE_RUNTIME_DIR"), *user = setting("XDG_RUNTIME_DIR");
	if (!own && is_service(FOLDER_SERVICE_RUNTIME))
		own = FOLDER_SERVICE_RUNTIME;
	if (own)
		return fits(snprintf(out, size, "%s", own), size);
	if (user)
		return fits(snprintf(out, size, "%s/troupe", user), size);
	return fits(snprintf(out, size, "/tmp/troupe-%u", (unsigned)getuid()), size);
}

int folder_state_root(char *out, size_t size)
{
	const char *own = setting("TROUPE_STATE_DIR"), *user = setting("XDG_STATE_HOME");
	const char *home = setting("HOME");
	if (!own && is_service(FOLDER_SERVICE_STATE))
		own = FOLDER_SERVICE_STATE;
	if (own)
		return fits(snprintf(out, size, "%s", own), size);
	if (user)
		return fits(snprintf(out, size, "%s/troupe", user), size);
	return fits(snprintf(out, size, "%s/.local/state/troupe", home ? home : ""), size);
}

static int of_pipeline(int rc, const char *pipeline, char *out, size_t size)
{
	if (rc < 0)
		return rc;
	if (!folder_name_valid(pipeline))
		return TROUPE_E_ARGUMENT;
	size_t root = strlen(out);
	return fits(snprintf(out + root, size - root, "/%s", pipeline), size - root);
}

int folder_runtime(const char *pipeline, char *out, size_t size)
{
	return of_pipeline(folder_runtime_root(out, size), pipeline, out, size);
}

int folder_state(const char *pipeline, char *out, size_t size)
{
	return of_pipeline(folder_state_root(out, size), pipeline, out, size);
}

int folder_quarantined(const char *state, uint64_t run, const char *stream, uint64_t seq, char *out,
		       size_t size)
{
	return fits(snprintf(out, size, "%s/" FOLDER_QUARANTINE "/%" PRIu64 "-%s-%" PRIu64, state,
			     run, stream, seq),
		    size);
}
