/* Quarantine: the supervisor remembers who died of which frame, and when a frame has caused three
 * deaths it leaves a folder for the person who must find out why: STATE/quarantine/RUN-STREAM-SEQ/
 * with deaths.jsonl. The storer puts the frame itself beside it. */
#ifndef TROUPE_SUPERVISOR_QUARANTINE_H
#define TROUPE_SUPERVISOR_QUARANTINE_H

#include "supervisor/supervisor.h"

/* Reads the ledger that the supervisor has made; removes old folders beyond `quarantine_keep`. */
int quarantine_create(struct supervisor *s);
void quarantine_destroy(struct supervisor *s);

/* A process died by its own doing: remembers that of every frame it held. To be called before what
 * it held is given back, so that the reasons lie there before anybody can take the frame. */
void quarantine_accuse(const struct part *part, const struct exit_note *note);

/* What the accused held was given back, and `count` of those frames went into quarantine: counts
 * them and says so. A folder made for a frame that went on another way is taken back. */
void quarantine_judge(struct supervisor *s, const struct member *m, uint32_t count);

/* Where all the folders are. */
const char *quarantine_folder(const struct supervisor *s);

#endif
