/* The image: what is in a supervisor's memory and nowhere else, as lines of text "KEY VALUE". What
 * the ledger, the journal and the processes themselves say is not in it, nor what is found out anew
 * by looking (usage, progress, limits).
 *
 * It is read in two cases. An upgrade hands it to the next program, and then all of it is true. An
 * adopter finds the one that the killed supervisor wrote last, RUNTIME/image: that is at most one
 * round of the loop old, and adopt.c holds it against what is there. A key that a reader does not
 * know is passed over, one that is missing leaves what a new supervisor begins with: so programs of
 * different versions understand each other for as long as IMAGE_VERSION is the same. */
#ifndef TROUPE_SUPERVISOR_IMAGE_H
#define TROUPE_SUPERVISOR_IMAGE_H

#include "supervisor/supervisor.h"

#define IMAGE_VERSION 1

/* The whole image. A heap text; NULL: out of memory. */
char *image_write(const struct supervisor *s);

/* Whether this program understands it: 0, or TROUPE_E_SCHEMA, TROUPE_E_MALFORMED with `why`. */
int image_check(const char *text, char *why, size_t why_size);

/* The first half: what the configuration is. Free with image_origin_finish either way. */
int image_origin(const char *text, struct image_origin *origin, char *why, size_t why_size);
void image_origin_finish(struct image_origin *origin);

/* The second half, once the configuration is loaded: members, parts and their lives, and what goes
 * beside. Descriptors and pids are the writer's. Members that the configuration does not know are
 * left out. */
int image_apply(struct supervisor *s, const char *text);

#endif
