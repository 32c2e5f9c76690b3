/* Times as people write them on the command line: "10:00", "10:00:05.5", "yesterday 22:00",
 * "2026-11-21 10:00", ISO 8601 with a zone, "-5min" (ago), "@1795255200" (since 1970), "now".
 * Without a zone they are local; without a day, of today. */
#ifndef TROUPE_TOOLS_TROUPE_WHEN_H
#define TROUPE_TOOLS_TROUPE_WHEN_H

#include <stddef.h>
#include <stdint.h>

/* For the help of every command that takes a time. */
#define WHEN_FORMS                                                                                 \
	"Times: 10:00, 10:00:05.5, yesterday 22:00, 2026-11-21 10:00, 2026-11-21T09:00:00Z, "      \
	"-5min (ago), @SECONDS (since 1970), now; local unless they say otherwise, and of today "  \
	"unless they name a day. A day alone is all of it."

/* What a text means, wall clock, ns since 1970. The same number twice, but for a whole day (its
 * begin and its end) and for an hour that the local clock shows twice when summer time ends (the
 * earlier and the later one): who asks "from" wants the first, who asks "to" the last. */
struct when {
	int64_t first, last;
};

/* `now` is the wall clock. TROUPE_E_ARGUMENT: `why` says what is wrong and what is valid. */
int when_parse(const char *text, int64_t now, struct when *when, char *why, size_t why_size);

/* "2026-11-21 10:00:05.500", local. Returns `out` (24 bytes are enough). */
char *when_format(int64_t wall, char *out, size_t size);

#endif
