/* "\tneed\tKIND\tOF": printed by a worker's program, read by the supervisor. */
#include "ipc/base/needs.h"

#include "ipc/base/errors.h"

#include <string.h>

static const char *const names[] = {
#define NEED_NAME(kind, name) name,
	NEED_KINDS(NEED_NAME)
#undef NEED_NAME
};

const char *need_kind_name(enum need_kind kind)
{
	return names[kind];
}

void needs_print(const struct need *needs, size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, NEED_LINE "%s\t%s\n", names[needs[i].kind], needs[i].of);
}

/* `line` is behind NEED_LINE and has `length` bytes. */
static int parse_line(const char *line, size_t length, struct need_read *need)
{
	const char *tab = memchr(line, '\t', length);
	size_t name = tab ? (size_t)(tab - line) : length, of = tab ? length - name - 1 : 0;
	if (!of || of >= sizeof(need->of) || memchr(tab + 1, '\t', of))
		return TROUPE_E_MALFORMED;
	memcpy(need->of, tab + 1, of);
	need->of[of] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == name && memcmp(names[i], line, name) == 0) {
			need->kind = (enum need_kind)i;
			return 0;
		}
	}
	return TROUPE_E_MALFORMED;
}

int needs_parse(const char *text, struct needs *needs)
{
	static const size_t start = sizeof(NEED_LINE) - 1;
	*needs = (struct needs){0};
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		if (strncmp(line, NEED_LINE, start) == 0) {
			int rc = needs->count < NEEDS_MAX ? parse_line(line + start, length - start,
								       &needs->all[needs->count])
							  : TROUPE_E_MALFORMED;
			if (rc < 0) {
				*needs = (struct needs){0};
				return rc;
			}
			needs->count++;
		}
		line += length + (line[length] == '\n');
	}
	return 0;
}
