/* From entries to sections: every key and value is checked by the row that it belongs to. */
#include "supervisor/config.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/folders.h"
#include "ipc/base/redact.h"
#include "ipc/worker/contract.h"
#include "supervisor/query.h"
#include "supervisor/reader.h"
#include "supervisor/share.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUERY_TIMEOUT (10 * NS_PER_S)
#define FILE_LIMIT    (1 << 20)

/* What one reading needs. */
struct reading {
	struct config *config;
	struct entries entries;
	char *text;
	const struct known_rows *known; /* NULL: the programs are asked */
	size_t n_known;
	char *why;
	size_t why_size;
};

__attribute__((format(printf, 2, 3))) static int complain(struct reading *r, const char *format,
							  ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(r->why, r->why_size, format, args);
	va_end(args);
	return TROUPE_E_CONFIG;
}

/* A pipe is none: whoever opened it would wait for its other end. NULL: errno, or 0 for that. */
static FILE *open_file(const char *file)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fdopen(fd, "r");
	close(fd);
	errno = 0;
	return NULL;
}

static int read_text(struct reading *r)
{
	const char *file = r->config->file;
	FILE *in = open_file(file);
	if (!in)
		return complain(r, "%s: cannot be read: %s", file,
				errno ? strerror(errno) : "it is no file");
	r->text = calloc(1, FILE_LIMIT + 1);
	size_t used = r->text ? fread(r->text, 1, FILE_LIMIT + 1, in) : 0;
	bool bad = ferror(in) || !r->text;
	fclose(in);
	if (bad)
		return complain(r, "%s: cannot be read", file);
	if (used > FILE_LIMIT)
		return complain(r, "%s: larger than %d bytes", file, FILE_LIMIT);
	r->text[used] = '\0';
	if (strlen(r->text) != used)
		return complain(r, "%s: not a text file", file);
	char *kept = realloc(r->text, used + 1);
	r->text = kept ? kept : r->text;
	return 0;
}

static int find_folder(struct reading *r)
{
	char path[PATH_MAX];
	if (!realpath(r->config->file, path))
		return complain(r, "%s: %s", r->config->file, strerror(errno));
	char *slash = strrchr(path, '/');
	slash[slash == path] = '\0';
	if (strlen(path) >= sizeof(r->config->folder))
		return complain(r, "%s: its path is too long", r->config->file);
	memcpy(r->config->folder, path, strlen(path) + 1);
	return 0;
}

void config_program(const struct config *config, const struct role *role, const char *exec,
		    char *out, size_t size)
{
	if (!*exec)
		snprintf(out, size, "%s/%s", config->programs, role->program);
	else if (*exec == '/')
		snprintf(out, size, "%s", exec);
	else if (strchr(exec, '/'))
		snprintf(out, size, "%s/%s", config->folder, exec);
	else
		snprintf(out, size, "%s/%s", config->programs, exec);
}

/* What `--rows` prints: rows and needs. The count of rows, or an error. */
static int parse_answer(const char *text, struct row **rows, struct needs *needs)
{
	int rc = needs_parse(text, needs);
	return rc < 0 ? rc : rows_parse(text, rows);
}

int config_rows(const char *program, bool may_have_none, struct row **rows, struct needs *needs,
		char *why, size_t why_size)
{
	char *answer, words[256];
	*rows = NULL;
	*needs = (struct needs){0};
	int rc =
		query(program, CONTRACT_ARG_ROWS, "", QUERY_TIMEOUT, &answer, words, sizeof(words));
	if (rc < 0) {
		snprintf(why, why_size, "%s: %s", program, error_text(rc));
		return rc;
	}
	if (rc > 0 && may_have_none) {
		rc = 0;
	} else if (rc > 0) {
		snprintf(why, why_size, "%s %s ended with code %d%s%s", program, CONTRACT_ARG_ROWS,
			 rc, *words ? ": " : "", words);
		rc = TROUPE_E_CONFIG;
	} else {
		rc = parse_answer(answer, rows, needs);
		if (rc < 0)
			snprintf(why, why_size, "%s %s: what it prints is no table of rows",
				 program, CONTRACT_ARG_ROWS);
	}
	free(answer);
	return rc;
}

/* ---- sections ---- */

static int title_fits(struct reading *r, const struct entry_section *found, const struct role *role)
{
	char name[NAME_SIZE];
	if (role->shape != ROLE_STREAM && role->shape != ROLE_NAMED)
		return 0;
	if (!folder_name_valid(found->title) || strchr(found->title, '.') ||
	    roster_name(role, found->title, 0, name, sizeof(name)) < 0) {
		return complain(r,
				"%s:%d: %s \"%s\": a name has letters, digits, '-' and '_', and at "
				"most %zu of them",
				r->config->file, found->line, role->section, found->title,
				(size_t)NAME_SIZE - 2 - strlen(role->worker));
	}
	if (role->shape == ROLE_NAMED && !roster_name_is_free(found->title)) {
		return complain(r,
				"%s:%d: %s \"%s\": there is one of that name already: take another",
				r->config->file, found->line, role->section, found->title);
	}
	return 0;
}

static int add_section(struct reading *r, const struct role *role, const char *title, int line)
{
	struct config *config = r->config;
	struct section *all = reallocarray(config->sections, config->n_sections + 1, sizeof(*all));
	if (!all)
		return TROUPE_E_MEMORY;
	config->sections = all;
	struct section *section = &all[config->n_sections++];
	*section = (struct section){.role = role, .line = line};
	strncpy(section->title, title, sizeof(section->title) - 1);
	settings_defaults(role, &section->settings);
	return 0;
}

static bool is_titled(const struct role *role)
{
	return role->shape == ROLE_STREAM || role->shape == ROLE_NAMED;
}

/* A section for each single role, in the file or not, and one for each stream and stranger in the
 * file. */
static int add_sections(struct reading *r)
{
	size_t n_roles;
	const struct role *roles = roster(&n_roles);
	const struct entries *e = &r->entries;
	for (size_t i = 0; i < n_roles; i++) {
		size_t found = 0;
		for (size_t k = 0; k < e->n_sections; k++) {
			if (strcmp(e->sections[k].section, roles[i].section) != 0)
				continue;
			int rc = title_fits(r, &e->sections[k], &roles[i]);
			if (rc == 0)
				rc = add_section(r, &roles[i], e->sections[k].title,
						 e->sections[k].line);
			if (rc < 0)
				return rc;
			found++;
		}
		int rc = found || is_titled(&roles[i]) ? 0 : add_section(r, &roles[i], "", 0);
		if (rc < 0)
			return rc;
	}
	return 0;
}

struct section *config_section(const struct config *config, const char *name, const char *title)
{
	for (size_t i = 0; i < config->n_sections; i++) {
		if (strcmp(config->sections[i].role->section, name) == 0 &&
		    strcmp(config->sections[i].title, title) == 0)
			return &config->sections[i];
	}
	return NULL;
}

static int rows_known(const struct reading *r, struct section *s, char *why, size_t why_size)
{
	for (size_t i = 0; i < r->n_known; i++)
		if (strcmp(r->known[i].program, s->program) == 0)
			return parse_answer(r->known[i].text, &s->rows, &s->needs);
	snprintf(why, why_size, "%.400s: nobody has asked it for its rows", s->program);
	return TROUPE_E_NOT_FOUND;
}

/* The rows of a section's program, which an earlier section may have asked already. */
static int rows_of(const struct reading *r, struct section *s, char *why, size_t why_size)
{
	for (const struct section *other = r->config->sections; other < s; other++) {
		if (other->rows && strcmp(other->program, s->program) == 0) {
			s->rows = other->rows;
			s->needs = other->needs;
			s->borrowed = true;
			return (int)other->n_rows;
		}
	}
	if (r->known)
		return rows_known(r, s, why, why_size);
	return config_rows(s->program, s->role->shape == ROLE_NAMED, &s->rows, &s->needs, why,
			   why_size);
}

/* Which program plays each section, and what rows it has. Each program is asked once. */
static int ask_programs(struct reading *r)
{
	struct config *config = r->config;
	for (size_t i = 0; i < config->n_sections; i++) {
		struct section *s = &config->sections[i];
		const char *exec = entries_value(&r->entries, s->role->section, s->title, "exec");
		char why[WHY_SIZE];
		if (s->role->shape == ROLE_NAMED && !(exec && *exec)) {
			return complain(r, "%s:%d: worker \"%s\": which program? exec = \"./mine\"",
					config->file, s->line, s->title);
		}
		config_program(config, s->role, exec ? exec : "", s->program, sizeof(s->program));
		int rc = rows_of(r, s, why, sizeof(why));
		const char *enabled =
			entries_value(&r->entries, s->role->section, s->title, "enabled");
		if (rc < 0 && enabled && strcmp(enabled, "no") == 0)
			rc = 0; /* it will not be started */
		if (rc < 0 && s->line)
			return complain(r, "%s:%d: %s: %s", config->file, s->line, s->role->section,
					why);
		if (rc < 0)
			return complain(r, "%s: %s", s->role->section, why);
		s->n_rows = (size_t)rc;
	}
	return 0;
}

/* ---- values ---- */

static int note(struct setting **all, size_t *n, const char *key, const char *value, int line)
{
	struct setting *more = reallocarray(*all, *n + 1, sizeof(*more));
	if (!more)
		return TROUPE_E_MEMORY;
	*all = more;
	more[*n] = (struct setting){.key = strdup(key), .value = strdup(value), .line = line};
	++*n;
	return more[*n - 1].key && more[*n - 1].value ? 0 : TROUPE_E_MEMORY;
}

/* `where` is "demo.conf:12: processor: " or "--set processor.count=x: ". */
static int set_value(struct reading *r, struct section *s, const char *key, const char *value,
		     int line, const char *where)
{
	char why[WHY_SIZE] = "";
	const struct row *mine = settings_find(s->role, key);
	const struct row *its =
		row_find(&(struct row_table){.rows = s->rows, .count = s->n_rows}, key);
	if (mine && row_set(mine, &s->settings, value, why, sizeof(why)) < 0)
		return complain(r, "%s%s", where, why);
	if (mine && note(&s->said.all, &s->said.count, key, value, line) < 0)
		return TROUPE_E_MEMORY;
	if (!its)
		return mine ? 0 : complain(r, "%sunknown key \"%s\"", where, key);
	if (row_set(its, NULL, value, why, sizeof(why)) < 0)
		return complain(r, "%s%s", where, why);
	return note(&s->set, &s->n_set, key, value, line);
}

static int set_top(struct reading *r, const char *key, const char *value, int line,
		   const char *where)
{
	char why[WHY_SIZE];
	const struct row *row = row_find(&settings_top, key);
	if (!row)
		return complain(r, "%sunknown key \"%s\"", where, key);
	if (row_set(row, &r->config->top, value, why, sizeof(why)) < 0)
		return complain(r, "%s%s", where, why);
	if (row->offset == offsetof(struct top_settings, name) && !folder_name_valid(value))
		return complain(r, "%sname = \"%s\": letters, digits, '-', '_' and '.', at most %d",
				where, value, PIPELINE_NAME_MAX);
	return note(&r->config->said.all, &r->config->said.count, key, value, line);
}

static int apply_entries(struct reading *r)
{
	for (size_t i = 0; i < r->entries.count; i++) {
		const struct entry *e = &r->entries.all[i];
		char where[PROGRAM_SIZE + NAME_SIZE + 16];
		snprintf(where, sizeof(where), "%s:%d: %s%s", r->config->file, e->line, e->section,
			 *e->section ? ": " : "");
		struct section *s =
			*e->section ? config_section(r->config, e->section, e->title) : NULL;
		int rc = s ? set_value(r, s, e->key, e->value, e->line, where)
			   : set_top(r, e->key, e->value, e->line, where);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* "stream.cam1.source=…", "processor.count=3", "name=demo". */
static int apply_set(struct reading *r, const char *assignment)
{
	char copy[1024], where[1100];
	redact(assignment, copy, sizeof(copy));
	snprintf(where, sizeof(where), "--set %s: ", copy);
	int length = snprintf(copy, sizeof(copy), "%s", assignment);
	char *value = length < (int)sizeof(copy) ? strchr(copy, '=') : NULL;
	if (!value)
		return complain(r, "%swanted SECTION.KEY=VALUE, e.g. processor.count=3", where);
	*value++ = '\0';
	char *key = strrchr(copy, '.');
	if (!key)
		return set_top(r, copy, value, 0, where);
	*key++ = '\0';
	char *title = strchr(copy, '.');
	if (title)
		*title++ = '\0';
	struct section *s = config_section(r->config, copy, title ? title : "");
	if (!s)
		return complain(r, "%sno such section; wanted processor.KEY, stream.TITLE.KEY, …",
				where);
	if (strcmp(key, "exec") == 0)
		return complain(r, "%sset exec in the file", where);
	return set_value(r, s, key, value, 0, where);
}

/* What the strangers' sections say makes their roles. */
static int cast_strangers(struct reading *r)
{
	struct config *config = r->config;
	int lossless = 0;
	for (size_t i = 0; i < config->n_sections; i++) {
		struct section *s = &config->sections[i];
		if (s->role->shape != ROLE_NAMED)
			continue;
		s->role = roster_stranger(s->settings.takes, s->settings.tap, lossless);
		if (!s->role) {
			return complain(
				r,
				"%s:%d: worker \"%s\": tap = \"lossless\": there are %d such "
				"taps beside the recording: take \"each\"",
				config->file, s->line, s->title, TAPS_MAX - 1);
		}
		lossless += s->role->tap >= 0;
	}
	return 0;
}

static int check_whole(struct reading *r)
{
	const struct config *config = r->config;
	size_t streams = 0;
	for (size_t i = 0; i < config->n_sections; i++)
		streams += config->sections[i].role->shape == ROLE_STREAM &&
			   config->sections[i].settings.enabled;
	if (streams == 0 || streams > STREAMS_MAX) {
		return complain(
			r, "%s: has %zu streams, wanted 1 to %d: stream \"cam1\" { source = … }",
			config->file, streams, STREAMS_MAX);
	}
	return share_check(config, r->why, r->why_size);
}

/* ---- the keys that the grammar knows ---- */

static int append_keys(const char ***keys, size_t *n, const struct row *rows, size_t count)
{
	const char **more = reallocarray(*keys, *n + count + 1, sizeof(*more));
	if (!more)
		return TROUPE_E_MEMORY;
	*keys = more;
	for (size_t i = 0; i < count; i++) {
		bool twice = false;
		for (size_t k = 0; k < *n; k++)
			twice |= strcmp(more[k], rows[i].name) == 0;
		if (!twice)
			more[(*n)++] = rows[i].name;
	}
	return 0;
}

static int keys_of_role(const struct config *config, const struct role *role,
			struct section_keys *out)
{
	const char **keys = NULL;
	const struct row_table *parts[SETTINGS_PARTS];
	size_t n_parts = settings_for(role, parts), n = 0;
	int rc = 0;
	for (size_t i = 0; i < n_parts && rc == 0; i++)
		rc = append_keys(&keys, &n, parts[i]->rows, parts[i]->count);
	for (size_t i = 0; i < config->n_sections && rc == 0; i++) {
		if (config->sections[i].role == role)
			rc = append_keys(&keys, &n, config->sections[i].rows,
					 config->sections[i].n_rows);
	}
	*out = (struct section_keys){
		.section = role->section, .titled = is_titled(role), .keys = keys, .n_keys = n};
	return rc;
}

/* Reads the text with the keys that are known so far. */
static int read_entries(struct reading *r, bool lenient)
{
	size_t n_roles;
	const struct role *roles = roster(&n_roles);
	struct section_keys *sections = calloc(n_roles + 1, sizeof(*sections));
	const char **top = NULL;
	size_t n_top = 0;
	int rc = sections ? append_keys(&top, &n_top, settings_top.rows, settings_top.count)
			  : TROUPE_E_MEMORY;
	for (size_t i = 0; i < n_roles && rc == 0; i++)
		rc = keys_of_role(r->config, &roles[i], &sections[i + 1]);
	if (rc == 0) {
		sections[0] = (struct section_keys){.section = "", .keys = top, .n_keys = n_top};
		entries_finish(&r->entries);
		rc = entries_read(&r->entries, r->config->file, r->text, sections, n_roles + 1,
				  lenient);
		if (rc == TROUPE_E_CONFIG)
			complain(r, "%s", r->entries.error);
	}
	for (size_t i = 0; sections && i < n_roles; i++)
		free(sections[i + 1].keys);
	free(sections);
	free(top);
	return rc;
}

/* From the text to sections. */
static int read_rest(struct reading *r, const char *const *sets, size_t n_sets)
{
	int rc = read_entries(r, true); /* which programs are meant? */
	if (rc == 0)
		rc = add_sections(r);
	if (rc == 0)
		rc = ask_programs(r);
	if (rc == 0)
		rc = read_entries(r, false);
	if (rc == 0)
		rc = apply_entries(r);
	for (size_t i = 0; i < n_sets && rc == 0; i++)
		rc = apply_set(r, sets[i]);
	if (rc == 0)
		rc = cast_strangers(r);
	if (rc == 0)
		rc = check_whole(r);
	entries_finish(&r->entries);
	r->config->text = r->text;
	return rc;
}

static void begin(struct reading *r, const char *file, const char *programs)
{
	struct config *config = r->config;
	*config = (struct config){0};
	snprintf(r->why, r->why_size, "%s", error_text(TROUPE_E_MEMORY));
	snprintf(config->file, sizeof(config->file), "%s", file);
	snprintf(config->programs, sizeof(config->programs), "%s", programs);
	rows_defaults(&settings_top, &config->top);
}

int config_load(struct config *config, const char *file, const char *programs,
		const char *const *sets, size_t n_sets, char *why, size_t why_size)
{
	struct reading r = {.config = config, .why = why, .why_size = why_size};
	begin(&r, file, programs);
	int rc = read_text(&r);
	if (rc == 0)
		rc = find_folder(&r);
	if (rc == 0)
		return read_rest(&r, sets, n_sets);
	free(r.text);
	return rc;
}

int config_load_known(struct config *config, const char *file, const char *folder, const char *text,
		      const char *programs, const char *const *sets, size_t n_sets,
		      const struct known_rows *known, size_t n_known, char *why, size_t why_size)
{
	struct reading r = {.config = config,
			    .known = known,
			    .n_known = n_known,
			    .why = why,
			    .why_size = why_size,
			    .text = strdup(text)};
	begin(&r, file, programs);
	snprintf(config->folder, sizeof(config->folder), "%s", folder);
	return r.text ? read_rest(&r, sets, n_sets) : TROUPE_E_MEMORY;
}

int config_load_text(struct config *config, const char *file, const char *folder, const char *text,
		     const char *programs, const char *const *sets, size_t n_sets, char *why,
		     size_t why_size)
{
	return config_load_known(config, file, folder, text, programs, sets, n_sets, NULL, 0, why,
				 why_size);
}

static void forget(struct setting *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(all[i].key);
		free(all[i].value);
	}
	free(all);
}

void config_finish(struct config *config)
{
	forget(config->said.all, config->said.count);
	for (size_t i = 0; i < config->n_sections; i++) {
		struct section *s = &config->sections[i];
		forget(s->set, s->n_set);
		forget(s->said.all, s->said.count);
		if (!s->borrowed)
			free(s->rows);
	}
	free(config->sections);
	free(config->text);
	*config = (struct config){0};
}

const char *section_value(const struct section *section, const char *key)
{
	const struct row *row =
		row_find(&(struct row_table){.rows = section->rows, .count = section->n_rows}, key);
	for (size_t i = section->n_set; i-- > 0;)
		if (strcmp(section->set[i].key, key) == 0)
			return section->set[i].value;
	return row ? row->fallback : NULL;
}

static const struct setting *last_of(const struct setting *all, size_t n, const char *key)
{
	while (n-- > 0)
		if (strcmp(all[n].key, key) == 0)
			return &all[n];
	return NULL;
}

int config_line(const struct config *config, const struct section *section, const char *key)
{
	const struct settings_said *said = section ? &section->said : &config->said;
	const struct setting *found = last_of(said->all, said->count, key);
	if (!found && section)
		found = last_of(section->set, section->n_set, key);
	return found ? found->line : section ? section->line : 0;
}

char *section_lines(const struct section *section)
{
	char *lines = NULL;
	size_t size;
	FILE *out = open_memstream(&lines, &size);
	if (!out)
		return NULL;
	for (size_t i = 0; i < section->n_set; i++)
		fprintf(out, "%s=%s\n", section->set[i].key, section->set[i].value);
	return fclose(out) == 0 ? lines : NULL;
}
