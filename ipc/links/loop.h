/* The one place that polls: links, bells, pidfds, sockets, all in one ppoll(2). */
#ifndef TROUPE_IPC_LINKS_LOOP_H
#define TROUPE_IPC_LINKS_LOOP_H

#include "ipc/links/link.h"

#include <poll.h>

struct loop;

struct loop *loop_create(void);
void loop_destroy(struct loop *loop); /* NULL is fine; closes nothing it watched */

/* `revents` as for poll(2); links report POLLIN. Callbacks may add and remove entries, their own
 * too. */
typedef void loop_fd_fn(void *arg, int fd, short revents);
typedef void loop_link_fn(void *arg, struct link *link);

/* Watching the same descriptor or link again replaces its row; events 0 removes it. Forget a
 * descriptor or link before it is closed. */
int loop_watch_fd(struct loop *loop, int fd, short events, loop_fd_fn *fn, void *arg);
int loop_watch_link(struct loop *loop, struct link *link, loop_link_fn *fn, void *arg);
void loop_forget_link(struct loop *loop, struct link *link);

/* Sleeps until something is ready or `deadline` (monotonic ns; CLOCK_NEVER), then runs the
 * callbacks of what is ready. Returns how many ran; 0 at the deadline; TROUPE_E_AGAIN when a signal
 * came. A link that has a message already counts as ready at once. Never ends early; costs one
 * system call unless a link was used since. TROUPE_E_STATE: called by a callback. A signal that
 * comes just before the sleep does not end it: who must not miss one watches a signalfd. */
int loop_wait(struct loop *loop, int64_t deadline);

#endif
