/* Making segments and index agree again. */
#include "workers/storer/recovery_private.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "ipc/slots/word.h"
#include "workers/storer/index_events.h"
#include "workers/storer/rewrite.h"
#include "workers/storer/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A segment that is read, and the stream whose frames are being entered. */
struct treatment {
	struct rescue *rescue;
	struct patient *patient;
	struct segment_reader reader;
	bool fresh;   /* it may end with what nobody vouched for */
	uint64_t end; /* behind the last whole record that counts */
	uint64_t run; /* 0: no stream yet */
	char stream[NAME_SIZE];
	struct index_tally tally;
	struct index_clock clock;
};

/* ---- the file ---- */

/* Where the records from `from` on end. Frames behind what is vouched for that lack later ones do
 * not count: nobody would keep the later ones for them if the slots are gone. Damage ends a
 * segment, except where the index is made anew or the segment was finished long ago: then what lies
 * behind is as good as what lies before. */
static int find_end(struct treatment *t, uint64_t from)
{
	bool step_over = t->rescue->made || !t->fresh;
	uint64_t at = from;

	t->end = from;
	for (;;) {
		struct record record;
		uint32_t length;
		int rc = segment_read(&t->reader, at, &record, NULL, &length);
		int64_t next;

		if (rc == 0) {
			at += length;
			if (!t->fresh || record.lacks == 0)
				t->end = at;
			continue;
		}
		if (rc == TROUPE_E_ENDED)
			return 0;
		if (rc != TROUPE_E_TRUNCATED && rc != TROUPE_E_CORRUPT)
			return rc;
		next = step_over ? segment_resync(&t->reader, at) : TROUPE_E_ENDED;
		if (next == TROUPE_E_ENDED)
			return 0;
		if (next < 0)
			return (int)next;
		t->rescue->done->damaged++;
		at = (uint64_t)next;
	}
}

/* After this the disk has the segment up to its end, and a fresh one nothing behind it. */
static int make_durable(struct treatment *t, uint64_t from)
{
	struct patient *patient = t->patient;
	char name[SEGMENT_NAME_SIZE];
	int fd = openat(t->rescue->segments, segment_name(patient->segment.number, name),
			O_RDWR | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return error_from_errno(errno);
	/* Who made it known had synced its name before (segment_writer.c, and at the end here). */
	t->rescue->touched |= !patient->known;
	if (t->fresh) {
		/* The header too when nothing in the segment was vouched for. */
		rc = rewrite_bytes(fd, from > SEGMENT_HEADER ? from : 0, t->end);
		if (rc == 0 && patient->size > t->end) {
			if (ftruncate(fd, (off_t)t->end) < 0)
				rc = error_from_errno(errno);
			else
				t->rescue->done->bytes_cut += patient->size - t->end;
			FAIL_POINT(RECOVERY_CUT);
		}
	}
	if (rc == 0 && fdatasync(fd) < 0)
		rc = error_from_errno(errno);
	close(fd);
	FAIL_POINT(RECOVERY_SYNCED);
	return rc;
}

/* ---- the rows ---- */

/* Tells the index what it has of the stream whose frames were entered. */
static int finish_stream(struct treatment *t)
{
	return t->run == 0 ? 0 : index_set_tally(t->rescue->index, t->run, t->stream, &t->tally);
}

/* The newest row of the run; its first frame is the first one. */
static int begin_clock(struct treatment *t, const struct record *record)
{
	struct index *index = t->rescue->index;
	int rc = index_clock_at(index, record->run, INT64_MAX, &t->clock);

	if (rc != TROUPE_E_NOT_FOUND)
		return rc;
	t->clock = (struct index_clock){.since = record->captured,
					.wall_offset = record->captured_wall - record->captured};
	return index_add_clock(index, record->run, &t->clock);
}

static int begin_stream(struct treatment *t, const struct record *record)
{
	struct index *index = t->rescue->index;
	int rc;

	if (t->run == record->run && strcmp(t->stream, record->stream) == 0)
		return 0;
	rc = finish_stream(t);
	if (rc == 0)
		rc = index_add_run(index, record->run, "", "");
	if (rc == 0)
		rc = index_add_stream(index, record->run, record->stream, record->width,
				      record->height, 0, 0);
	if (rc == 0)
		rc = index_tally(index, record->run, record->stream, &t->tally);
	if (rc == 0)
		rc = begin_clock(t, record);
	t->run = record->run;
	memcpy(t->stream, record->stream, NAME_SIZE);
	return rc;
}

/* The frame has a row. By an earlier scan; or it is there twice, which is for verify to find; or it
 * was re-coded and the index still shows where it was. */
static int take_over(struct treatment *t, const struct index_row *row)
{
	const struct record *record = &row->record;
	struct index_row other;
	int rc;

	if (t->patient->segment.replaces == 0)
		return 0;
	rc = index_find(t->rescue->index, record->run, record->stream, record->seq, &other);
	if (rc == 0 && other.segment == t->patient->segment.replaces) {
		rc = index_move_frame(t->rescue->index, row);
		index_segment_grow(&t->patient->segment, row);
	}
	return rc == TROUPE_E_NOT_FOUND ? 0 : rc;
}

static int add_row(struct treatment *t, const struct index_row *row)
{
	int rc = begin_stream(t, &row->record);

	if (rc == 0)
		rc = index_add_frame(t->rescue->index, row);
	if (rc == TROUPE_E_EXISTS)
		return take_over(t, row);
	if (rc < 0)
		return rc;
	index_segment_grow(&t->patient->segment, row);
	index_tally_grow(&t->tally, &row->record);
	t->rescue->done->rows_added++;
	rc = index_note_clock(t->rescue->index, &row->record, &t->clock);
	if (rc < 0 || t->rescue->remake)
		return rc;
	return event_book_take(t->rescue->events, t->rescue->index, &row->record);
}

/* Rows for all whole records of [from, end). */
static int add_rows(struct treatment *t, uint64_t from)
{
	int64_t now = clock_now();
	uint64_t at = from;
	int rc = 0;

	while (rc == 0 && at < t->end) {
		struct index_row row = {
			.segment = t->patient->segment.number, .offset = at, .stored = now};

		rc = segment_read(&t->reader, at, &row.record, NULL, &row.length);
		if (rc == 0) {
			row.coded_at = at + record_header(row.record.coding);
			rc = add_row(t, &row);
			at += row.length;
		} else if (rc == TROUPE_E_CORRUPT || rc == TROUPE_E_TRUNCATED) {
			int64_t next = segment_resync(&t->reader, at);

			rc = next < 0 ? (int)next : 0;
			at = (uint64_t)next;
		}
	}
	return rc < 0 ? rc : finish_stream(t);
}

/* Rows of frames that end behind `end` go, as if they had never been. Returns how many. */
static int cut_rows(struct rescue *rescue, uint32_t segment, uint64_t end)
{
	int rows = index_cut_segment(rescue->index, segment, end);

	if (rows <= 0)
		return rows;
	rescue->remake = true; /* events with those frames */
	rescue->done->rows_removed += (uint64_t)rows;
	return rows;
}

/* Rows behind the end go, missing ones come, and the index vouches for all of it. */
static int agree(struct treatment *t, uint64_t from)
{
	struct index_segment *segment = &t->patient->segment;
	int rows = cut_rows(t->rescue, segment->number, t->end);
	int rc = rows > 0 ? index_sum_segment(t->rescue->index, segment) : rows;

	if (rc == 0)
		rc = add_rows(t, from);
	segment->bytes = t->end;
	return rc;
}

/* ---- one segment ---- */

static int treat_file(struct treatment *t)
{
	const struct patient *patient = t->patient;
	uint64_t from = patient->segment.bytes;
	int rc;

	/* Shorter than the index says: what is still whole has to be found out from the start. */
	if (!patient->known || patient->size < from || from < SEGMENT_HEADER)
		from = SEGMENT_HEADER;
	rc = find_end(t, from);
	if (rc == 0)
		rc = make_durable(t, from);
	return rc < 0 ? rc : agree(t, from);
}

/* A segment whose header cannot be read. One that was just being born (a commit would have made it
 * known) holds nothing: it goes. Anything else stays as it is, for verify and for people. */
static int give_up(struct rescue *rescue, struct patient *patient)
{
	bool unborn = patient->why == TROUPE_E_TRUNCATED;

	if (patient->why == TROUPE_E_CORRUPT && !rescue->made) {
		/* What is re-coded has its number long before. */
		int rc = recovery_has_newer(rescue, patient->segment.number, NULL);

		if (rc < 0)
			return rc;
		unborn = rc == 0;
	}
	if (unborn && !patient->known)
		return recovery_unlink(rescue, patient);
	log_warn("segment %06" PRIu32 ".seg: %s; left as it is", patient->segment.number,
		 error_text(patient->why));
	rescue->done->damaged++;
	return 0;
}

static int treat(struct rescue *rescue, struct patient *patient)
{
	struct treatment t = {.rescue = rescue, .patient = patient};
	int rc;

	patient->why = segment_open(&t.reader, rescue->segments, patient->segment.number);
	if (patient->why == TROUPE_E_TRUNCATED || patient->why == TROUPE_E_CORRUPT ||
	    patient->why == TROUPE_E_SCHEMA)
		return give_up(rescue, patient);
	if (patient->why < 0)
		return patient->why;
	t.fresh = patient->last && (!patient->known || patient->segment.state == SEGMENT_OPEN);
	rc = treat_file(&t);
	segment_close(&t.reader);
	return rc;
}

/* The order was: doomed, out of the folder, forgotten. */
static int finish_doomed(struct rescue *rescue, struct patient *patient)
{
	int rc = recovery_unlink(rescue, patient);

	/* The removal is to be on the disk before it is forgotten. */
	if (rc == 0 && fsync(rescue->segments) < 0)
		rc = error_from_errno(errno);
	if (rc == 0)
		rc = index_forget_segment(rescue->index, patient->segment.number, NULL);
	if (rc >= 0)
		rc = index_forget_events(rescue->index, &patient->segment);
	rescue->done->removed++;
	return rc < 0 ? rc : 0;
}

/* Whether a segment that is not there lay behind the last file of its stream. 1, 0, or an error. */
static int lost_its_end(const struct rescue *rescue, const struct index_segment *segment)
{
	int rc;

	if (segment->replaces != 0)
		return 0;
	for (size_t i = 0; i < rescue->n_patients; i++) {
		const struct patient *other = &rescue->patients[i];

		if (other->last && strcmp(other->segment.stream, segment->stream) == 0)
			return other->segment.number < segment->number;
	}
	rc = recovery_has_newer(rescue, segment->number, segment->stream);
	return rc < 0 ? rc : rc == 0;
}

/* The index knows it and the folder lacks it. Behind the last file of its stream it was lost by a
 * crash: so are its rows. One whose frames all lie elsewhere is not missed. Others were taken away
 * by somebody: verify tells. */
static int miss(struct rescue *rescue, const struct patient *patient)
{
	const struct index_segment *segment = &patient->segment;
	struct index_row row;
	int rc = index_next_place(rescue->index, segment->number, 0, &row), rows = 0;

	if (rc < 0 && rc != TROUPE_E_ENDED)
		return rc;
	if (rc == 0) {
		log_warn("segment %06" PRIu32 ".seg is not there", segment->number);
		rc = lost_its_end(rescue, segment);
		if (rc <= 0) {
			rescue->done->damaged += rc == 0;
			return rc;
		}
		rows = cut_rows(rescue, segment->number, 0);
	}
	if (rows >= 0)
		rows = index_forget_segment(rescue->index, segment->number, "gone");
	return rows < 0 ? rows : 0;
}

/* Only the last of each stream is gone on with, and none that holds several streams. */
static bool stays_open(const struct patient *patient)
{
	return patient->last && patient->segment.state == SEGMENT_OPEN &&
	       patient->segment.stream[0] != 0;
}

static int visit(struct rescue *rescue, struct patient *patient)
{
	struct index_segment *segment = &patient->segment;
	bool settled = patient->known && patient->size == segment->bytes;
	int rc;

	if (patient->known && segment->state == SEGMENT_DOOMED)
		return finish_doomed(rescue, patient);
	if (settled && (segment->state == SEGMENT_CLOSED || stays_open(patient)))
		return 0;
	rc = settled ? 0 : treat(rescue, patient);
	if (rc < 0 || patient->gone || patient->why < 0)
		return rc;
	if (!stays_open(patient))
		segment->state = SEGMENT_CLOSED;
	return index_set_segment(rescue->index, segment);
}

/* A segment all of whose frames were taken over by the one that replaces it. */
static int finish_replaced(struct rescue *rescue)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && rescue->made && i < rescue->n_patients; i++) {
		const struct patient *patient = &rescue->patients[i];
		struct patient *old = recovery_patient(rescue, patient->segment.replaces);
		struct index_row row;

		if (patient->gone || old == NULL || old->gone)
			continue;
		rc = index_next_place(rescue->index, old->segment.number, 0, &row);
		if (rc == TROUPE_E_ENDED)
			rc = finish_doomed(rescue, old);
	}
	return rc;
}

/* The events of what was entered. Those of frames that the index had and the segments lack are not
 * known any more: all are made anew, which damage alone makes necessary, or an index that is new or
 * of a version that had none. */
static int finish_events(struct rescue *rescue)
{
	if (rescue->remake)
		return event_book_remake(rescue->events, rescue->index, rescue->waiting,
					 rescue->arg);
	return event_book_enter(rescue->events, rescue->index, NULL, 0);
}

static bool is_missing(const struct patient *patient)
{
	return !patient->there && patient->segment.state != SEGMENT_DOOMED;
}

/* Those that are not there come last: what replaces them may have their frames. */
static int visit_all(struct rescue *rescue)
{
	int rc = recovery_survey(rescue);

	if (rc == 0)
		rc = recovery_throw_away(rescue);
	if (rc == 0 && (rc = index_lacks_events(rescue->index)) > 0)
		rescue->remake = true;
	rc = rc < 0 ? rc : 0;
	for (size_t i = 0; rc == 0 && i < rescue->n_patients; i++) {
		if (rescue->waiting != NULL)
			rescue->waiting(rescue->arg);
		if (!rescue->patients[i].gone && !is_missing(&rescue->patients[i]))
			rc = visit(rescue, &rescue->patients[i]);
	}
	for (size_t i = 0; rc == 0 && i < rescue->n_patients; i++)
		if (is_missing(&rescue->patients[i]))
			rc = miss(rescue, &rescue->patients[i]);
	if (rc == 0)
		rc = finish_replaced(rescue);
	if (rc == 0 && rescue->made)
		rc = index_forget_gaps(rescue->index, clock_wall());
	if (rc == 0)
		rc = finish_events(rescue);
	if (rc == 0 && rescue->touched && fsync(rescue->segments) < 0)
		rc = error_from_errno(errno);
	return rc;
}

static int highest(const struct rescue *rescue, uint32_t *numbers)
{
	int64_t number = index_highest_segment(rescue->index);

	if (number < 0)
		return (int)number;
	*numbers = (uint32_t)number;
	if (rescue->n_files > 0 && rescue->files[rescue->n_files - 1] > *numbers)
		*numbers = rescue->files[rescue->n_files - 1];
	return 0;
}

int recovery_run(struct index *index, struct event_book *events, bool made, int segments,
		 uint32_t *numbers, struct recovery *done, folder_waiting_fn *waiting, void *arg)
{
	struct rescue rescue = {
		.index = index,
		.events = events,
		.remake = made,
		.made = made,
		.segments = segments,
		.done = done,
		.waiting = waiting,
		.arg = arg,
	};
	int rc = index_begin(index);

	*done = (struct recovery){0};
	if (rc == 0)
		rc = visit_all(&rescue);
	if (rc == 0)
		rc = highest(&rescue, numbers);
	FAIL_POINT(RECOVERY_ENTERED);
	if (rc == 0)
		rc = index_commit(index);
	else
		index_rollback(index);
	event_book_forget(events);
	recovery_survey_finish(&rescue);
	return rc;
}
