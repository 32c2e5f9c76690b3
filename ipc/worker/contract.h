/* The contract between the supervisor and any worker, whatever it is written in: descriptors,
 * environment, exit codes. docs/architecture.md has it as a page; nothing else is agreed on. */
#ifndef TROUPE_IPC_WORKER_CONTRACT_H
#define TROUPE_IPC_WORKER_CONTRACT_H

/* Descriptors a worker starts with. 1 and 2 are the log pipe (never blocks). */
enum contract_fd {
	/* "key=value" lines, the rows that were set, to the end of the file. Not in the environment
	 * or on the command line, where others could see a password. */
	CONTRACT_FD_CONFIG = 0,
	CONTRACT_FD_LEDGER = 3, /* the ledger's memory */
	CONTRACT_FD_LIFE = 4,	/* the pipeline's lock: held by keeping it open, never used */
	CONTRACT_FD_HANDED = 5, /* what the supervisor opened for this worker (listening socket,
				   device), or closed */
	/* What hears of this worker's forbidden system calls, kept open for who takes it over and
	   never used: the filter lets nobody. Open under sandbox = "strict" where orphans wait. */
	CONTRACT_FD_EARS = 6,
	CONTRACT_FD_BELLS = 8, /* bell of seat s is 8 + s */
};

/* Environment. All are set for every worker. */
#define CONTRACT_ENV_PIPELINE "TROUPE_PIPELINE" /* the pipeline's name */
#define CONTRACT_ENV_WORKER   "TROUPE_WORKER"	/* "processor.1" */
#define CONTRACT_ENV_SEAT     "TROUPE_SEAT"	/* decimal */
#define CONTRACT_ENV_STREAM   "TROUPE_STREAM"	/* number of the capture's stream; else "" */
#define CONTRACT_ENV_TAP      "TROUPE_TAP"	/* number of the lossless tap; else "" */
#define CONTRACT_ENV_TAKES                                                                         \
	"TROUPE_TAKES"			  /* "queue"; of a stranger what its section says:         \
					     "view", "image", "coded"; else "" */
#define CONTRACT_ENV_HOW     "TROUPE_HOW" /* of a stranger: "latest", "each", "lossless"; else "" */
#define CONTRACT_ENV_RUNTIME "TROUPE_RUNTIME" /* folder of the pipeline's sockets */
#define CONTRACT_ENV_STATE   "TROUPE_STATE"   /* folder for logs, checkpoints */
#define CONTRACT_ENV_PIPE    "TROUPE_PIPE"    /* path of this incarnation's pipe socket */
#define CONTRACT_ENV_CONTROL "TROUPE_CONTROL" /* path of the supervisor's control socket */
#define CONTRACT_ENV_REPORTS "TROUPE_REPORTS" /* path of the supervisor's inbox for events */
#define CONTRACT_ENV_SUPERVISOR                                                                    \
	"TROUPE_SUPERVISOR" /* pid: a worker whose parent is another is an orphan */

/* Exit codes. Anything else, and any signal, is a fault of the worker. */
enum contract_exit {
	CONTRACT_EXIT_ASKED = 0,    /* drained, stopped or finished as asked */
	CONTRACT_EXIT_CONFIG = 100, /* the configuration is wrong: starting again will not help */
	CONTRACT_EXIT_BUG = 101,    /* our bug */
	CONTRACT_EXIT_ENVIRONMENT = 111, /* file, device, port, space: starting again may help */
};

/* Command lines every worker answers without a pipeline, for `check`, `config` and `up`. */
#define CONTRACT_ARG_ROWS                                                                          \
	"--rows" /* prints its config rows (rows_print) and needs (needs_print)                    \
		  */
#define CONTRACT_ARG_VERSION "--version" /* "NAME VERSION" */
#define CONTRACT_ARG_PROBE                                                                         \
	"--probe" /* sources: rows on descriptor 0; prints "key=value" lines, see worker.h */
#define CONTRACT_ARG_DEVICES                                                                       \
	"--devices" /* sources: prints what could be a source here, as a JSON array */

/* Standing by: while `standby` of its seat row is 1 a worker opens what is its own, says Prepared
 * on its pipe, and takes nothing: no frame, no owner word, no request. When it reads 0 there (its
 * bell rings for it), it takes charge and says Ready. A worker that was never a standby reads 0 at
 * once.
 *
 * Dying: its main thread may take the robust futex `alive` of its seat row (ipc/slots/alive.h)
 * before it says Hello, and let go of it at an orderly end; then its death is known before its
 * memory is gone.
 *
 * Signals: TERM drains like the pipe's Drain; HUP says that the supervisor is dead: go on for as
 * long as `orphan_wait` of the ledger's header says (0: not at all), then finish what is on its way
 * and end. A HUP from another process than the dead supervisor (its threads are told of
 * one by one) while one waits: wait no longer.
 *
 * Another supervisor may take over: it writes its pid to `supervisor_pid` of the ledger's header
 * and then looks who is there. So a worker that reads another pid there than its environment's
 * before it has done anything else ends, with code 0. The others' pipes connect again, and SayAgain
 * asks for Hello, Prepared and Ready, and names the pid whose end (by its pidfd) is the next HUP. A
 * worker that does not answer it is believed to be what the supervisor before knew of it.
 *
 * Descriptors 1 and 2 are open for reading as well, so that they take what is written while nobody
 * supervises. */

#endif
