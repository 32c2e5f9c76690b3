/* Messages on the wire: a header of 16 bytes, then one protobuf message of exactly the length it
 * names.
 *
 *    0   4 magic "trp1"   | 4   2 schema version | 6   2 kind | 8   4 length | 12   4 CRC-32C of
 * the body
 *
 * all little-endian. A reader refuses, by name: too short (TRUNCATED), longer than said or than the
 * kind's limit (OVERSIZED), another schema version (SCHEMA), unknown kind, wrong magic or checksum,
 * or bytes that protobuf does not take to the exact end (MALFORMED, CORRUPT). */
#ifndef TROUPE_IPC_LINKS_MESSAGE_H
#define TROUPE_IPC_LINKS_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_SCHEMA	    1
#define MESSAGE_HEADER_SIZE 16

/* X(KIND, number, C prefix of the generated type, limit in bytes). Numbers are never reused. */
#define MESSAGE_KINDS(X)                                                                           \
	X(HELLO, 1, troupe__hello, 4096)                                                           \
	X(READY, 2, troupe__ready, 256)                                                            \
	X(DRAIN, 3, troupe__drain, 256)                                                            \
	X(STOP, 4, troupe__stop, 256)                                                              \
	X(FINISHED, 6, troupe__finished, 256)                                                      \
	X(DUMP, 7, troupe__dump, 256)                                                              \
	X(DUMPED, 8, troupe__dumped, 65536)                                                        \
	X(PREPARED, 9, troupe__prepared, 256)                                                      \
	X(HAPPENED, 10, troupe__happened, 1024)                                                    \
	X(SAY_AGAIN, 11, troupe__say_again, 256)                                                   \
	X(ANNOUNCE, 16, troupe__announce, 256)                                                     \
	X(DONE, 17, troupe__done, 256)                                                             \
	X(REPORT, 24, troupe__report, 4096)                                                        \
	X(REQUEST, 32, troupe__request, 16384)                                                     \
	X(REPLY, 33, troupe__reply, 1048576)                                                       \
	X(QUESTION, 40, troupe__question, 512)                                                     \
	X(ANSWER, 41, troupe__answer, 1048576)

enum message_kind {
#define MESSAGE_KIND_ENUM(name, number, type, limit) MESSAGE_##name = (number),
	MESSAGE_KINDS(MESSAGE_KIND_ENUM)
#undef MESSAGE_KIND_ENUM
};

/* Packs into a heap block, *size bytes; the caller frees it. NULL: out of memory or over the limit.
 */
uint8_t *message_pack(enum message_kind kind, const ProtobufCMessage *message, size_t *size);

/* Unpacks. On success *kind and *message are set; the caller frees with message_free. */
int message_unpack(const void *bytes, size_t size, enum message_kind *kind,
		   ProtobufCMessage **message);
void message_free(ProtobufCMessage *message);

/* The kind of a message by its type; 0: none of the table (a part of another message). */
enum message_kind message_kind_of(const ProtobufCMessage *message);

/* "HELLO", or "UNKNOWN". */
const char *message_name(enum message_kind kind);

/* One line "HELLO worker=\"display\" pid=17 …" for logs and `inspect`. Returns `out`. */
char *message_trace(const ProtobufCMessage *message, char *out, size_t size);

#endif
