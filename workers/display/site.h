/* The site: everything that is served, put together. The worker feeds it frames and turns; the
 * routes are its table. All functions belong to one thread. */
#ifndef TROUPE_WORKERS_DISPLAY_SITE_H
#define TROUPE_WORKERS_DISPLAY_SITE_H

#include "workers/display/viewers.h"

struct site_plan {
	const struct ledger *ledger;
	struct worker *worker;	  /* by which the recording is asked; NULL: it is not */
	const char *control_path; /* of the supervisor */
	int listen_fd;		  /* stays the caller's */
	uint32_t viewers;	  /* at most */
	const char *names;	  /* further names of this host */
};

struct site;

/* What the plan points to must stay. TROUPE_E_MEMORY, TROUPE_E_IO. */
int site_create(struct site **created, const struct site_plan *plan);
void site_destroy(struct site *site); /* NULL is fine */

/* Readable when the site has something to do. */
int site_fd(const struct site *site);

/* Does what can be done; returns when it wants to run again even if its descriptor is quiet. */
int64_t site_turn(struct site *site, int64_t now);

/* Copies a frame that is being peeked at; see feed_copy(). */
int site_copy(struct site *site, const struct frame *frame, struct shot **shot);
/* Shows the shot to everybody; takes it over. */
void site_show(struct site *site, struct shot *shot);

struct viewer_counts site_viewers(const struct site *site);

#endif
