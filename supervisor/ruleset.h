/* Rules as a Landlock ruleset: files, TCP ports, abstract sockets and signals, as far as the kernel
 * knows them. */
#ifndef TROUPE_SUPERVISOR_RULESET_H
#define TROUPE_SUPERVISOR_RULESET_H

#include "supervisor/rules.h"

/* How much of it this kernel has: the version of Landlock's interface, 0 for none. */
int ruleset_version(void);

/* What a kernel of that version cannot keep a worker from, "" nothing. For people. */
const char *ruleset_lacks(int version);

/* A descriptor that a process restricts itself with, or a negative error. A version of 0 is
 * TROUPE_E_UNSUPPORTED. */
int ruleset_create(const struct rules *rules, int version);

#endif
