/* Reading the resolved plan of a pipeline. */
#include "workers/sequential/plan.h"

#include "ipc/base/errors.h"

#include <stdlib.h>
#include <string.h>

enum section { SECTION_NONE, SECTION_PIPELINE, SECTION_STREAM, SECTION_WORKER };

static void copy_name(char *out, const char *value)
{
	snprintf(out, NAME_SIZE, "%.*s", NAME_SIZE - 1, value);
}

static bool has_label(const struct plan *plan, const char *name, size_t length)
{
	for (uint32_t i = 0; i < plan->n_labels; i++)
		if (strlen(plan->labels[i]) == length && memcmp(plan->labels[i], name, length) == 0)
			return true;
	return false;
}

static void read_labels(struct plan *plan, const char *value)
{
	while (*value && plan->n_labels < LABELS_MAX) {
		size_t span = strcspn(value, ",");
		if (span && !has_label(plan, value, span))
			snprintf(plan->labels[plan->n_labels++], NAME_SIZE, "%.*s",
				 (int)(span < NAME_SIZE ? span : NAME_SIZE - 1), value);
		value += span + (value[span] == ',');
	}
}

static void pipeline_key(struct plan *plan, const char *key, const char *value)
{
	if (strcmp(key, "name") == 0)
		copy_name(plan->name, value);
	else if (strcmp(key, "folder") == 0)
		snprintf(plan->folder, sizeof(plan->folder), "%s", value);
	else if (strcmp(key, "hang_after") == 0)
		plan->hang_after = strtoll(value, NULL, 10);
	else if (strcmp(key, "bypass_after") == 0)
		plan->bypass_after = strtoll(value, NULL, 10);
	else if (strcmp(key, "low_water") == 0)
		plan->low_water = (uint32_t)strtoul(value, NULL, 10);
	else if (strcmp(key, "labels") == 0)
		read_labels(plan, value);
}

static void stream_key(struct plan *plan, const char *key, const char *value)
{
	struct stream_plan *s = &plan->streams[plan->n_streams - 1];
	uint32_t number = (uint32_t)strtoul(value, NULL, 10);
	const struct {
		const char *key;
		uint32_t *to;
	} numbers[] = {
		{"slots", &s->n_slots},	  {"width", &s->width},
		{"height", &s->height},	  {"view_width", &s->view_width},
		{"fps_num", &s->fps_num}, {"view_height", &s->view_height},
		{"fps_den", &s->fps_den}, {"quality", &s->quality},
		{"taps_on", &s->taps_on},
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(key, numbers[i].key) == 0)
			*numbers[i].to = number;
	if (strcmp(key, "name") == 0)
		copy_name(plan->stream_names[plan->n_streams - 1], value);
	else if (strcmp(key, "tap_every_0") == 0)
		s->tap_every_ns[0] = strtoll(value, NULL, 10);
}

int plan_set_row(struct plan_worker *worker, const char *key, const char *value)
{
	/* A later line wins, so replacing is adding. */
	size_t used = strlen(worker->rows), room = sizeof(worker->rows) - used;
	int length = snprintf(worker->rows + used, room, "%s=%s\n", key, value);
	if (length < (int)room)
		return 0;
	worker->rows[used] = '\0';
	return TROUPE_E_OVERSIZED;
}

static int worker_key(struct plan *plan, const char *key, const char *value)
{
	struct plan_worker *w = &plan->workers[plan->n_workers - 1];
	if (strcmp(key, "name") == 0)
		copy_name(w->name, value);
	else if (strcmp(key, "role") == 0)
		copy_name(w->role, value);
	else if (strcmp(key, "number") == 0)
		w->number = (uint32_t)strtoul(value, NULL, 10);
	else if (strncmp(key, "row.", 4) == 0)
		return plan_set_row(w, key + 4, value);
	return 0;
}

static int begin_section(struct plan *plan, const char *line, enum section *section)
{
	if (strcmp(line, "[pipeline]") == 0) {
		*section = SECTION_PIPELINE;
	} else if (strcmp(line, "[stream]") == 0 && plan->n_streams < STREAMS_MAX) {
		plan->streams[plan->n_streams].name = plan->stream_names[plan->n_streams];
		plan->n_streams++;
		*section = SECTION_STREAM;
	} else if (strcmp(line, "[worker]") == 0 && plan->n_workers < PLAN_WORKERS_MAX) {
		plan->n_workers++;
		*section = SECTION_WORKER;
	} else
		return TROUPE_E_MALFORMED;
	return 0;
}

static int read_line(struct plan *plan, char *line, enum section *section)
{
	char *value = strchr(line, '=');
	if (*line == '\0')
		return 0;
	if (*line == '[')
		return begin_section(plan, line, section);
	if (!value || *section == SECTION_NONE)
		return TROUPE_E_MALFORMED;
	*value++ = '\0';
	if (*section == SECTION_PIPELINE)
		pipeline_key(plan, line, value);
	else if (*section == SECTION_STREAM)
		stream_key(plan, line, value);
	else
		return worker_key(plan, line, value);
	return 0;
}

int plan_read(struct plan *plan, FILE *in, char *why, size_t why_size)
{
	char line[2048];
	enum section section = SECTION_NONE;
	*plan = (struct plan){.labels = {"none"}, .n_labels = 1};
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		int rc = read_line(plan, line, &section);
		if (rc < 0) {
			snprintf(why, why_size, "plan: %s: \"%s\"", error_text(rc), line);
			return rc;
		}
	}
	if (plan->n_streams && plan->n_workers)
		return 0;
	snprintf(why, why_size, "plan: it has no stream or no worker");
	return TROUPE_E_MALFORMED;
}
