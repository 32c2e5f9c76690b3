/* Making segments and index agree again. */
#include "workers/storer/recovery.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "ipc/base/log.h"
#include "workers/storer/rewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

/* One run of recovery. */
struct rescue {
	struct index *index;
	bool made;
	int segments;
	struct recovery *done;
};

/* One segment that is looked at. */
struct patient {
	struct segment_reader reader;
	uint32_t number;
	bool newest;	/* the one that was written last: the only one that is changed */
	bool known;	/* the index has a row for it */
	uint64_t bytes; /* what the index vouches for */
	uint64_t size;
	uint64_t end; /* behind the last whole record */
};

/* Where the records from `from` on end. Damage ends a segment, except where the index is made anew
 * or the segment was finished long ago: then what lies behind is as good as what lies before. */
static int find_end(struct rescue *rescue, struct patient *patient, uint64_t from)
{
	bool step_over = rescue->made || !patient->newest;
	uint64_t at = from;

	patient->end = from;
	for (;;) {
		struct record record;
		uint32_t length;
		int rc = segment_read(&patient->reader, at, &record, NULL, &length);
		int64_t next;

		if (rc == 0) {
			at += length;
			patient->end = at;
			continue;
		}
		if (rc == TROUPE_E_ENDED)
			return 0;
		if (rc != TROUPE_E_TRUNCATED && rc != TROUPE_E_CORRUPT)
			return rc;
		next = step_over ? segment_resync(&patient->reader, at) : TROUPE_E_ENDED;
		if (next == TROUPE_E_ENDED)
			return 0;
		if (next < 0)
			return (int)next;
		rescue->done->damaged++;
		at = (uint64_t)next;
	}
}

/* After this the disk has the segment up to its end, and the newest one nothing behind it. */
static int make_durable(struct rescue *rescue, const struct patient *patient, uint64_t from)
{
	char name[SEGMENT_NAME_SIZE];
	int fd = openat(rescue->segments, segment_name(patient->number, name), O_RDWR | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return error_from_errno(errno);
	if (patient->newest) {
		/* The header too when nothing in the segment was vouched for. */
		rc = rewrite_bytes(fd, from > SEGMENT_HEADER ? from : 0, patient->end);
		if (rc == 0 && patient->size > patient->end) {
			if (ftruncate(fd, (off_t)patient->end) < 0)
				rc = error_from_errno(errno);
			else
				rescue->done->bytes_cut += patient->size - patient->end;
			FAIL_POINT(RECOVERY_CUT);
		}
	}
	if (rc == 0 && (fdatasync(fd) < 0 || fsync(rescue->segments) < 0))
		rc = error_from_errno(errno);
	close(fd);
	FAIL_POINT(RECOVERY_SYNCED);
	return rc;
}

static int add_row(struct rescue *rescue, const struct index_row *row)
{
	const struct record *record = &row->record;
	int rc = index_add_frame(rescue->index, row);

	if (rc == TROUPE_E_EXISTS)
		return 0; /* by an earlier scan; a frame that is there twice is for verify to find
			   */
	if (rc == 0)
		rc = index_add_run(rescue->index, record->run, "");
	if (rc == 0)
		rc = index_add_stream(rescue->index, record->run, record->stream, record->width,
				      record->height, 0, 0);
	rescue->done->rows_added += rc == 0;
	return rc;
}

/* Rows for all whole records of [from, end). */
static int add_rows(struct rescue *rescue, struct patient *patient, uint64_t from)
{
	int64_t now = clock_now();
	uint64_t at = from;
	int rc = 0;

	while (rc == 0 && at < patient->end) {
		struct index_row row = {.segment = patient->number, .offset = at, .stored = now};

		rc = segment_read(&patient->reader, at, &row.record, NULL, &row.length);
		if (rc == 0) {
			rc = add_row(rescue, &row);
			at += row.length;
		} else if (rc == TROUPE_E_CORRUPT || rc == TROUPE_E_TRUNCATED) {
			int64_t next = segment_resync(&patient->reader, at);

			rc = next < 0 ? (int)next : 0;
			at = (uint64_t)next;
		}
	}
	return rc;
}

/* Rows behind the end go, missing ones come, and the index vouches for all of it. */
static int agree(struct rescue *rescue, struct patient *patient, uint64_t from)
{
	int rc = index_cut_segment(rescue->index, patient->number, patient->end);

	if (rc < 0)
		return rc;
	rescue->done->rows_removed += (uint64_t)rc;
	rc = add_rows(rescue, patient, from);
	return rc < 0 ? rc
		      : index_set_segment(rescue->index, patient->number,
					  patient->reader.created_wall, patient->end);
}

static int treat(struct rescue *rescue, struct patient *patient)
{
	uint64_t from = patient->bytes;
	int64_t size = segment_size(&patient->reader);
	int rc;

	if (size < 0)
		return (int)size;
	patient->size = (uint64_t)size;
	patient->end = patient->size;
	if (patient->known && patient->size == patient->bytes)
		return 0;
	/* Shorter than the index says: what is still whole has to be found out from the start. */
	if (!patient->known || patient->size < patient->bytes || from < SEGMENT_HEADER)
		from = SEGMENT_HEADER;
	rc = find_end(rescue, patient, from);
	if (rc == 0)
		rc = make_durable(rescue, patient, from);
	return rc < 0 ? rc : agree(rescue, patient, from);
}

/* A segment whose header cannot be read. One that was just being born (a commit would have made it
 * known) holds nothing: it goes. Anything else stays as it is, for verify and for people. Returns
 * whether the writer may use the number again. */
static bool give_up(struct rescue *rescue, const struct patient *patient, int why)
{
	bool unborn = why == TROUPE_E_TRUNCATED || (why == TROUPE_E_CORRUPT && !rescue->made);
	char name[SEGMENT_NAME_SIZE];

	segment_name(patient->number, name);
	if (unborn && patient->newest && !patient->known &&
	    unlinkat(rescue->segments, name, 0) == 0)
		return true;
	log_warn("segment %s: %s; left as it is", name, error_text(why));
	rescue->done->damaged++;
	return false;
}

/* Treats one segment; for the newest one leaves the writer at its end. */
static int visit(struct rescue *rescue, uint32_t number, bool newest, struct segment_writer *writer)
{
	struct patient patient = {.number = number, .newest = newest};
	int rc = index_segment(rescue->index, number, &patient.bytes);

	if (rc < 0 && rc != TROUPE_E_NOT_FOUND)
		return rc;
	patient.known = rc == 0;
	rc = segment_open(&patient.reader, rescue->segments, number);
	if (rc == TROUPE_E_TRUNCATED || rc == TROUPE_E_CORRUPT || rc == TROUPE_E_SCHEMA) {
		writer->number = give_up(rescue, &patient, rc) ? number - 1 : number;
		return 0;
	}
	if (rc < 0)
		return rc;
	rc = treat(rescue, &patient);
	writer->number = number;
	if (rc == 0 && newest)
		rc = segment_writer_resume(writer, number, patient.end,
					   patient.reader.created_wall);
	segment_close(&patient.reader);
	return rc;
}

/* Segments that the index knows and the folder lacks. Behind the newest file they were lost by a
 * crash: so are their rows. Others were taken away by somebody: verify tells. */
static int missing_segments(struct rescue *rescue, const uint32_t *numbers, int count)
{
	uint32_t newest = count > 0 ? numbers[count - 1] : 0;
	int at = 0;

	for (int64_t known = index_next_segment(rescue->index, 0);;
	     known = index_next_segment(rescue->index, (uint32_t)known)) {
		if (known == TROUPE_E_ENDED)
			return 0;
		if (known < 0)
			return (int)known;
		while (at < count && numbers[at] < known)
			at++;
		if (at < count && numbers[at] == known)
			continue;
		log_warn("segment %06" PRId64 ".seg is not there", known);
		if (known > newest) {
			int rows = index_forget_segment(rescue->index, (uint32_t)known);

			if (rows < 0)
				return rows;
			rescue->done->rows_removed += (uint64_t)rows;
		} else {
			rescue->done->damaged++;
		}
	}
}

int recovery_run(struct index *index, bool made, int segments, struct segment_writer *writer,
		 struct recovery *done, folder_waiting_fn *waiting, void *arg)
{
	struct rescue rescue = {.index = index, .made = made, .segments = segments, .done = done};
	uint32_t *numbers;
	int count = segment_list(segments, &numbers);
	int rc = count < 0 ? count : index_begin(index);

	*done = (struct recovery){0};
	segment_writer_init(writer, segments, count > 0 ? numbers[count - 1] : 0);
	if (rc == 0)
		rc = missing_segments(&rescue, numbers, count);
	for (int i = 0; rc == 0 && i < count; i++) {
		if (waiting != NULL)
			waiting(arg);
		rc = visit(&rescue, numbers[i], i == count - 1, writer);
	}
	FAIL_POINT(RECOVERY_ENTERED);
	if (rc == 0)
		rc = index_commit(index);
	else if (count >= 0)
		index_rollback(index);
	if (rc < 0)
		segment_writer_finish(writer);
	free(numbers);
	return rc;
}
