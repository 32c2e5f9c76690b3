/* The queue: PUSH to PULL. A producer that reaches nobody fills its own small buffer and then
 * drops. */
#include "ipc/links/queue.h"

#include "ipc/links/link_private.h"

int inbox_bind(struct links *links, const char *path, struct link **link)
{
	return link_bind(links, ZMQ_PULL, path, link);
}

int outbox_connect(struct links *links, const char *path, struct link **link)
{
	return link_connect(links, ZMQ_PUSH, path, link);
}
