/* Finding the pipelines of this user and asking their supervisors. */
#ifndef TROUPE_TOOLS_TROUPE_CLIENT_H
#define TROUPE_TOOLS_TROUPE_CLIENT_H

#include "ipc/base/folders.h"
#include "ipc/links/ask.h"
#include "tools/troupe/command.h"

#include <sys/types.h>

#define PIPELINES_MAX 64

/* A pipeline that has a runtime folder. */
struct pipeline {
	char name[PIPELINE_NAME_MAX + 1];
	char folder[256]; /* its runtime folder */
	pid_t pid;	  /* its supervisor; 0: it was killed and left the folder behind */
	bool orphans;	  /* … and workers that go on and can be taken over, for a while */
};

/* Finds all; the names are in order. Returns how many. */
size_t pipelines_find(struct pipeline *found, size_t max);

/* "; `sudo -u troupe troupe …` asks the service's", or "" where there is no service of another
 * user's: what is said behind "no pipeline runs". Returns `out`. */
#define HINT_SIZE 96
const char *service_hint(char *out, size_t size);

/* The pipeline that a call means. With `killed`, one without a living supervisor is fine too.
 * Returns EXIT_DONE or, having said what is wrong and what is valid, another exit code. */
int pipeline_pick(const struct call *call, bool killed, struct pipeline *pipeline);

/* Called for each reply behind which another follows; it stays the caller's. */
typedef void reply_fn(const Troupe__Reply *reply);

/* The state folder of the pipeline that a call means. It stays when the pipeline has ended, so a
 * name is enough, and where none runs and one only has left its folder, it is that one's. Returns
 * as pipeline_pick does. */
int state_pick(const struct call *call, char *out, size_t size);

/* Asks and waits at most `wait` ns (CLOCK_NEVER: as long as the supervisor lives). 0 and the last
 * reply (free with troupe__reply__free_unpacked), or an error; TROUPE_E_CLOSED at once when the
 * supervisor dies. `more` may be NULL. */
int pipeline_ask_on(const struct pipeline *pipeline, Troupe__Request *request, int64_t wait,
		    reply_fn *more, Troupe__Reply **reply);
int pipeline_ask(const struct pipeline *pipeline, Troupe__Request *request, int64_t wait,
		 Troupe__Reply **reply);

/* Asks how the pipeline does; 0 and a reply that has `pipeline`, or an error and *reply NULL. */
int pipeline_status(const struct pipeline *pipeline, int64_t wait, Troupe__Reply **reply);

/* A string for a field of a request, "" for NULL. protobuf-c's strings are not const, though
 * packing only reads them. */
char *request_text(const char *text);

/* What the program ends with after a reply with that code. */
int exit_code_of(int code);

/* The whole of most commands: picks, asks, prints an error or, with --json, the reply. On EXIT_DONE
 * *reply (may be NULL: its text is printed) is the caller's; with --json nothing is left to print:
 * *reply is NULL then. */
int call_ask(const struct call *call, Troupe__Request *request, int64_t wait,
	     Troupe__Reply **reply);

#endif
