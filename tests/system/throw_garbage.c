/* Throws what no troupe program would ever send at one of its sockets: random bytes, valid headers
 * with lies behind them, empty, oversized and multi-part messages. Deterministic: seeded by the
 * count.
 *
 *     throw-garbage SOCKET-PATH COUNT
 */
#include "ipc/links/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static int socket_type(const char *path)
{
	size_t length = strlen(path);
	if (length > 3 && strcmp(path + length - 3, ".in") == 0)
		return ZMQ_PUSH;
	if (length > 5 && strcmp(path + length - 5, ".pipe") == 0)
		return ZMQ_PAIR;
	return strstr(path, "reports") ? ZMQ_PUSH : ZMQ_DEALER;
}

/* Bytes of the n-th throw; *size of them, at most `max`. */
static void make(unsigned n, unsigned char *bytes, size_t max, size_t *size)
{
	static const uint16_t kinds[] = {1, 2, 3, 8, 16, 17, 24, 32, 33, 999};
	*size = (size_t)rand() % 300;
	if (n % 7 == 6)
		*size = max;
	for (size_t i = 0; i < *size; i++)
		bytes[i] = (unsigned char)rand();
	if (n % 2 == 0 || *size < MESSAGE_HEADER_SIZE)
		return;
	uint16_t schema = n % 5 == 1 ? MESSAGE_SCHEMA + 1 : MESSAGE_SCHEMA;
	uint16_t kind = kinds[(size_t)rand() % (sizeof(kinds) / sizeof(kinds[0]))];
	uint32_t length = (uint32_t)(*size - MESSAGE_HEADER_SIZE) + (n % 3 == 1);
	static const unsigned char magic[4] = {'t', 'r', 'p', '1'};
	memcpy(bytes, magic, sizeof(magic));
	memcpy(bytes + 4, &schema, 2);
	memcpy(bytes + 6, &kind, 2);
	memcpy(bytes + 8, &length, 4);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: throw-garbage SOCKET-PATH COUNT\n");
		return 2;
	}
	unsigned count = (unsigned)strtoul(argv[2], NULL, 10);
	size_t max = 2 << 20, size;
	unsigned char *bytes = malloc(max);
	char endpoint[160];
	snprintf(endpoint, sizeof(endpoint), "ipc://%s", argv[1]);
	void *context = zmq_ctx_new();
	void *socket = zmq_socket(context, socket_type(argv[1]));
	int soon = 500;
	zmq_setsockopt(socket, ZMQ_LINGER, &soon, sizeof(soon));
	zmq_setsockopt(socket, ZMQ_SNDTIMEO, &soon, sizeof(soon));
	if (!bytes || zmq_connect(socket, endpoint) < 0) {
		perror(argv[1]);
		free(bytes);
		return 1;
	}
	srand(count);
	for (unsigned n = 0; n < count; n++) {
		make(n, bytes, max, &size);
		zmq_send(socket, bytes, size, n % 11 == 10 ? ZMQ_SNDMORE : 0);
	}
	zmq_send(socket, "", 0, 0);
	zmq_close(socket);
	zmq_ctx_term(context);
	free(bytes);
	return 0;
}
