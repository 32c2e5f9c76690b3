/* `troupe complete`: the names that a shell offers for a word. It is asked at every press of a key,
 * so it waits for nobody and complains of nothing. */
#include "ipc/base/clock.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_WAIT (500 * NS_PER_MS)

static int print_pipelines(void)
{
	struct pipeline found[PIPELINES_MAX];
	size_t n = pipelines_find(found, PIPELINES_MAX);
	for (size_t i = 0; i < n; i++)
		puts(found[i].name);
	return EXIT_DONE;
}

static void print_workers(const struct pipeline *pipeline)
{
	Troupe__PsRequest ps = TROUPE__PS_REQUEST__INIT;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	Troupe__Reply *reply = NULL;
	request.what_case = TROUPE__REQUEST__WHAT_PS;
	request.ps = &ps;
	if (pipeline_ask(pipeline, &request, ANSWER_WAIT, &reply) == 0)
		for (size_t i = 0; i < reply->n_worker; i++)
			puts(reply->worker[i]->name);
	if (reply)
		troupe__reply__free_unpacked(reply, NULL);
}

static void print_streams(const struct pipeline *pipeline)
{
	Troupe__Reply *reply = NULL;
	if (pipeline_status(pipeline, ANSWER_WAIT, &reply) == 0)
		for (size_t i = 0; i < reply->pipeline->n_stream; i++)
			puts(reply->pipeline->stream[i]->name);
	if (reply)
		troupe__reply__free_unpacked(reply, NULL);
}

int complete_run(const struct call *call)
{
	struct pipeline found[PIPELINES_MAX];
	bool logs = strcmp(call->arg[0], "logs") == 0; /* the supervisor has one, too */
	bool workers = logs || strcmp(call->arg[0], "workers") == 0;
	if (!workers && strcmp(call->arg[0], "streams") != 0)
		return print_pipelines();
	size_t n = pipelines_find(found, PIPELINES_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!found[i].pid || (call->name && strcmp(call->name, found[i].name) != 0))
			continue;
		if (workers)
			print_workers(&found[i]);
		else
			print_streams(&found[i]);
		if (logs)
			puts("supervisor");
	}
	return EXIT_DONE;
}
