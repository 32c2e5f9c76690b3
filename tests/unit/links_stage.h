/* What the tests of links share: a folder with two contexts, as two processes have, and the way to
 * start this very program again as the other process. */
#ifndef TROUPE_TESTS_UNIT_LINKS_STAGE_H
#define TROUPE_TESTS_UNIT_LINKS_STAGE_H

#include "ipc/base/clock.h"
#include "ipc/links/pipe.h"

#include <sys/types.h>

/* Nothing here takes that long: a wait that does has lost something. */
#define LONG (30 * NS_PER_S)

struct stage {
	char folder[64];
	char path[LINK_PATH_SIZE];
	struct links *mine, *other;
};

/* For cmocka. The teardown fails when a socket file is left. */
int stage_setup(void **state);
int stage_teardown(void **state);

#define STAGE_TEST(fn_) cmocka_unit_test_setup_teardown(fn_, stage_setup, stage_teardown)

/* What the other process does; its exit code is 0 when all went well. */
struct part {
	const char *name;
	int (*play)(struct links *links, const char *path);
};

/* Plays one of the parts as the command line "PART PATH" says and returns the exit code. */
int stage_play(const struct part *parts, size_t count, char **argv);

/* Starts that process. */
pid_t stage_start(const char *part, const char *path);

/* Waits for its end, which must be a good one. */
void assert_ended(pid_t pid);

/* Waits until the link may have a message, by the loop as everybody does. False: nothing came. */
bool wait_for(struct link *link, int64_t deadline);

/* The next message, or NULL when none comes or a bad one does. */
ProtobufCMessage *next_message(struct link *link, enum message_kind *kind);

/* Sends the smallest message there is. */
int send_look(struct link *link);

#endif
