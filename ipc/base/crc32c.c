/* CRC-32C by the processor's own instruction (SSE4.2: about 8 bytes every 3 cycles) where there is
 * one, else four bits at a time from a table of 16. */
#include "ipc/base/crc32c.h"

#include <string.h>

/* Remainders of the 16 nibbles by the reflected polynomial 0x82f63b78. */
static const uint32_t nibbles[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
				     0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
				     0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
				     0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

uint32_t crc32c_portable(uint32_t seed, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint32_t crc = ~seed;
	for (size_t i = 0; i < size; i++) {
		crc ^= at[i];
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t seed, const uint8_t *at,
							       size_t size)
{
	uint64_t crc = (uint32_t)~seed;
	for (; size >= sizeof(uint64_t); at += sizeof(uint64_t), size -= sizeof(uint64_t)) {
		uint64_t eight;
		memcpy(&eight, at, sizeof(eight));
		crc = __builtin_ia32_crc32di(crc, eight);
	}
	for (; size > 0; at++, size--)
		crc = __builtin_ia32_crc32qi((uint32_t)crc, *at);
	return ~(uint32_t)crc;
}
#endif

uint32_t crc32c(uint32_t seed, const void *bytes, size_t size)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(seed, bytes, size);
#endif
	return crc32c_portable(seed, bytes, size);
}
