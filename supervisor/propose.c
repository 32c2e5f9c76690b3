/* The other side of a proposal: reads the file, asks the programs, and says what they said. */
#include "ipc/base/errors.h"
#include "supervisor/proposal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What the supervisor asks for. */
struct wish {
	const char *file;
	const char *sets[64];
	size_t n_sets;
	json_t *streams; /* that run */
};

static int read_wish(json_t *json, struct wish *wish)
{
	json_t *sets;
	if (json_unpack(json, "{s:s, s:o, s:o}", "file", &wish->file, "sets", &sets, "streams",
			&wish->streams) < 0)
		return TROUPE_E_MALFORMED;
	for (size_t i = 0; i < json_array_size(sets) && i < 64; i++)
		wish->sets[wish->n_sets++] = json_string_value(json_array_get(sets, i));
	return 0;
}

/* Whether the same program with the same rows makes the stream already. A source that is in use is
 * not asked again: a camera could not answer. */
static bool runs_already(const struct wish *wish, const struct section *section)
{
	char *lines = section_lines(section);
	bool same = false;
	for (size_t i = 0; lines && i < json_array_size(wish->streams); i++) {
		const char *title, *program, *its;
		if (json_unpack(json_array_get(wish->streams, i), "{s:s, s:s, s:s}", "title",
				&title, "program", &program, "lines", &its) == 0)
			same |= strcmp(title, section->title) == 0 &&
				strcmp(program, section->program) == 0 && strcmp(its, lines) == 0;
	}
	free(lines);
	return same;
}

static json_t *probe(const struct section *section, char *why, size_t why_size)
{
	struct probed *probed = calloc(1, sizeof(*probed));
	json_t *json = NULL;
	if (probed && stream_probe(section, probed, why, why_size) == 0) {
		json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:b}", "title", section->title,
				 "device", probed->device, "width", (int)probed->width, "height",
				 (int)probed->height, "fps_num", (int)probed->fps_num, "fps_den",
				 (int)probed->fps_den, "live", probed->live);
	}
	free(probed);
	return json;
}

/* NULL: a source could not be used, `why` says it. */
static json_t *probe_all(const struct wish *wish, const struct config *config, char *why,
			 size_t why_size)
{
	json_t *streams = json_array();
	for (size_t i = 0; i < config->n_sections; i++) {
		const struct section *section = &config->sections[i];
		if (section->role->shape != ROLE_STREAM || !section->settings.enabled ||
		    runs_already(wish, section))
			continue;
		char clause[WHY_SIZE / 2] = "";
		json_t *stream = probe(section, clause, sizeof(clause));
		if (!stream) {
			snprintf(why, why_size, "%.200s:%d: %s", wish->file,
				 config_line(config, section, "source"), clause);
			json_decref(streams);
			return NULL;
		}
		json_array_append_new(streams, stream);
	}
	return streams;
}

/* Rows and needs, as the program has printed them. */
static json_t *rows_text(const struct section *section)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	rows_print(&(struct row_table){.rows = section->rows, .count = section->n_rows}, out);
	for (size_t i = 0; i < section->needs.count; i++) {
		const struct need need = need_at(&section->needs, i);
		needs_print(&need, 1, out);
	}
	json_t *json = fclose(out) == 0 ? json_string(text) : NULL;
	free(text);
	return json;
}

/* One that is disabled and could not be asked is none of those that are known. */
static json_t *rows_all(const struct config *config)
{
	json_t *programs = json_object();
	for (size_t i = 0; i < config->n_sections; i++) {
		const struct section *section = &config->sections[i];
		if ((section->rows || section->settings.enabled) &&
		    !json_object_get(programs, section->program))
			json_object_set_new(programs, section->program, rows_text(section));
	}
	return programs;
}

static json_t *answer(const struct wish *wish, const char *programs)
{
	struct config config;
	char why[WHY_SIZE] = "out of memory";
	json_t *streams = NULL, *json = NULL;
	int rc = config_load(&config, wish->file, programs, wish->sets, wish->n_sets, why,
			     sizeof(why));
	if (rc == 0)
		streams = probe_all(wish, &config, why, sizeof(why));
	if (streams) {
		snprintf(why, sizeof(why), "%.400s: is not UTF-8", wish->file);
		json = json_pack("{s:s, s:s, s:o, s:o}", "folder", config.folder, "text",
				 config.text, "programs", rows_all(&config), "streams", streams);
	}
	if (!json)
		json = json_pack("{s:s}", "why", why);
	config_finish(&config);
	return json;
}

int proposal_make(FILE *in, FILE *out, const char *programs)
{
	json_t *question = json_loadf(in, 0, NULL), *json = NULL;
	struct wish wish = {0};
	if (question && read_wish(question, &wish) == 0)
		json = answer(&wish, programs);
	int rc = json ? json_dumpf(json, out, JSON_COMPACT) : -1;
	json_decref(json);
	json_decref(question);
	return rc < 0 || fflush(out) ? EXIT_FAILURE : EXIT_SUCCESS;
}
