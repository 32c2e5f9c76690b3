/* Exports that are films: H.264 in MP4, and the recorded JPEGs one after another in Matroska. */
#include "tools/troupe/export.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/export_copy.h"
#include "tools/troupe/interrupt.h"
#include "workers/media/h264.h"
#include "workers/media/movie.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A player that is sent somewhere has to decode from the key picture before it. */
#define GOP_NS	    (2 * NS_PER_S)
#define PRESET	    "veryfast"
#define THREADS_MAX 16

struct film {
	const struct movie_module *module;
	struct movie *movie;
	const struct h264_module *h264; /* NULL: nothing is encoded as H.264 */
	struct h264_encoder *encoder;
	struct export_copy copy;
	bool copies; /* the recorded H.264 as it is */
	uint32_t width, height;
};

static int fail(struct export *export, int code)
{
	snprintf(export->why, sizeof(export->why), "cannot write %s: %s", export->out.name,
		 error_text(code));
	return code;
}

static bool ends_with(const char *name, const char *ending)
{
	size_t n = strlen(name), m = strlen(ending);
	return n > m && strcasecmp(name + n - m, ending) == 0;
}

static int open_movie(struct export *export, struct film *film, enum movie_codec codec,
		      const struct index_row *first)
{
	char title[NAME_SIZE + 64];
	const char *name = export->out.name;
	int rc = movie_load(&film->module, export->why, sizeof(export->why));
	if (rc < 0)
		return rc;
	snprintf(title, sizeof(title), "%s, run %" PRIu64 " from frame %" PRIu64,
		 first->record.stream, first->record.run, first->record.seq);
	const struct movie_settings settings = {
		.container = codec == MOVIE_H264       ? MOVIE_MP4
			     : ends_with(name, ".mov") ? MOVIE_QUICKTIME
						       : MOVIE_MATROSKA,
		.codec = codec,
		.width = film->width,
		.height = film->height,
		.studio = film->encoder != NULL,
		.created_wall = first->record.captured_wall,
		.title = title,
		.stopped = interrupt_came,
	};
	return film->module->create(&film->movie, export->out.part, &settings, export->why,
				    sizeof(export->why));
}

static int open_encoder(struct export *export, struct film *film)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	const struct h264_settings settings = {
		.width = film->width,
		.height = film->height,
		.gop_ns = GOP_NS,
		.quality = export->quality,
		.preset = PRESET,
		.threads = cpus < 1		? 1
			   : cpus > THREADS_MAX ? THREADS_MAX
						: (uint32_t)cpus,
		.reorder = true,
		.studio = true,
	};
	int rc = h264_load(&film->h264, export->why, sizeof(export->why));
	return rc < 0 ? rc
		      : film->h264->encoder_create(&film->encoder, &settings, export->why,
						   sizeof(export->why));
}

/* The size of the first frame is the film's. */
static int film_size(struct export *export, struct film *film, const struct index_row *first)
{
	struct frames_picture picture;
	int rc = frames_show(export->frames, first, &picture);
	if (rc < 0)
		return export_explain(export, rc, frames_error(export->frames));
	film->width = picture.width & ~1u;
	film->height = picture.height & ~1u;
	return film->width && film->height ? 0 : TROUPE_E_CORRUPT;
}

static struct film *film_create(struct export *export)
{
	struct film *film = calloc(1, sizeof(*film));
	if (!film)
		export_explain(export, TROUPE_E_MEMORY, export->format->name);
	export->sink = film;
	return film;
}

static void film_end(struct export *export)
{
	struct film *film = export->sink;
	if (!film)
		return;
	if (film->encoder)
		film->h264->encoder_destroy(film->encoder);
	if (film->movie)
		film->module->destroy(film->movie);
	export_copy_finish(&film->copy);
	free(film);
}

static int put_copied(void *arg, const struct movie_packet *packet)
{
	struct export *export = arg;
	struct film *film = export->sink;
	int rc = film->module->put(film->movie, packet);
	if (rc == TROUPE_E_UNSUPPORTED) /* other parameter sets than before */
		return TROUPE_E_STATE;
	return rc < 0 ? fail(export, rc) : 0;
}

static int mp4_begin(struct export *export, const struct index_row *first)
{
	struct film *film = film_create(export);
	if (!film)
		return TROUPE_E_MEMORY;
	int rc = film_size(export, film, first);
	film->copies = rc == 0 && !export->recode && export_can_copy(export);
	film->copy = (struct export_copy){.export = export, .put = put_copied, .arg = export};
	export->coded = film->copies ? "copied" : "h264";
	if (rc == 0 && !film->copies)
		rc = open_encoder(export, film);
	return rc < 0 ? rc : open_movie(export, film, MOVIE_H264, first);
}

static int check_size(struct export *export, const struct film *film,
		      const struct frames_picture *picture)
{
	const struct record *record = &picture->record;
	if ((picture->width & ~1u) == film->width && (picture->height & ~1u) == film->height)
		return 0;
	snprintf(export->why, sizeof(export->why),
		 "frame %" PRIu64 " of run %" PRIu64 " has %" PRIu32 "x%" PRIu32
		 " pixels, the film %" PRIu32 "x%" PRIu32
		 ": let --from, --to or --run end before it",
		 record->seq, record->run, picture->width, picture->height, film->width,
		 film->height);
	return TROUPE_E_UNSUPPORTED;
}

/* Writes the packets that the encoder has ready. */
static int drain(struct export *export, struct film *film)
{
	struct h264_packet packet;
	int rc;
	while ((rc = film->h264->encoder_take(film->encoder, &packet)) == 0) {
		rc = film->module->put(film->movie,
				       &(struct movie_packet){
					       .data = packet.data,
					       .size = packet.size,
					       .pts = packet.pts,
					       .dts = packet.dts,
					       .duration = film_clock_last(&export->clock),
					       .key = packet.key,
				       });
		if (rc < 0)
			return fail(export, rc);
	}
	return rc == TROUPE_E_AGAIN || rc == TROUPE_E_ENDED ? 0 : fail(export, rc);
}

static int encode(struct export *export, struct film *film, const struct index_row *row)
{
	struct frames_picture picture;
	int rc = export_picture_i420(export, row, &picture);
	if (rc == 0)
		rc = check_size(export, film, &picture);
	if (rc < 0)
		return rc;
	int64_t at = film_clock_next(&export->clock, &row->record);
	rc = film->h264->encoder_put(film->encoder, picture.i420, at, row->record.seq);
	return rc < 0 ? fail(export, rc) : drain(export, film);
}

static int mp4_put(struct export *export, const struct index_row *row)
{
	struct film *film = export->sink;
	return film->copies ? export_copy_add(&film->copy, row) : encode(export, film, row);
}

static int mp4_finish(struct export *export)
{
	struct film *film = export->sink;
	int rc = film->copies ? export_copy_end(&film->copy) : 0;
	if (rc < 0)
		return rc;
	if (film->encoder)
		rc = film->h264->encoder_end(film->encoder);
	if (rc == 0 && film->encoder)
		rc = drain(export, film);
	if (rc == 0)
		rc = film->module->finish(film->movie);
	return rc < 0 ? fail(export, rc) : 0;
}

const struct export_format export_mp4 = {
	.name = "mp4",
	.endings = ".mp4 .m4v",
	.begin = mp4_begin,
	.put = mp4_put,
	.finish = mp4_finish,
	.end = film_end,
};

/* ---- JPEGs as a film ---- */

static int mjpeg_begin(struct export *export, const struct index_row *first)
{
	struct film *film = film_create(export);
	if (!film)
		return TROUPE_E_MEMORY;
	export->coded = "copied";
	int rc = film_size(export, film, first);
	return rc < 0 ? rc : open_movie(export, film, MOVIE_JPEG, first);
}

static int mjpeg_put(struct export *export, const struct index_row *row)
{
	struct film *film = export->sink;
	struct frames_picture picture;
	int rc = export_picture_jpeg(export, row, &picture);
	if (rc == 0)
		rc = check_size(export, film, &picture);
	if (rc < 0)
		return rc;
	int64_t at = film_clock_next(&export->clock, &row->record);
	rc = film->module->put(film->movie, &(struct movie_packet){
						    .data = picture.jpeg,
						    .size = picture.jpeg_bytes,
						    .pts = at,
						    .dts = at,
						    .duration = film_clock_last(&export->clock),
						    .key = true,
					    });
	return rc < 0 ? fail(export, rc) : 0;
}

const struct export_format export_mjpeg = {
	.name = "mjpeg",
	.endings = ".mkv .mov",
	.begin = mjpeg_begin,
	.put = mjpeg_put,
	.finish = mp4_finish,
	.end = film_end,
};
