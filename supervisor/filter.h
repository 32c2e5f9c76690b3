/* Which system calls a worker may make, as a filter for the kernel. */
#ifndef TROUPE_SUPERVISOR_FILTER_H
#define TROUPE_SUPERVISOR_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

enum filter_part {
	FILTER_NETWORK = 1, /* any kind of socket */
	FILTER_STARTS = 2,  /* processes of its own */
	FILTER_WRITES = 4,  /* modes and owners of files that it has open */
	FILTER_ASKS = 8, /* what is forbidden is told to whoever listens, else refused by EPERM */
	FILTER_VARIANTS = 16,
};

/* Whether this kernel can filter at all, and let a listener decide. */
bool filter_is_there(void);
bool filter_can_ask(void);

/* Makes the filter of those parts. The caller frees out->filter. 0, or a negative error. */
int filter_create(unsigned parts, struct sock_fprog *out);

/* The name of a system call of this machine, "system call 471" for one that has none here. Returns
 * `out`. */
char *filter_call_name(int number, char *out, size_t size);

#endif
