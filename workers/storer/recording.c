/* Reading a recording: the index says where, the segment says what. */
#include "workers/storer/recording.h"

#include "ipc/base/errors.h"
#include "workers/storer/folder.h"
#include "workers/storer/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct recording {
	struct index *index;
	int segments;
	struct segment_reader reader; /* the segment that was read last; fd -1: none */
};

static int open_segments(const char *folder)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", folder, FOLDER_SEGMENTS) >= (int)sizeof(path))
		return TROUPE_E_OVERSIZED;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : error_from_errno(errno);
}

int recording_open(struct recording **recording, const char *folder, char *why, size_t why_size)
{
	struct recording *opened = calloc(1, sizeof(*opened));
	char detail[256];
	int rc;

	*recording = NULL;
	if (opened == NULL) {
		snprintf(why, why_size, "%s", error_text(TROUPE_E_MEMORY));
		return TROUPE_E_MEMORY;
	}
	opened->reader.fd = -1;
	opened->segments = open_segments(folder);
	rc = opened->segments < 0 ? opened->segments
				  : index_open(&opened->index, folder, detail, sizeof(detail));
	if (rc < 0) {
		if (opened->segments < 0)
			snprintf(detail, sizeof(detail), "%s", error_text(rc));
		snprintf(why, why_size, "no recording in '%s': %s", folder, detail);
		recording_close(opened);
		return rc;
	}
	*recording = opened;
	return 0;
}

void recording_close(struct recording *recording)
{
	if (recording == NULL)
		return;
	segment_close(&recording->reader);
	if (recording->segments >= 0)
		close(recording->segments);
	index_close(recording->index);
	free(recording);
}

int recording_newest_run(struct recording *recording, uint64_t *run)
{
	return index_newest_run(recording->index, run);
}

int recording_next_stream(struct recording *recording, uint64_t run, const char *after,
			  char name[NAME_SIZE])
{
	return index_next_stream(recording->index, run, after, name);
}

int recording_tally(struct recording *recording, uint64_t run, const char *stream,
		    struct index_tally *tally)
{
	return index_tally(recording->index, run, stream, tally);
}

int recording_find(struct recording *recording, uint64_t run, const char *stream, uint64_t seq,
		   struct index_row *row)
{
	return index_find(recording->index, run, stream, seq, row);
}

int recording_next(struct recording *recording, uint64_t run, const char *stream, uint64_t after,
		   struct index_row *row)
{
	return index_next(recording->index, run, stream, after, row);
}

int recording_previous(struct recording *recording, uint64_t run, const char *stream,
		       uint64_t before, struct index_row *row)
{
	return index_previous(recording->index, run, stream, before, row);
}

int recording_next_forgotten(struct recording *recording, uint64_t run, const char *stream,
			     uint64_t after, struct index_range *range)
{
	return index_next_forgotten(recording->index, run, stream, after, range);
}

int recording_next_run(struct recording *recording, uint64_t after, uint64_t *run)
{
	return index_next_run(recording->index, after, run);
}

int recording_previous_run(struct recording *recording, uint64_t before, uint64_t *run)
{
	return index_previous_run(recording->index, before, run);
}

int recording_first_since(struct recording *recording, const char *stream, int64_t since,
			  struct index_row *row)
{
	return index_first_since(recording->index, stream, since, row);
}

int recording_last_until(struct recording *recording, const char *stream, int64_t until,
			 struct index_row *row)
{
	return index_last_until(recording->index, stream, until, row);
}

int64_t recording_spans(struct recording *recording, const char *stream, int64_t from, int64_t to,
			struct index_span *spans, size_t max)
{
	return index_spans(recording->index, stream, from, to, spans, max);
}

int recording_begin(struct recording *recording)
{
	return index_begin_read(recording->index);
}

void recording_end(struct recording *recording)
{
	index_rollback(recording->index);
}

int recording_find_events(struct recording *recording, const struct event_query *query,
			  index_event_fn *each, void *arg)
{
	return index_find_events(recording->index, query, each, arg);
}

int recording_explain_events(struct recording *recording, const struct event_query *query,
			     index_line_fn *line, void *arg)
{
	return index_explain_events(recording->index, query, line, arg);
}

int recording_next_event_stream(struct recording *recording, const char *after,
				char name[NAME_SIZE])
{
	return index_next_event_stream(recording->index, after, name);
}

int recording_next_event_what(struct recording *recording, const char *stream, enum event_kind kind,
			      const char *after, char what[EVENT_WHAT_SIZE])
{
	return index_next_event_what(recording->index, stream, kind, after, what);
}

int recording_next_segment(struct recording *recording, uint32_t after,
			   struct index_segment *segment)
{
	return index_next_segment(recording->index, after, segment);
}

int recording_read(struct recording *recording, const struct index_row *row, struct record *record,
		   const uint8_t **coded)
{
	struct segment_reader *reader = &recording->reader;
	uint32_t length;
	int rc;

	if (reader->fd >= 0 && reader->header.number != row->segment)
		segment_close(reader);
	if (reader->fd < 0) {
		rc = segment_open(reader, recording->segments, row->segment);
		if (rc < 0)
			return rc;
	}
	rc = segment_read(reader, row->offset, record, coded, &length);
	if (rc == TROUPE_E_ENDED || rc == TROUPE_E_TRUNCATED)
		return TROUPE_E_CORRUPT;
	if (rc == 0 && (record->run != row->record.run || record->seq != row->record.seq ||
			strcmp(record->stream, row->record.stream) != 0))
		return TROUPE_E_CORRUPT;
	return rc;
}

struct index *recording_index(struct recording *recording)
{
	return recording->index;
}

int recording_segments(const struct recording *recording)
{
	return recording->segments;
}
