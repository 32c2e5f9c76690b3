/* From the configuration to streams with sizes. */
#include "supervisor/streams.h"

#include "ipc/base/errors.h"
#include "ipc/base/folders.h"
#include "supervisor/setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int setup_config(struct config *config, const struct supervisor_options *options, char *why,
		 size_t why_size)
{
	int rc = config_load(config, options->file, options->programs, options->sets,
			     options->n_sets, why, why_size);
	if (rc < 0)
		return TROUPE_E_CONFIG;
	if (options->name && !folder_name_valid(options->name)) {
		snprintf(why, why_size,
			 "-n %s: letters, digits, '-', '_' and '.', at most %d of them",
			 options->name, PIPELINE_NAME_MAX);
		return TROUPE_E_CONFIG;
	}
	if (options->name)
		snprintf(config->top.name, sizeof(config->top.name), "%s", options->name);
	if (chdir(config->folder) < 0) {
		snprintf(why, why_size, "%s: %s", config->folder, strerror(errno));
		return TROUPE_E_CONFIG;
	}
	return 0;
}

/* What the other sections say about streams: how many processors there are, and which taps are owed
 * frames. */
static uint32_t count_processors(const struct config *config, uint32_t *taps)
{
	uint32_t processors = 0;
	*taps = 0;
	for (size_t i = 0; i < config->n_sections; i++) {
		const struct section *section = &config->sections[i];
		if (!section->settings.enabled)
			continue;
		if (section->role->queue)
			processors += (uint32_t)section->settings.count;
		if (section->role->tap >= 0)
			*taps |= 1U << section->role->tap;
	}
	return processors;
}

int streams_plan(const struct config *config, struct planned_streams *streams, char *why,
		 size_t why_size)
{
	uint32_t taps;
	uint32_t processors = count_processors(config, &taps);
	*streams = (struct planned_streams){0};
	for (size_t i = 0; i < config->n_sections; i++) {
		const struct section *section = &config->sections[i];
		if (section->role->shape != ROLE_STREAM || !section->settings.enabled)
			continue;
		uint32_t n = streams->n;
		int rc = stream_probe(section, &streams->probed[n], why, why_size);
		if (rc < 0)
			return rc;
		plan_stream(section, &streams->probed[n], &config->top, processors, taps & 1,
			    &streams->plan[n]);
		streams->plan[n].taps_on |= taps & ~1U;
		streams->n++;
	}
	return 0;
}

static void print_labels(const struct planned_streams *streams, FILE *out)
{
	fprintf(out, "labels=");
	for (uint32_t i = 0; i < streams->n; i++)
		fprintf(out, "%s%s", i ? "," : "", streams->probed[i].labels);
	fprintf(out, "\n");
}

static void print_stream(const struct stream_plan *plan, FILE *out)
{
	fprintf(out,
		"[stream]\nname=%s\nslots=%u\nwidth=%u\nheight=%u\nview_width=%u\nview_height=%u\n"
		"fps_num=%u\nfps_den=%u\nquality=%u\nlive=%d\ntaps_on=%u\ntap_every_0=%lld\n",
		plan->name, plan->n_slots, plan->width, plan->height, plan->view_width,
		plan->view_height, plan->fps_num, plan->fps_den, plan->quality, plan->live,
		plan->taps_on & 1, (long long)plan->tap_every_ns[0]);
}

static void print_worker(const struct section *section, uint32_t number, FILE *out)
{
	char name[NAME_SIZE];
	bool stream = section->role->shape == ROLE_STREAM;
	if (roster_name(section->role, section->title, 1, name, sizeof(name)) < 0)
		return;
	fprintf(out, "[worker]\nname=%s\nrole=%s\nnumber=%u\n", name, section->role->worker,
		stream			  ? number
		: section->role->tap >= 0 ? (uint32_t)section->role->tap
					  : 0);
	for (size_t i = 0; i < section->n_set; i++)
		fprintf(out, "row.%s=%s\n", section->set[i].key, section->set[i].value);
}

/* The plan is for those who know the stock workers: strangers play in no reference. */
static void print_plan(const struct config *config, const struct planned_streams *streams,
		       FILE *out)
{
	uint32_t number = 0;
	fprintf(out,
		"[pipeline]\nname=%s\nfolder=%s\nhang_after=%lld\nbypass_after=%lld\nlow_water=%"
		"lld\n",
		config->top.name, config->folder, (long long)config->top.hang_after,
		(long long)config->top.bypass_after, (long long)config->top.low_water);
	print_labels(streams, out);
	for (uint32_t i = 0; i < streams->n; i++)
		print_stream(&streams->plan[i], out);
	for (size_t i = 0; i < config->n_sections; i++) {
		const struct section *section = &config->sections[i];
		if (section->settings.enabled && section->role->shape != ROLE_NAMED)
			print_worker(section, number, out);
		number += section->settings.enabled && section->role->shape == ROLE_STREAM;
	}
}

int streams_print(const struct supervisor_options *options, FILE *out)
{
	struct config *config = calloc(1, sizeof(*config));
	struct planned_streams *streams = calloc(1, sizeof(*streams));
	char why[WHY_SIZE] = "out of memory";
	int rc = config && streams ? setup_config(config, options, why, sizeof(why))
				   : TROUPE_E_MEMORY;
	int code = rc == TROUPE_E_CONFIG ? 2 : EXIT_FAILURE;
	if (rc == 0)
		rc = streams_plan(config, streams, why, sizeof(why));
	if (rc == 0)
		print_plan(config, streams, out);
	else
		fprintf(stderr, "troupe: %s\n", why);
	if (config)
		config_finish(config);
	free(config);
	free(streams);
	return rc < 0 ? code : fflush(out) ? EXIT_FAILURE : EXIT_SUCCESS;
}
