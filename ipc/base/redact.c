/* From one URL to the next; what is between them stays as it is. */
#include "ipc/base/redact.h"

#include <stdbool.h>
#include <string.h>

#define HIDDEN	"***"
#define URL_END " \t\r\n\"'<>"

/* Where the copy stands. */
struct copy {
	char *out;
	size_t size, used;
};

static void put(struct copy *copy, const char *text, size_t length)
{
	if (copy->size == 0)
		return;
	size_t room = copy->size - 1 - copy->used;
	size_t n = length < room ? length : room;
	memmove(copy->out + copy->used, text, n);
	copy->used += n;
	copy->out[copy->used] = '\0';
}

static void hide(struct copy *copy)
{
	put(copy, HIDDEN, strlen(HIDDEN));
}

/* "?name=value&name=value#part": names stay, a part without a name may be a token. */
static void put_query(struct copy *copy, const char *query, const char *end)
{
	while (query < end) {
		put(copy, query++, 1); /* the separator */
		const char *next = query;
		while (next < end && !strchr("&;?#", *next))
			next++;
		const char *equals = memchr(query, '=', (size_t)(next - query));
		if (equals)
			put(copy, query, (size_t)(equals + 1 - query));
		if (next > query)
			hide(copy);
		query = next;
	}
}

/* What follows "://" up to `end`. An '@' behind the host means that nobody can say where a password
 * with a '/' or '?' in it would end. */
static void put_rest(struct copy *copy, const char *rest, const char *end)
{
	const char *path = rest, *at = NULL;
	while (path < end && !strchr("/?#", *path))
		path++;
	for (const char *c = rest; c < end; c++)
		if (*c == '@')
			at = c;
	if (at) {
		hide(copy);
		if (at >= path)
			return;
		rest = at;
	}
	const char *query = rest;
	while (query < end && *query != '?' && *query != '#')
		query++;
	put(copy, rest, (size_t)(query - rest));
	put_query(copy, query, end);
}

/* "host", "host:554", "[::1]:554": else it is a piece of "user:password" that an odd character has
 * cut off from its '@'. */
static bool is_host(const char *rest, const char *end)
{
	const char *path = rest, *colon = NULL;
	for (; path < end && !strchr("/?#", *path); path++)
		if (*path == ':')
			colon = path;
	if (!colon || (path > rest && path[-1] == ']'))
		return true;
	return strspn(colon + 1, "0123456789") == (size_t)(path - colon - 1);
}

char *redact(const char *text, char *out, size_t size)
{
	struct copy copy = {.out = out, .size = size};
	if (size)
		out[0] = '\0';
	for (const char *scheme; (scheme = strstr(text, "://"));) {
		const char *rest = scheme + 3, *end = rest + strcspn(rest, URL_END);
		put(&copy, text, (size_t)(rest - text));
		if (!memchr(rest, '@', (size_t)(end - rest)) && !is_host(rest, end)) {
			hide(&copy);
			return out;
		}
		put_rest(&copy, rest, end);
		text = end;
	}
	put(&copy, text, strlen(text));
	return out;
}

void redact_in_place(char *text)
{
	char shown[4096];
	size_t length = strlen(text);
	if (!strstr(text, "://"))
		return;
	redact(text, shown, sizeof(shown));
	size_t used = strnlen(shown, length);
	memmove(text, shown, used);
	memset(text + used, 0, length - used);
}
