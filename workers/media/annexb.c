/* Units behind start codes; see annexb.h. */
#include "workers/media/annexb.h"

#include <stdbool.h>
#include <string.h>

enum unit_type { UNIT_SPS = 7, UNIT_PPS = 8, UNIT_DELIMITER = 9 };

/* Where the next start code (0 0 1) begins, at or behind `at`; `size`: there is none. */
static size_t next_start(const uint8_t *data, size_t size, size_t at)
{
	for (; at + 3 <= size; at++) {
		if (data[at] == 0 && data[at + 1] == 0 && data[at + 2] == 1)
			return at;
	}
	return size;
}

static bool belongs(uint8_t header, enum annexb_part part)
{
	uint8_t type = header & 0x1f;
	bool parameters = type == UNIT_SPS || type == UNIT_PPS;
	return part == ANNEXB_PARAMETERS ? parameters : !parameters && type != UNIT_DELIMITER;
}

size_t annexb_copy(const uint8_t *data, size_t size, enum annexb_part part, uint8_t *out)
{
	static const uint8_t start[4] = {0, 0, 0, 1};
	size_t used = 0;
	size_t begin = next_start(data, size, 0);
	while (begin < size) {
		size_t unit = begin + 3, end = next_start(data, size, unit);
		begin = end;
		/* A start code of four bytes begins with a zero, and zeros may trail: no unit ends
		 * with one. */
		while (end > unit && data[end - 1] == 0)
			end--;
		if (end == unit || !belongs(data[unit], part))
			continue;
		memcpy(out + used, start, sizeof(start));
		memcpy(out + used + sizeof(start), data + unit, end - unit);
		used += sizeof(start) + end - unit;
	}
	return used;
}
