/* The steps from the old segment to the new one. */
#include "workers/storer/archive_swap.h"

#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Records at a time: one or two milliseconds. */
#define PORTION 32

int archive_swap_init(struct archive_swap *swap, struct index *index, int folder,
		      const struct index_segment *old, uint32_t number)
{
	char name[SEGMENT_NAME_SIZE];
	int rc;

	*swap = (struct archive_swap){
		.index = index,
		.folder = folder,
		.old = *old,
		.number = number,
		.new_at = SEGMENT_HEADER,
		.reader.fd = -1,
	};
	rc = segment_open_file(&swap->reader, folder, segment_draft_name(number, name));
	if (rc < 0) {
		swap->reader.fd = -1;
		return rc;
	}
	if (swap->reader.header.number != number || swap->reader.header.replaces != old->number ||
	    strcmp(swap->reader.header.stream, old->stream) != 0)
		return TROUPE_E_CORRUPT;
	/* It was synced; this one says whether that is so. */
	return fdatasync(swap->reader.fd) < 0 ? error_from_errno(errno) : 0;
}

void archive_swap_finish(struct archive_swap *swap)
{
	if (swap->index != NULL)
		segment_close(&swap->reader);
	free(swap->rows);
	*swap = (struct archive_swap){.reader.fd = -1};
}

static int make_room(struct archive_swap *swap)
{
	size_t room = swap->room > 0 ? swap->room * 2 : 1024;
	struct index_row *more;

	if (swap->n_rows < swap->room)
		return 0;
	more = realloc(swap->rows, room * sizeof(*more));
	if (more == NULL)
		return TROUPE_E_MEMORY;
	swap->rows = more;
	swap->room = room;
	return 0;
}

static bool same_frame(const struct record *a, const struct record *b)
{
	return a->run == b->run && a->seq == b->seq && a->ordinal == b->ordinal &&
	       a->pts == b->pts && a->captured == b->captured && a->marks == b->marks &&
	       strcmp(a->stream, b->stream) == 0;
}

/* The next row of the old segment, and the record that takes its place. */
static int look_at_one(struct archive_swap *swap)
{
	struct record record;
	struct index_row row;
	uint32_t length;
	int rc = index_next_place(swap->index, swap->old.number, swap->old_at, &row);

	if (rc < 0)
		return rc;
	swap->old_at = row.offset + row.length;
	rc = segment_read(&swap->reader, swap->new_at, &record, NULL, &length);
	if (rc < 0 || record.coding == CODING_JPEG || !same_frame(&record, &row.record))
		return TROUPE_E_CORRUPT;
	rc = make_room(swap);
	if (rc < 0)
		return rc;
	row.segment = swap->number;
	row.offset = swap->new_at;
	row.coded_at = swap->new_at + record_header(record.coding);
	row.length = length;
	row.record.coding = record.coding;
	row.record.coded_bytes = record.coded_bytes;
	swap->rows[swap->n_rows++] = row;
	swap->new_at += length;
	return 0;
}

int archive_swap_look(struct archive_swap *swap)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < PORTION; i++)
		rc = look_at_one(swap);
	if (rc != TROUPE_E_ENDED)
		return rc < 0 ? rc : 1;
	return swap->n_rows == swap->old.frames &&
			       (int64_t)swap->new_at == segment_size(&swap->reader)
		       ? 0
		       : TROUPE_E_CORRUPT;
}

static int sync_folder(const struct archive_swap *swap)
{
	return fsync(swap->folder) < 0 ? error_from_errno(errno) : 0;
}

int archive_swap_name(const struct archive_swap *swap)
{
	char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE];

	if (renameat2(swap->folder, segment_draft_name(swap->number, from), swap->folder,
		      segment_name(swap->number, to), RENAME_NOREPLACE) < 0)
		return error_from_errno(errno);
	FAIL_POINT(ARCHIVE_NAMED);
	return sync_folder(swap);
}

static int enter_rows(const struct archive_swap *swap)
{
	struct index_segment new = swap->old, now;
	int rc = index_segment(swap->index, swap->old.number, &now);

	if (rc == 0 && (now.state != SEGMENT_CLOSED || now.frames != swap->old.frames))
		rc = TROUPE_E_STATE;
	if (rc < 0)
		return rc == TROUPE_E_NOT_FOUND ? TROUPE_E_STATE : rc;
	new.number = swap->number;
	new.coding = CODING_H264;
	new.replaces = swap->old.number;
	new.bytes = swap->new_at;
	rc = index_set_segment(swap->index, &new);
	for (size_t i = 0; rc == 0 && i < swap->n_rows; i++)
		rc = index_move_frame(swap->index, &swap->rows[i]);
	if (rc == 0)
		rc = index_set_state(swap->index, swap->old.number, SEGMENT_DOOMED);
	return rc;
}

int archive_swap_enter(const struct archive_swap *swap)
{
	int rc = index_begin(swap->index);

	if (rc < 0)
		return rc;
	rc = enter_rows(swap);
	FAIL_POINT(ARCHIVE_ENTERING);
	if (rc == 0)
		rc = index_commit(swap->index);
	if (rc < 0)
		index_rollback(swap->index);
	else
		FAIL_POINT(ARCHIVE_ENTERED);
	return rc;
}

/* Whoever forgets doomed segments may have been faster. */
int archive_swap_remove(const struct archive_swap *swap)
{
	char name[SEGMENT_NAME_SIZE];

	if (unlinkat(swap->folder, segment_name(swap->old.number, name), 0) < 0 && errno != ENOENT)
		return error_from_errno(errno);
	FAIL_POINT(ARCHIVE_REMOVED);
	return 0;
}

int archive_swap_forget(const struct archive_swap *swap)
{
	int rc = sync_folder(swap);

	if (rc == 0)
		rc = index_begin(swap->index);
	if (rc < 0)
		return rc;
	rc = index_forget_segment(swap->index, swap->old.number, "archive");
	if (rc >= 0)
		rc = index_commit(swap->index);
	if (rc < 0)
		index_rollback(swap->index);
	return rc;
}

void archive_swap_discard(const struct archive_swap *swap)
{
	char name[SEGMENT_NAME_SIZE];

	unlinkat(swap->folder, segment_draft_name(swap->number, name), 0);
	unlinkat(swap->folder, segment_name(swap->number, name), 0);
}
