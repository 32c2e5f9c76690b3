/* Who died of which frame. A frame has one slot all its life, so there is one note a slot. */
#include "supervisor/quarantine.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/folders.h"
#include "ipc/base/log.h"
#include "supervisor/progress.h"
#include "supervisor/shelf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct death {
	struct exit_note note;
	char worker[NAME_SIZE];
	char program[PROGRAM_SIZE];
	char version[64];
};

/* A frame that somebody died of. */
struct suspect {
	uint64_t seq;
	unsigned deaths; /* so many of death[] are known */
	bool final;	 /* the last permitted one happened; what it held is being given back */
	bool shelved;	 /* its folder was made */
	struct death death[QUARANTINE_ATTEMPTS];
};

struct quarantine {
	char folder[600];
	struct suspect **of_slot; /* NULL: nobody ever died of a frame in that slot */
	uint32_t n_slots;
};

int quarantine_create(struct supervisor *s)
{
	struct quarantine *q = calloc(1, sizeof(*q));
	if (!q)
		return TROUPE_E_MEMORY;
	s->quarantine = q;
	q->n_slots = s->ledger.header->n_slots;
	q->of_slot = calloc(q->n_slots, sizeof(void *));
	snprintf(q->folder, sizeof(q->folder), "%s/" FOLDER_QUARANTINE, s->runtime.state);
	shelf_prune(q->folder, (size_t)s->config.top.quarantine_keep);
	return q->of_slot ? 0 : TROUPE_E_MEMORY;
}

void quarantine_destroy(struct supervisor *s)
{
	struct quarantine *q = s->quarantine;
	if (!q)
		return;
	for (uint32_t i = 0; q->of_slot && i < q->n_slots; i++)
		free(q->of_slot[i]);
	free(q->of_slot);
	free(q);
	s->quarantine = NULL;
}

const char *quarantine_folder(const struct supervisor *s)
{
	return s->quarantine->folder;
}

/* ---- the folder of one frame ---- */

static int folder_of(const struct supervisor *s, uint32_t slot, uint64_t seq, char *out,
		     size_t size)
{
	const struct stream_row *row = &s->ledger.streams[ledger_stream_of(&s->ledger, slot)];
	return folder_quarantined(s->runtime.state, s->ledger.header->run, row->name, seq, out,
				  size);
}

static json_t *death_json(const struct death *death, unsigned attempt)
{
	char when[32];
	clock_format_wall(death->note.wall, when, sizeof(when));
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:s, s:s}", "attempt",
			 (int)attempt, "wall", when, "worker", death->worker, "program",
			 death->program, "version", death->version, "pid", (int)death->note.pid,
			 "incarnation", (int)death->note.incarnation, "lived",
			 (json_int_t)death->note.lived, "cause", death->note.cause, "words",
			 death->note.words);
}

/* Not synced: that could keep the supervisor waiting, and the journal has it all as well. */
static int write_deaths(const struct suspect *suspect, const char *folder)
{
	char path[1200];
	snprintf(path, sizeof(path), "%s/deaths.jsonl", folder);
	unlink(path);
	FILE *out = fopen(path, "wxe"); /* never through a link that a worker has laid */
	if (!out)
		return error_from_errno(errno);
	for (unsigned i = 0; i < suspect->deaths; i++) {
		json_t *death = death_json(&suspect->death[i], i + 1);
		json_dumpf(death, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
		fputc('\n', out);
		json_decref(death);
	}
	int failed = ferror(out);
	return fclose(out) != 0 || failed ? TROUPE_E_IO : 0;
}

/* Before the step that sends the frame on: the storer, which may take it the moment after, finds
 * the folder, and no death of ours in between can cost the reasons. */
static void shelve(struct supervisor *s, uint32_t slot, struct suspect *suspect)
{
	struct quarantine *q = s->quarantine;
	char folder[1024];
	if (s->config.top.quarantine_keep == 0)
		return;
	int rc = folder_of(s, slot, suspect->seq, folder, sizeof(folder));
	if (rc == 0 && mkdir(q->folder, 0770) < 0 && errno != EEXIST)
		rc = error_from_errno(errno);
	if (rc == 0 && mkdir(folder, 0770) < 0 && errno != EEXIST)
		rc = error_from_errno(errno);
	suspect->shelved = rc == 0;
	if (rc == 0)
		rc = write_deaths(suspect, folder);
	if (rc < 0)
		log_warn("%s: the reasons cannot be kept: %s", folder, error_text(rc));
	shelf_prune(q->folder, (size_t)s->config.top.quarantine_keep);
}

/* ---- deaths ---- */

static struct suspect *suspect_in(struct quarantine *q, uint32_t slot, uint64_t seq)
{
	struct suspect *suspect = q->of_slot[slot];
	if (!suspect)
		suspect = q->of_slot[slot] = calloc(1, sizeof(*suspect));
	if (suspect && suspect->seq != seq)
		*suspect = (struct suspect){.seq = seq};
	return suspect;
}

static void accuse(struct supervisor *s, uint32_t slot, struct slot_word word,
		   const struct part *part, const struct exit_note *note)
{
	struct suspect *suspect = suspect_in(s->quarantine, slot, word.seq);
	if (!suspect || suspect->deaths >= QUARANTINE_ATTEMPTS)
		return;
	struct death *death = &suspect->death[suspect->deaths++];
	*death = (struct death){.note = *note};
	snprintf(death->worker, sizeof(death->worker), "%s", part->member->name);
	snprintf(death->program, sizeof(death->program), "%s", part->program);
	snprintf(death->version, sizeof(death->version), "%s", part->version);
	suspect->final = word.attempts + 1 >= QUARANTINE_ATTEMPTS;
	if (suspect->final)
		shelve(s, slot, suspect);
}

void quarantine_accuse(const struct part *part, const struct exit_note *note)
{
	struct supervisor *s = part->member->supervisor;
	for (uint32_t slot = 0; slot < s->quarantine->n_slots; slot++) {
		struct slot_word word = word_unpack(ledger_word(&s->ledger, slot));
		if (word.phase == PHASE_HELD && word.seat == part->process.seat)
			accuse(s, slot, word, part, note);
	}
}

/* ---- what became of them ---- */

static json_t *causes_json(const struct suspect *suspect)
{
	json_t *causes = json_array();
	for (unsigned i = 0; i < suspect->deaths; i++)
		json_array_append_new(causes, json_string(suspect->death[i].note.cause));
	return causes;
}

static void tell(struct supervisor *s, const struct member *m, uint32_t slot,
		 const struct suspect *suspect)
{
	struct stream_row *row = &s->ledger.streams[ledger_stream_of(&s->ledger, slot)];
	const struct exit_note *last = &suspect->death[suspect->deaths - 1].note;
	char folder[1024] = "", text[640];
	if (suspect->shelved)
		folder_of(s, slot, suspect->seq, folder, sizeof(folder));
	atomic_fetch_add(&row->quarantined, 1);
	snprintf(text, sizeof(text),
		 "%s: frame %" PRIu64
		 " goes on unprocessed after %d deaths, the last one: %s%s%s; `troupe -n %s "
		 "quarantine` shows them",
		 row->name, suspect->seq, QUARANTINE_ATTEMPTS, last->cause,
		 *last->words ? ": " : "", last->words, s->config.top.name);
	log_error("%s", text);
	progress_say(s, "%s", text);
	journal_write(&s->journal, JOURNAL_QUARANTINE, m->name,
		      json_pack("{s:s, s:I, s:s, s:o}", "stream", row->name, "seq",
				(json_int_t)suspect->seq, "folder", folder, "causes",
				causes_json(suspect)));
}

/* Whether the word still says that this frame went into quarantine: it does until another frame is
 * filled into the slot. */
static bool still_says_so(const struct supervisor *s, uint32_t slot, uint64_t seq)
{
	struct slot_word word = word_unpack(ledger_word(&s->ledger, slot));
	return word.seq == seq && (word.marks & MARK_QUARANTINED);
}

/* A frame whose third death it was, but that was bypassed before it could be blamed. */
static void acquit(struct supervisor *s, uint32_t slot, struct suspect *suspect)
{
	char folder[1024];
	if (suspect->shelved && folder_of(s, slot, suspect->seq, folder, sizeof(folder)) == 0)
		shelf_remove(folder);
	suspect->shelved = false;
}

void quarantine_judge(struct supervisor *s, const struct member *m, uint32_t count)
{
	struct quarantine *q = s->quarantine;
	uint32_t finals = 0;
	for (uint32_t i = 0; i < q->n_slots; i++)
		finals += q->of_slot[i] && q->of_slot[i]->final;
	for (uint32_t i = 0; i < q->n_slots && finals; i++) {
		struct suspect *suspect = q->of_slot[i];
		if (!suspect || !suspect->final)
			continue;
		suspect->final = false;
		if (count == finals || still_says_so(s, i, suspect->seq))
			tell(s, m, i, suspect);
		else
			acquit(s, i, suspect);
	}
}
