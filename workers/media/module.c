/* dlopen, once. */
#include "workers/media/module.h"

#include "ipc/base/errors.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int explain(const char *file, const char *text, char *why, size_t why_size)
{
	snprintf(why, why_size, "cannot load %s: %s", file, text);
	return TROUPE_E_SYSTEM;
}

int media_module(const char *file, const char *symbol, const void **table, char *why,
		 size_t why_size)
{
	char path[1024];
	*table = NULL;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(path, '/');
	size_t room = slash ? sizeof(path) - (size_t)(slash - path) : 0;
	if ((size_t)snprintf(slash ? slash : path, room, "/%s", file) >= room)
		return explain(file, "its path is too long", why, why_size);
	/* A second time it is only found again: what the first time opened is never closed. */
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	*table = handle ? dlsym(handle, symbol) : NULL;
	return *table ? 0 : explain(file, dlerror(), why, why_size);
}
