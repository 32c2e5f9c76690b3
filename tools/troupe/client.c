/* Finding pipelines by their runtime folders, asking by their control sockets. */
#include "tools/troupe/client.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/links/loop.h"
#include "tools/troupe/output.h"
#include "tools/troupe/reply_tame.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_SEND_MS 100

/* A number alone does not prove a supervisor, it may have been given to another process since. */
static bool is_supervisor(pid_t pid)
{
	char link[64], program[512];
	snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
	ssize_t n = readlink(link, program, sizeof program - 1);
	if (n < 0)
		return false;
	program[n] = '\0';
	return strstr(program, "troupe-supervisor") != NULL;
}

static pid_t supervisor_of(const char *folder)
{
	char path[320], text[32] = "";
	snprintf(path, sizeof path, "%s/supervisor.pid", folder);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	pid_t pid = fgets(text, sizeof text, file) ? (pid_t)strtol(text, NULL, 10) : 0;
	fclose(file);
	return pid > 0 && kill(pid, 0) == 0 && is_supervisor(pid) ? pid : 0;
}

/* Whether workers that would go on are there: what the supervisor knew lies beside their lock, and
 * they hold that. */
static bool has_orphans(const char *folder)
{
	char image[320], lock[320];
	snprintf(image, sizeof image, "%s/image", folder);
	snprintf(lock, sizeof lock, "%s/lock", folder);
	int fd = access(image, F_OK) == 0 ? open(lock, O_RDONLY | O_CLOEXEC) : -1;
	bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
	if (fd >= 0)
		close(fd);
	return held;
}

/* Whether a pipeline of that name has a runtime folder; fills *pipeline. */
static bool look_at(const char *name, struct pipeline *pipeline)
{
	*pipeline = (struct pipeline){0};
	if (folder_runtime(name, pipeline->folder, sizeof pipeline->folder) < 0)
		return false;
	snprintf(pipeline->name, sizeof pipeline->name, "%s", name);
	pipeline->pid = supervisor_of(pipeline->folder);
	pipeline->orphans = !pipeline->pid && has_orphans(pipeline->folder);
	return access(pipeline->folder, R_OK | X_OK) == 0;
}

static int by_name(const void *a, const void *b)
{
	const struct pipeline *left = a, *right = b;
	return strcmp(left->name, right->name);
}

size_t pipelines_find(struct pipeline *found, size_t max)
{
	char root[256];
	DIR *folder = folder_runtime_root(root, sizeof root) < 0 ? NULL : opendir(root);
	if (!folder)
		return 0;
	size_t n = 0;
	for (struct dirent *entry = readdir(folder); entry && n < max; entry = readdir(folder)) {
		if (folder_name_valid(entry->d_name) && look_at(entry->d_name, &found[n]))
			n++;
	}
	closedir(folder);
	qsort(found, n, sizeof *found, by_name);
	return n;
}

/* "a, b" of those that count, and in *last the last of them. Returns how many. */
static size_t names_of(const struct pipeline *found, size_t n, bool killed, char *out, size_t size,
		       size_t *last)
{
	size_t count = 0, used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (!found[i].pid && !killed)
			continue;
		*last = i;
		if (used < size)
			used += (size_t)snprintf(out + used, size - used, "%s%s", count ? ", " : "",
						 found[i].name);
		count++;
	}
	return count;
}

/* Whose it is, if somebody else's; no other user is answered by it. Where we may not look into its
 * folder, the nearest folder above it tells. */
static bool is_anothers(const char *name)
{
	char path[256];
	struct stat st;
	if (folder_runtime(name, path, sizeof path) < 0)
		return false;
	while (lstat(path, &st) < 0) {
		char *slash = strrchr(path, '/');
		if (errno != EACCES || !slash || slash == path)
			return false;
		*slash = '\0';
	}
	if (st.st_uid == geteuid())
		return false;
	const struct passwd *user = getpwuid(st.st_uid);
	char number[16];
	snprintf(number, sizeof number, "%u", (unsigned)st.st_uid);
	out_error("pipeline \"%s\" belongs to user %s, who alone may ask it", name,
		  user ? user->pw_name : number);
	return true;
}

const char *service_hint(char *out, size_t size)
{
	struct stat st;
	const struct passwd *user = NULL;
	if (stat(FOLDER_SERVICE_RUNTIME, &st) == 0 && st.st_uid != geteuid())
		user = getpwuid(st.st_uid);
	*out = '\0';
	if (user)
		snprintf(out, size, "; `sudo -u %s troupe …` asks the service's", user->pw_name);
	return out;
}

/* Says why `name` is not there. */
static int refuse(const char *name, const struct pipeline *pipeline, const char *valid)
{
	char hint[HINT_SIZE];
	if (!folder_name_valid(name)) {
		out_error("'%s' is no name for a pipeline (valid: up to %d letters, digits, '-', "
			  "'_', '.')",
			  name, PIPELINE_NAME_MAX);
	} else if (pipeline->name[0] && pipeline->orphans) {
		out_error("the supervisor of '%s' was killed, its workers go on: `troupe up "
			  "--adopt -n %s` takes them over, `troupe down -n %s` ends them",
			  name, name, name);
	} else if (pipeline->name[0] && !pipeline->pid && access(pipeline->folder, F_OK) == 0) {
		out_error("the supervisor of '%s' is dead; `troupe down -n %s` clears up", name,
			  name);
	} else {
		out_error("no pipeline '%s' runs (valid: %s)%s", name, *valid ? valid : "none runs",
			  service_hint(hint, sizeof hint));
	}
	return EXIT_USAGE;
}

int pipeline_pick(const struct call *call, bool killed, struct pipeline *pipeline)
{
	struct pipeline found[PIPELINES_MAX];
	char valid[512];
	size_t last = 0, n = pipelines_find(found, PIPELINES_MAX);
	size_t count = names_of(found, n, killed, valid, sizeof valid, &last);
	const char *name = call->name ? call->name : getenv("TROUPE_NAME");
	if (name && *name) {
		if (is_anothers(name))
			return EXIT_FAILED;
		bool there = look_at(name, pipeline);
		return there && (pipeline->pid || killed) ? EXIT_DONE
							  : refuse(name, pipeline, valid);
	}
	if (count == 1) {
		*pipeline = found[last];
		return is_anothers(pipeline->name) ? EXIT_FAILED : EXIT_DONE;
	}
	if (count == 0) {
		out_error("no pipeline runs; `troupe up -c FILE` starts one%s",
			  service_hint(valid, sizeof valid));
		return EXIT_FAILED;
	}
	out_error("which pipeline? -n NAME says it (valid: %s)", valid);
	return EXIT_USAGE;
}

/* The names of those that have left a state folder, "a, b", and the last of them. Returns how many.
 */
static size_t ended_names(char *names, size_t size, char last[NAME_MAX + 1])
{
	char path[256];
	size_t n = 0, used = 0;
	DIR *root = folder_state_root(path, sizeof path) < 0 ? NULL : opendir(path);
	for (struct dirent *entry = root ? readdir(root) : NULL; entry; entry = readdir(root)) {
		if (folder_state(entry->d_name, path, sizeof path) < 0 ||
		    access(path, R_OK | X_OK) < 0)
			continue;
		if (used < size)
			used += (size_t)snprintf(names + used, size - used, "%s%s", n ? ", " : "",
						 entry->d_name);
		snprintf(last, NAME_MAX + 1, "%s", entry->d_name);
		n++;
	}
	if (root)
		closedir(root);
	return n;
}

/* Where none runs and nobody says which: the only one that has ended. */
static int pick_ended(char *out, size_t size)
{
	char names[512], last[NAME_MAX + 1];
	size_t n = ended_names(names, sizeof names, last);
	if (n == 1 && folder_state(last, out, size) == 0)
		return EXIT_DONE;
	if (n > 1) {
		out_error("no pipeline runs; of those that have ended, -n NAME says which (valid: "
			  "%s)",
			  names);
	} else {
		out_error("no pipeline runs, and none has left anything; `troupe up -c FILE` "
			  "starts one");
	}
	return n > 1 ? EXIT_USAGE : EXIT_FAILED;
}

int state_pick(const struct call *call, char *out, size_t size)
{
	const char *name = call->name ? call->name : getenv("TROUPE_NAME");
	struct pipeline pipeline;
	bool named = name && *name;
	if (named && folder_state(name, out, size) == 0 && access(out, R_OK | X_OK) == 0)
		return EXIT_DONE;
	if (!named && pipelines_find(&pipeline, 1) == 0)
		return pick_ended(out, size);
	int rc = pipeline_pick(call, true, &pipeline);
	if (rc == EXIT_DONE && folder_state(pipeline.name, out, size) < 0)
		rc = EXIT_FAILED;
	return rc;
}

/* A question that is asked, until its answer is there or nobody is left to give it. */
struct waiting {
	uint64_t id;
	reply_fn *more;
	Troupe__Reply *reply;
	bool died;
};

static void take_replies(void *arg, struct link *link)
{
	struct waiting *waiting = arg;
	Troupe__Reply *reply;
	int rc;
	while (!waiting->reply && (rc = ask_receive(link, &reply)) != TROUPE_E_AGAIN &&
	       rc != TROUPE_E_CLOSED) {
		if (rc == 0)
			reply_tame(&reply->base);
		if (rc == 0 && reply->id == waiting->id && !reply->more) {
			waiting->reply = reply;
			return;
		}
		if (rc == 0 && reply->id == waiting->id && waiting->more)
			waiting->more(reply);
		if (rc == 0)
			troupe__reply__free_unpacked(reply, NULL);
	}
}

static void note_death(void *arg, int fd, short revents)
{
	(void)fd;
	(void)revents;
	((struct waiting *)arg)->died = true;
}

/* What it said last may still be on its way when its end is seen. */
static int hear(struct loop *loop, struct link *link, struct waiting *waiting, int64_t deadline)
{
	int rc = loop_watch_link(loop, link, take_replies, waiting);
	while (rc >= 0 && !waiting->reply && !waiting->died) {
		if (clock_now() >= deadline)
			return TROUPE_E_TIMEOUT;
		rc = loop_wait(loop, deadline);
		rc = rc == TROUPE_E_AGAIN ? 0 : rc;
	}
	take_replies(waiting, link);
	return waiting->reply ? 0 : rc < 0 ? rc : TROUPE_E_CLOSED;
}

static int ask_watching(struct link *link, pid_t pid, Troupe__Request *request, int64_t deadline,
			struct waiting *waiting)
{
	struct loop *loop = loop_create();
	int end = pidfd_open(pid, 0);
	int rc = loop ? ask_send(link, request, deadline, &waiting->id) : TROUPE_E_MEMORY;
	/* Without a pidfd (an old kernel) only the deadline is left. */
	if (rc == 0 && end >= 0)
		rc = loop_watch_fd(loop, end, POLLIN, note_death, waiting);
	if (rc == 0)
		rc = hear(loop, link, waiting, deadline);
	loop_destroy(loop);
	if (end >= 0)
		close(end);
	return rc;
}

int pipeline_ask(const struct pipeline *pipeline, Troupe__Request *request, int64_t wait,
		 Troupe__Reply **reply)
{
	return pipeline_ask_on(pipeline, request, wait, NULL, reply);
}

int pipeline_ask_on(const struct pipeline *pipeline, Troupe__Request *request, int64_t wait,
		    reply_fn *more, Troupe__Reply **reply)
{
	char path[LINK_PATH_SIZE];
	struct waiting waiting = {.more = more};
	int64_t deadline = wait == CLOCK_NEVER ? CLOCK_NEVER : clock_now() + wait;
	if (snprintf(path, sizeof path, "%s/control", pipeline->folder) >= (int)sizeof path)
		return TROUPE_E_OVERSIZED;
	struct links *links = links_create();
	if (!links)
		return TROUPE_E_MEMORY;
	struct link *link = NULL;
	int rc = ask_connect(links, path, &link);
	if (rc == 0)
		rc = ask_watching(link, pipeline->pid, request, deadline, &waiting);
	*reply = waiting.reply;
	links_destroy(links, WAIT_SEND_MS);
	return rc;
}

int pipeline_status(const struct pipeline *pipeline, int64_t wait, Troupe__Reply **reply)
{
	Troupe__StatusRequest status = TROUPE__STATUS_REQUEST__INIT;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_STATUS;
	request.status = &status;
	int rc = pipeline_ask(pipeline, &request, wait, reply);
	if (rc == 0 && !(*reply)->pipeline)
		rc = TROUPE_E_MALFORMED;
	if (rc < 0 && *reply) {
		troupe__reply__free_unpacked(*reply, NULL);
		*reply = NULL;
	}
	return rc;
}

char *request_text(const char *text)
{
	union {
		const char *from;
		char *to;
	} both = {.from = text ? text : ""};
	return both.to;
}

/* Names that do not exist and values that cannot be are the caller's mistake. */
int exit_code_of(int code)
{
	if (code >= 0)
		return EXIT_DONE;
	return code == TROUPE_E_NOT_FOUND || code == TROUPE_E_ARGUMENT || code == TROUPE_E_CONFIG
		       ? EXIT_USAGE
		       : EXIT_FAILED;
}

int call_ask(const struct call *call, Troupe__Request *request, int64_t wait, Troupe__Reply **reply)
{
	struct pipeline pipeline;
	int rc = pipeline_pick(call, false, &pipeline);
	if (rc != EXIT_DONE)
		return rc;
	Troupe__Reply *answer = NULL;
	int error = pipeline_ask(&pipeline, request, wait, &answer);
	if (error < 0 || !answer) {
		out_error("the supervisor of '%s' (pid %d) did not answer: %s", pipeline.name,
			  (int)pipeline.pid, error_text(error));
		return EXIT_FAILED;
	}
	rc = exit_code_of(answer->code);
	if (rc != EXIT_DONE)
		out_error("%s",
			  answer->text && *answer->text ? answer->text : error_text(answer->code));
	if (call->json && out_json(&answer->base) < 0)
		rc = EXIT_FAILED;
	else if (rc == EXIT_DONE && !call->json && !reply && answer->text && *answer->text)
		puts(answer->text);
	if (reply && rc == EXIT_DONE && !call->json) {
		*reply = answer;
		return rc;
	}
	troupe__reply__free_unpacked(answer, NULL);
	if (reply)
		*reply = NULL;
	return rc;
}
