/* `troupe down`: asks the supervisor to drain and end, and waits for its end; clears up after a
 * dead one. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"
#include "tools/troupe/programs.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define ANSWER_WAIT   (5 * NS_PER_S)
#define LOOK_EVERY_MS 500

static int clear_up(const struct call *call, const struct pipeline *pipeline)
{
	struct arguments arguments = {0};
	arguments_add(&arguments, "troupe-supervisor");
	arguments_add(&arguments, "--clean");
	arguments_add(&arguments, "-n");
	arguments_add(&arguments, pipeline->name);
	return program_run(call, arguments.word[0], &arguments);
}

/* One line that is written over: what the pipeline still has to do. */
static void show_progress(const struct pipeline *pipeline)
{
	Troupe__Reply *reply = NULL;
	if (pipeline_status(pipeline, NS_PER_S / 2, &reply) < 0)
		return;
	unsigned long long owed = 0;
	for (size_t i = 0; i < reply->pipeline->n_stream; i++)
		owed += reply->pipeline->stream[i]->owed;
	fprintf(stderr, "\r%s: draining, %llu frame%s to store \033[K", pipeline->name, owed,
		owed == 1 ? "" : "s");
	troupe__reply__free_unpacked(reply, NULL);
}

/* Waits for the end of the process behind the descriptor. */
static void wait_for_end(const struct pipeline *pipeline, int pidfd)
{
	bool terminal = isatty(STDERR_FILENO);
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	while (poll(&end, 1, terminal ? LOOK_EVERY_MS : -1) <= 0) {
		if (terminal)
			show_progress(pipeline);
	}
	if (terminal)
		fputs("\r\033[K", stderr);
}

static int ask_to_end(const struct call *call, const struct pipeline *pipeline)
{
	Troupe__DownRequest down = TROUPE__DOWN_REQUEST__INIT;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_DOWN;
	request.down = &down;
	Troupe__Reply *reply = NULL;
	int error = pipeline_ask(pipeline, &request, ANSWER_WAIT, &reply);
	if (error < 0) {
		out_error("the supervisor of '%s' (pid %d) did not answer: %s", pipeline->name,
			  (int)pipeline->pid, error_text(error));
		return EXIT_FAILED;
	}
	int rc = reply->code < 0 ? EXIT_FAILED : EXIT_DONE;
	if (rc != EXIT_DONE)
		out_error("%s",
			  reply->text && *reply->text ? reply->text : error_text(reply->code));
	if (call->json)
		out_json(&reply->base);
	troupe__reply__free_unpacked(reply, NULL);
	return rc;
}

int down_run(const struct call *call)
{
	struct pipeline pipeline;
	int rc = pipeline_pick(call, true, &pipeline);
	if (rc != EXIT_DONE)
		return rc;
	/* Opened before asking, so that it cannot be another process's by the time it is waited
	 * for. */
	int pidfd = pipeline.pid ? pidfd_open(pipeline.pid, 0) : -1;
	if (pidfd < 0)
		return clear_up(call, &pipeline);
	rc = ask_to_end(call, &pipeline);
	if (rc == EXIT_DONE)
		wait_for_end(&pipeline, pidfd);
	close(pidfd);
	if (rc == EXIT_DONE && access(pipeline.folder, F_OK) == 0)
		return clear_up(call, &pipeline); /* it was killed while it drained */
	if (rc == EXIT_DONE && !call->json)
		printf("%s is down\n", pipeline.name);
	return rc;
}
