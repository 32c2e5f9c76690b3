/* Tables of what is written, one row a field, and the same tables read it. */
#include "supervisor/image.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "supervisor/member.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* So that a row knows how to read and write its field. */
enum field_kind { KIND_BOOL, KIND_U8, KIND_I32, KIND_U32, KIND_I64, KIND_U64, KIND_TEXT };

struct field {
	const char *name;
	enum field_kind kind;
	size_t at, size;
};

#define FIELD(type_, member_, kind_)                                                               \
	{                                                                                          \
		.name = #member_, .kind = (kind_), .at = offsetof(type_, member_),                 \
		.size = sizeof(((type_ *)0)->member_)                                              \
	}

static const struct field top_fields[] = {
	FIELD(struct supervisor, ledger.fd, KIND_I32),
	FIELD(struct supervisor, runtime.lock, KIND_I32),
	FIELD(struct supervisor, runtime.own_lock, KIND_I32),
	FIELD(struct supervisor, console, KIND_I32),
	FIELD(struct supervisor, show, KIND_BOOL),
	FIELD(struct supervisor, generation, KIND_U32),
	FIELD(struct supervisor, stage, KIND_U32),
	FIELD(struct supervisor, stopping.rank, KIND_I32),
	FIELD(struct supervisor, stopping.until, KIND_I64),
	FIELD(struct supervisor, stopping.tries, KIND_I32),
	FIELD(struct supervisor, stopping.hurried, KIND_BOOL),
	FIELD(struct supervisor, started, KIND_I64),
	FIELD(struct supervisor, oom_base, KIND_I32),
	FIELD(struct supervisor, oom_kills, KIND_U64),
	FIELD(struct supervisor, exit_code, KIND_I32),
	FIELD(struct supervisor, failure, KIND_TEXT),
	FIELD(struct supervisor, url, KIND_TEXT),
	FIELD(struct supervisor, recording, KIND_TEXT),
};

static const struct field member_fields[] = {
	FIELD(struct member, wanted, KIND_BOOL),      FIELD(struct member, was_ready, KIND_BOOL),
	FIELD(struct member, program, KIND_TEXT),     FIELD(struct member, incarnations, KIND_U32),
	FIELD(struct member, turns, KIND_U32),	      FIELD(struct member, handed_fd, KIND_I32),
	FIELD(struct member, device.path, KIND_TEXT), FIELD(struct member, device.why, KIND_TEXT),
	FIELD(struct member, swap.stage, KIND_U32),   FIELD(struct member, said, KIND_TEXT),
	FIELD(struct member, said_at, KIND_I64),
};

static const struct field part_fields[] = {
	FIELD(struct part, program, KIND_TEXT),
	FIELD(struct part, version, KIND_TEXT),
	FIELD(struct part, takes, KIND_TEXT),
	FIELD(struct part, life.state, KIND_U32),
	FIELD(struct part, life.again, KIND_BOOL),
	FIELD(struct part, life.said_finished, KIND_BOOL),
	FIELD(struct part, life.since, KIND_I64),
	FIELD(struct part, life.until, KIND_I64),
	FIELD(struct part, life.ready_since, KIND_I64),
	FIELD(struct part, life.window_start, KIND_I64),
	FIELD(struct part, life.restarts, KIND_I64),
	FIELD(struct part, life.streak, KIND_I64),
	FIELD(struct part, process.pid, KIND_I32),
	FIELD(struct part, process.pidfd, KIND_I32),
	FIELD(struct part, process.log_fd, KIND_I32),
	FIELD(struct part, process.guard_fd, KIND_I32),
	FIELD(struct part, process.seat, KIND_U8),
	FIELD(struct part, process.incarnation, KIND_U32),
	FIELD(struct part, process.turn, KIND_U32),
	FIELD(struct part, process.start_time, KIND_U64),
	FIELD(struct part, process.started, KIND_I64),
	FIELD(struct part, process.adopted, KIND_BOOL),
	FIELD(struct part, process.asked, KIND_BOOL),
	FIELD(struct part, process.standby, KIND_BOOL),
	FIELD(struct part, process.dies, KIND_BOOL),
	FIELD(struct part, process.succeeded, KIND_BOOL),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- writing ---- */

/* A value lies on one line. */
static void put_text(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s ", key);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '\\')
			fputs("\\\\", out);
		else
			fputc(*value, out);
	}
	fputc('\n', out);
}

/* As a number; a text is none. Reads whatever the width. */
static int64_t number_of(const struct field *f, const void *at)
{
	int64_t wide;
	int32_t narrow;
	switch (f->kind) {
	case KIND_BOOL:
		return *(const bool *)at;
	case KIND_U8:
		return *(const uint8_t *)at;
	case KIND_I32:
	case KIND_U32:
		memcpy(&narrow, at, sizeof(narrow));
		return f->kind == KIND_U32 ? (int64_t)(uint32_t)narrow : narrow;
	default:
		memcpy(&wide, at, sizeof(wide));
		return wide;
	}
}

static void put_fields(FILE *out, const struct field *fields, size_t n, const void *from)
{
	for (size_t i = 0; i < n; i++) {
		const char *at = (const char *)from + fields[i].at;
		if (fields[i].kind == KIND_TEXT)
			put_text(out, fields[i].name, at);
		else
			fprintf(out, "%s %" PRId64 "\n", fields[i].name, number_of(&fields[i], at));
	}
}

static void put_origin(FILE *out, const struct supervisor *s)
{
	fprintf(out, "troupe-image %d\nledger-version %d\n", IMAGE_VERSION, LEDGER_VERSION);
	put_text(out, "name", s->config.top.name);
	put_text(out, "file", s->config.file);
	put_text(out, "folder", s->config.folder);
	put_text(out, "config", s->config.text ? s->config.text : "");
	for (size_t i = 0; i < s->n_sets; i++)
		put_text(out, "set", s->sets[i]);
}

/* A part without a process has a life all the same: it may wait for its back-off. */
static void put_member(FILE *out, const struct member *m)
{
	put_text(out, "member", m->name);
	put_text(out, "role", m->section->role->section);
	put_text(out, "title", m->section->title);
	fprintf(out, "number %u\n", m->number);
	put_fields(out, member_fields, COUNT(member_fields), m);
	const struct part *const parts[PARTS] = {m->lead, m->next, m->last};
	for (int k = 0; k < PARTS; k++) {
		fprintf(out, "part %d\n", k);
		put_fields(out, part_fields, COUNT(part_fields), parts[k]);
	}
}

char *image_write(const struct supervisor *s)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	put_origin(out, s);
	put_fields(out, top_fields, COUNT(top_fields), s);
	for (uint32_t i = 0; i < s->ledger.header->n_streams; i++) {
		fprintf(out, "source %u\nexpected %" PRIu64 "\n", i, s->expected[i]);
		put_text(out, "device", s->device[i]);
	}
	for (size_t i = 0; i < s->n_members; i++)
		put_member(out, s->members[i]);
	fputs("end \n", out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- reading ---- */

/* One line after another; `value` is unescaped, in a heap block as long as the text. */
struct lines {
	const char *at;
	char key[32];
	char *value;
};

static bool lines_begin(struct lines *lines, const char *text)
{
	*lines = (struct lines){.at = text, .value = malloc(strlen(text) + 1)};
	return lines->value;
}

static void unescape(const char *from, size_t length, char *out)
{
	for (size_t i = 0; i < length; i++) {
		bool escaped = from[i] == '\\' && i + 1 < length;
		i += escaped;
		char c = from[i];
		if (escaped && c == 'n')
			c = '\n';
		*out++ = c;
	}
	*out = '\0';
}

static bool lines_next(struct lines *lines)
{
	size_t span = strcspn(lines->at, "\n"), key = strcspn(lines->at, " \n");
	if (!*lines->at)
		return false;
	snprintf(lines->key, sizeof(lines->key), "%.*s", (int)key, lines->at);
	size_t begin = key < span ? key + 1 : span;
	unescape(lines->at + begin, span - begin, lines->value);
	lines->at += span + (lines->at[span] == '\n');
	return true;
}

static void set_number(const struct field *f, void *at, int64_t value)
{
	int32_t narrow = (int32_t)value;
	switch (f->kind) {
	case KIND_BOOL:
		*(bool *)at = value != 0;
		break;
	case KIND_U8:
		*(uint8_t *)at = (uint8_t)value;
		break;
	case KIND_I32:
	case KIND_U32:
		memcpy(at, &narrow, sizeof(narrow));
		break;
	default:
		memcpy(at, &value, sizeof(value));
	}
}

static bool take_field(const struct lines *lines, const struct field *fields, size_t n, void *to)
{
	for (size_t i = 0; i < n; i++) {
		char *at = (char *)to + fields[i].at;
		if (strcmp(fields[i].name, lines->key) != 0)
			continue;
		if (fields[i].kind == KIND_TEXT)
			snprintf(at, fields[i].size, "%s", lines->value);
		else
			set_number(&fields[i], at, strtoll(lines->value, NULL, 10));
		return true;
	}
	return false;
}

int image_check(const char *text, char *why, size_t why_size)
{
	int version = 0, ledger = 0;
	const char *end = strstr(text, "\nend ");
	if (sscanf(text, "troupe-image %d\nledger-version %d\n", &version, &ledger) != 2 || !end) {
		snprintf(why, why_size, "what the supervisor before wrote is not whole");
		return TROUPE_E_MALFORMED;
	}
	if (version == IMAGE_VERSION && ledger == LEDGER_VERSION)
		return 0;
	snprintf(why, why_size,
		 "the pipeline runs with image %d and ledger %d, this program (%s) knows %d and %d",
		 version, ledger, TROUPE_VERSION, IMAGE_VERSION, LEDGER_VERSION);
	return TROUPE_E_SCHEMA;
}

static bool add_set(struct image_origin *origin, const char *value)
{
	char **sets = reallocarray(origin->sets, origin->n_sets + 1, sizeof(*sets));
	char *copy = strdup(value);
	if (sets)
		origin->sets = sets;
	if (!sets || !copy) {
		free(copy);
		return false;
	}
	sets[origin->n_sets++] = copy;
	return true;
}

static bool take_origin(struct image_origin *origin, const struct lines *lines)
{
	const struct {
		const char *key;
		char **value;
	} texts[] = {{"name", &origin->name},
		     {"file", &origin->file},
		     {"folder", &origin->folder},
		     {"config", &origin->config}};
	if (strcmp(lines->key, "set") == 0)
		return add_set(origin, lines->value);
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (strcmp(texts[i].key, lines->key) != 0 || *texts[i].value)
			continue;
		*texts[i].value = strdup(lines->value);
		return *texts[i].value;
	}
	return true;
}

int image_origin(const char *text, struct image_origin *origin, char *why, size_t why_size)
{
	struct lines lines;
	*origin = (struct image_origin){0};
	int rc = image_check(text, why, why_size);
	if (rc < 0)
		return rc;
	bool fine = lines_begin(&lines, text);
	while (fine && lines_next(&lines) && strcmp(lines.key, "member") != 0)
		fine = take_origin(origin, &lines);
	free(lines.value);
	if (fine && origin->name && origin->file && origin->folder && origin->config)
		return 0;
	snprintf(why, why_size, "%s", error_text(fine ? TROUPE_E_MALFORMED : TROUPE_E_MEMORY));
	return fine ? TROUPE_E_MALFORMED : TROUPE_E_MEMORY;
}

void image_origin_finish(struct image_origin *origin)
{
	char **texts[] = {&origin->name, &origin->file, &origin->folder, &origin->config};
	for (size_t i = 0; i < COUNT(texts); i++)
		free(*texts[i]);
	for (size_t i = 0; i < origin->n_sets; i++)
		free(origin->sets[i]);
	free(origin->sets);
	*origin = (struct image_origin){0};
}

/* ---- the second half ---- */

/* Where the next line goes. */
struct place {
	struct supervisor *s;
	uint32_t stream; /* STREAMS_MAX: none */
	struct member *member;
	char name[NAME_SIZE], role[NAME_SIZE], title[NAME_SIZE];
	int part; /* -1: none yet */
};

/* A pool may have been made larger than its `count`; a stream or a single is there already. */
static struct member *find_or_add(const struct place *place, uint32_t number)
{
	struct supervisor *s = place->s;
	for (size_t i = 0; i < s->n_members; i++)
		if (strcmp(s->members[i]->name, place->name) == 0)
			return s->members[i];
	for (size_t i = 0; i < s->config.n_sections; i++) {
		const struct section *section = &s->config.sections[i];
		if (section->role->shape == ROLE_POOL && section->settings.enabled &&
		    strcmp(section->role->section, place->role) == 0 &&
		    strcmp(section->title, place->title) == 0)
			return member_add(s, section, place->title, number);
	}
	return NULL;
}

/* What begins a section of the image. False: it does not. */
static bool begins(struct place *place, const struct lines *lines)
{
	if (strcmp(lines->key, "source") == 0) {
		place->stream = (uint32_t)strtoul(lines->value, NULL, 10);
	} else if (strcmp(lines->key, "member") == 0) {
		place->member = NULL;
		place->part = -1;
		place->stream = STREAMS_MAX;
		snprintf(place->name, sizeof(place->name), "%s", lines->value);
	} else if (strcmp(lines->key, "role") == 0) {
		snprintf(place->role, sizeof(place->role), "%s", lines->value);
	} else if (strcmp(lines->key, "title") == 0) {
		snprintf(place->title, sizeof(place->title), "%s", lines->value);
	} else if (strcmp(lines->key, "number") == 0) {
		place->member = find_or_add(place, (uint32_t)strtoul(lines->value, NULL, 10));
	} else if (strcmp(lines->key, "part") == 0) {
		place->part = (int)strtol(lines->value, NULL, 10);
	} else {
		return false;
	}
	return true;
}

static void take_line(struct place *place, const struct lines *lines)
{
	struct supervisor *s = place->s;
	struct member *m = place->member;
	if (begins(place, lines))
		return;
	if (m && place->part >= 0 && place->part < PARTS) {
		struct part *const parts[PARTS] = {m->lead, m->next, m->last};
		take_field(lines, part_fields, COUNT(part_fields), parts[place->part]);
	} else if (m) {
		take_field(lines, member_fields, COUNT(member_fields), m);
	} else if (place->stream >= STREAMS_MAX) {
		if (!*place->name)
			take_field(lines, top_fields, COUNT(top_fields), s);
	} else if (strcmp(lines->key, "expected") == 0) {
		s->expected[place->stream] = strtoull(lines->value, NULL, 10);
	} else if (strcmp(lines->key, "device") == 0) {
		snprintf(s->device[place->stream], DEVICE_PATH_SIZE, "%s", lines->value);
	}
}

int image_apply(struct supervisor *s, const char *text)
{
	struct lines lines;
	struct place place = {.s = s, .stream = STREAMS_MAX, .part = -1};
	if (!lines_begin(&lines, text))
		return TROUPE_E_MEMORY;
	while (lines_next(&lines))
		take_line(&place, &lines);
	free(lines.value);
	return 0;
}
