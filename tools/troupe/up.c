/* `troupe up`: becomes the supervisor, or with -d starts one in the background and waits until it
 * says that all workers are ready. */
#include "ipc/base/clock.h"
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
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_FD  3
#define PAGE_WAIT (1 * NS_PER_S)
/* "troupe: NAME supervisor"; where the name is only in the file, room for it, into which the
 * supervisor writes it. */
#define TITLE_SIZE 96

static void supervisor_arguments(const struct call *call, char *title, size_t size,
				 struct arguments *arguments)
{
	snprintf(title, size, "troupe: %s supervisor%*s", call->name ? call->name : "starting",
		 call->name ? 0 : PIPELINE_NAME_MAX, "");
	arguments_add(arguments, title);
	if (call->adopt)
		arguments_add(arguments, "--adopt");
	arguments_add_config(arguments, call);
}

/* The background process: a session of its own, nothing of the terminal. `ready` comes last,
 * because the place it takes may be another's until then. */
static int become_background(const struct call *call, int ready, int words)
{
	char title[TITLE_SIZE], number[16];
	struct arguments arguments = {0};
	supervisor_arguments(call, title, sizeof(title), &arguments);
	snprintf(number, sizeof(number), "%d", READY_FD);
	arguments_add(&arguments, "--ready-fd");
	arguments_add(&arguments, number);
	setsid();
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing < 0 || dup2(words, STDERR_FILENO) < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(nothing, STDOUT_FILENO) < 0 || dup2(ready, READY_FD) < 0 ||
	    fcntl(READY_FD, F_SETFD, 0) < 0)
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
static void show_words(int words)
{
	char piece[4096];
	lseek(words, 0, SEEK_SET);
	for (ssize_t n = read(words, piece, sizeof piece); n > 0;
	     n = read(words, piece, sizeof piece))
		fwrite(piece, 1, (size_t)n, stderr);
}

/* Where people look at it; "" without a display, or where the supervisor does not answer. */
static void ask_page(const struct pipeline *pipeline, char *out, size_t size)
{
	Troupe__Reply *reply = NULL;
	*out = '\0';
	if (pipeline_status(pipeline, PAGE_WAIT, &reply) == 0)
		snprintf(out, size, "%s", reply->pipeline->url);
	if (reply)
		troupe__reply__free_unpacked(reply, NULL);
}

/* The supervisor knows what the config calls the pipeline; the rest is known by its pid. */
static int say_ready(const struct call *call, pid_t pid)
{
	struct pipeline found[PIPELINES_MAX];
	char page[256];
	size_t n = pipelines_find(found, PIPELINES_MAX), i = 0;
	while (i < n && found[i].pid != pid)
		i++;
	if (i == n) /* it has ended already: a short source */
		return EXIT_DONE;
	ask_page(&found[i], page, sizeof(page));
	if (!call->json) {
		printf("%s is up, supervisor %d%s%s\n", found[i].name, (int)pid,
		       *page ? ": look at " : "", page);
		return EXIT_DONE;
	}
	json_t *json = json_pack("{s:i, s:s, s:i, s:s}", "code", 0, "name", found[i].name, "pid",
				 (int)pid, "url", page);
	int rc = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(json);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Waits until the supervisor says that all is ready, or ends. */
static int wait_until_ready(const struct call *call, pid_t pid, int ready, int words)
{
	char line[512];
	int status = 0;
	if (read_line(ready, line, sizeof(line)) && strcmp(line, "ready") == 0)
		return say_ready(call, pid);
	waitpid(pid, &status, 0);
	show_words(words);
	int rc = program_exit_code(status);
	return rc == EXIT_DONE ? EXIT_FAILED : rc;
}

/* What the supervisor has to say before it opens its own log goes to a memory file, so that it can
 * be shown here and never blocks, however long it lives. */
static int start_background(const struct call *call)
{
	int ready[2], words = memfd_create("troupe-up", MFD_CLOEXEC);
	if (words < 0 || pipe2(ready, O_CLOEXEC) < 0) {
		out_error("up: %s", strerror(errno));
		return EXIT_FAILED;
	}
	pid_t pid = fork();
	if (pid == 0)
		_exit(become_background(call, ready[1], words));
	close(ready[1]);
	int rc = pid < 0 ? EXIT_FAILED : wait_until_ready(call, pid, ready[0], words);
	close(ready[0]);
	close(words);
	return rc;
}

/* Which one is meant, if only one can be. */
static int find_killed(struct call *call, struct pipeline *pipeline)
{
	int rc = pipeline_pick(call, true, pipeline);
	call->name = pipeline->name;
	return rc;
}

int up_run(const struct call *call)
{
	char title[TITLE_SIZE];
	struct arguments arguments = {0};
	struct pipeline pipeline;
	struct call of_one;
	if (!call->config) {
		of_one = *call;
		int rc = find_killed(&of_one, &pipeline);
		if (rc != EXIT_DONE)
			return rc;
		call = &of_one;
	}
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
