/* `troupe export`: a part of a recording as a file that others can use: a film, pictures, a table.
 * Reads as any reader does, so a pipeline may record meanwhile or be gone. */
#include "tools/troupe/export.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/rows.h"
#include "tools/troupe/interrupt.h"
#include "tools/troupe/output.h"
#include "tools/troupe/progress.h"
#include "tools/troupe/recordings.h"
#include "tools/troupe/when.h"
#include "workers/media/annotate.h"
#include "workers/media/jpeg.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct export_format *const formats[] = {&export_mp4, &export_mjpeg, &export_frames,
						      &export_csv};
#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

int export_explain(struct export *export, int code, const char *text)
{
	snprintf(export->why, sizeof(export->why), "%s: %s", text, error_text(code));
	return code;
}

/* ---- pictures ---- */

static int explain_picture(struct export *export, int code)
{
	const char *why = frames_error(export->frames);
	return export_explain(export, code, *why ? why : "a frame cannot be shown");
}

static int draw_on(struct export *export, struct frames_picture *picture)
{
	const struct record *record = &picture->record;
	size_t size = (size_t)picture->width * picture->height * 3 / 2;
	char time[32];
	if (size > export->drawing_size) {
		uint8_t *larger = realloc(export->drawing, size);
		if (!larger)
			return TROUPE_E_MEMORY;
		export->drawing = larger;
		export->drawing_size = size;
	}
	memcpy(export->drawing, picture->i420, size);
	const struct canvas canvas = {.format = CANVAS_I420,
				      .pixels = export->drawing,
				      .width = (int32_t)picture->width,
				      .height = (int32_t)picture->height};
	annotate(&canvas, &(struct annotation){
				  .stream = record->stream,
				  .seq = record->seq,
				  .label = record->label,
				  .prediction = record->prediction,
				  .time = when_format(record->captured_wall, time, sizeof(time)),
				  .probability = record->probability,
				  .bypassed = record->marks & MARK_BYPASSED,
				  .quarantined = record->marks & MARK_QUARANTINED,
			  });
	picture->i420 = export->drawing;
	return 0;
}

int export_picture_i420(struct export *export, const struct index_row *row,
			struct frames_picture *picture)
{
	int rc = frames_show_i420(export->frames, row, picture);
	if (rc == 0 && export->call->annotate)
		rc = draw_on(export, picture);
	return rc < 0 ? explain_picture(export, rc) : 0;
}

int export_picture_jpeg(struct export *export, const struct index_row *row,
			struct frames_picture *picture)
{
	bool draws = export->call->annotate;
	export->coded = draws || row->record.coding != CODING_JPEG ? "jpeg" : export->coded;
	if (!draws) {
		int rc = frames_show_jpeg(export->frames, row, EXPORT_JPEG_QUALITY, picture);
		return rc < 0 ? explain_picture(export, rc) : 0;
	}
	if (!export->jpeg)
		export->jpeg = jpeg_encoder_create();
	if (!export->jpeg)
		return export_explain(export, TROUPE_E_MEMORY, "export");
	int rc = export_picture_i420(export, row, picture);
	if (rc < 0)
		return rc;
	rc = jpeg_encode_i420(export->jpeg, picture->i420, picture->width, picture->height,
			      EXPORT_JPEG_QUALITY, &picture->jpeg, &picture->jpeg_bytes);
	return rc < 0 ? explain_picture(export, rc) : 0;
}

/* ---- what the command line says ---- */

static void say_formats(char *out, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < N_FORMATS && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "",
					 formats[i]->name);
}

/* Whether `name` ends with a word of `endings`: from its last '.', or with '/', or all of it. */
static bool ends_as(const char *name, const char *endings)
{
	const char *slash = strrchr(name, '/'), *base = slash && slash[1] ? slash + 1 : name;
	const char *end = slash && !slash[1] ? slash : strrchr(base, '.');
	end = strcmp(name, "-") == 0 ? name : end;
	const char *found = end ? strcasestr(endings, end) : NULL;
	size_t length = end ? strlen(end) : 0;
	return found && (found[length] == ' ' || found[length] == '\0');
}

static int pick_format(struct export *export, const char *name)
{
	const char *said = export->call->format;
	char valid[128];
	export->to_stdout = strcmp(name, "-") == 0;
	for (size_t i = 0; i < N_FORMATS; i++) {
		if (said ? strcmp(said, formats[i]->name) == 0
			 : ends_as(name, formats[i]->endings)) {
			export->format = formats[i];
			break;
		}
	}
	if (export->format && export->to_stdout && export->format != &export_csv) {
		out_error("export: only csv goes to standard output: name a file");
		return EXIT_USAGE;
	}
	if (export->format)
		return EXIT_DONE;
	say_formats(valid, sizeof(valid));
	if (said) {
		out_error("export: unknown format '%s' (valid: %s)", said, valid);
	} else {
		out_error("export: how '%s' ends says no format: let it end with .mp4, .mkv, .csv "
			  "or a '/' for a folder of frames, or say --format (%s)",
			  name, valid);
	}
	return EXIT_USAGE;
}

static int pick_numbers(struct export *export)
{
	static const struct row gap = {
		.name = "--cut-gaps", .type = ROW_DURATION, .min = 1e6, .max = 86400e9};
	static const struct row quality = {.name = "--quality", .type = ROW_INT, .max = 51};
	const struct call *call = export->call;
	char why[256];
	int64_t number = 20;
	if ((call->cut_gaps &&
	     row_set(&gap, &export->cut_gaps, call->cut_gaps, why, sizeof(why)) < 0) ||
	    (call->quality && row_set(&quality, &number, call->quality, why, sizeof(why)) < 0)) {
		out_error("export: %s", why);
		return EXIT_USAGE;
	}
	export->quality = (uint32_t)number;
	export->recode = call->annotate || call->quality;
	return EXIT_DONE;
}

static int open_recording(struct export *export)
{
	const struct call *call = export->call;
	char folder[PATH_MAX];
	int rc = recording_pick(call, call->n_args > 1 ? call->arg[0] : NULL, folder,
				sizeof(folder));
	if (rc != EXIT_DONE)
		return rc;
	int error = frames_open(&export->frames, folder, export->why, sizeof(export->why));
	if (error < 0) {
		out_error("export: %s", export->why);
		return error == TROUPE_E_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED;
	}
	return range_open(&export->range, call, frames_recording(export->frames));
}

/* ---- the work ---- */

static void end(struct export *export)
{
	export->format->end(export);
	export->sink = NULL;
	export->begun = false;
}

/* Does nothing if that is done. */
static int begin(struct export *export, const struct index_row *first)
{
	int rc = export->begun ? 0 : export->format->begin(export, first);
	export->begun = rc == 0;
	if (rc < 0)
		end(export);
	return rc;
}

/* A frame that is not there or damaged is left out, and that is said in the end. */
static int put(struct export *export, const struct index_row *row)
{
	int rc = begin(export, row);
	if (rc == 0)
		rc = export->format->put(export, row);
	if (rc == TROUPE_E_NOT_FOUND || rc == TROUPE_E_CORRUPT) {
		export->left_out++;
		return 0;
	}
	if (rc < 0)
		return rc;
	if (export->written++ == 0)
		export->first_wall = row->record.captured_wall;
	export->last_wall = row->record.captured_wall;
	return 0;
}

static int put_all(struct export *export)
{
	struct progress progress;
	struct index_row row;
	int rc = 0;
	export->written = export->left_out = 0;
	export->clock = (struct film_clock){.cut = export->cut_gaps};
	range_rewind(&export->range);
	progress_begin(&progress, "export");
	while (rc == 0 && !interrupt_came(NULL)) {
		rc = range_next(&export->range, &row);
		if (rc == TROUPE_E_ENDED) {
			rc = 0;
			break;
		}
		rc = rc < 0 ? export_explain(export, rc, "the catalogue cannot be read")
			    : put(export, &row);
		progress_show(&progress, export->written + export->left_out, export->range.frames,
			      "frames");
	}
	if (rc == 0 && export->written > 0 && !interrupt_came(NULL))
		rc = export->format->finish(export);
	progress_end(&progress);
	end(export);
	return rc;
}

/* What was made gets its name, if it is whole. */
static int make(struct export *export)
{
	int rc = put_all(export);
	if (rc == TROUPE_E_STATE) { /* packets that do not go together */
		export->recode = true;
		rc = put_all(export);
	}
	if (interrupt_came(NULL))
		return TROUPE_E_CLOSED;
	if (rc == 0 && export->written == 0)
		rc = export_explain(export, TROUPE_E_NOT_FOUND,
				    "every frame is gone or damaged (see `troupe verify`)");
	return rc < 0 || export->to_stdout
		       ? rc
		       : outfile_commit(&export->out, export->why, sizeof(export->why));
}

/* ---- the report ---- */

static uint64_t bytes_of(const char *name)
{
	struct stat stat_of_it;
	return stat(name, &stat_of_it) == 0 ? (uint64_t)stat_of_it.st_size : 0;
}

static int64_t length_of(const struct export *export)
{
	return export->clock.now + film_clock_last(&export->clock);
}

static void print_json(const struct export *export, int64_t took)
{
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:f}", "file", export->out.name,
		"format", export->format->name, "coded", export->coded, "stream",
		export->range.stream, "frames", (json_int_t) export->written, "left_out",
		(json_int_t) export->left_out, "first_wall", (json_int_t) export->first_wall,
		"last_wall", (json_int_t) export->last_wall, "seconds",
		(double)length_of(export) / (double)NS_PER_S, "bytes",
		(json_int_t)bytes_of(export->out.name), "took", (double)took / (double)NS_PER_S);
	if (json)
		json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_report(const struct export *export, int64_t took)
{
	char bytes[32], span[32], time[32];
	printf("%s: %" PRIu64 " frames of %s, %s", export->out.name, export->written,
	       export->range.stream, human_span(length_of(export), span, sizeof(span)));
	if (!export->format->folder)
		printf(", %s", human_bytes(bytes_of(export->out.name), bytes, sizeof(bytes)));
	printf(", in %s\n", human_span(took, time, sizeof(time)));
}

static int report(const struct export *export, int64_t took)
{
	if (export->call->json && !export->to_stdout)
		print_json(export, took);
	else if (!export->to_stdout)
		print_report(export, took);
	if (export->left_out == 0)
		return EXIT_DONE;
	out_error("export: %" PRIu64 " frames are gone or damaged and were left out (see `troupe "
		  "verify`)",
		  export->left_out);
	return EXIT_FAILED;
}

static int export_to(struct export *export, const char *name)
{
	int64_t begun = clock_now();
	int rc = 0;
	if (!export->to_stdout)
		rc = outfile_create(&export->out, name, export->format->folder, export->call->force,
				    export->why, sizeof(export->why));
	if (rc == 0)
		rc = make(export);
	outfile_discard(&export->out);
	free(export->drawing);
	jpeg_encoder_destroy(export->jpeg);
	if (rc == 0)
		return report(export, clock_now() - begun);
	if (interrupt_came(NULL))
		out_error("export: interrupted; nothing was written to %s", name);
	else
		out_error("export: %s", export->why);
	return EXIT_FAILED;
}

int export_run(const struct call *call)
{
	struct export export = {.call = call};
	const char *name = call->arg[call->n_args - 1];
	interrupt_watch();
	int rc = pick_format(&export, name);
	if (rc == EXIT_DONE)
		rc = pick_numbers(&export);
	if (rc == EXIT_DONE)
		rc = open_recording(&export);
	if (rc == EXIT_DONE)
		rc = export_to(&export, name);
	range_close(&export.range);
	frames_close(export.frames);
	if (rc != EXIT_DONE)
		interrupt_pass_on();
	return rc;
}
