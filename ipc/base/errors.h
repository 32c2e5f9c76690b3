/* The one list of errors. Every function that can fail returns 0 or more when it went well and one
 * of these negative codes when not; a code that came from the system keeps its errno for the
 * caller. */
#ifndef TROUPE_IPC_BASE_ERRORS_H
#define TROUPE_IPC_BASE_ERRORS_H

/* X(name, code, text) */
#define TROUPE_ERRORS(X)                                                                           \
	X(MEMORY, -1, "out of memory")                                                             \
	X(ARGUMENT, -2, "bad argument")                                                            \
	X(CONFIG, -3, "bad configuration")                                                         \
	X(NOT_FOUND, -4, "not found")                                                              \
	X(EXISTS, -5, "exists already")                                                            \
	X(BUSY, -6, "in use")                                                                      \
	X(AGAIN, -7, "nothing there yet")                                                          \
	X(TIMEOUT, -8, "took too long")                                                            \
	X(CLOSED, -9, "closed by the other side")                                                  \
	X(TRUNCATED, -10, "ends too early")                                                        \
	X(OVERSIZED, -11, "larger than allowed")                                                   \
	X(SCHEMA, -12, "of another schema version")                                                \
	X(MALFORMED, -13, "not a message of this kind")                                            \
	X(CORRUPT, -14, "damaged: checksum or structure is wrong")                                 \
	X(IO, -15, "input/output error")                                                           \
	X(NO_SPACE, -16, "no space left")                                                          \
	X(DENIED, -17, "not permitted")                                                            \
	X(LOST, -18, "somebody else was faster")                                                   \
	X(FULL, -19, "full")                                                                       \
	X(ENDED, -20, "has ended")                                                                 \
	X(UNSUPPORTED, -21, "not supported")                                                       \
	X(STATE, -22, "not possible in this state")                                                \
	X(SYSTEM, -23, "system call failed")

enum troupe_error {
#define TROUPE_ERROR_ENUM(name, code, text) TROUPE_E_##name = (code),
	TROUPE_ERRORS(TROUPE_ERROR_ENUM)
#undef TROUPE_ERROR_ENUM
};

/* The text of a code, for people; "unknown error" for a number that is not in the list. Never NULL.
 */
const char *error_text(int code);

/* The name of a code ("TIMEOUT"), for logs and JSON. Never NULL. */
const char *error_name(int code);

/* The code of the list that fits an errno value best (ENOSPC becomes TROUPE_E_NO_SPACE, …). */
int error_from_errno(int errnum);

#endif
