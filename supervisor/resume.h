/* Going on with a pipeline that another supervisor began: what an upgrade and an adoption have in
 * common. */
#ifndef TROUPE_SUPERVISOR_RESUME_H
#define TROUPE_SUPERVISOR_RESUME_H

#include "supervisor/supervisor.h"

/* In the program that an upgrade has made of us: everything from the image in options->resume. 0,
 * or an error with `why`. */
int resume_setup(struct supervisor *s, const struct supervisor_options *options, char *why,
		 size_t why_size);

/* Loads the configuration that an image names, as it was read then, and goes to its folder.
 * `text` is the image. */
int resume_config(struct supervisor *s, const struct supervisor_options *options, const char *text,
		  char *why, size_t why_size);

/* The other end of --can-resume: whether this program could go on with the image on descriptor 0.
 * An exit code; what is in the way is one line on stderr. */
int resume_check(const struct supervisor_options *options);

/* Joins the pipes of all processes and asks each what it has said; in place of stages_begin. Then
 * deals with those that have ended meanwhile. */
void resume_begin(struct supervisor *s);

/* Binds the pipe of one process and watches it. */
void resume_part(struct part *part);

/* Asks again those that have not answered. Returns when to look again. */
int64_t resume_advance(struct supervisor *s, int64_t now);

/* Rewrites RUNTIME/image if it is not what is. Last in each turn of the loop. */
void resume_keep(struct supervisor *s);

#endif
