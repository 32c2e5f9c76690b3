/* The rows of the roster. */
#include "supervisor/roster.h"

#include "ipc/base/errors.h"

#include <stdio.h>
#include <string.h>

static const struct role roles[] = {
	{.section = "storer",
	 .worker = "storer",
	 .program = "troupe-storer",
	 .shape = ROLE_SINGLE,
	 .tap = 0,
	 .stops = 2,
	 .folder_row = "folder"},
	{.section = "processor",
	 .worker = "processor",
	 .program = "troupe-processor",
	 .shape = ROLE_POOL,
	 .overlaps = true,
	 .tap = -1,
	 .stops = 1},
	{.section = "trainer",
	 .worker = "trainer",
	 .program = "troupe-trainer",
	 .shape = ROLE_SINGLE,
	 .tap = -1,
	 .stops = 3},
	{.section = "display",
	 .worker = "display",
	 .program = "troupe-display",
	 .shape = ROLE_SINGLE,
	 .overlaps = true,
	 .tap = -1,
	 .stops = 4},
	{.section = "stream",
	 .worker = "capture",
	 .program = "troupe-capture",
	 .shape = ROLE_STREAM,
	 .source = true,
	 .tap = -1,
	 .stops = 0},
};

const struct role *roster(size_t *count)
{
	*count = sizeof(roles) / sizeof(roles[0]);
	return roles;
}

int roster_ranks(void)
{
	int last = 0;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].stops > last)
			last = roles[i].stops;
	return last + 1;
}

int roster_name(const struct role *role, const char *title, uint32_t number, char *out, size_t size)
{
	int length = 0;
	switch (role->shape) {
	case ROLE_SINGLE:
		length = snprintf(out, size, "%s", role->worker);
		break;
	case ROLE_POOL:
		length = snprintf(out, size, "%s.%u", role->worker, number);
		break;
	case ROLE_STREAM:
		length = snprintf(out, size, "%s.%s", role->worker, title);
		break;
	}
	return length >= 0 && (size_t)length < size ? 0 : TROUPE_E_OVERSIZED;
}
