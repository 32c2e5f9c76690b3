/* What the supervisor knows: the pipeline, its members (the workers of the roster), and for each
 * member the process that plays it. All of it belongs to the one thread; everything happens in
 * callbacks of one loop. */
#ifndef TROUPE_SUPERVISOR_SUPERVISOR_H
#define TROUPE_SUPERVISOR_SUPERVISOR_H

#include "ipc/links/ask.h"
#include "ipc/links/link.h"
#include "ipc/links/loop.h"
#include "ipc/slots/ledger.h"
#include "supervisor/config.h"
#include "supervisor/devices.h"
#include "supervisor/drops.h"
#include "supervisor/happenings.h"
#include "supervisor/journal.h"
#include "supervisor/life.h"
#include "supervisor/limits.h"
#include "supervisor/log_file.h"
#include "supervisor/plan.h"
#include "supervisor/runtime.h"
#include "supervisor/scrutiny.h"
#include "supervisor/words.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MEMBERS_MAX	 128
#define OOM_BASE_UNKNOWN INT_MIN
#define PENDING_MAX	 16

/* What a process has used, looked at now and then; rates are the difference of two looks. */
struct usage {
	int64_t time;
	uint64_t frames;
	uint64_t cpu_ticks;
};

/* How much of what a process writes to its log was taken since when; see logs.h. */
struct log_share {
	int64_t since;
	int64_t taken; /* bytes */
	bool waits;    /* it has had its share: nobody reads until the span is over */
};

/* How many reports were taken since when, and how many were not. */
struct report_share {
	int64_t since;
	uint32_t taken;
	uint64_t passed_over;
};

/* An eu-stack that looks at a process which hangs; see stack.h. */
struct stack_taking {
	pid_t pid; /* 0: none */
	int pidfd;
	int64_t until; /* then it is killed */
};

/* One incarnation while it runs, and until its end is dealt with. */
struct process {
	pid_t pid; /* 0: none */
	int pidfd, log_fd;
	uint8_t seat;
	uint32_t incarnation;
	uint32_t turn; /* in which it came to play the member, from 1; 0: it has not yet */
	struct link *pipe;
	uint64_t start_time;
	int64_t started;
	struct words words;
	struct log_share log_share;
	struct stack_taking stack;
	const char *killed_for; /* why we sent SIGKILL; NULL: we did not */
	uint64_t told;		/* happenings it was told; see happenings.h */
	bool asked;		/* it was told to end (drain, term) */
	bool standby;		/* it was not yet told to take charge */
	struct dying *dying;	/* tells of the end of its main thread; NULL: nobody does */
	bool dies;		/* that has come */
	bool succeeded;		/* somebody has taken its place before it was dead */
	bool adopted;		/* it is no child of ours: another supervisor started it */
	bool gone;		/* its end came while nobody supervised; see adopt.c */
	int64_t ask_at;		/* when it is asked (again) to say what it has said; 0: it has */
	uint64_t progress;	/* as last seen, and … */
	int64_t still_since;	/* … since when it stands still and should not; 0: all is well */
	struct usage before, last;
	struct guard *guard; /* hears of forbidden system calls; NULL: nobody does */
	int guard_fd;	     /* by this descriptor; 0: none */
};

/* A life and the process in it. A member has three, see struct member. */
#define PARTS 3
struct part {
	struct member *member;
	struct life life;
	struct process process;
	char program[PROGRAM_SIZE];
	char version[64];
	char takes[16];
};

/* How far a swap is, see swap.c. */
enum swap_stage {
	SWAP_NONE,
	SWAP_WAITING,	/* for a part that the newcomer can have */
	SWAP_PREPARING, /* the newcomer opens all of its own */
	SWAP_DRAINING,	/* of what there is one of: the old one ends before the newcomer begins */
	SWAP_TAKING,	/* the newcomer was told to take charge */
	SWAP_PROBATION, /* it is the lead, but the old program is not forgotten */
};

/* A swap that is under way and who waits for its outcome. Times are 0 until it is so far. */
struct swap {
	enum swap_stage stage;
	char program[PROGRAM_SIZE];    /* the newcomer's; what to go back to is the member's */
	const struct section *section; /* its rows, by a reload; NULL: the member's */
	int handed_fd;		       /* … and its listening socket; 0: the member's */
	int *replaced_fd;	       /* … takes the member's in exchange */
	char *outcome;		       /* of a reload, see swap.h; NULL: the asker hears it */
	struct part *newcomer;	       /* NULL: not started yet */
	int64_t probation;
	int64_t begun, started, prepared, drained, gone, charged, ready; /* of old: drained, gone */
	uint64_t drops; /* of all streams, before */
	struct asker asker;
	uint64_t id;
	bool stages; /* who asked wants to hear of each */
};

/* What was said last of the frames that a stranger's tap was owed and did not take. */
struct missed {
	uint64_t count;
	int64_t said;
};

/* In place of a descriptor: there was one, in the hands of a supervisor that is dead. */
#define HANDED_LOST INT_MIN

struct member {
	struct supervisor *supervisor;
	const struct role *role;
	const struct section *section;
	char name[NAME_SIZE];
	uint32_t number; /* in a pool from 1; of the stream */
	bool wanted;	 /* false: disabled, or scaled away */
	bool was_ready;
	char program[PROGRAM_SIZE]; /* what its next incarnation runs */
	struct part parts[PARTS];
	struct part *lead; /* plays */
	struct part *next; /* a standby, or empty */
	struct part *last; /* a former lead that drains or dies, or empty */
	uint32_t incarnations, turns;
	struct swap swap;
	int handed_fd; /* listening socket or device, -1 none, HANDED_LOST */
	struct device device;
	struct log_file log;
	struct missed missed;
	char said[256];	 /* what it reported last … */
	int64_t said_at; /* … and when it did, monotonic */
};

/* An inspection that waits for the worker's own words. */
struct pending {
	bool used;
	struct asker asker;
	uint64_t id, dump_id;
	struct member *member;
	pid_t asked; /* the process that the question went to last, 0: none yet */
	int asks;
	int64_t deadline;
};

enum stage {
	STAGE_TAKERS,  /* those who take frames are starting */
	STAGE_SOURCES, /* … are ready, and the sources are starting */
	STAGE_RUNNING,
	STAGE_STOPPING, /* rank by rank, see stopping */
	STAGE_ENDED
};

struct stopping {
	int rank;
	int64_t until; /* for the wait between the ranks */
	int tries;     /* starts of a tap that died while something was owed to it */
	bool hurried;
};

/* What a supervisor was told by its command line and read from its file, as an image has it. */
struct image_origin {
	char *name, *file, *folder, *config; /* config: the whole text; heap */
	char **sets;
	size_t n_sets;
};

struct supervisor {
	struct config config;
	struct runtime runtime;
	struct ledger ledger;
	struct journal journal;
	struct links *links;
	struct loop *loop;
	struct link *control, *reports;
	int signal_fd, dying_fd;
	struct member *members[MEMBERS_MAX];
	size_t n_members;
	uint64_t expected[STREAMS_MAX];		    /* frames a source has in all */
	char device[STREAMS_MAX][DEVICE_PATH_SIZE]; /* what a source reads from, "" none */
	struct device_watch devices;
	struct report_share report_share;
	struct happenings happenings;
	struct drops drops;
	struct limits limits;
	struct scrutiny scrutiny;
	char url[96];
	char recording[PROGRAM_SIZE];
	enum stage stage;
	struct stopping stopping;
	int64_t started;
	int64_t watch_due;
	uint32_t generation;	 /* how often the pipeline has changed its supervisor */
	const char *const *sets; /* of the command line; the options' */
	size_t n_sets;
	bool show;		       /* the live line is wanted */
	int console;		       /* where errors for people go; -1: stderr */
	struct image_origin origin;    /* what an image said of the configuration */
	int64_t resuming_until;	       /* workers are asked what they have said; 0: all have */
	bool adopted;		       /* in this very process: somebody may still be found */
	uint64_t stuck_seats;	       /* of processes that cannot be ended, a bit each */
	struct upgrade *upgrade;       /* that is asked or about to be; NULL: none */
	char upgrade_failed[WHY_SIZE]; /* why the last one did not come to be; "" */
	char *image;		       /* as it stands in RUNTIME/image; NULL: it does not */
	int64_t log_begun;	       /* the supervisor's own log, monotonic; 0: not in a file */
	struct quarantine *quarantine;
	struct containment *containment;
	struct progress *progress; /* NULL until it plays */
	struct notify *notify;	   /* so, too */
	int oom_base;		   /* our own oom_score_adj when we began */
	uint64_t oom_kills;	   /* of /proc/vmstat when a worker last died */
	struct reload *reload;	   /* that is under way; NULL: none */
	struct pending pending[PENDING_MAX];
	uint64_t last_dump;
	int ready_fd;
	int exit_code;
	char failure[WHY_SIZE]; /* "" unless exit_code is not 0 */
};

struct supervisor_options {
	const char *file, *name; /* name NULL: the file's */
	const char *programs;	 /* folder of the programs that come with troupe */
	const char *const *sets;
	size_t n_sets;
	int ready_fd; /* -1 */
	bool progress;
	bool adopt;  /* take over what a killed supervisor left, if it did */
	int resume;  /* the image that another program left us by its exec; -1: none */
	char *title; /* argv[0], to be overwritten; may be NULL */
};

/* The whole life of a pipeline in the foreground. Returns the exit code of the process: 0 ended
 * well, 1 failed, 2 bad configuration; what went wrong is one line on stderr. */
int supervisor_run(const struct supervisor_options *options);

/* The pipeline shall end with exit code 1 and that reason. Only the first reason counts. */
void supervisor_fail(struct supervisor *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
