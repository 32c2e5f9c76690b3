/* Which kind of source a name means. */
#include "workers/capture/source.h"

#include "ipc/base/errors.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *prefix;
	source_open_fn *open;
} kinds[] = {
	{"pattern:", pattern_open},
	{"file:", file_open},
	{"", file_open},
};

int source_open(struct source **source, const struct capture_config *config,
		struct source_host host, char *why, size_t why_size)
{
	const char *name = config->source;
	if (!*name) {
		snprintf(why, why_size, "source is not set: give it a file or \"pattern:\"");
		return TROUPE_E_CONFIG;
	}
	size_t kind = 0;
	while (strncmp(name, kinds[kind].prefix, strlen(kinds[kind].prefix)) != 0)
		kind++;
	return kinds[kind].open(source, name + strlen(kinds[kind].prefix), config, host, why,
				why_size);
}

void source_close(struct source *source)
{
	if (source)
		source->table->close(source);
}
