/* The distance of two words, after Levenshtein: a row of the table at a time. */
#include "supervisor/nearest.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#define LONGEST 40

static unsigned least_of(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;
	return least < c ? least : c;
}

unsigned nearest_changes(const char *a, const char *b)
{
	unsigned row[LONGEST + 1]; /* from so many letters of a to so many of b */
	size_t length = strlen(b);
	if (length > LONGEST || strlen(a) > LONGEST)
		return UINT_MAX;
	for (size_t i = 0; i <= length; i++)
		row[i] = (unsigned)i;
	for (size_t k = 0; a[k]; k++) {
		unsigned before = row[0]++;
		for (size_t i = 0; i < length; i++) {
			unsigned changed = before + (a[k] != b[i]);
			before = row[i + 1];
			row[i + 1] = least_of(changed, before + 1, row[i] + 1);
		}
	}
	return row[length];
}
