/* Whose name a request was sent to. A foreign page can make a name of its own resolve to this
 * machine (DNS rebinding) and would then read the cameras as "its own site"; such a request names
 * the foreign host. */
#ifndef TROUPE_WORKERS_DISPLAY_HOST_H
#define TROUPE_WORKERS_DISPLAY_HOST_H

#include <stdbool.h>

/* Whether a Host header ("name", "name:port", "[v6]:port") is this machine's: an address,
 * localhost, its own name with or without domain, or one of `names` (separated by commas). NULL
 * (HTTP/1.0) passes. */
bool host_is_ours(const char *host, const char *names);

/* Whether an Origin header ("http://HOST") names the same host and port as the Host header. NULL
 * passes: what is no browser sends none. */
bool origin_is_host(const char *origin, const char *host);

#endif
