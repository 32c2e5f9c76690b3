/* Text that people may see, without what is secret in it: user and password of a URL, and every
 * value of its query. Everything that shows a source, in a log, a message, a listing or a process
 * title, goes through here. */
#ifndef TROUPE_IPC_BASE_REDACT_H
#define TROUPE_IPC_BASE_REDACT_H

#include <stddef.h>

/* Copies `text`, with "***" for each secret, to `out`; cut off where it does not fit, never in
 * favour of a secret. What may be a password is taken for one: "rtsp://a:b/c@host" shows nothing
 * but its scheme. Returns `out`. */
char *redact(const char *text, char *out, size_t size);

/* The same within the text's own bytes (an argument of the command line), as far as it fits. */
void redact_in_place(char *text);

#endif
