/* Which kind of source a name means. */
#include "workers/capture/source.h"

#include "ipc/base/errors.h"

#include <stdio.h>
#include <string.h>

/* The first row that fits. */
static const struct {
	const char *prefix;
	const char *within; /* NULL: anything */
	source_open_fn *open;
} kinds[] = {
	{"pattern:", NULL, pattern_open},  {"file:", NULL, module_open_file},
	{"v4l2:", NULL, v4l2_source_open}, {"/dev/", NULL, v4l2_source_open},
	{"", "://", module_open_network},  {"", NULL, module_open_file}, /* a path */
};

static bool is_kind(size_t kind, const char *name)
{
	const char *prefix = kinds[kind].prefix, *within = kinds[kind].within;
	return strncmp(name, prefix, strlen(prefix)) == 0 && (!within || strstr(name, within));
}

int source_open(struct source **source, const struct capture_config *config,
		struct source_host host, char *why, size_t why_size)
{
	const char *name = config->source;
	if (!*name) {
		snprintf(why, why_size,
			 "source is not set: give it a file, a camera, a URL or \"pattern:\"");
		return TROUPE_E_CONFIG;
	}
	size_t kind = 0;
	while (!is_kind(kind, name))
		kind++;
	int rc = kinds[kind].open(source, name + strlen(kinds[kind].prefix), config, host, why,
				  why_size);
	if (rc < 0 || !capture_passes_through(config) || (*source)->table->unit)
		return rc;
	rc = source_explain_codec(name, (*source)->info.coded ? "JPEG" : "not coded", why,
				  why_size);
	source_close(*source);
	return rc;
}

void source_close(struct source *source)
{
	if (source)
		source->table->close(source);
}
