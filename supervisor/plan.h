/* How many slots each stream needs, and whether memory has them. Pure arithmetic but for
 * stream_probe. */
#ifndef TROUPE_SUPERVISOR_PLAN_H
#define TROUPE_SUPERVISOR_PLAN_H

#include "ipc/slots/ledger.h"
#include "supervisor/config.h"
#include "supervisor/devices.h"

/* A source as it describes itself. */
struct probed {
	uint32_t width, height, fps_num, fps_den;
	bool live;
	uint64_t frames;	       /* in all; 0: unknown */
	char labels[1024];	       /* comma-separated */
	char device[DEVICE_PATH_SIZE]; /* what the supervisor shall hold, see devices.h; "" none */
};

/* Reads the "key=value" lines of --probe. TROUPE_E_MALFORMED with `why`. */
int probe_parse(const char *lines, struct probed *probed, char *why, size_t why_size);

/* Asks the section's program. An error is one line in `why`. */
int stream_probe(const struct section *section, struct probed *probed, char *why, size_t why_size);

/* Frames that are under way at `fps` when everything that may take long does: a hung worker
 * keeps a slot for hang_after, bypassed or not, and the recording commits now and then; and one for
 * each processor. 8 to STREAM_SLOTS_MAX. */
uint32_t plan_slots(double fps, const struct top_settings *top, uint32_t processors);

/* Fills the plan of one stream; its name stays the section's. */
void plan_stream(const struct section *section, const struct probed *probed,
		 const struct top_settings *top, uint32_t processors, bool recorded,
		 struct stream_plan *plan);

/* Bytes that one slot of the plan takes. */
uint64_t plan_slot_size(const struct ledger_plan *plan);

/* TROUPE_E_MEMORY and a line when `available` (bytes) or the row `memory` is too little. */
int plan_check(const struct ledger_plan *plan, const struct top_settings *top, uint64_t available,
	       char *why, size_t why_size);

/* MemAvailable of /proc/meminfo in bytes, UINT64_MAX when it does not say. */
uint64_t memory_available(void);

#endif
