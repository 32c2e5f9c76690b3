/* Which recording a call means: the one it names, or that of a running pipeline. */
#include "tools/troupe/recordings.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/client.h"
#include "tools/troupe/output.h"

#include <stdio.h>

#define ANSWER_WAIT (5 * NS_PER_S)

/* Asks the supervisor where it records. */
static int ask_where(const struct pipeline *pipeline, char *out, size_t size)
{
	Troupe__Reply *reply = NULL;
	int rc = pipeline_status(pipeline, ANSWER_WAIT, &reply);
	if (rc == 0 && !*reply->pipeline->recording)
		rc = TROUPE_E_NOT_FOUND;
	if (rc == 0 && snprintf(out, size, "%s", reply->pipeline->recording) >= (int)size)
		rc = TROUPE_E_OVERSIZED;
	if (reply)
		troupe__reply__free_unpacked(reply, NULL);
	return rc;
}

int recording_pick(const struct call *call, const char *given, char *out, size_t size)
{
	struct pipeline pipeline;
	if (given) {
		if (snprintf(out, size, "%s", given) < (int)size)
			return EXIT_DONE;
		out_error("%s: the path is too long", call->command->name);
		return EXIT_USAGE;
	}
	int rc = pipeline_pick(call, false, &pipeline);
	if (rc != EXIT_DONE)
		return rc;
	int error = ask_where(&pipeline, out, size);
	if (error == 0)
		return EXIT_DONE;
	out_error("%s: the supervisor of '%s' (pid %d) does not say where it records: %s",
		  call->command->name, pipeline.name, (int)pipeline.pid, error_text(error));
	return EXIT_FAILED;
}
