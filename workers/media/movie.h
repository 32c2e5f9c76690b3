/* Films in files that players know: H.264 in MP4, JPEG in Matroska or QuickTime, by libavformat, in
 * a module (module.h). Frames keep their own times: the rate is variable. One film belongs to one
 * thread. */
#ifndef TROUPE_WORKERS_MEDIA_MOVIE_H
#define TROUPE_WORKERS_MEDIA_MOVIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct movie;

enum movie_container { MOVIE_MP4, MOVIE_MATROSKA, MOVIE_QUICKTIME };
enum movie_codec { MOVIE_H264, MOVIE_JPEG };

struct movie_settings {
	enum movie_container container;
	enum movie_codec codec;
	uint32_t width, height; /* pixels */
	bool studio;		/* H.264 is as h264_settings.studio makes it; else it says itself */
	int64_t created_wall;	/* when the first frame was captured, ns since 1970 */
	const char *title;	/* borrowed until `create` returns */
	/* Asked again and again while something takes long; true ends that with an error. */
	bool (*stopped)(void *arg);
	void *arg;
};

/* A frame as it is coded: a JPEG, or an access unit of H.264 in Annex B. Times in ns; dts grows
 * from packet to packet and is never above pts. */
struct movie_packet {
	const uint8_t *data;
	size_t size;
	int64_t pts, dts;
	int64_t duration; /* of the last frame; of others it is the way to the next */
	bool key;
};

struct movie_module {
	/* Makes the file at `path`, which is written over. */
	int (*create)(struct movie **movie, const char *path, const struct movie_settings *settings,
		      char *why, size_t why_size);
	/* Adds a frame, which is copied or written. The parameter sets of H.264 are those of the
	 * first packet, which is a key picture. TROUPE_E_UNSUPPORTED: a later key picture has
	 * others, or the first has none, or they are of what not every player decodes;
	 * TROUPE_E_NO_SPACE, TROUPE_E_IO, … */
	int (*put)(struct movie *movie, const struct movie_packet *packet);
	/* Ends the file: whole only if this returned 0. */
	int (*finish)(struct movie *movie);
	void (*destroy)(struct movie *movie); /* NULL is fine; the file stays as it is */
};

#define MOVIE_SYMBOL "movie_module"

/* Loads the module, once. TROUPE_E_SYSTEM, explained in `why`. */
int movie_load(const struct movie_module **module, char *why, size_t why_size);

#endif
