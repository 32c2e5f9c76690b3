/* CRC-32C by the processor's own instruction where there is one, else four bits at a time from a
 * table of 16. The instruction takes 8 bytes and a new one can begin each cycle, but its result is
 * there after 3; so long data goes through three lanes at once, which are then put together. */
#include "ipc/base/crc32c.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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
/* Bytes of a lane, and what moves a remainder over that many zero bytes, and over twice as many:
 * x^(8 n - 33) modulo the polynomial, bits reflected; the multiplication brings one x more than it
 * should, the instruction that reduces its product the other 32. */
#define LANE	   1024
#define LANE_OVER  0x170076fa
#define LANES_OVER 0xa51b6135

__attribute__((target("sse4.2"))) static uint64_t take_eight(uint64_t crc, const uint8_t *at)
{
	uint64_t eight;
	memcpy(&eight, at, sizeof(eight));
	return _mm_crc32_u64(crc, eight);
}

__attribute__((target("pclmul"))) static uint64_t multiply(uint64_t a, uint64_t b)
{
	__m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)a),
					       _mm_cvtsi64_si128((long long)b), 0);
	return (uint64_t)_mm_cvtsi128_si64(product);
}

/* Three lanes that follow each other in memory; `crc` and what is returned are not inverted. */
__attribute__((target("sse4.2,pclmul"))) static uint64_t take_lanes(uint64_t crc, const uint8_t *at)
{
	uint64_t second = 0, third = 0;
	for (size_t i = 0; i < LANE; i += sizeof(uint64_t)) {
		crc = take_eight(crc, at + i);
		second = take_eight(second, at + LANE + i);
		third = take_eight(third, at + 2 * (size_t)LANE + i);
	}
	uint64_t moved = multiply(crc, LANES_OVER) ^ multiply(second, LANE_OVER);
	return _mm_crc32_u64(0, moved) ^ third;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_fast(uint32_t seed,
								     const uint8_t *at, size_t size)
{
	uint64_t crc = (uint32_t)~seed;
	for (; size >= 3 * (size_t)LANE; at += 3 * (size_t)LANE, size -= 3 * (size_t)LANE)
		crc = take_lanes(crc, at);
	for (; size >= sizeof(uint64_t); at += sizeof(uint64_t), size -= sizeof(uint64_t))
		crc = take_eight(crc, at);
	for (; size > 0; at++, size--)
		crc = _mm_crc32_u8((uint32_t)crc, *at);
	return ~(uint32_t)crc;
}
#endif

uint32_t crc32c(uint32_t seed, const void *bytes, size_t size)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
		return crc32c_fast(seed, bytes, size);
#endif
	return crc32c_portable(seed, bytes, size);
}
