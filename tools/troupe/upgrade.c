/* `troupe upgrade`: another program goes on as the supervisor, once it has said that it can. What
 * came of that its successor's `generation` says, or `upgrade_failed`: no answer can cross from one
 * to the other. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_WAIT   (15 * NS_PER_S)
#define LOOK_WAIT     (NS_PER_S)
#define LOOK_EVERY_MS 20
/* More than a new program takes to begin, on the slowest of machines. */
#define GIVE_UP (30 * NS_PER_S)

/* The supervisor's folder is not ours. */
static bool find_program(const struct call *call, char *path, size_t size)
{
	char whole[PATH_MAX];
	*path = '\0';
	if (!call->exec)
		return true;
	if (realpath(call->exec, whole) && strlen(whole) < size) {
		memcpy(path, whole, strlen(whole) + 1);
		return true;
	}
	out_error("upgrade: --exec %s: there is no such program", call->exec);
	return false;
}

static int ask_for_it(const struct pipeline *pipeline, char *path)
{
	Troupe__UpgradeRequest upgrade = TROUPE__UPGRADE_REQUEST__INIT;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	Troupe__Reply *reply = NULL;
	upgrade.exec = path;
	request.what_case = TROUPE__REQUEST__WHAT_UPGRADE;
	request.upgrade = &upgrade;
	int error = pipeline_ask(pipeline, &request, ANSWER_WAIT, &reply);
	if (error == TROUPE_E_TIMEOUT)
		return EXIT_DONE; /* its answer was lost on the way out, or it hangs: we shall see
				   */
	if (error < 0 || reply->code < 0)
		out_error("upgrade: %s", error < 0 ? error_text(error) : reply->text);
	int rc = error < 0 || reply->code < 0 ? EXIT_FAILED : EXIT_DONE;
	if (reply)
		troupe__reply__free_unpacked(reply, NULL);
	return rc;
}

/* What came of it; NULL: nothing that could be known. */
static Troupe__Reply *wait_for_next(const struct pipeline *pipeline, uint32_t before)
{
	int64_t deadline = clock_now() + GIVE_UP;
	while (clock_now() < deadline) {
		Troupe__Reply *reply = NULL;
		int rc = pipeline_status(pipeline, LOOK_WAIT, &reply);
		if (rc == TROUPE_E_CLOSED)
			return NULL; /* its end */
		if (rc == 0 &&
		    (reply->pipeline->generation != before || *reply->pipeline->upgrade_failed))
			return reply;
		if (rc == 0)
			troupe__reply__free_unpacked(reply, NULL);
		poll(NULL, 0, LOOK_EVERY_MS);
	}
	return NULL;
}

static int say(const struct call *call, const struct pipeline *pipeline, const Troupe__Reply *reply,
	       const char *before)
{
	if (!reply) {
		out_error("upgrade: '%s' does not answer any more; `troupe list` shows what there "
			  "is",
			  pipeline->name);
		return EXIT_FAILED;
	}
	const Troupe__Pipeline *now = reply->pipeline;
	if (*now->upgrade_failed) {
		out_error("upgrade: %s; all goes on as it was", now->upgrade_failed);
		return EXIT_FAILED;
	}
	if (call->json)
		out_json(&reply->base);
	else
		printf("%s: supervisor %d is %s now, was %s; no worker was started anew\n",
		       now->name, now->pid, now->supervisor_version, before);
	return EXIT_DONE;
}

int upgrade_run(const struct call *call)
{
	struct pipeline pipeline;
	char path[PATH_MAX], version[64];
	Troupe__Reply *reply = NULL;
	int rc = pipeline_pick(call, false, &pipeline);
	if (rc != EXIT_DONE)
		return rc;
	if (!find_program(call, path, sizeof path))
		return EXIT_USAGE;
	int error = pipeline_status(&pipeline, LOOK_WAIT, &reply);
	if (error < 0) {
		out_error("upgrade: the supervisor of '%s' does not answer: %s", pipeline.name,
			  error_text(error));
		return EXIT_FAILED;
	}
	uint32_t before = reply->pipeline->generation;
	snprintf(version, sizeof version, "%s", reply->pipeline->supervisor_version);
	troupe__reply__free_unpacked(reply, NULL);
	rc = ask_for_it(&pipeline, path);
	if (rc != EXIT_DONE)
		return rc;
	reply = wait_for_next(&pipeline, before);
	rc = say(call, &pipeline, reply, version);
	if (reply)
		troupe__reply__free_unpacked(reply, NULL);
	return rc;
}
