/* libconfuse, held by its two callbacks: one is called for each value with the line it stands on,
 * one for each error. Neither gets a pointer of ours, so an option with a name that nobody can
 * write carries it. */
#include "supervisor/reader.h"

#include "ipc/base/errors.h"
#include "supervisor/nearest.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT "\001entries"

static struct entries *context(cfg_t *cfg)
{
	cfg_opt_t *option = cfg_getopt(cfg, CONTEXT);
	return option ? (struct entries *)(void *)option->simple_value.ptr : NULL;
}

static void say(struct entries *entries, int line, const char *text)
{
	if (!entries->failed)
		snprintf(entries->error, sizeof(entries->error), "%s:%d: %s", entries->file, line,
			 text);
	entries->failed = true;
}

static bool is_top(const cfg_t *cfg)
{
	return strcmp(cfg->name, "root") == 0;
}

/* The key that can be had from what was written with the fewest changes, NULL: none with two. */
static const char *nearest_key(cfg_t *cfg, const char *written)
{
	const char *nearest = NULL;
	unsigned least = 3;
	for (unsigned i = 0; i < cfg_num(cfg); i++) {
		const char *name = cfg_opt_name(cfg_getnopt(cfg, i));
		unsigned changes = nearest_changes(written, name);
		if (changes >= least || changes >= strlen(name))
			continue;
		least = changes;
		nearest = name;
	}
	return nearest;
}

/* As many as there is room for. */
static void list_keys(cfg_t *cfg, char *out, size_t size)
{
	static const char rest[] = ", …: `troupe config` shows all";
	size_t used = strlen(out);
	for (unsigned i = 0; i < cfg_num(cfg); i++) {
		const char *name = cfg_opt_name(cfg_getnopt(cfg, i));
		if (strcmp(name, CONTEXT) == 0)
			continue;
		if (used + strlen(name) + sizeof(rest) + 2 > size) {
			snprintf(out + used, size - used, "%s", rest);
			return;
		}
		used += (size_t)snprintf(out + used, size - used, "%s%s",
					 out[used - 1] == ':' ? " " : ", ", name);
	}
}

static void say_unknown(cfg_t *cfg, const char *name, char *out, size_t size)
{
	const char *nearest = nearest_key(cfg, name);
	snprintf(out, size,
		 "unknown %s \"%.40s\"%s%s%s, valid:", is_top(cfg) ? "key or section" : "key", name,
		 nearest ? " (\"" : "", nearest ? nearest : "", nearest ? "\"?)" : "");
	list_keys(cfg, out, size);
}

/* How libconfuse calls what it does not know; it has no code for it. */
static const char unknown[] = "no such option '%s'";

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
							   va_list args)
{
	struct entries *entries = context(cfg);
	bool is_unknown = strcmp(format, unknown) == 0;
	char text[320]; /* with the file's path less than what anybody can be told */
	if (!entries || (is_unknown && entries->lenient && !is_top(cfg)))
		return;
	int used = is_top(cfg) ? 0 : snprintf(text, sizeof(text), "%s: ", cfg->name);
	if (is_unknown) {
		say_unknown(cfg, va_arg(args, const char *), text + used,
			    sizeof(text) - (size_t)used);
	} else {
		vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	}
	say(entries, cfg->line, text);
}

static void *grow(void *rows, size_t count, size_t size)
{
	return count & (count - 1) ? rows : reallocarray(rows, count ? count * 2 : 1, size);
}

static int on_value(cfg_t *cfg, cfg_opt_t *option)
{
	struct entries *entries = context(cfg);
	const char *section = is_top(cfg) ? "" : cfg->name, *title = cfg->title ? cfg->title : "";
	const char *value = option->values[option->nvalues - 1]->string;
	for (size_t i = 0; i < entries->count; i++) {
		const struct entry *e = &entries->all[i];
		char text[200];
		if (strcmp(e->section, section) != 0 || strcmp(e->title, title) != 0 ||
		    strcmp(e->key, option->name) != 0)
			continue;
		snprintf(text, sizeof(text), "%s%s%s is set twice, first in line %d", section,
			 *section ? ": " : "", option->name, e->line);
		say(entries, cfg->line, text);
		return -1;
	}
	struct entry *all = grow(entries->all, entries->count, sizeof(*all));
	if (!all)
		return -1;
	entries->all = all;
	all[entries->count++] = (struct entry){.section = strdup(section),
					       .title = strdup(title),
					       .key = strdup(option->name),
					       .value = strdup(value ? value : ""),
					       .line = cfg->line};
	return 0;
}

/* libconfuse 3.3 counts lines wrongly after a comment and trips over one within a list: it is given
 * the text with blanks instead of comments. */
static void blank_comments(char *text)
{
	char quote = 0;
	for (char *at = text; *at; at++) {
		if (quote) {
			if (*at == '\\' && at[1])
				at++;
			else if (*at == quote)
				quote = 0;
		} else if (*at == '"' || *at == '\'') {
			quote = *at;
		} else if (*at == '#' || (at[0] == '/' && at[1] == '/')) {
			for (; at[0] && at[0] != '\n'; at++)
				*at = ' ';
			at--;
		} else if (at[0] == '/' && at[1] == '*') {
			for (; at[0] && !(at[0] == '*' && at[1] == '/'); at++)
				*at = *at == '\n' ? '\n' : ' ';
			for (int i = 0; i < 2 && *at; i++)
				*at++ = ' ';
			at--;
		}
	}
}

static cfg_opt_t *make_options(struct entries *entries, const struct section_keys *keys,
			       size_t more)
{
	cfg_opt_t *options = calloc(keys->n_keys + more + 2, sizeof(*options));
	if (!options)
		return NULL;
	options[0] = (cfg_opt_t){.name = CONTEXT,
				 .type = CFGT_PTR,
				 .flags = CFGF_NODEFAULT,
				 .simple_value = {.ptr = (void **)(void *)entries}};
	for (size_t i = 0; i < keys->n_keys; i++) {
		options[i + 1] = (cfg_opt_t){.name = keys->keys[i],
					     .type = CFGT_STR,
					     .flags = CFGF_NODEFAULT,
					     .validcb = on_value};
	}
	return options;
}

/* The whole grammar: options[0] is the top level, options[i] the sections behind it. */
static int make_grammar(struct entries *entries, const struct section_keys *sections, size_t n,
			cfg_opt_t **options)
{
	options[0] = make_options(entries, &sections[0], n - 1);
	for (size_t i = 1; i < n && options[0]; i++) {
		options[i] = make_options(entries, &sections[i], 0);
		if (!options[i])
			return TROUPE_E_MEMORY;
		options[0][sections[0].n_keys + i] = (cfg_opt_t){
			.name = sections[i].section,
			.type = CFGT_SEC,
			.flags = (sections[i].titled ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES
						     : CFGF_NODEFAULT) |
				 (entries->lenient ? CFGF_KEYSTRVAL : 0),
			.subopts = options[i]};
	}
	return options[0] ? 0 : TROUPE_E_MEMORY;
}

static int note_sections(struct entries *entries, cfg_t *cfg, const struct section_keys *sections,
			 size_t n)
{
	for (size_t i = 1; i < n; i++) {
		for (unsigned k = 0; k < cfg_size(cfg, sections[i].section); k++) {
			cfg_t *section = cfg_getnsec(cfg, sections[i].section, k);
			struct entry_section *all =
				grow(entries->sections, entries->n_sections, sizeof(*all));
			if (!all)
				return TROUPE_E_MEMORY;
			entries->sections = all;
			all[entries->n_sections++] = (struct entry_section){
				.section = strdup(sections[i].section),
				.title = strdup(section->title ? section->title : ""),
				.line = section->line};
		}
	}
	return 0;
}

static int parse(struct entries *entries, const char *text, cfg_opt_t *top,
		 const struct section_keys *sections, size_t n)
{
	char *copy = strdup(text);
	cfg_t *cfg = copy ? cfg_init(top, CFGF_NONE) : NULL;
	int rc = TROUPE_E_MEMORY;
	if (cfg) {
		blank_comments(copy);
		cfg_set_error_function(cfg, on_error);
		int parsed = cfg_parse_buf(cfg, copy);
		if (parsed != CFG_SUCCESS || entries->failed) {
			say(entries, cfg->line, "not to be understood");
			rc = TROUPE_E_CONFIG;
		} else {
			rc = note_sections(entries, cfg, sections, n);
		}
		cfg_free(cfg);
	}
	free(copy);
	return rc;
}

int entries_read(struct entries *entries, const char *file, const char *text,
		 const struct section_keys *sections, size_t n_sections, bool lenient)
{
	*entries = (struct entries){.file = file, .lenient = lenient};
	cfg_opt_t **options = calloc(n_sections, sizeof(void *));
	if (!options)
		return TROUPE_E_MEMORY;
	int rc = make_grammar(entries, sections, n_sections, options);
	if (rc == 0)
		rc = parse(entries, text, options[0], sections, n_sections);
	for (size_t i = 0; i < n_sections; i++)
		free(options[i]);
	free(options);
	return rc;
}

void entries_finish(struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		free(entries->all[i].section);
		free(entries->all[i].title);
		free(entries->all[i].key);
		free(entries->all[i].value);
	}
	for (size_t i = 0; i < entries->n_sections; i++) {
		free(entries->sections[i].section);
		free(entries->sections[i].title);
	}
	free(entries->all);
	free(entries->sections);
	*entries = (struct entries){0};
}

const char *entries_value(const struct entries *entries, const char *section, const char *title,
			  const char *key)
{
	for (size_t i = entries->count; i-- > 0;) {
		const struct entry *e = &entries->all[i];
		if (strcmp(e->section, section) == 0 && strcmp(e->title, title) == 0 &&
		    strcmp(e->key, key) == 0)
			return e->value;
	}
	return NULL;
}
