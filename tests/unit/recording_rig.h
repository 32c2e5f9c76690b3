/* Makes recordings for tests: frames whose every field follows from their number, in folders that
 * go away. */
#ifndef TROUPE_TESTS_UNIT_RECORDING_RIG_H
#define TROUPE_TESTS_UNIT_RECORDING_RIG_H

#include "workers/storer/recorder.h"
#include "workers/storer/verify.h"

#include <stdint.h>

#define RIG_STREAM    "cam1"
#define RIG_RUN	      UINT64_C(1700000000123)
#define RIG_CODED_MAX 256
#define RIG_PATH      64
#define RIG_TEXT      8192

/* A new empty folder; removed again by rig_remove with all that is in it. */
void rig_folder(char path[RIG_PATH]);
void rig_remove(const char *path);
void rig_copy(const char *from, const char *to);

/* Frame `seq`: fills record and coded bytes (room for RIG_CODED_MAX). */
void rig_frame(uint64_t seq, struct record *record, uint8_t *coded);

/* Asserts that two frames are the same bytes in a segment. */
void rig_same(const struct record *a, const uint8_t *coded_a, const struct record *b,
	      const uint8_t *coded_b);

/* Opens a recorder with one stream (number 0); asserts that it works. */
struct recorder *rig_open(const char *folder, uint64_t run, int64_t segment_bytes);
/* Appends frames first … last; asserts. */
void rig_append(struct recorder *recorder, uint64_t first, uint64_t last);
/* Opens, appends first … last with a commit after each `batch`, closes. */
void rig_write(const char *folder, uint64_t run, uint64_t first, uint64_t last, uint64_t batch);

/* Asserts that the recording's run holds exactly frames 1 … last, each as rig_frame made it. */
void rig_expect(const char *folder, uint64_t run, uint64_t last);

/* Verifies; `text` gets the lines of all faults. Returns what verify_recording returned. */
int rig_verify(const char *folder, const char *against, struct verify_report *report,
	       char text[RIG_TEXT]);

/* Runs SQL in the folder's index. */
void rig_sql(const char *folder, const char *sql);

/* Makes a recording of version 1 in an empty folder (recording_version_1.sql): of RIG_RUN's streams
 * cam1 and cam2 it has frames 1 … 7 each. */
#define RIG_VERSION_1_FRAMES 7
void rig_version_1(const char *folder);

/* Path of a segment. Returns `out`. */
char *rig_segment(const char *folder, uint32_t number, char out[RIG_PATH]);
/* Turns one bit of a file around. */
void rig_flip(const char *path, uint64_t at, unsigned bit);
uint64_t rig_size(const char *path);

#endif
