/* "\tneed\tKIND\tOF": printed by a worker's program, read by the supervisor. */
#include "ipc/base/needs.h"

#include "ipc/base/errors.h"

#include <string.h>

static const char *const names[] = {
#define NEED_NAME(kind, name, of) name,
	NEED_KINDS(NEED_NAME)
#undef NEED_NAME
};

void needs_print(const struct need *needs, size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, NEED_LINE "%s\t%s\n", names[needs[i].kind], needs[i].of);
}

static int kind_of(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
			return (int)i;
	return TROUPE_E_MALFORMED;
}

/* `line` is behind NEED_LINE and has `length` bytes. */
static int parse_line(const char *line, size_t length, struct needs *needs)
{
	const char *tab = memchr(line, '\t', length);
	size_t of = tab ? length - (size_t)(tab - line) - 1 : 0;
	int kind = tab ? kind_of(line, (size_t)(tab - line)) : TROUPE_E_MALFORMED;
	if (kind < 0 || !of || memchr(tab + 1, '\t', of) || needs->count == NEEDS_MAX ||
	    needs->used + of + 1 > sizeof(needs->text))
		return TROUPE_E_MALFORMED;
	needs->all[needs->count].kind = (enum need_kind)kind;
	needs->all[needs->count++].at = (uint32_t)needs->used;
	memcpy(needs->text + needs->used, tab + 1, of);
	needs->used += of + 1;
	return 0;
}

int needs_parse(const char *text, struct needs *needs)
{
	static const size_t start = sizeof(NEED_LINE) - 1;
	*needs = (struct needs){0};
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		if (strncmp(line, NEED_LINE, start) == 0 &&
		    parse_line(line + start, length - start, needs) < 0) {
			*needs = (struct needs){0};
			return TROUPE_E_MALFORMED;
		}
		line += length + (line[length] == '\n');
	}
	return 0;
}
