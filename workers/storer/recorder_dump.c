/* What a recorder says about itself, for `troupe inspect`. */
#include "workers/storer/recorder_dump.h"

#include "ipc/base/clock.h"

#include <inttypes.h>

void recorder_dump(const struct recorder *recorder, FILE *out)
{
	struct recorder_state state;
	uint64_t bytes;
	uint32_t pending = recorder_pending(recorder, &bytes);

	recorder_state(recorder, &state);
	fprintf(out, "segment: %06" PRIu32 ".seg, %" PRIu32 " open\n", state.segment, state.open);
	fprintf(out, "offset: %" PRIu64 "\n", state.offset);
	fprintf(out, "pending: %" PRIu32 " frames, %" PRIu64 " bytes\n", pending, bytes);
	fprintf(out, "commits: %" PRIu64 ", %.1f frames each\n", state.commits,
		state.commits > 0 ? (double)state.committed / (double)state.commits : 0.0);
	if (state.last_commit > 0) {
		fprintf(out,
			"last commit: %" PRIu32 " frames, %" PRIu64
			" bytes, took %.1f ms, %.1f s ago\n",
			state.last_frames, state.last_bytes,
			(double)state.last_duration / (double)NS_PER_MS,
			(double)(clock_now() - state.last_commit) / (double)NS_PER_S);
	}
	fprintf(out,
		"recovered: %" PRIu64 " frames entered, %" PRIu64 " rows removed, %" PRIu64
		" bytes cut, %" PRIu32 " damaged places\n",
		state.recovery.rows_added, state.recovery.rows_removed, state.recovery.bytes_cut,
		state.recovery.damaged);
}
