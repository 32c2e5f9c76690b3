/* Keeping the storer's recording within its limits. */
#include "workers/storer/keeper.h"

#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/storer/retention.h"
#include "workers/storer/settings.h"

#include <inttypes.h>
#include <stdlib.h>

#define EXHAUSTED "nothing more of it can go, only what is newest is left"

struct keeper {
	struct retention *retention;
	struct recorder *recorder;
	struct retention_state told; /* what people know */
	uint64_t commits;	     /* that there had been at the last look */
};

static int end_segment(void *arg, uint32_t segment)
{
	return recorder_end_segment(((struct keeper *)arg)->recorder, segment);
}

static int add_streams(struct keeper *keeper, const struct worker *w)
{
	const struct ledger *ledger = worker_ledger(w);
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < ledger->header->n_streams; i++) {
		const struct stream_row *row = &ledger->streams[i];

		rc = retention_stream(keeper->retention, row->name,
				      (struct keep_limit){row->keep_bytes, row->keep_age});
	}
	return rc;
}

int keeper_begin(struct keeper **keeper, const struct worker *w, struct recorder *recorder)
{
	const struct storer_config *config = worker_config(w);
	struct keeper *begun = calloc(1, sizeof(*begun));
	const struct retention_options options = {
		.index = recorder_index(recorder),
		.segments = recorder_segments(recorder),
		.run = worker_ledger(w)->header->run,
		.all = config->keep,
		.events = config->keep_events,
		.free_floor = config->keep_free,
		.end = end_segment,
		.arg = begun,
	};
	int rc = begun != NULL ? retention_create(&begun->retention, &options) : TROUPE_E_MEMORY;

	if (rc == 0) {
		begun->recorder = recorder;
		rc = add_streams(begun, w);
	}
	if (rc < 0)
		keeper_end(begun);
	*keeper = rc < 0 ? NULL : begun;
	return rc;
}

void keeper_end(struct keeper *keeper)
{
	if (keeper == NULL)
		return;
	retention_destroy(keeper->retention);
	free(keeper);
}

static void tell(struct worker *w, const char *text)
{
	log_warn("recording: %s", text);
	worker_report(w, "recording: %s", text);
}

/* Each once, when it begins and when it is over. */
static void tell_changes(struct keeper *keeper, struct worker *w)
{
	struct retention_state now, *told = &keeper->told;
	char text[160];

	retention_state(keeper->retention, &now);
	if (now.low && !told->low) {
		snprintf(text, sizeof(text),
			 "less than %.1f MB of the disk are free: the oldest goes, so that it goes "
			 "on",
			 (double)now.floor / 1e6);
		tell(w, text);
	}
	if (now.exhausted && !told->exhausted)
		tell(w, EXHAUSTED);
	if (now.error != told->error && now.error < 0) {
		snprintf(text, sizeof(text), "the oldest cannot go: %s; trying again each second",
			 error_text(now.error));
		tell(w, text);
	}
	*told = now;
}

int64_t keeper_tick(struct keeper *keeper, struct worker *w, bool full)
{
	struct recorder_state recorder;
	int64_t next;

	recorder_state(keeper->recorder, &recorder);
	next = retention_tick(keeper->retention, full || recorder.commits != keeper->commits);
	keeper->commits = recorder.commits;
	tell_changes(keeper, w);
	return next;
}

void keeper_finish(struct keeper *keeper)
{
	if (keeper != NULL)
		retention_finish(keeper->retention);
}

void keeper_dump(const struct keeper *keeper, FILE *out)
{
	struct retention_state state;

	if (keeper == NULL)
		return;
	retention_state(keeper->retention, &state);
	if (!state.limited) {
		fprintf(out, "kept: all\n");
		return;
	}
	fprintf(out, "kept: %zu segments, %.1f MB\n", state.segments, (double)state.bytes / 1e6);
	fprintf(out, "gone: %" PRIu64 " segments, %" PRIu64 " frames, %.1f MB", state.gone,
		state.gone_frames, (double)state.gone_bytes / 1e6);
	if (state.gone > 0)
		fprintf(out, ", the last one for %s", retention_why(state.why));
	fprintf(out, "\ndisk: %.1f MB free, %.1f MB are to stay%s\n", (double)state.free / 1e6,
		(double)state.floor / 1e6, state.low ? ", so the oldest goes" : "");
	if (state.exhausted)
		fprintf(out, "keep: " EXHAUSTED "\n");
	if (state.error < 0)
		fprintf(out, "keep: the oldest cannot go: %s\n", error_text(state.error));
}
