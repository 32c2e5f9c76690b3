/* Any bytes: message_unpack refuses them by name or gives a message that can be shown and packed
 * again. */
#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"
#include "ipc/links/json.h"
#include "ipc/links/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/samples.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition_)                                                                        \
	do {                                                                                       \
		if (!(condition_))                                                                 \
			abort();                                                                   \
	} while (0)

/* What was taken must survive whatever is done with messages. */
static void use(enum message_kind kind, ProtobufCMessage *message)
{
	char line[300];
	size_t size = 0;
	enum message_kind again;
	ProtobufCMessage *copy;
	REQUIRE(strlen(message_trace(message, line, sizeof(line))) < sizeof(line));
	json_t *json = message_json(message);
	REQUIRE(json);
	char *text = json_dumps(json, 0);
	REQUIRE(text);
	free(text);
	uint8_t *bytes = message_pack(kind, message, &size);
	/* NULL: over the limit; a number may be written longer than it was sent (an int32 of -1).
	 */
	if (bytes) {
		REQUIRE(message_unpack(bytes, size, &again, &copy) == 0);
		REQUIRE(again == kind);
		message_free(copy);
	}
	free(bytes);
	json_decref(json);
	message_free(message);
}

static void take(const uint8_t *bytes, size_t size)
{
	enum message_kind kind;
	ProtobufCMessage *message;
	int rc = message_unpack(bytes, size, &kind, &message);
	if (rc == 0) {
		use(kind, message);
		return;
	}
	REQUIRE(rc == TROUPE_E_TRUNCATED || rc == TROUPE_E_OVERSIZED || rc == TROUPE_E_SCHEMA ||
		rc == TROUPE_E_MALFORMED || rc == TROUPE_E_CORRUPT);
}

/* The same bytes with length and checksum put right, or none would get past the header. */
static void take_mended(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size);
	REQUIRE(copy);
	memcpy(copy, bytes, size);
	uint32_t length = (uint32_t)(size - MESSAGE_HEADER_SIZE);
	uint32_t sum = crc32c(0, copy + MESSAGE_HEADER_SIZE, length);
	for (unsigned i = 0; i < 4; i++) {
		copy[8 + i] = (uint8_t)(length >> 8 * i);
		copy[12 + i] = (uint8_t)(sum >> 8 * i);
	}
	take(copy, size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	take(bytes, size);
	if (size >= MESSAGE_HEADER_SIZE)
		take_mended(bytes, size);
	return 0;
}

/* A few of every kind. */
uint8_t *fuzz_seed(size_t i, size_t *size)
{
	size_t n = sample_kinds();
	if (i >= n * 4)
		return NULL;
	ProtobufCMessage *message = sample_message(i % n, i);
	uint8_t *bytes = message_pack(sample_kind(i % n), message, size);
	REQUIRE(bytes);
	message_free(message);
	return bytes;
}
