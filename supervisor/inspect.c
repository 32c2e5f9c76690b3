/* Pending inspections. */
#include "supervisor/inspect.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/redact.h"
#include "ipc/worker/contract.h"
#include "supervisor/answers.h"
#include "supervisor/contain.h"
#include "supervisor/given.h"
#include "supervisor/pipes.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE (500 * NS_PER_MS)
#define ASKS_MAX 2 /* of one inspection */

static void fill_command_line(pid_t pid, struct arena *arena, Troupe__Inspection *out)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	FILE *in = fopen(path, "re");
	if (!in)
		return;
	size_t used = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[used] = '\0';
	out->command_line = arena_get(arena, 64 * sizeof(void *));
	for (size_t at = 0; at < used && out->command_line && out->n_command_line < 64;
	     at += strlen(text + at) + 1)
		out->command_line[out->n_command_line++] = arena_text(arena, "%s", text + at);
}

#define DESCRIPTORS_MAX 256

/* What the contract says of a descriptor, "" for the worker's own. */
static const char *purpose(int fd, bool handed)
{
	switch (fd) {
	case CONTRACT_FD_LEDGER:
		return ", the ledger";
	case CONTRACT_FD_LIFE:
		return ", the pipeline's lock";
	case CONTRACT_FD_HANDED:
		return handed ? ", handed over by the supervisor" : "";
	default:
		return fd == 1 || fd == 2 ? ", the log" : "";
	}
}

static bool is_bell(int fd)
{
	return fd >= CONTRACT_FD_BELLS && fd < CONTRACT_FD_BELLS + SEATS_MAX;
}

/* One line a descriptor; the bells, which every worker has of all seats, are one line together. */
static void fill_descriptors(const struct process *p, bool handed, struct arena *arena,
			     Troupe__Inspection *out)
{
	char path[64], target[256];
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)p->pid);
	DIR *dir = opendir(path);
	struct dirent *entry;
	out->descriptor = arena_get(arena, (DESCRIPTORS_MAX + 1) * sizeof(void *));
	while (dir && out->descriptor && out->n_descriptor < DESCRIPTORS_MAX &&
	       (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		int fd = (int)strtol(entry->d_name, NULL, 10);
		if (n < 0 || is_bell(fd))
			continue;
		target[n] = '\0';
		out->descriptor[out->n_descriptor++] =
			arena_text(arena, "%d %s%s", fd, target, purpose(fd, handed));
	}
	if (dir && out->descriptor) {
		out->descriptor[out->n_descriptor++] = arena_text(
			arena, "%d-%d the bells of all seats; its own is %d", CONTRACT_FD_BELLS,
			CONTRACT_FD_BELLS + SEATS_MAX - 1, CONTRACT_FD_BELLS + p->seat);
	}
	if (dir)
		closedir(dir);
}

static char **copy_texts(struct arena *arena, char **from, size_t n)
{
	char **to = arena_get(arena, n * sizeof(*to));
	for (size_t i = 0; i < n && to; i++)
		to[i] = arena_text(arena, "%s", from[i]);
	return to;
}

static void fill_dumped(const Troupe__Dumped *dumped, struct arena *arena, Troupe__Inspection *out)
{
	out->line = copy_texts(arena, dumped->line, dumped->n_line);
	out->n_line = out->line ? dumped->n_line : 0;
	out->message = copy_texts(arena, dumped->message, dumped->n_message);
	out->n_message = out->message ? dumped->n_message : 0;
	/* Rows are read only while the answer is packed, and `dumped` lives as long. */
	out->row = dumped->row;
	out->n_row = dumped->n_row;
}

/* The rows as the supervisor knows them. */
static void fill_rows(const struct member *m, struct arena *arena, Troupe__Inspection *out)
{
	const struct section *section = m->section;
	out->row = arena_get(arena, section->n_rows * sizeof(void *));
	for (size_t i = 0; i < section->n_rows && out->row; i++) {
		const char *name = section->rows[i].name;
		const char *value = section_value(section, name);
		char shown[1024];
		Troupe__Row *row = arena_get(arena, sizeof(*row));
		if (!row)
			return;
		troupe__row__init(row);
		row->name = arena_text(arena, "%s", name);
		row->value = arena_text(arena, "%s", redact(value, shown, sizeof(shown)));
		row->is_default = strcmp(value, section->rows[i].fallback) == 0;
		out->row[out->n_row++] = row;
	}
}

/* `dumped` NULL: the worker did not answer. */
static void answer(struct supervisor *s, struct member *m, const struct asker *asker, uint64_t id,
		   const Troupe__Dumped *dumped)
{
	struct arena arena = {0};
	Troupe__Reply reply = TROUPE__REPLY__INIT;
	Troupe__Inspection inspection = TROUPE__INSPECTION__INIT;
	const struct process *p = &m->lead->process;
	reply.id = id;
	reply.inspection = &inspection;
	inspection.worker = answer_worker(m, &arena);
	answer_exits(m, &arena, &inspection);
	if (p->pid) {
		const struct seat_row *row = &s->ledger.seats[p->seat];
		fill_command_line(p->pid, &arena, &inspection);
		given_fill(p->pid, &arena, &inspection);
		inspection.worker->n_may = contain_list(m->lead, &arena, &inspection.worker->may);
		fill_descriptors(p, m->handed_fd >= 0, &arena, &inspection);
		inspection.turns = atomic_load(&row->turns);
		inspection.progress = atomic_load(&row->progress);
		if (!dumped)
			reply.text = arena_text(&arena, "%s does not answer on its pipe", m->name);
	}
	if (dumped)
		fill_dumped(dumped, &arena, &inspection);
	else
		fill_rows(m, &arena, &inspection);
	answer_send(s->control, asker, &reply);
	arena_finish(&arena);
}

/* Asks the process that plays, once; when that is another by now, that one, too. But not without
 * end: it may be the question that they die of. */
static void ask_lead(struct supervisor *s, struct pending *p, int64_t now)
{
	struct part *lead = p->member->lead;
	pid_t pid = lead->process.pid;
	if (!pid || pid == p->asked || p->asks == ASKS_MAX)
		return;
	p->dump_id = ++s->last_dump;
	if (pipes_dump(lead, p->dump_id) < 0)
		return; /* it has not come to its pipe yet */
	p->asked = pid;
	p->asks++;
	p->deadline = now + PATIENCE;
}

void inspect_begin(struct supervisor *s, struct member *m, const struct asker *asker, uint64_t id)
{
	int64_t now = clock_now();
	struct pending *free_one = NULL;
	for (int i = 0; i < PENDING_MAX && !free_one; i++)
		free_one = s->pending[i].used ? NULL : &s->pending[i];
	if (!m->lead->process.pid || !free_one) {
		answer(s, m, asker, id, NULL);
		return;
	}
	*free_one = (struct pending){
		.used = true, .asker = *asker, .id = id, .member = m, .deadline = now + PATIENCE};
	ask_lead(s, free_one, now);
}

void inspect_dumped(struct part *part, const Troupe__Dumped *dumped)
{
	struct supervisor *s = part->member->supervisor;
	for (int i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &s->pending[i];
		/* What one that played tells is not told of its successor. */
		if (!p->used || p->dump_id != dumped->id || part != p->member->lead ||
		    part->process.pid != p->asked)
			continue;
		p->used = false;
		answer(s, p->member, &p->asker, p->id, dumped);
	}
}

int64_t inspect_expire(struct supervisor *s, int64_t now)
{
	int64_t next = CLOCK_NEVER;
	for (int i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &s->pending[i];
		if (!p->used)
			continue;
		ask_lead(s, p, now);
		if (p->deadline <= now) {
			p->used = false;
			answer(s, p->member, &p->asker, p->id, NULL);
		} else if (p->deadline < next) {
			next = p->deadline;
		}
	}
	return next;
}
