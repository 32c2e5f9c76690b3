/* `troupe up`: becomes the supervisor, or with -d starts one in the background and waits until it
 * says that all workers are ready. */
#include "ipc/base/folders.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"
#include "tools/troupe/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_FD 3

static void supervisor_arguments(const struct call *call, char *title, size_t size,
				 struct arguments *arguments)
{
	snprintf(title, size, "troupe: %s supervisor", call->name ? call->name : "starting");
	arguments_add(arguments, title);
	arguments_add_config(arguments, call);
}

/* The background process: a session of its own, nothing of the terminal; what it says goes to
 * `log`. */
static int become_background(const struct call *call, int ready, int log)
{
	char title[64], number[16];
	struct arguments arguments = {0};
	supervisor_arguments(call, title, sizeof title, &arguments);
	snprintf(number, sizeof number, "%d", READY_FD);
	arguments_add(&arguments, "--ready-fd");
	arguments_add(&arguments, number);
	setsid();
	int nothing = open("/dev/null", O_RDWR);
	if (nothing < 0 || dup2(ready, READY_FD) < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(nothing, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		return EXIT_FAILED;
	close_range(READY_FD + 1, ~0U, 0);
	return program_become("troupe-supervisor", &arguments);
}

/* Reads the one line that says "ready" or "error: …"; false: the other side ended without it. */
static bool read_line(int fd, char *line, size_t size)
{
	size_t used = 0;
	while (used + 1 < size) {
		ssize_t n = read(fd, line + used, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || line[used] == '\n')
			break;
		used++;
	}
	line[used] = '\0';
	return used > 0;
}

/* Shows what the supervisor said before it gave up. */
static void show_log(int log)
{
	char piece[4096];
	lseek(log, 0, SEEK_SET);
	for (ssize_t n = read(log, piece, sizeof piece); n > 0; n = read(log, piece, sizeof piece))
		fwrite(piece, 1, (size_t)n, stderr);
}

/* Gives the log its place in the pipeline's state folder. */
static void place_log(const char *path, const struct pipeline *pipeline)
{
	char folder[256], place[320];
	if (folder_state(pipeline->name, folder, sizeof(folder)) < 0)
		return;
	snprintf(place, sizeof(place), "%s/supervisor.log", folder);
	if (rename(path, place) < 0)
		unlink(path);
}

/* The supervisor knows what the config calls the pipeline; the rest is known by its pid. */
static int say_ready(const struct call *call, pid_t pid, const char *path)
{
	struct pipeline found[PIPELINES_MAX];
	size_t n = pipelines_find(found, PIPELINES_MAX), i = 0;
	while (i < n && found[i].pid != pid)
		i++;
	if (i == n) { /* it has ended already: a short source */
		unlink(path);
		return EXIT_DONE;
	}
	place_log(path, &found[i]);
	if (!call->json) {
		printf("%s is up, supervisor %d\n", found[i].name, (int)pid);
		return EXIT_DONE;
	}
	json_t *json =
		json_pack("{s:i, s:s, s:i}", "code", 0, "name", found[i].name, "pid", (int)pid);
	int rc = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(json);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Makes the folder and those above it. */
static int make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int rc = mkdir(path, 0700);
		*slash = '/';
		if (rc < 0 && errno != EEXIST)
			return -1;
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

/* The file that takes the supervisor's words. Its name is for the time until the pipeline's is
 * known. */
static int open_log(char *path, size_t size)
{
	char root[256];
	int rc = folder_state_root(root, sizeof root);
	if (rc == 0 && make_folders(root) == 0 &&
	    snprintf(path, size, "%s/.starting-%d.log", root, (int)getpid()) < (int)size)
		rc = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	else
		rc = -1;
	if (rc < 0)
		out_error("cannot write a log below %s: %s", root, strerror(errno));
	return rc;
}

/* Waits until the supervisor says that all is ready, or ends. */
static int wait_until_ready(const struct call *call, pid_t pid, int ready, int log,
			    const char *path)
{
	char line[512];
	int status = 0;
	if (read_line(ready, line, sizeof(line)) && strcmp(line, "ready") == 0)
		return say_ready(call, pid, path);
	waitpid(pid, &status, 0);
	show_log(log);
	unlink(path);
	int rc = program_exit_code(status);
	return rc == EXIT_DONE ? EXIT_FAILED : rc;
}

static int start_background(const struct call *call)
{
	char path[320];
	int ready[2], log = open_log(path, sizeof path);
	if (log < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return EXIT_FAILED;
	pid_t pid = fork();
	if (pid == 0)
		_exit(become_background(call, ready[1], log));
	close(ready[1]);
	int rc = pid < 0 ? EXIT_FAILED : wait_until_ready(call, pid, ready[0], log, path);
	close(ready[0]);
	close(log);
	return rc;
}

int up_run(const struct call *call)
{
	char title[64];
	struct arguments arguments = {0};
	if (call->json && !call->detach) {
		out_error("up: --json goes with -d only");
		return EXIT_USAGE;
	}
	if (call->detach)
		return start_background(call);
	supervisor_arguments(call, title, sizeof title, &arguments);
	arguments_add(&arguments, "--progress");
	return program_become("troupe-supervisor", &arguments);
}
