/* Where a pipeline keeps its files; docs/architecture.md, "Files of a pipeline", is the agreement.
 * Only names are made here, nothing is created. */
#ifndef TROUPE_IPC_BASE_FOLDERS_H
#define TROUPE_IPC_BASE_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest name of a pipeline; it is part of socket paths, which are short. */
#define PIPELINE_NAME_MAX 31

/* Whether a pipeline may be called so: letters, digits, '-', '_' and '.', not beginning with '.' or
 * '-'. */
bool folder_name_valid(const char *pipeline);

/* Those of the system's service (packaging/systemd), which its user finds without being told. */
#define FOLDER_SERVICE_RUNTIME "/run/troupe"
#define FOLDER_SERVICE_STATE   "/var/lib/troupe"

/* The folders that hold one folder a pipeline. 0, or TROUPE_E_OVERSIZED when `out` is too small. */
int folder_runtime_root(char *out, size_t size);
int folder_state_root(char *out, size_t size);

/* The folder of one pipeline. TROUPE_E_ARGUMENT: no name for a pipeline. */
int folder_runtime(const char *pipeline, char *out, size_t size);
int folder_state(const char *pipeline, char *out, size_t size);

/* Where a state folder keeps a frame that caused three deaths. The supervisor makes that folder
 * before the frame goes on; who finds it writes into it, who does not has nothing to keep. */
#define FOLDER_QUARANTINE "quarantine"
int folder_quarantined(const char *state, uint64_t run, const char *stream, uint64_t seq, char *out,
		       size_t size);

#endif
