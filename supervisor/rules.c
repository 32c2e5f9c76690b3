/* Tables of paths that any program opens before it does anything, and how each kind of need becomes
 * paths. */
#include "supervisor/rules.h"

#include "ipc/base/errors.h"
#include "supervisor/allot.h"
#include "supervisor/interpreter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct known {
	const char *path;
	unsigned kinds;
};

/* Libraries, their languages and times; nothing that is anybody's. */
static const struct known everybody[] = {
	{"/lib", RULE_READ},
	{"/lib64", RULE_READ},
	{"/usr/lib", RULE_READ},
	{"/usr/lib64", RULE_READ},
	{"/usr/local/lib", RULE_READ},
	{"/usr/share/locale", RULE_READ},
	{"/usr/share/zoneinfo", RULE_READ},
	{"/etc/ld.so.cache", RULE_READ},
	{"/etc/ld.so.preload", RULE_READ},
	{"/etc/locale.alias", RULE_READ},
	{"/etc/localtime", RULE_READ},
	{"/etc/timezone", RULE_READ},
	{"/dev/null", RULE_READ | RULE_WRITE},
	{"/dev/zero", RULE_READ | RULE_WRITE},
	{"/dev/random", RULE_READ},
	{"/dev/urandom", RULE_READ},
	{"/sys/devices/system/cpu", RULE_READ},
	{"/proc/cpuinfo", RULE_READ},
	{"/proc/meminfo", RULE_READ},
	{"/proc/stat", RULE_READ},
	{"/proc/filesystems", RULE_READ},
	{"/proc/sys/kernel/random/boot_id", RULE_READ},
	{"/proc/sys/vm/overcommit_memory", RULE_READ},
#ifdef TROUPE_SANITIZED
	{"/proc", RULE_READ}, /* a sanitizer looks at its own process */
#endif
};

/* Names of machines, and whom to believe that they are who they say. */
static const struct known networked[] = {
	{"/etc/resolv.conf", RULE_READ},
	{"/run/systemd/resolve", RULE_READ},
	{"/etc/hosts", RULE_READ},
	{"/etc/host.conf", RULE_READ},
	{"/etc/nsswitch.conf", RULE_READ},
	{"/etc/gai.conf", RULE_READ},
	{"/etc/services", RULE_READ},
	{"/etc/protocols", RULE_READ},
	{"/etc/ssl", RULE_READ},
	{"/etc/gnutls", RULE_READ},
	{"/etc/ca-certificates", RULE_READ},
	{"/usr/share/ca-certificates", RULE_READ},
	{"/usr/local/share/ca-certificates", RULE_READ},
};

/* Variables that make a program read in more places. */
static const char *const paths_in_environment[] = {
	"LD_LIBRARY_PATH",
	"LD_PRELOAD",
	"PYTHONPATH",
};

struct making {
	struct rules *rules;
	const struct rules_of *of;
	int rc;
};

static void add(struct making *m, const char *path, unsigned kinds, bool own)
{
	struct rules *rules = m->rules;
	char absolute[PATH_MAX];
	if (m->rc < 0 || !*path)
		return;
	int length = *path == '/'
			     ? snprintf(absolute, sizeof(absolute), "%s", path)
			     : snprintf(absolute, sizeof(absolute), "%s/%s", m->of->folder, path);
	if (length >= (int)sizeof(absolute) || access(absolute, F_OK) < 0)
		return;
	const char *kept = arena_text(&rules->arena, "%s", absolute);
	if (rules->count == RULES_MAX || !*kept) {
		m->rc = *kept ? TROUPE_E_FULL : TROUPE_E_MEMORY;
		return;
	}
	rules->all[rules->count++] = (struct rule){.path = kept, .kinds = kinds, .own = own};
	rules->writes |= own && (kinds & RULE_WRITE);
}

static void add_known(struct making *m, const struct known *known, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(m, known[i].path, known[i].kinds, false);
}

/* ---- what its program needs to run ---- */

static void add_program(struct making *m, const char *program, bool own)
{
	struct interpreters found;
	interpreters_of(program, &found);
	add(m, program, RULE_READ | RULE_RUN, own);
	for (size_t i = 0; i < found.count; i++)
		add(m, found.path[i], RULE_READ | RULE_RUN, false);
}

static void add_folder_of(struct making *m, const char *program)
{
	char folder[PATH_MAX];
	if (!realpath(program, folder))
		return;
	char *slash = strrchr(folder, '/');
	slash[slash == folder] = '\0';
	add(m, folder, RULE_READ, false);
}

static void add_paths(struct making *m, const char *value)
{
	char copy[4096], *rest = copy;
	snprintf(copy, sizeof(copy), "%s", value);
	for (const char *path; (path = strsep(&rest, ": "));)
		add(m, path, RULE_READ, false);
}

/* The section's variables come in place of ours. */
static void add_environment(struct making *m)
{
	for (size_t i = 0; i < COUNT(paths_in_environment); i++) {
		const char *name = paths_in_environment[i], *value = getenv(name);
		const char *at = m->of->section->settings.environment;
		char variable[ENVIRONMENT_SIZE];
		while (allot_variable(&at, variable, sizeof(variable))) {
			if (strncmp(variable, name, strlen(name)) == 0 &&
			    variable[strlen(name)] == '=')
				value = variable + strlen(name) + 1;
		}
		add_paths(m, value ? value : "");
	}
#ifdef TROUPE_FAIL_POINTS
	const char *folder = getenv("TROUPE_FAIL_FOLDER");
	add(m, folder ? folder : "", RULE_READ | RULE_WRITE, false);
#endif
}

/* ---- its needs ---- */

/* A program that was swapped in knows rows that the section's own does not. */
static const char *row_of(const struct making *m, const char *name)
{
	const struct section *section = m->of->section;
	const struct row *row = row_find(m->of->rows, name);
	for (size_t i = section->n_set; i-- > 0;)
		if (strcmp(section->set[i].key, name) == 0)
			return section->set[i].value;
	return row ? row->fallback : "";
}

/* Makes it and those above it. A file is as good: then it is to be written. */
static void make_folder(const struct making *m, const char *path)
{
	char copy[PATH_MAX];
	int n = *path == '/' ? snprintf(copy, sizeof(copy), "%s", path)
			     : snprintf(copy, sizeof(copy), "%s/%s", m->of->folder, path);
	if (!*path || n >= (int)sizeof(copy) || access(copy, F_OK) == 0)
		return;
	for (char *at = copy + 1;; at++) {
		char was = *at;
		if (was != '/' && was != '\0')
			continue;
		*at = '\0';
		if ((mkdir(copy, 0700) < 0 && errno != EEXIST) || was == '\0')
			return;
		*at = was;
	}
}

static void need_read(struct making *m, const char *row)
{
	add(m, row_of(m, row), RULE_READ, true);
}

static void need_write(struct making *m, const char *row)
{
	make_folder(m, row_of(m, row));
	add(m, row_of(m, row), RULE_READ | RULE_WRITE, true);
}

/* A name that is no file may be one for several (frames/%04d.jpg): then its folder. */
static void add_source_file(struct making *m, const char *path)
{
	char folder[PATH_MAX];
	snprintf(folder, sizeof(folder), "%s", path);
	char *slash = strrchr(folder, '/');
	if (access(path, F_OK) == 0 || !strchr(path, '%'))
		add(m, path, RULE_READ, true);
	else if (slash)
		add(m, (*slash = '\0', folder), RULE_READ, true);
	else
		add(m, ".", RULE_READ, true);
}

static void need_source(struct making *m, const char *row)
{
	const char *name = row_of(m, row);
	if (strncmp(name, "pattern:", 8) == 0)
		return;
	if (strncmp(name, "file:", 5) == 0)
		add_source_file(m, name + 5);
	else if (strncmp(name, "v4l2:", 5) == 0)
		add(m, name + 5, RULE_DEVICE, true);
	else if (strncmp(name, "/dev/", 5) == 0)
		add(m, name, RULE_DEVICE, true);
	else if (strstr(name, "://"))
		m->rules->network = true;
	else
		add_source_file(m, name);
}

static void need_terminal(struct making *m, const char *row)
{
	const char *path = row_of(m, row);
	add(m, *path ? path : "/dev/tty", RULE_DEVICE, true);
}

static void need_state(struct making *m, const char *name)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", m->of->state, name);
	make_folder(m, path);
	add(m, path, RULE_READ | RULE_WRITE, true);
}

/* Made here: who may make one in a folder might make anything there. */
static void need_state_fifo(struct making *m, const char *name)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", m->of->state, name);
	if (mkfifo(path, 0600) == 0 || errno == EEXIST)
		add(m, path, RULE_DEVICE, true);
}

static void need_run(struct making *m, const char *name)
{
	char path[PATH_MAX];
	m->rules->starts = true;
	if (*name == '/') {
		add_program(m, name, true);
		return;
	}
	if (!realpath(m->of->program, path))
		return;
	char *slash = strrchr(path, '/');
	size_t room = sizeof(path) - (size_t)(slash + 1 - path);
	if ((size_t)snprintf(slash + 1, room, "%s", name) >= room)
		return;
	add_program(m, path, true);
}

static void need_read_path(struct making *m, const char *path)
{
	add(m, path, RULE_READ, true);
}

static void need_write_path(struct making *m, const char *path)
{
	add(m, path, RULE_READ | RULE_WRITE, true);
}

typedef void need_fn(struct making *m, const char *of);

static need_fn *const needs_by_kind[] = {
	[NEED_READ] = need_read,
	[NEED_WRITE] = need_write,
	[NEED_SOURCE] = need_source,
	[NEED_TERMINAL] = need_terminal,
	[NEED_STATE] = need_state,
	[NEED_STATE_FIFO] = need_state_fifo,
	[NEED_RUN] = need_run,
	[NEED_READ_PATH] = need_read_path,
	[NEED_WRITE_PATH] = need_write_path,
};

int rules_resolve(struct rules *rules, const struct rules_of *of)
{
	struct making m = {.rules = rules, .of = of};
	*rules = (struct rules){0};
	add_known(&m, everybody, COUNT(everybody));
	add_program(&m, of->program, false);
	add_program(&m, of->stock, false);
	add_folder_of(&m, of->program);
	add_environment(&m);
	add(&m, of->runtime, RULE_SOCKETS, false);
	for (size_t i = 0; i < of->needs->count; i++)
		needs_by_kind[need_at(of->needs, i).kind](&m, need_at(of->needs, i).of);
	if (rules->network)
		add_known(&m, networked, COUNT(networked));
	return m.rc;
}

void rules_finish(struct rules *rules)
{
	arena_finish(&rules->arena);
	*rules = (struct rules){0};
}

char *rule_text(const struct rule *rule, char *out, size_t size)
{
	const char *verb = rule->kinds & RULE_RUN      ? "runs"
			   : rule->kinds & RULE_DEVICE ? "reads, writes and controls"
			   : rule->kinds & RULE_WRITE  ? "reads and writes"
			   : rule->kinds & RULE_READ   ? "reads"
						       : "makes sockets in";
	snprintf(out, size, "%s %s", verb, rule->path);
	return out;
}
