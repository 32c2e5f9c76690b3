/* The lives of one worker, as the journal tells them. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/journal_show.h"
#include "tools/troupe/when.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct life_told {
	uint64_t run;
	int32_t pid;
	uint32_t incarnation;
	int64_t begun_wall;
	int64_t ready_after; /* -1: it never was */
	bool ended;
	struct exit_note end;
	char program[128];
};

struct lives {
	const char *worker;
	struct life_told *life;
	size_t n, room;
};

struct lives *lives_create(const char *worker)
{
	struct lives *lives = calloc(1, sizeof *lives);
	if (lives)
		lives->worker = worker;
	return lives;
}

void lives_forget(struct lives *lives)
{
	lives->n = 0;
}

void lives_destroy(struct lives *lives)
{
	if (lives)
		free(lives->life);
	free(lives);
}

static struct life_told *add(struct lives *lives)
{
	if (lives->n == lives->room) {
		size_t room = lives->room ? 2 * lives->room : 64;
		struct life_told *more = realloc(lives->life, room * sizeof *more);
		if (!more)
			return NULL;
		lives->life = more;
		lives->room = room;
	}
	return &lives->life[lives->n++];
}

/* The one of that pid that has not ended yet. Pids come again, but not while they are used. */
static struct life_told *find(struct lives *lives, int32_t pid)
{
	for (size_t i = lives->n; i > 0; i--)
		if (lives->life[i - 1].pid == pid && !lives->life[i - 1].ended)
			return &lives->life[i - 1];
	return NULL;
}

static void begin(struct lives *lives, const json_t *line)
{
	struct life_told *life = add(lives);
	const char *program = line_text(line, "program"), *slash = strrchr(program, '/');
	if (!life)
		return;
	*life = (struct life_told){.run = (uint64_t)line_number(line, "run"),
				   .pid = (int32_t)line_number(line, "pid"),
				   .incarnation = (uint32_t)line_number(line, "incarnation"),
				   .begun_wall = journal_wall(line),
				   .ready_after = -1};
	snprintf(life->program, sizeof life->program, "%s", slash ? slash + 1 : program);
}

static void end(struct lives *lives, const json_t *line)
{
	struct life_told *life = find(lives, (int32_t)line_number(line, "pid"));
	if (!life) {
		begin(lives, line); /* its beginning is no longer in the journal */
		life = find(lives, (int32_t)line_number(line, "pid"));
	}
	if (!life)
		return;
	exit_from_json(line, &life->end);
	life->end.wall = journal_wall(line);
	life->ended = true;
}

void lives_take(struct lives *lives, const json_t *line)
{
	struct life_told *life;
	if (strcmp(line_text(line, "worker"), lives->worker) != 0)
		return;
	switch (journal_event_find(line_text(line, "event"))) {
	case JOURNAL_SPAWN:
		begin(lives, line);
		break;
	case JOURNAL_READY:
		life = find(lives, (int32_t)line_number(line, "pid"));
		if (life)
			life->ready_after = line_number(line, "took");
		break;
	case JOURNAL_EXIT:
		end(lives, line);
		break;
	default:
		break;
	}
}

/* ---- showing ---- */

static void print_life(struct table *table, const struct life_told *life)
{
	char when[32], ready[32] = "-", lived[32] = "-";
	if (life->ready_after >= 0)
		human_delay(life->ready_after, ready, sizeof ready);
	if (life->ended)
		human_delay(life->end.lived, lived, sizeof lived);
	table_cell(table, PAINT_NONE, "%u", life->incarnation);
	table_cell(table, PAINT_NONE, "%d", (int)life->pid);
	table_cell(table, PAINT_NONE, "%s", when_format(life->begun_wall, when, sizeof when));
	table_cell(table, PAINT_NONE, "%s", *life->program ? life->program : "-");
	table_cell(table, PAINT_NONE, "%s", ready);
	table_cell(table, PAINT_NONE, "%s", lived);
	table_cell(table, life->end.fault ? PAINT_BAD : PAINT_NONE, "%s",
		   life->ended ? exit_kind_text(life->end.kind) : "");
	table_cell(table, PAINT_NONE, "%s%s%s%s", life->ended ? life->end.cause : "",
		   life->end.core ? " (core dumped)" : "",
		   life->ended && *life->end.words ? ": " : "", life->ended ? life->end.words : "");
}

int lives_print(const struct lives *lives, uint64_t known)
{
	static const char *const headings[] = {">NTH",	 ">PID",   "STARTED", "PROGRAM",
					       ">READY", ">LIVED", "END",     "CAUSE"};
	struct table *table = table_create(headings, sizeof headings / sizeof headings[0]);
	for (size_t i = 0; table && i < lives->n; i++)
		print_life(table, &lives->life[i]);
	int rc = table ? table_print(table, stdout) : TROUPE_E_MEMORY;
	table_destroy(table);
	if (known > lives->n)
		printf("%" PRIu64 " earlier ones are no longer in the journal\n", known - lives->n);
	return rc;
}

static json_t *life_json(const struct life_told *life)
{
	char begun[32], ended[32];
	clock_format_wall(life->begun_wall, begun, sizeof begun);
	json_t *out = json_pack("{s:I, s:i, s:I, s:s, s:s}", "run", (json_int_t)life->run, "pid",
				(int)life->pid, "incarnation", (json_int_t)life->incarnation,
				"program", life->program, "started", begun);
	if (out && life->ready_after >= 0)
		json_object_set_new(out, "ready_after", json_integer(life->ready_after));
	if (out && life->ended) {
		json_t *note = exit_json(&life->end);
		clock_format_wall(life->end.wall, ended, sizeof ended);
		json_object_set_new(note, "wall", json_string(ended));
		json_object_set_new(out, "end", note);
	}
	return out;
}

json_t *lives_json(const struct lives *lives)
{
	json_t *all = json_array();
	for (size_t i = 0; i < lives->n; i++)
		json_array_append_new(all, life_json(&lives->life[i]));
	return all;
}
