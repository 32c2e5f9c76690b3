/* CRC-32C (Castagnoli): the checksum of messages, of the recording's records and of the model. */
#ifndef TROUPE_IPC_BASE_CRC32C_H
#define TROUPE_IPC_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `size` bytes, going on from `seed`: 0 at first, or what was returned for the
 * bytes before. crc32c(0, "123456789", 9) == 0xE3069283. `bytes` may be NULL when size is 0. */
uint32_t crc32c(uint32_t seed, const void *bytes, size_t size);

/* The same without the processor's instruction: what other machines use, and what tests compare
 * with. */
uint32_t crc32c_portable(uint32_t seed, const void *bytes, size_t size);

#endif
