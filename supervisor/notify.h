/* What the service manager is told: sd_notify(3)'s protocol, spoken directly, because the
 * supervisor needs eight lines of it. Without $NOTIFY_SOCKET nothing of this costs anything.
 *
 * States are told, not events: what could not be sent because the manager's socket is full is sent
 * at the next try, and only if it is still so. Signs of life (WATCHDOG=1) come from the loop alone,
 * so a supervisor whose loop does not turn is found and started anew. */
#ifndef TROUPE_SUPERVISOR_NOTIFY_H
#define TROUPE_SUPERVISOR_NOTIFY_H

#include "supervisor/progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The variables are the supervisor's own: no worker gets them (see launch.c). */
#define NOTIFY_ENV_SOCKET	"NOTIFY_SOCKET"
#define NOTIFY_ENV_WATCHDOG	"WATCHDOG_USEC"
#define NOTIFY_ENV_WATCHDOG_PID "WATCHDOG_PID"

enum notify_state { NOTIFY_STARTING, NOTIFY_READY, NOTIFY_RELOADING, NOTIFY_STOPPING };

struct notify {
	int fd;	     /* -1: there is no service manager that listens */
	int journal; /* for the workers' lines, see journald.h; -1: they are in their files alone */
	struct sockaddr_un address;
	socklen_t address_size;
	int64_t period;		 /* of the signs of life, 0: none are wanted */
	int64_t sign_due;	 /* the next one */
	int64_t status_due;	 /* a status is told at most once a second */
	enum notify_state told;	 /* last */
	uint64_t seen;		 /* what the status was made of */
	struct progress figures; /* for the rate in the status */
};

/* Reads the environment. */
void notify_begin(struct notify *notify);

/* Tells what has changed and what is due; returns when it wants to run again: CLOCK_NEVER without a
 * watchdog. Once in each turn of the loop. */
int64_t notify_advance(struct supervisor *s, struct notify *notify, int64_t now);

void notify_finish(struct notify *notify);

#endif
