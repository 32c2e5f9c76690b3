/* Fail points: named places where a test build dies, once, when told to. In a normal build they are
 * nothing.
 *
 * With the build option TROUPE_FAIL_POINTS, TROUPE_FAIL_FOLDER in the environment names a folder.
 * Its file `armed` has lines "POINT ROLE PASSINGS": the passing after that many others kills its
 * own process by SIGKILL. Passings are counted over all processes of the role, in the file `passed`
 * (8 bytes a line of `armed`). Who dies first makes POINT.ROLE, which must not be there: so it
 * happens once, and that file is the evidence. The role is the worker's without its number; the
 * supervisor has none in its environment. tests/chaos/fail_points.py arms all of them. */
#ifndef TROUPE_IPC_BASE_FAIL_POINTS_H
#define TROUPE_IPC_BASE_FAIL_POINTS_H

#define FAIL_WORKERS "capture,processor,storer,trainer,display"

/* X(NAME, roles that pass it, where it is). Beside these, each cause of WORD_CAUSES has its own:
 * STEP_NAME, after the compare-and-swap has succeeded. */
#define FAIL_POINTS(X)                                                                             \
	X(OWNER_TAKEN, "capture,storer", "after an owner word was taken")                          \
	X(OWNER_RELEASED, "capture,storer,supervisor", "after an owner word was released")         \
	X(BELL_BEFORE, "capture,processor,storer,supervisor", "before a bell is rung")             \
	X(BELL_AFTER, "capture,processor,storer,supervisor", "after a bell was rung")              \
	X(BEFORE_PIPE, FAIL_WORKERS ",supervisor", "before a message goes into a pipe")            \
	X(AFTER_PIPE, FAIL_WORKERS ",supervisor", "after a message went into a pipe")              \
	X(BEFORE_QUEUE, "capture,processor", "before a message goes into a queue")                 \
	X(AFTER_QUEUE, "capture,processor", "after a message went into a queue")                   \
	X(BEFORE_ASK, "display", "before a request is sent")                                       \
	X(AFTER_ASK, "display", "after a request was sent")                                        \
	X(BEFORE_ANSWER, "supervisor", "before a part of a reply is sent")                         \
	X(AFTER_ANSWER, "supervisor", "after a part of a reply was sent")                          \
	X(HELLO_SAID, FAIL_WORKERS, "after Hello")                                                 \
	X(PREPARED_SAID, FAIL_WORKERS, "after Prepared")                                           \
	X(IN_CHARGE, FAIL_WORKERS, "in charge, before Ready")                                      \
	X(READY_SAID, FAIL_WORKERS, "after Ready")                                                 \
	X(IMAGE_HALF, "capture", "half-way through an image")                                      \
	X(PUBLISHED, "capture", "between publishing and the ring")                                 \
	X(VIEW_DONE, "processor", "between the view and the coded frame")                          \
	X(FINISHED, "processor", "between finishing a frame and telling who is owed it")           \
	X(RECORD_HALF, "storer", "half-way through writing a record")                              \
	X(APPENDED, "storer", "after a record was written")                                        \
	X(ONE_SYNCED, "storer", "after the sync of a segment, before that of the next")            \
	X(SYNCED, "storer", "between fdatasync and the commit")                                    \
	X(COMMITTED, "storer", "between the commit and settling")                                  \
	X(SETTLE_HALF, "storer", "half-way through settling several frames")                       \
	X(SEGMENT_MADE, "storer", "a new segment, before its header")                              \
	X(SEGMENT_BEGUN, "storer", "a new segment, before its folder is synced")                   \
	X(RECOVERY_CUT, "storer", "recovery: between truncating a segment and syncing it")         \
	X(RECOVERY_SYNCED, "storer", "recovery: between syncing a segment and the index")          \
	X(RECOVERY_ENTERED, "storer", "recovery: before the index is committed")                   \
	X(KEEP_FORGETS, "storer", "between two transactions that forget a segment's frames")       \
	X(KEEP_DOOMED, "storer", "a segment is doomed, its file still there")                      \
	X(KEEP_UNLINKED, "storer", "its file is unlinked, and the folder not synced")              \
	X(KEEP_SYNCED, "storer", "its file is gone for good, its row is there")                    \
	X(KEEP_FORGOTTEN, "storer", "after its row has gone")                                      \
	X(RECODE_HALF, "archive", "half-way through a segment that is coded anew")                 \
	X(RECODE_SYNCED, "archive", "a segment was coded anew, and is not checked")                \
	X(ARCHIVE_BEGUN, "storer", "the child that codes a segment anew has been started")         \
	X(ARCHIVE_CODED, "storer", "it has ended, and nobody has looked at the new segment")       \
	X(ARCHIVE_NAMED, "storer", "the new segment has its name, its folder is not synced")       \
	X(ARCHIVE_ENTERING, "storer", "its frames are moved, not committed")                       \
	X(ARCHIVE_ENTERED, "storer", "its frames are moved, the old segment is still there")       \
	X(ARCHIVE_REMOVED, "storer", "the old one is unlinked, the index still knows it")          \
	X(MODEL_HALF, "trainer", "half-way through a bank of the model board")                     \
	X(MODEL_WRITTEN, "trainer", "between the bank and its version")                            \
	X(CHECKPOINT_WRITTEN, "trainer", "between writing a checkpoint and its rename")            \
	X(CHECKPOINT_RENAMED, "trainer", "between the rename and the sync of its folder")          \
	X(RESPONSE_MADE, "display", "an HTTP response, before it is queued")                       \
	X(RESPONSE_QUEUED, "display", "an HTTP response, before it is sent")                       \
	X(PLAYBACK_TAKE, "storer", "a playback slot is about to be filled")                        \
	X(PLAYBACK_OWE, "storer", "a playback slot is owed, before the asker's bell")              \
	X(PLAYBACK_GIVE_BACK, "display", "a playback slot was given back")                         \
	X(QUESTION_SENT, "display", "a question to the recording was sent")                        \
	X(SEAT_ASSIGNED, "supervisor", "between a seat and its process")                           \
	X(SPAWNED, "supervisor", "between a spawn and its note")                                   \
	X(WORKERS_DRAFTED, "supervisor", "between writing the list of workers and its rename")     \
	X(IMAGE_DRAFTED, "supervisor", "between writing what it knows and its rename")             \
	X(ADOPT_SAID, "supervisor", "adopting: between saying so and looking who is there")        \
	X(ADOPT_MATCHED, "supervisor", "adopting: the image is held against the processes")        \
	X(ADOPT_PLACED, "supervisor", "adopting: who was not in the image has its place")          \
	X(UPGRADE_EXEC, "supervisor", "an upgrade: all is put aside, just before the exec")        \
	X(EXIT_SEEN, "supervisor", "between a worker's end and its reclaim")                       \
	X(EXIT_NOTED, "supervisor", "a worker's end is in the journal, and nobody was told")       \
	X(WRITES_OFF, "capture,storer,supervisor",                                                 \
	  "before what a stranger is owed is written off")                                         \
	X(SETS_ASIDE, "supervisor", "a word that cannot be right, before its slot is set aside")   \
	X(RECLAIM_HALF, "supervisor", "between the slots of a reclaim")                            \
	X(RECLAIMED, "supervisor", "after a reclaim, before the seat is empty")                    \
	X(HEIR_STARTED, "supervisor", "a successor was started beside one that dies")              \
	X(SPARE_PROMOTED, "supervisor", "a spare is the lead, and not told yet")                   \
	X(SPARE_CHARGED, "supervisor", "a spare has been told to take charge of a dying one")      \
	X(SWAP_STARTED, "supervisor", "swap: the newcomer has been started")                       \
	X(SWAP_CHARGED, "supervisor", "swap: the newcomer has been told to take charge")           \
	X(SWAP_DRAINS, "supervisor", "swap: the old one has been told to drain")                   \
	X(SWAP_PROMOTED, "supervisor", "swap: the newcomer is the lead, and not told yet")         \
	X(SWAP_PROVING, "supervisor", "swap: the newcomer is ready, its probation begins")

#ifdef TROUPE_FAIL_POINTS

enum fail_point {
#define FAIL_POINT_ENUM(name, roles, text) FAIL_##name,
	FAIL_POINTS(FAIL_POINT_ENUM)
#undef FAIL_POINT_ENUM
		N_FAIL_POINTS
};

/* Dies if the point, named by `prefix` and `name` together, is armed here and its time has come.
 * Any thread. */
void fail_point(const char *prefix, const char *name);

#define FAIL_POINT(name)	    ((void)FAIL_##name, fail_point("", #name))
#define FAIL_POINT_OF(prefix, name) fail_point(prefix, name)
/* How much of `size` bytes is written at once: here less than all, so that there is a half-way. */
#define FAIL_SHORT(size) ((size) > 4096 ? (size) / 2 : (size))
/* And how many rows: here so few that there is a between. */
#define FAIL_FEW(rows) 4

#else

#define FAIL_POINT(name)	    ((void)0)
#define FAIL_POINT_OF(prefix, name) ((void)(0 && (name)))
#define FAIL_SHORT(size)	    (size)
#define FAIL_FEW(rows)		    (rows)

#endif
#endif
