/* The supervisor's side. */
#include "supervisor/proposal.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "supervisor/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Longer than any program may take for its answer, and a source for its picture. */
#define PATIENCE (150 * NS_PER_S)
#define MOST	 (8 << 20)
#define STEP	 65536

/* ---- asking ---- */

static json_t *streams_of(const struct supervisor *s)
{
	json_t *streams = json_array();
	for (size_t i = 0; i < s->config.n_sections; i++) {
		const struct section *section = &s->config.sections[i];
		if (section->role->shape != ROLE_STREAM)
			continue;
		char *lines = section_lines(section);
		json_array_append_new(streams, json_pack("{s:s, s:s, s:s}", "title", section->title,
							 "program", section->program, "lines",
							 lines ? lines : ""));
		free(lines);
	}
	return streams;
}

static char *question(const struct supervisor *s, const char *file)
{
	json_t *sets = json_array();
	for (size_t i = 0; i < s->n_sets; i++)
		json_array_append_new(sets, json_string(s->sets[i]));
	json_t *json =
		json_pack("{s:s, s:o, s:o}", "file", file, "sets", sets, "streams", streams_of(s));
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}

static int start(struct proposal *p, const char *program, const char *input, char *why, size_t size)
{
	int fds[2];
	struct launched made;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		snprintf(why, size, "a pipe: %s", strerror(errno));
		return error_from_errno(errno);
	}
	int rc = launch(&(struct launch){.program = program,
					 .title = program,
					 .argument = PROPOSAL_ARGUMENT,
					 .input = input,
					 .out = fds[1],
					 .err = STDERR_FILENO,
					 .close_from = 3},
			&made);
	close(fds[1]);
	if (rc < 0) {
		close(fds[0]);
		snprintf(why, size, "%s: %s", program, made.why);
		return rc;
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	p->pid = made.pid;
	p->pidfd = made.pidfd;
	p->fd = fds[0];
	return 0;
}

/* ---- hearing ---- */

static bool has_room(struct proposal *p)
{
	if (p->size - p->used > STEP / 2)
		return true;
	char *more = p->size < MOST ? realloc(p->text, p->size + STEP) : NULL;
	if (!more)
		return false;
	p->text = more;
	p->size += STEP;
	return true;
}

static void on_answer(void *arg, int fd, short revents)
{
	struct proposal *p = arg;
	ssize_t n = has_room(p) ? read(fd, p->text + p->used, p->size - p->used) : 0;
	(void)revents;
	if (n > 0)
		p->used += (size_t)n;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	loop_watch_fd(p->s->loop, fd, 0, NULL, NULL);
	p->ended(p->s);
}

int proposal_begin(struct proposal *proposal, struct supervisor *s, const char *file,
		   void (*ended)(struct supervisor *s), char *why, size_t why_size)
{
	char program[PROGRAM_SIZE + 32];
	char *input = question(s, file);
	*proposal = (struct proposal){
		.s = s, .ended = ended, .pidfd = -1, .fd = -1, .deadline = clock_now() + PATIENCE};
	snprintf(program, sizeof(program), "%s/troupe-supervisor", s->config.programs);
	if (!input) {
		snprintf(why, why_size, "%s: its name, or what was --set, is not UTF-8", file);
		return TROUPE_E_CONFIG;
	}
	int rc = start(proposal, program, input, why, why_size);
	free(input);
	if (rc == 0)
		rc = loop_watch_fd(s->loop, proposal->fd, POLLIN, on_answer, proposal);
	return rc;
}

void proposal_finish(struct proposal *proposal)
{
	if (proposal->pid > 0 && proposal->pidfd >= 0) /* whoever has the number by now is spared */
		syscall(SYS_pidfd_send_signal, proposal->pidfd, SIGKILL, NULL, 0);
	if (proposal->fd >= 0) {
		loop_watch_fd(proposal->s->loop, proposal->fd, 0, NULL, NULL);
		close(proposal->fd);
	}
	if (proposal->pidfd >= 0)
		close(proposal->pidfd);
	free(proposal->text);
	*proposal = (struct proposal){.pidfd = -1, .fd = -1};
}

/* ---- the answer ---- */

static int take_stream(json_t *json, struct proposed *out)
{
	struct proposed_stream *stream = &out->streams[out->n_streams];
	const char *title, *device;
	int width, height, num, den, live;
	if (out->n_streams == STREAMS_MAX ||
	    json_unpack(json, "{s:s, s:s, s:i, s:i, s:i, s:i, s:b}", "title", &title, "device",
			&device, "width", &width, "height", &height, "fps_num", &num, "fps_den",
			&den, "live", &live) < 0)
		return TROUPE_E_MALFORMED;
	snprintf(stream->title, sizeof(stream->title), "%s", title);
	snprintf(stream->probed.device, sizeof(stream->probed.device), "%s", device);
	stream->probed.live = live != 0;
	stream->probed.width = (uint32_t)width;
	stream->probed.height = (uint32_t)height;
	stream->probed.fps_num = (uint32_t)num;
	stream->probed.fps_den = (uint32_t)den;
	out->n_streams++;
	return 0;
}

static int take_streams(const json_t *streams, struct proposed *out)
{
	int rc = 0;
	for (size_t i = 0; i < json_array_size(streams) && rc == 0; i++)
		rc = take_stream(json_array_get(streams, i), out);
	return rc;
}

/* The rows of all programs, from an object {PATH: ROWS}. */
static int take_config(const struct proposal *p, json_t *json, const char *file,
		       struct proposed *out, char *why, size_t why_size)
{
	const char *folder, *text, *key;
	json_t *programs, *streams, *rows;
	size_t n = 0;
	if (json_unpack(json, "{s:s, s:s, s:o, s:o}", "folder", &folder, "text", &text, "programs",
			&programs, "streams", &streams) < 0)
		return TROUPE_E_MALFORMED;
	struct known_rows *known = calloc(json_object_size(programs) + 1, sizeof(*known));
	if (!known)
		return TROUPE_E_MEMORY;
	json_object_foreach(programs, key, rows) known[n++] =
		(struct known_rows){key, json_string_value(rows)};
	int rc = config_load_known(&out->config, file, folder, text, p->s->config.programs,
				   p->s->sets, p->s->n_sets, known, n, why, why_size);
	free(known);
	return rc == 0 ? take_streams(streams, out) : TROUPE_E_CONFIG;
}

int proposal_take(const struct proposal *proposal, const char *file, struct proposed *out,
		  char *why, size_t why_size)
{
	const char *its = NULL;
	json_t *json = json_loadb(proposal->text ? proposal->text : "", proposal->used, 0, NULL);
	*out = (struct proposed){0};
	int rc = TROUPE_E_MALFORMED;
	snprintf(why, why_size, "%s: whoever was to read it has ended too early: try again", file);
	if (json && json_unpack(json, "{s:s}", "why", &its) == 0) {
		snprintf(why, why_size, "%s", its);
		rc = TROUPE_E_CONFIG;
	} else if (json) {
		rc = take_config(proposal, json, file, out, why, why_size);
	}
	json_decref(json);
	return rc;
}

void proposed_finish(struct proposed *proposed)
{
	config_finish(&proposed->config);
	proposed->n_streams = 0;
}
