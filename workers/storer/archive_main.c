/* troupe-archive: codes one segment of a recording anew, for the storer that has started it and for
 * nobody else. It dies with that storer and stands back for everybody. Exit codes: archive.h. */
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/storer/archive_child.h"
#include "workers/storer/recode.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GOP_NS		 (INT64_C(10) * 1000000000)
#define NICEST		 19
#define IO_CLASS_IDLE	 (3 << 13) /* linux/ioprio.h: class 3 */
#define IO_WHO_PROCESS	 1
#define CPU_SECONDS_MOST 3600 /* whoever takes that long for a segment does not come to an end */

/* The storer may be dead before its death can be told: then we are somebody else's child. */
static void die_with(pid_t storer)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != storer)
		raise(SIGKILL);
}

static void limit(void)
{
	static const struct rlimit cpu = {CPU_SECONDS_MOST, CPU_SECONDS_MOST};

	setrlimit(RLIMIT_CPU, &cpu);
}

/* As far as the system lets us; none of it is needed. */
static void stand_back(void)
{
	static const struct sched_param none;

	sched_setscheduler(0, SCHED_IDLE, &none);
	(void)setpriority(PRIO_PROCESS, 0, NICEST);
	syscall(SYS_ioprio_set, IO_WHO_PROCESS, 0, IO_CLASS_IDLE);
}

static enum archive_exit exit_of(int rc)
{
	switch (rc) {
	case 0:
		return ARCHIVE_EXIT_WHOLE;
	case TROUPE_E_UNSUPPORTED:
	case TROUPE_E_SYSTEM:
		return ARCHIVE_EXIT_NO_CODEC;
	case TROUPE_E_NO_SPACE:
	case TROUPE_E_IO:
	case TROUPE_E_DENIED:
		return ARCHIVE_EXIT_DISK;
	default:
		return ARCHIVE_EXIT_FAILED;
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: troupe-archive STORER FOLDER FROM BYTES TO QUALITY EAGER\n"
			"The storer starts it; see archive in the storer's section of a config.\n");
	return ARCHIVE_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct recode_job job = {.gop_ns = GOP_NS};
	char why[512] = "";
	int rc;

	if (argc != ARCHIVE_ARGUMENTS)
		return usage();
	die_with((pid_t)strtol(argv[1], NULL, 10));
	limit();
	if (strtol(argv[7], NULL, 10) == 0)
		stand_back();
	job.segments = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	job.from = (uint32_t)strtoul(argv[3], NULL, 10);
	job.bytes = strtoull(argv[4], NULL, 10);
	job.to = (uint32_t)strtoul(argv[5], NULL, 10);
	job.quality = (uint32_t)strtoul(argv[6], NULL, 10);
	if (job.segments < 0)
		return ARCHIVE_EXIT_DISK;
	rc = recode_segment(&job, why, sizeof(why));
	if (rc == 0)
		rc = recode_check(&job, why, sizeof(why));
	if (rc < 0)
		log_warn("archive: segment %06" PRIu32 ": %s", job.from, why);
	close(job.segments);
	return exit_of(rc);
}
