/* Exports that need no film: a folder of JPEGs, a table. */
#include "tools/troupe/export.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_errno(struct export *export, const char *what)
{
	int code = errno;
	snprintf(export->why, sizeof(export->why), "cannot write %s: %s", what, strerror(code));
	return error_from_errno(code);
}

/* ---- frames ---- */

static int frames_begin(struct export *export, const struct index_row *first)
{
	(void)first;
	export->coded = "copied";
	return 0;
}

static void frames_end(struct export *export)
{
	(void)export;
}

static bool write_whole(int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* The file is as old as the frame. */
static bool write_frame(const char *path, const struct frames_picture *picture)
{
	int64_t wall = picture->record.captured_wall;
	const struct timespec times[2] = {{wall / NS_PER_S, wall % NS_PER_S},
					  {wall / NS_PER_S, wall % NS_PER_S}};
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return false;
	bool written = write_whole(fd, picture->jpeg, picture->jpeg_bytes);
	int why = errno;
	futimens(fd, times);
	if (close(fd) < 0 && written) {
		written = false;
		why = errno;
	}
	errno = why;
	return written;
}

/* STREAM-RUN-SEQ.jpg; in the order of names they are in the order of frames. */
static int frames_put(struct export *export, const struct index_row *row)
{
	struct frames_picture picture;
	char path[PATH_MAX + 128];
	int rc = export_picture_jpeg(export, row, &picture);
	if (rc < 0)
		return rc;
	film_clock_next(&export->clock, &row->record);
	snprintf(path, sizeof(path), "%s/%s-%" PRIu64 "-%08" PRIu64 ".jpg", export->out.part,
		 row->record.stream, row->record.run, row->record.seq);
	return write_frame(path, &picture) ? 0 : fail_errno(export, export->out.name);
}

static int frames_finish(struct export *export)
{
	(void)export;
	return 0;
}

const struct export_format export_frames = {
	.name = "frames",
	.endings = "/",
	.folder = true,
	.begin = frames_begin,
	.put = frames_put,
	.finish = frames_finish,
	.end = frames_end,
};

/* ---- a table ---- */

/* What a column shows, of a row of the catalogue. */
enum column_kind { U32, U64, I64, F32, TEXT, MARK };

struct column {
	const char *name;
	size_t at; /* in struct index_row */
	enum column_kind kind;
	uint32_t mark;
};

#define ROW(member)    offsetof(struct index_row, member)
#define RECORD(member) offsetof(struct index_row, record.member)
#define DROPS(reason)  (RECORD(drops_before) + (reason) * sizeof(uint32_t))

/* The names of schemas/recording.sql. */
static const struct column columns[] = {
	{"run", RECORD(run), U64, 0},
	{"stream", RECORD(stream), TEXT, 0},
	{"seq", RECORD(seq), U64, 0},
	{"ordinal", RECORD(ordinal), U64, 0},
	{"segment", ROW(segment), U32, 0},
	{"offset", ROW(offset), U64, 0},
	{"length", ROW(length), U32, 0},
	{"coding", RECORD(coding), U32, 0},
	{"coded_at", ROW(coded_at), U64, 0},
	{"coded_bytes", RECORD(coded_bytes), U32, 0},
	{"width", RECORD(width), U32, 0},
	{"height", RECORD(height), U32, 0},
	{"pts", RECORD(pts), I64, 0},
	{"captured", RECORD(captured), I64, 0},
	{"captured_wall", RECORD(captured_wall), I64, 0},
	{"published", RECORD(published), I64, 0},
	{"claimed", RECORD(claimed), I64, 0},
	{"finished", RECORD(finished), I64, 0},
	{"stored", ROW(stored), I64, 0},
	{"source_index", RECORD(source_index), U64, 0},
	{"label", RECORD(label), TEXT, 0},
	{"prediction", RECORD(prediction), TEXT, 0},
	{"probability", RECORD(probability), F32, 0},
	{"model_version", RECORD(model_version), U64, 0},
	{"motion", RECORD(motion), F32, 0},
	{"drops_no_slot", DROPS(DROP_NO_SLOT), U32, 0},
	{"drops_device", DROPS(DROP_DEVICE), U32, 0},
	{"drops_damaged", DROPS(DROP_DAMAGED), U32, 0},
	{"drops_size", DROPS(DROP_SIZE), U32, 0},
	{"bypassed", RECORD(marks), MARK, MARK_BYPASSED},
	{"quarantined", RECORD(marks), MARK, MARK_QUARANTINED},
};
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* As RFC 4180 has it. */
static void print_text(FILE *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void print_column(FILE *out, const struct column *column, const struct index_row *row)
{
	const void *at = (const char *)row + column->at;
	switch (column->kind) {
	case U32:
		fprintf(out, "%" PRIu32, *(const uint32_t *)at);
		break;
	case U64:
		fprintf(out, "%" PRIu64, *(const uint64_t *)at);
		break;
	case I64:
		fprintf(out, "%" PRId64, *(const int64_t *)at);
		break;
	case F32:
		fprintf(out, "%.9g", (double)*(const float *)at);
		break;
	case TEXT:
		print_text(out, at);
		break;
	case MARK:
		fputc(*(const uint32_t *)at & column->mark ? '1' : '0', out);
		break;
	}
}

static int csv_begin(struct export *export, const struct index_row *first)
{
	(void)first;
	FILE *out = export->to_stdout ? stdout : fopen(export->out.part, "we");
	if (!out)
		return fail_errno(export, export->out.name);
	export->sink = out;
	export->coded = "text";
	for (size_t i = 0; i < N_COLUMNS; i++)
		fprintf(out, "%s%s", i ? "," : "", columns[i].name);
	fputs(",time\n", out);
	return 0;
}

/* The last column is the wall time for people and for programs that read dates. */
static int csv_put(struct export *export, const struct index_row *row)
{
	FILE *out = export->sink;
	char time[32];
	film_clock_next(&export->clock, &row->record);
	for (size_t i = 0; i < N_COLUMNS; i++) {
		if (i)
			fputc(',', out);
		print_column(out, &columns[i], row);
	}
	clock_format_wall(row->record.captured_wall, time, sizeof(time));
	fprintf(out, ",%s\n", time);
	return ferror(out) ? fail_errno(export, export->out.name) : 0;
}

static int csv_finish(struct export *export)
{
	return fflush(export->sink) == 0 ? 0 : fail_errno(export, export->out.name);
}

static void csv_end(struct export *export)
{
	if (export->sink && export->sink != stdout)
		fclose(export->sink);
}

const struct export_format export_csv = {
	.name = "csv",
	.endings = ".csv -",
	.begin = csv_begin,
	.put = csv_put,
	.finish = csv_finish,
	.end = csv_end,
};
