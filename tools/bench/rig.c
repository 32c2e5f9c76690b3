/* Starting and ending a real pipeline, and looking at it. */
#include "tools/bench/rig.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READY_PATIENCE (30 * NS_PER_S)

char *rig_path(const struct bench *bench, const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", bench->folder, name);
	return out;
}

static int open_below(const struct bench *bench, const char *name, int flags)
{
	char path[128];
	return open(rig_path(bench, name, path, sizeof(path)), flags | O_CLOEXEC, 0600);
}

static int write_config(const struct bench *bench, const char *config)
{
	size_t size = strlen(config);
	int fd = open_below(bench, "rig.conf", O_CREAT | O_TRUNC | O_WRONLY);
	if (fd < 0)
		return error_from_errno(errno);
	int rc = write(fd, config, size) == (ssize_t)size ? 0 : error_from_errno(errno);
	close(fd);
	return rc;
}

static void use_folders(const struct bench *bench)
{
	char path[128];
	setenv("TROUPE_RUNTIME_DIR", rig_path(bench, "run", path, sizeof(path)), 1);
	setenv("TROUPE_STATE_DIR", rig_path(bench, "state", path, sizeof(path)), 1);
}

/* Starts the supervisor; *ready is where it says that all is ready. */
static int start(struct bench *bench, struct rig *rig, int *ready)
{
	char path[128], number[16];
	int ends[2], output = open_below(bench, "rig.out", O_CREAT | O_TRUNC | O_WRONLY);
	if (output < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return error_from_errno(errno);
	fcntl(ends[1], F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", ends[1]);
	rig_path(bench, "rig.conf", path, sizeof(path));
	const char *const words[] = {"troupe-supervisor", "-c",		path,	"-n",
				     rig->name,		  "--ready-fd", number, NULL};
	rig->supervisor = children_start(&bench->children, words[0], words, NULL, output);
	close(ends[1]);
	close(output);
	*ready = ends[0];
	return rig->supervisor < 0 ? (int)rig->supervisor : 0;
}

/* Reads its one line, "ready" or "error: …". */
static int await_ready(int ready)
{
	char line[512];
	size_t used = 0;
	int64_t deadline = clock_now() + READY_PATIENCE;
	while (used < sizeof(line) - 1) {
		struct pollfd item = {.fd = ready, .events = POLLIN};
		if (bench_interrupted())
			return TROUPE_E_AGAIN;
		if (clock_now() > deadline)
			return TROUPE_E_TIMEOUT;
		if (poll(&item, 1, 100) <= 0)
			continue;
		ssize_t n = read(ready, line + used, 1);
		if (n <= 0 || line[used] == '\n')
			break;
		used++;
	}
	line[used] = '\0';
	return strcmp(line, "ready") == 0 ? 0 : TROUPE_E_STATE;
}

static int attach(struct rig *rig)
{
	char folder[256], path[300];
	int rc = folder_runtime(rig->name, folder, sizeof(folder));
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/ledger", folder);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_from_errno(errno);
	rc = ledger_attach(&rig->ledger, fd, false);
	close(fd);
	return rc;
}

/* The last of what the supervisor said. */
static void explain(struct bench *bench, int rc)
{
	char words[512];
	int fd = open_below(bench, "rig.out", O_RDONLY);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t from = size > (off_t)sizeof(words) - 1 ? size - (off_t)sizeof(words) + 1 : 0;
	ssize_t n = fd < 0 ? 0 : pread(fd, words, sizeof(words) - 1, from);
	if (fd >= 0)
		close(fd);
	words[n > 0 ? n : 0] = '\0';
	bench_error(bench, 0, "the pipeline does not start: %s: %s", error_text(rc), words);
}

int rig_prepare(struct bench *bench, struct rig *rig, const char *config)
{
	*rig = (struct rig){.ledger = {.fd = -1}};
	snprintf(rig->name, sizeof(rig->name), "bench-%d", (int)getpid());
	use_folders(bench);
	return write_config(bench, config);
}

int rig_up(struct bench *bench, struct rig *rig, const char *config)
{
	int ready = -1;
	int rc = rig_prepare(bench, rig, config);
	if (rc == 0)
		rc = start(bench, rig, &ready);
	if (rc == 0)
		rc = await_ready(ready);
	if (ready >= 0)
		close(ready);
	if (rc == 0)
		rc = attach(rig);
	if (rc < 0) {
		if (rc != TROUPE_E_AGAIN)
			explain(bench, rc);
		rig_down(bench, rig, 0);
	}
	return rc;
}

int rig_down(struct bench *bench, struct rig *rig, int64_t patience)
{
	int rc = 0;
	if (rig->supervisor > 0) {
		kill(rig->supervisor, SIGTERM);
		rc = children_wait(&bench->children, rig->supervisor, clock_now() + patience, NULL);
		if (rc < 0)
			children_kill_all(&bench->children);
		rig->supervisor = 0;
	}
	ledger_finish(&rig->ledger);
	return rc;
}

pid_t rig_pid(const struct rig *rig, const char *worker, uint8_t *seat)
{
	pid_t pid = 0;
	uint32_t newest = 0;
	for (int i = 1; rig->ledger.seats && i < SEATS_MAX; i++) {
		const struct seat_row *row = &rig->ledger.seats[i];
		if (atomic_load(&row->state) != SEAT_LIVE || row->incarnation < newest ||
		    strncmp(row->worker, worker, NAME_SIZE) != 0)
			continue;
		newest = row->incarnation;
		pid = atomic_load(&row->pid);
		if (seat)
			*seat = (uint8_t)i;
	}
	return pid;
}
