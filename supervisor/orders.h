/* What a person is told who orders one worker to be killed, stopped, started or restarted: one line
 * that says what happens now, whatever state the worker was in. Pure but for looking at the program
 * of one that cannot be started. */
#ifndef TROUPE_SUPERVISOR_ORDERS_H
#define TROUPE_SUPERVISOR_ORDERS_H

#include "supervisor/supervisor.h"

enum order { ORDER_STOP, ORDER_START, ORDER_RESTART };

/* `before`: the state in which the order came; the member is as it is now. Returns 0, or what the
 * order failed with. */
int order_answer(const struct member *m, enum order order, enum life_state before, char *out,
		 size_t size);

/* Why there is nobody to be killed, and what to do about it. */
int order_nobody(const struct member *m, char *out, size_t size);

#endif
