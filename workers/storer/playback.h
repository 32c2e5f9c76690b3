/* What running workers ask of the recording. A thread of its own looks it up, with read-only
 * handles of its own, and puts frames into playback slots: the thread that commits only passes
 * questions on, and answers that are no frames back, and waits for nothing. The thread is started
 * with the first question. Nothing is kept about who asks: any storer can answer any question. */
#ifndef TROUPE_WORKERS_STORER_PLAYBACK_H
#define TROUPE_WORKERS_STORER_PLAYBACK_H

#include "ipc/worker/worker.h"

#include <stdio.h>

struct playback;

/* `folder` of the recording has to stay. TROUPE_E_MEMORY, TROUPE_E_SYSTEM. */
int playback_open(struct playback **playback, struct worker *w, const char *folder);

/* Takes a question that came. What cannot be taken is dropped: who asks, asks again. */
void playback_question(struct playback *playback, const Troupe__Question *asked);

/* Readable when answers are to be sent, which playback_turn() does. */
int playback_fd(const struct playback *playback);
void playback_turn(struct playback *playback);

/* Waits for the thread to be through with the question it is at. NULL is fine. */
void playback_close(struct playback *playback);

/* "playback: …" for `inspect`. NULL is fine. */
void playback_dump(struct playback *playback, FILE *out);

#endif
