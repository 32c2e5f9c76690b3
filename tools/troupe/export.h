/* What the parts of `troupe export` share: one export, and the table of formats it can write. */
#ifndef TROUPE_TOOLS_TROUPE_EXPORT_H
#define TROUPE_TOOLS_TROUPE_EXPORT_H

#include "tools/troupe/command.h"
#include "tools/troupe/film_clock.h"
#include "tools/troupe/outfile.h"
#include "tools/troupe/range.h"
#include "workers/storer/frames.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of JPEGs that are not as they were recorded: drawn on, or decoded from H.264. */
#define EXPORT_JPEG_QUALITY 92

struct export_format;

struct export
{
	const struct call *call;
	const struct export_format *format;
	struct frames *frames;
	struct range range;
	struct film_clock clock;
	struct outfile out;
	int64_t cut_gaps; /* ns; 0: as they are */
	uint32_t quality;
	bool recode;	/* H.264 is not passed through */
	bool to_stdout; /* there is no file */
	bool begun;	/* the format's begin() went well */
	void *sink;	/* the format's own */
	struct jpeg_encoder *jpeg;
	uint8_t *drawing; /* a picture that is drawn on */
	size_t drawing_size;
	uint64_t written, left_out;
	int64_t first_wall, last_wall; /* of what was written */
	const char *coded;	       /* how, for the report: "copied", "h264", … */
	char why[512];		       /* what is wrong */
};

/* A format: rows of a table. begin() is called once there is a frame; all return an error of the
 * list, explained in export->why. */
struct export_format {
	const char *name;
	const char *endings; /* of files that are this without --format: ".mp4 .m4v" */
	bool folder;	     /* not a file */
	int (*begin)(struct export *export, const struct index_row *first);
	/* TROUPE_E_NOT_FOUND, TROUPE_E_CORRUPT: this frame is gone or damaged, the next may be
	 * there; TROUPE_E_STATE: begin again, recoding. */
	int (*put)(struct export *export, const struct index_row *row);
	int (*finish)(struct export *export);
	void (*end)(struct export *export); /* whatever begin() made; also after its failure */
};

extern const struct export_format export_mp4, export_mjpeg;  /* export_film.c */
extern const struct export_format export_frames, export_csv; /* export_files.c */

/* Explains an error in export->why: "TEXT: what the code means". Returns the code. */
int export_explain(struct export *export, int code, const char *text);

/* The picture of a frame, with --annotate drawn on: as I420, or as JPEG, which is the recorded one
 * if there is one and nothing has to be drawn. Errors of frames.h, explained. */
int export_picture_i420(struct export *export, const struct index_row *row,
			struct frames_picture *picture);
int export_picture_jpeg(struct export *export, const struct index_row *row,
			struct frames_picture *picture);

#endif
