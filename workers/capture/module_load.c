/* Kinds of sources that are in the module: found, loaded once, and passed on to. */
#include "workers/capture/module.h"

#include "ipc/base/errors.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#pragma weak capture_module /* none: it is in the file */

static int explain(const char *text, char *why, size_t why_size)
{
	snprintf(why, why_size, "cannot load " MODULE_FILE ": %s", text);
	return TROUPE_E_SYSTEM;
}

/* It lies beside this program. It stays loaded: what it opens has its functions in there. */
static int load(const struct capture_module **module, char *why, size_t why_size)
{
	const struct capture_module *linked = &capture_module;
	char path[1024];
	*module = linked;
	if (linked)
		return 0;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(path, '/');
	size_t room = slash ? sizeof(path) - (size_t)(slash - path) : 0;
	if ((size_t)snprintf(slash ? slash : path, room, "/" MODULE_FILE) >= room)
		return explain("its path is too long", why, why_size);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	*module = handle ? dlsym(handle, MODULE_SYMBOL) : NULL;
	return *module ? 0 : explain(dlerror(), why, why_size);
}

int module_open_file(struct source **source, const char *rest, const struct capture_config *config,
		     struct source_host host, char *why, size_t why_size)
{
	const struct capture_module *module;
	int rc = load(&module, why, why_size);
	return rc < 0 ? rc : module->file(source, rest, config, host, why, why_size);
}

int module_open_network(struct source **source, const char *rest,
			const struct capture_config *config, struct source_host host, char *why,
			size_t why_size)
{
	const struct capture_module *module;
	int rc = load(&module, why, why_size);
	return rc < 0 ? rc : module->network(source, rest, config, host, why, why_size);
}
