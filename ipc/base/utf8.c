/* One character after the other. */
#include "ipc/base/utf8.h"

#include <stdbool.h>
#include <string.h>

static size_t wanted_length(uint8_t first)
{
	return first < 0x80   ? 1
	       : first < 0xc2 ? 0
	       : first < 0xe0 ? 2
	       : first < 0xf0 ? 3
	       : first < 0xf5 ? 4
			      : 0;
}

/* Its number; what is no UTF-8 has none: UINT32_MAX. */
static uint32_t decode(const uint8_t *at, size_t length)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t point = length < 2 ? at[0] : at[0] & (0x7fU >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return UINT32_MAX;
		point = point << 6 | (at[i] & 0x3f);
	}
	bool surrogate = point >= 0xd800 && point <= 0xdfff;
	return point < smallest[length] || point > 0x10ffff || surrogate ? UINT32_MAX : point;
}

size_t utf8_length(const uint8_t *at, size_t left)
{
	size_t length = wanted_length(at[0]);
	return length == 0 || length > left || decode(at, length) == UINT32_MAX ? 0 : length;
}

/* Terminals obey the control characters above 0x7f, too, and the direction of writing is turned for
 * all that follows. */
static bool is_wild(uint32_t point)
{
	return (point < ' ' && point != '\t') || (point >= 0x7f && point < 0xa0) ||
	       (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

size_t utf8_tame_bytes(char *bytes, size_t size)
{
	size_t kept = 0;
	for (size_t i = 0, length; i < size; i += length) {
		const uint8_t *at = (const uint8_t *)bytes + i;
		length = utf8_length(at, size - i);
		bool tame = length && !is_wild(decode(at, length));
		length = length ? length : 1;
		if (!tame)
			bytes[kept++] = '?';
		else if (kept < i)
			memmove(bytes + kept, bytes + i, length);
		kept += tame ? length : 0;
	}
	return kept;
}

char *utf8_tame(char *text)
{
	size_t size = strlen(text), kept = utf8_tame_bytes(text, size);
	if (kept < size)
		text[kept] = '\0';
	return text;
}
