/* Receives a stream from the network on a thread of its own: connects, decodes, connects again.
 *
 * Two threads, one lock: everything that both know is in the receiver and is touched under its
 * lock, which nobody holds while something may take long. The thread hands over pictures in a ring
 * and counts what it could not; whoever owns the receiver takes them, woken by a descriptor, and
 * never waits for the thread but in receiver_wait and receiver_destroy, both with a limit. The lock
 * is in this process's own memory: it dies with the process, and no other process knows it. */
#ifndef TROUPE_WORKERS_CAPTURE_RECEIVER_H
#define TROUPE_WORKERS_CAPTURE_RECEIVER_H

#include "ipc/slots/layout.h"
#include "workers/capture/units.h"

#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

struct receiver;

struct receiver_options {
	const char *url, *rtsp_transport;   /* borrowed as long as the receiver lives */
	int64_t open_timeout, read_timeout; /* ns */
	uint32_t width, height;		    /* that pictures must have; 0: the first one's */
	bool units;			    /* access units come with the pictures of H.264 */
};

/* How the connection stands. */
struct receiver_state {
	bool connected;	      /* and there was a picture */
	bool failed;	      /* at least one attempt has come to nothing */
	uint32_t connections; /* that brought a picture */
	uint32_t reconnects;  /* those of them that came after a failure */
	int64_t tried_since;  /* ns; when the newest attempt to connect began */
	int64_t away_since;   /* ns; valid while not connected, and kept afterwards */
	int64_t back_since;   /* ns; of the newest connection's first picture */
	char why[512];	      /* names the stream and what ended the last attempt; no credentials */
	int why_code;	      /* the same as an error */
	uint32_t width, height;		    /* pictures have; 0: there was none yet */
	uint32_t wrong_width, wrong_height; /* of the last picture, where it did not fit; else 0 */
	uint32_t fps_num, fps_den;
	const char *codec; /* name of the video's; NULL: not known yet */
	bool units;	   /* it is H.264, and they are wanted */
};

/* What was received: those that were lost first, then the pictures, oldest first. */
struct received {
	bool lost;
	enum drop_reason reason; /* lost only; the following are not set then */
	AVFrame *frame;		 /* the caller's: av_frame_free() */
	struct unit unit;    /* its packet is the caller's: av_packet_free(); NULL: it has none */
	int64_t stamp;	     /* when the stream says that it is to be shown, or READER_NO_PTS */
	int64_t arrived;     /* monotonic ns */
	int64_t due;	     /* when it would have come without any delay, see receiver.c */
	uint32_t connection; /* which one, from 1 */
};

/* Begins. Errors are said in `why`. */
int receiver_create(struct receiver **receiver, const struct receiver_options *options, char *why,
		    size_t why_size);
/* Ends the thread and frees all. NULL is fine. A thread that does not come back (a name server that
 * does not answer, a decoder that hangs) is left to the end of the process, with its memory. */
void receiver_destroy(struct receiver *receiver);

/* Readable when something may have changed; receiver_take makes it unreadable. */
int receiver_fd(const struct receiver *receiver);

/* From now on pictures are taken. What was lost before is not counted. */
void receiver_begin(struct receiver *receiver);

/* TROUPE_E_AGAIN: there is nothing. */
int receiver_take(struct receiver *receiver, struct received *received);

void receiver_look(struct receiver *receiver, struct receiver_state *state);

/* Waits up to `ns` for the first picture or the first failure; true: there was one of them. */
bool receiver_wait(struct receiver *receiver, int64_t ns);

/* Since when the thread should have moved, by the limits that it was given; 0: all is well. */
int64_t receiver_overdue(struct receiver *receiver);

#endif
