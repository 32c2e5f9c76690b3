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
	 .queue = true,
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
	{.section = "worker",
	 .worker = "",
	 .program = "",
	 .shape = ROLE_NAMED,
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

/* A stranger's worker that only looks is the row above. */
static const struct role stranger_in_the_queue = {.section = "worker",
						  .worker = "",
						  .program = "",
						  .shape = ROLE_NAMED,
						  .overlaps = true,
						  .queue = true,
						  .tap = -1,
						  .stops = 1};

/* One that is owed every frame; tap 0 is the recording's. */
#define STRANGER_WITH_TAP(number)                                                                  \
	{                                                                                          \
		.section = "worker", .worker = "", .program = "", .shape = ROLE_NAMED,             \
		.tap = (number), .stops = 2                                                        \
	}
static const struct role strangers_with_tap[] = {STRANGER_WITH_TAP(1), STRANGER_WITH_TAP(2),
						 STRANGER_WITH_TAP(3)};

const struct role *roster(size_t *count)
{
	*count = sizeof(roles) / sizeof(roles[0]);
	return roles;
}

const struct role *roster_stranger(const char *takes, const char *tap, int lossless)
{
	const int n_taps = sizeof(strangers_with_tap) / sizeof(strangers_with_tap[0]);
	if (strcmp(takes, "queue") == 0)
		return &stranger_in_the_queue;
	if (strcmp(tap, "lossless") == 0)
		return lossless < n_taps ? &strangers_with_tap[lossless] : NULL;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].shape == ROLE_NAMED)
			return &roles[i];
	return NULL;
}

bool roster_name_is_free(const char *name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].worker, name) == 0)
			return false;
	return strcmp(name, "supervisor") != 0;
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
	case ROLE_NAMED:
		length = snprintf(out, size, "%s", title);
		break;
	}
	return length >= 0 && (size_t)length < size ? 0 : TROUPE_E_OVERSIZED;
}
