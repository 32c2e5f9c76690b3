/* The disk refuses, the disk is back. */
#include "workers/storer/trouble.h"

#include "ipc/base/clock.h"
#include "ipc/base/log.h"

#define RETRY_AFTER NS_PER_S

void trouble_begin(struct trouble *trouble, struct worker *w, int code, const char *why)
{
	int64_t now = clock_now();

	trouble->retry_at = now + RETRY_AFTER;
	snprintf(trouble->why, sizeof(trouble->why), "%s", why);
	trouble->tries++;
	if (trouble->code != 0)
		return;
	trouble->tries = 1;
	trouble->code = code;
	trouble->refused = true;
	trouble->since = now;
	log_warn("recording: %s; trying again each second, the slots keep the frames", why);
	worker_report(w, "recording: %s; trying again each second", why);
}

void trouble_end(struct trouble *trouble, struct worker *w)
{
	double seconds = (double)(clock_now() - trouble->since) / (double)NS_PER_S;

	/* A commit of what was taken before says nothing about the frame that was refused. */
	if (trouble->code == 0 || trouble->refused)
		return;
	trouble->code = 0;
	log_info("recording: goes on after %.1f s", seconds);
	worker_report(w, "recording: goes on after %.1f s", seconds);
}

bool trouble_waits(const struct trouble *trouble)
{
	return trouble->code != 0 && clock_now() < trouble->retry_at;
}

void trouble_dump(const struct trouble *trouble, FILE *out)
{
	if (trouble->code == 0) {
		fprintf(out, "trouble: none\n");
		return;
	}
	fprintf(out, "trouble: %s, for %.1f s, tried %u times\n", trouble->why,
		(double)(clock_now() - trouble->since) / (double)NS_PER_S, trouble->tries);
}
