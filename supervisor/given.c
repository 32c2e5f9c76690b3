/* From /proc. */
#include "supervisor/given.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define ROWS_MAX 8

static void add(struct arena *arena, Troupe__Inspection *out, const char *name, const char *value)
{
	Troupe__Row *row = arena_get(arena, sizeof(*row));
	if (!row || !out->given || out->n_given == ROWS_MAX)
		return;
	troupe__row__init(row);
	row->name = arena_text(arena, "%s", name);
	row->value = arena_text(arena, "%s", value);
	out->given[out->n_given++] = row;
}

/* The rest of the first line of the file that begins with `key`, without blanks before it. */
static bool line_of(pid_t pid, const char *file, const char *key, char *out, size_t size)
{
	char path[64], line[512];
	bool found = false;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	FILE *in = fopen(path, "re");
	while (in && !found && fgets(line, sizeof(line), in)) {
		found = strncmp(line, key, strlen(key)) == 0;
		const char *at = line + strlen(key);
		if (found)
			snprintf(out, size, "%.*s", (int)strcspn(at + strspn(at, " \t"), "\n"),
				 at + strspn(at, " \t"));
	}
	if (in)
		fclose(in);
	return found;
}

/* "Max data size             unlimited            unlimited            bytes" */
static void add_limit(pid_t pid, const char *key, const char *name, struct arena *arena,
		      Troupe__Inspection *out)
{
	char text[256];
	if (!line_of(pid, "limits", key, text, sizeof(text)))
		return;
	text[strcspn(text, " ")] = '\0';
	add(arena, out, name, text);
}

static void add_user(pid_t pid, struct arena *arena, Troupe__Inspection *out)
{
	char uid[64], gid[64], text[160];
	if (!line_of(pid, "status", "Uid:", uid, sizeof(uid)) ||
	    !line_of(pid, "status", "Gid:", gid, sizeof(gid)))
		return;
	snprintf(text, sizeof(text), "%.*s:%.*s", (int)strcspn(uid, "\t"), uid,
		 (int)strcspn(gid, "\t"), gid);
	add(arena, out, "user", text);
}

void given_fill(pid_t pid, struct arena *arena, Troupe__Inspection *out)
{
	char text[256];
	out->given = arena_get(arena, ROWS_MAX * sizeof(void *));
	errno = 0;
	int nice = getpriority(PRIO_PROCESS, (id_t)pid);
	if (errno == 0) {
		snprintf(text, sizeof(text), "%d", nice);
		add(arena, out, "nice", text);
	}
	if (line_of(pid, "status", "Cpus_allowed_list:", text, sizeof(text)))
		add(arena, out, "cpus", text);
	add_limit(pid, "Max data size", "limit_memory", arena, out);
	add_limit(pid, "Max open files", "limit_files", arena, out);
	add_limit(pid, "Max core file size", "limit_core", arena, out);
	add_user(pid, arena, out);
	if (line_of(pid, "oom_score_adj", "", text, sizeof(text)))
		add(arena, out, "oom_score_adj", text);
}
