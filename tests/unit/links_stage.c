/* A folder, two contexts, and this program once more as the other process. */
#include "tests/unit/links_stage.h"

#include "ipc/base/errors.h"
#include "ipc/links/loop.h"
#include "schemas/life.pb-c.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void on_link(void *arg, struct link *link)
{
	(void)arg;
	(void)link;
}

bool wait_for(struct link *link, int64_t deadline)
{
	struct loop *loop = loop_create();
	if (!loop || loop_watch_link(loop, link, on_link, NULL) < 0)
		abort();
	int rc = loop_wait(loop, deadline);
	loop_destroy(loop);
	return rc > 0;
}

ProtobufCMessage *next_message(struct link *link, enum message_kind *kind)
{
	ProtobufCMessage *message = NULL;
	int rc, waited = 0;
	while ((rc = link_receive(link, kind, &message)) == TROUPE_E_AGAIN && !waited++)
		wait_for(link, clock_now() + LONG);
	return rc == 0 ? message : NULL;
}

int stage_play(const struct part *parts, size_t count, char **argv)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(parts[i].name, argv[1]) != 0)
			continue;
		struct links *links = links_create();
		int code = links ? parts[i].play(links, argv[2]) : 1;
		links_destroy(links, 5000);
		return code;
	}
	return 1;
}

pid_t stage_start(const char *part, const char *path)
{
	char program[] = "/proc/self/exe", name[32], at[LINK_PATH_SIZE];
	char *argv[] = {program, name, at, NULL};
	pid_t pid;
	snprintf(name, sizeof(name), "%s", part);
	snprintf(at, sizeof(at), "%s", path);
	assert_int_equal(posix_spawn(&pid, program, NULL, NULL, argv, environ), 0);
	return pid;
}

void assert_ended(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int stage_setup(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	*state = stage;
	snprintf(stage->folder, sizeof(stage->folder), "/tmp/troupe-links-XXXXXX");
	if (!mkdtemp(stage->folder))
		return -1;
	snprintf(stage->path, sizeof(stage->path), "%s/socket", stage->folder);
	stage->mine = links_create();
	stage->other = links_create();
	return stage->mine && stage->other ? 0 : -1;
}

int stage_teardown(void **state)
{
	struct stage *stage = *state;
	links_destroy(stage->mine, 0);
	links_destroy(stage->other, 0);
	int rc = rmdir(stage->folder);
	free(stage);
	return rc;
}

int send_look(struct link *link)
{
	Troupe__Stop stop = TROUPE__STOP__INIT;
	return link_send(link, MESSAGE_STOP, &stop.base);
}
