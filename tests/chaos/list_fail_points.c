/* Prints every fail point as "NAME ROLE,ROLE…": those of FAIL_POINTS, and one for each cause of a
 * word, whose roles are who takes that step. */
#include "ipc/base/fail_points.h"
#include "ipc/slots/word.h"

#include <stdio.h>
#include <string.h>

/* "tap, capture" as the roles of the workers: "storer,capture". */
static void print_step(const char *cause, const char *who)
{
	const char *separator = " ";
	printf("STEP_%s", cause);
	for (const char *at = who; *at; at += strspn(at, ", ")) {
		int length = (int)strcspn(at, ", ");
		bool tap = strncmp(at, "tap", 3) == 0;
		printf("%s%.*s", separator, tap ? 6 : length, tap ? "storer" : at);
		separator = ",";
		at += length;
	}
	putchar('\n');
}

int main(void)
{
#define PRINT_POINT(name, roles, text) puts(#name " " roles);
	FAIL_POINTS(PRINT_POINT)
#undef PRINT_POINT
#define PRINT_STEP(name, who, from, to, text) print_step(#name, who);
	WORD_CAUSES(PRINT_STEP)
#undef PRINT_STEP
	return fflush(stdout) != 0;
}
