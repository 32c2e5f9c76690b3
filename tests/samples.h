/* Messages of every kind, filled at random from a seed: for tests and as the fuzzer's corpus. */
#ifndef TROUPE_TESTS_SAMPLES_H
#define TROUPE_TESTS_SAMPLES_H

#include "ipc/links/message.h"

/* The same numbers for the same seed, on any machine. */
uint32_t sample_random(uint64_t *state);

/* How many kinds there are, and the kind number i of them. */
size_t sample_kinds(void);
enum message_kind sample_kind(size_t i);
uint32_t sample_limit(size_t i);

/* A message of that kind whose every field is filled (one of a oneof, 0 to 2 of what is repeated).
 * Free with message_free. */
ProtobufCMessage *sample_message(size_t i, uint64_t seed);

#endif
