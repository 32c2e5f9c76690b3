/* Listening sockets: the supervisor opens them, so that a killed display refuses no connection. */
#include "ipc/base/errors.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int try_listen(const struct addrinfo *at)
{
	int one = 1;
	int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_from_errno(errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, 1024) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return error_from_errno(saved);
}

/* The address with the port that the kernel chose. */
static void name_socket(int fd, char *out, size_t size)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char host[64], port[16];
	*out = '\0';
	if (getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	    getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(out, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int listen_at(const char *address, char *actual, size_t actual_size, char *why, size_t why_size)
{
	char host[256];
	const char *colon = strrchr(address, ':');
	if (!colon || (size_t)(colon - address) >= sizeof(host)) {
		snprintf(why, why_size, "%s: not an ADDRESS:PORT", address);
		return TROUPE_E_CONFIG;
	}
	const char *begin = address;
	size_t length = (size_t)(colon - address);
	if (length >= 2 && begin[0] == '[' && begin[length - 1] == ']') {
		begin++;
		length -= 2;
	}
	memcpy(host, begin, length);
	host[length] = '\0';
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	int bad = getaddrinfo(host, colon + 1, &hints, &found);
	if (bad) {
		snprintf(why, why_size, "%s: %s", address, gai_strerror(bad));
		return TROUPE_E_CONFIG;
	}
	int fd = try_listen(found);
	if (fd < 0)
		snprintf(why, why_size, "%s: cannot listen there: %s", address, strerror(errno));
	else
		name_socket(fd, actual, actual_size);
	freeaddrinfo(found);
	return fd;
}
