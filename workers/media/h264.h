/* H.264 in and out, by libavcodec, in a module (module.h). Pictures are tight I420, full-range
 * BT.601, as everywhere; what is encoded says so (full range, BT.601 matrix) unless the settings
 * want it as players do, what is decoded is converted from whatever it says it is. Any bytes may be
 * given to the decoder: they give an error or a picture, never a crash. One encoder or decoder
 * belongs to one thread.
 *
 * A packet is one access unit in Annex B: start codes, and parameter sets before each key picture.
 */
#ifndef TROUPE_WORKERS_MEDIA_H264_H
#define TROUPE_WORKERS_MEDIA_H264_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h264_encoder;
struct h264_decoder;

struct h264_settings {
	uint32_t width, height;	   /* pixels, even */
	uint32_t fps_num, fps_den; /* about, for the rate control; 0: not known */
	int64_t gop_ns; /* a key picture at least so often, by pts; more where the scene changes */
	uint32_t quality;   /* constant rate factor: 0 lossless … 51 */
	const char *preset; /* of x264: "veryfast"; NULL: its own. Borrowed for `create` */
	uint32_t threads;   /* at least 1 */
	bool reorder; /* pictures may refer to later ones: smaller, and dts differs from pts */
	bool studio;  /* converted to 16..235, which every player expects */
};

/* Valid until the encoder's next call. */
struct h264_packet {
	const uint8_t *data;
	size_t size;
	uint64_t id;
	int64_t pts, dts; /* ns; dts grows from packet to packet and is never above pts */
	bool key;	  /* nothing before it is needed to decode it and what follows */
};

/* Valid until the decoder's next call. */
struct h264_picture {
	const uint8_t *i420;
	uint32_t width, height; /* even; an odd row or column is cut off */
	uint64_t id;
	bool damaged; /* made up in part: something was missing or wrong */
};

struct h264_module {
	/* TROUPE_E_ARGUMENT, TROUPE_E_UNSUPPORTED: libavcodec has no H.264 encoder that works;
	 * TROUPE_E_MEMORY; explained in `why`. */
	int (*encoder_create)(struct h264_encoder **encoder, const struct h264_settings *settings,
			      char *why, size_t why_size);
	void (*encoder_destroy)(struct h264_encoder *encoder); /* NULL is fine */
	/* One picture, copied; its packet comes later and has the same id. A pts that does not
	 * grow is taken as a little later than the one before, and comes out as it was. */
	int (*encoder_put)(struct h264_encoder *encoder, const uint8_t *i420, int64_t pts,
			   uint64_t id);
	/* No more pictures: what is still inside comes out. */
	int (*encoder_end)(struct h264_encoder *encoder);
	/* The next packet, in the order of decoding. TROUPE_E_AGAIN: after the next picture;
	 * TROUPE_E_ENDED. To be called until it has none after each picture. */
	int (*encoder_take)(struct h264_encoder *encoder, struct h264_packet *packet);

	/* TROUPE_E_MEMORY, TROUPE_E_UNSUPPORTED, explained in `why`. */
	int (*decoder_create)(struct h264_decoder **decoder, char *why, size_t why_size);
	void (*decoder_destroy)(struct h264_decoder *decoder); /* NULL is fine */
	/* One access unit, in the order of decoding. TROUPE_E_CORRUPT: nothing came of it, the
	 * next may do. */
	int (*decoder_put)(struct h264_decoder *decoder, const uint8_t *data, size_t size,
			   uint64_t id);
	/* No more access units: what is still inside comes out. */
	int (*decoder_end)(struct h264_decoder *decoder);
	/* The next picture, in the order of presentation. TROUPE_E_AGAIN: after the next access
	 * unit; TROUPE_E_ENDED; TROUPE_E_CORRUPT: this one is nothing, the next may be;
	 * TROUPE_E_UNSUPPORTED: in a format that cannot be converted. To be called until it has
	 * none after each access unit. */
	int (*decoder_take)(struct h264_decoder *decoder, struct h264_picture *picture);
	/* Forgets all that was put: the next access unit is a key picture. */
	void (*decoder_reset)(struct h264_decoder *decoder);
};

#define H264_SYMBOL "h264_module"

/* Loads the module, once. TROUPE_E_SYSTEM, explained in `why`. */
int h264_load(const struct h264_module **module, char *why, size_t why_size);

#endif
