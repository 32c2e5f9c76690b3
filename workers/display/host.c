/* Whose name a request was sent to; see host.h. */
#include "workers/display/host.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HOST_SIZE 256

/* Copies the name without port and brackets; false when it is none. */
static bool host_name(const char *host, char *name, size_t size)
{
	size_t length = host[0] == '[' ? strcspn(++host, "]") : strcspn(host, ":");
	if (length == 0 || length >= size)
		return false;
	memcpy(name, host, length);
	name[length] = '\0';
	return true;
}

static bool is_address(const char *name)
{
	struct in6_addr address;
	return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

/* "box" and "box.home" for a machine that calls itself either. */
static bool is_own_name(const char *name)
{
	char own[HOST_SIZE] = "";
	if (gethostname(own, sizeof(own) - 1) < 0)
		return false;
	size_t length = strcspn(own, ".");
	return length > 0 && strncasecmp(name, own, length) == 0 &&
	       (name[length] == '\0' || name[length] == '.');
}

static bool is_listed(const char *name, const char *names)
{
	size_t length = strlen(name);
	for (const char *at = names; *at;) {
		at += strspn(at, ", ");
		size_t item = strcspn(at, ", ");
		if (item == length && strncasecmp(at, name, length) == 0)
			return true;
		at += item;
	}
	return false;
}

bool host_is_ours(const char *host, const char *names)
{
	char name[HOST_SIZE];
	if (!host)
		return true;
	return host_name(host, name, sizeof(name)) &&
	       (is_address(name) || strcasecmp(name, "localhost") == 0 || is_own_name(name) ||
		is_listed(name, names));
}

bool origin_is_host(const char *origin, const char *host)
{
	if (!origin)
		return true;
	const char *at = strstr(origin, "://");
	return at && host && strcasecmp(at + 3, host) == 0;
}
