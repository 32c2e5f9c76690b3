/* Reading what is armed, counting passings, dying. Empty in a normal build. */
#include "ipc/base/fail_points.h"

#ifdef TROUPE_FAIL_POINTS

#include "ipc/base/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARMED_MAX     256
#define POINT_NAME    32 /* with the final zero */
#define ROLE_VARIABLE "TROUPE_WORKER"

/* One line of `armed`. */
struct armed {
	char point[POINT_NAME], role[POINT_NAME];
	unsigned long long passings;
};

/* What this process knows of its folder; without one there are no lines. */
struct plan {
	const char *folder;
	char role[POINT_NAME];
	int n;
	struct armed armed[ARMED_MAX];
	_Atomic unsigned long long *passed; /* shared by all processes, one a line */
};

static void read_role(struct plan *plan)
{
	const char *worker = getenv(ROLE_VARIABLE);
	snprintf(plan->role, sizeof(plan->role), "%s", worker ? worker : "supervisor");
	plan->role[strcspn(plan->role, ".")] = '\0';
}

static void read_armed(struct plan *plan)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/armed", plan->folder);
	FILE *in = fopen(path, "re");
	struct armed *at = plan->armed;
	while (in && plan->n < ARMED_MAX &&
	       fscanf(in, "%31s %31s %llu", at->point, at->role, &at->passings) == 3) {
		plan->n++;
		at++;
	}
	if (in)
		fclose(in);
}

static void map_passed(struct plan *plan)
{
	char path[512];
	size_t size = ARMED_MAX * sizeof(*plan->passed);
	snprintf(path, sizeof(path), "%s/passed", plan->folder);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *at = MAP_FAILED;
	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		plan->n = 0;
	else
		plan->passed = at;
}

static struct plan *plan_read(void)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	if (!plan)
		abort();
	plan->folder = getenv("TROUPE_FAIL_FOLDER");
	if (plan->folder) {
		read_role(plan);
		read_armed(plan);
		map_passed(plan);
	}
	return plan;
}

/* Read once; of two threads that do it at the same moment one has done it for nothing. */
static const struct plan *plan_of_process(void)
{
	static _Atomic(struct plan *) known;
	struct plan *plan = atomic_load(&known), *nothing = NULL;
	if (plan)
		return plan;
	plan = plan_read();
	if (atomic_compare_exchange_strong(&known, &nothing, plan))
		return plan;
	free(plan);
	return nothing;
}

/* Only the one that makes the file dies of it. */
static void die_once(const struct plan *plan, const struct armed *armed)
{
	char path[600];
	snprintf(path, sizeof(path), "%s/%s.%s", plan->folder, armed->point, armed->role);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	dprintf(fd, "%d %lld\n", (int)getpid(), (long long)clock_now());
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

void fail_point(const char *prefix, const char *name)
{
	const struct plan *plan = plan_of_process();
	size_t length = strlen(prefix);
	for (int i = 0; i < plan->n; i++) {
		const struct armed *armed = &plan->armed[i];
		if (strcmp(armed->role, plan->role) != 0 ||
		    strncmp(armed->point, prefix, length) != 0 ||
		    strcmp(armed->point + length, name) != 0)
			continue;
		if (atomic_fetch_add(&plan->passed[i], 1) == armed->passings)
			die_once(plan, armed);
	}
}

#endif
