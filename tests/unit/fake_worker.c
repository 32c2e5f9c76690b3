/* A worker that knows nothing but the contract and does what a test wants. What it does is its row
 * `act`, or the text of the file STATE/WORKER.act, which a test can write while the pipeline runs:
 *   ready     says Hello, Prepared, and Ready once it is told to take charge; ends with 0 when told
 *             to drain
 *   never     is never ready
 *   late      comes to its pipe only once it is told another act
 *   liar      says Ready for another pid
 *   exit N    ends at once with that code, after one line on stderr
 *   stubborn  ready, but neither drains nor minds SIGTERM
 *   flood     ready, after it has written 4 MB to stderr
 *   shy       ready, but dies when it is asked to tell about itself; the next one is not shy
 *   finish    a source that has ended: Finished, then ends with 0
 * Each drain is appended to the file STATE/order. */
#include "ipc/base/clock.h"
#include "ipc/base/log.h"
#include "ipc/base/rows.h"
#include "ipc/links/loop.h"
#include "ipc/links/pipe.h"
#include "ipc/slots/ledger.h"
#include "ipc/worker/contract.h"
#include "schemas/life.pb-c.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct settings {
	char act[64], source[64], folder[64], listen[64];
	int64_t number;
};

static const struct row rows[] = {
	{.name = "act",
	 .type = ROW_TEXT,
	 ROW_AT(struct settings, act),
	 .fallback = "ready",
	 .help = ""},
	{.name = "source",
	 .type = ROW_TEXT,
	 ROW_AT(struct settings, source),
	 .fallback = "",
	 .help = ""},
	{.name = "folder",
	 .type = ROW_TEXT,
	 ROW_AT(struct settings, folder),
	 .fallback = "rec",
	 .help = "Where."},
	{.name = "listen",
	 .type = ROW_LISTEN,
	 ROW_AT(struct settings, listen),
	 .fallback = "",
	 .help = ""},
	{.name = "number",
	 .type = ROW_INT,
	 ROW_AT(struct settings, number),
	 .min = 1,
	 .max = 9,
	 .fallback = "5",
	 .help = ""},
};
static const struct row_table table = {.rows = rows,
				       .count = sizeof(rows) / sizeof(rows[0]),
				       .config_size = sizeof(struct settings)};

struct fake {
	struct settings settings;
	struct ledger ledger;
	_Atomic uint32_t *standby;
	bool in_charge;
	struct link *pipe;
	bool stubborn;
	bool over;
};

static const char *environment(const char *name)
{
	const char *value = getenv(name);
	return value ? value : "";
}

static void act_path(char *path, size_t size)
{
	snprintf(path, size, "%s/%s.act", environment(CONTRACT_ENV_STATE),
		 environment(CONTRACT_ENV_WORKER));
}

static void read_act(struct fake *f)
{
	char path[512];
	act_path(path, sizeof(path));
	FILE *in = fopen(path, "re");
	if (!in)
		return;
	size_t n = fread(f->settings.act, 1, sizeof(f->settings.act) - 1, in);
	f->settings.act[n] = '\0';
	fclose(in);
}

/* Before it has a pipe, a worker can be told things by nobody: only files are left. */
static void come_late(struct fake *f)
{
	while (strcmp(f->settings.act, "late") == 0) {
		poll(NULL, 0, 1);
		read_act(f);
	}
}

static void note_order(void)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/order", environment(CONTRACT_ENV_STATE));
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0) {
		dprintf(fd, "%s\n", environment(CONTRACT_ENV_WORKER));
		close(fd);
	}
}

static void die_of_shyness(void)
{
	char path[512];
	act_path(path, sizeof(path));
	unlink(path);
	raise(SIGKILL);
}

static void on_message(void *arg, struct link *link)
{
	struct fake *f = arg;
	enum message_kind kind;
	ProtobufCMessage *message;
	if (link_receive(link, &kind, &message) < 0)
		return;
	if (kind == MESSAGE_DUMP && strcmp(f->settings.act, "shy") == 0)
		die_of_shyness();
	if (kind == MESSAGE_DUMP) {
		Troupe__Dumped dumped = TROUPE__DUMPED__INIT;
		char text[] = "fake: yes", *lines[] = {text};
		dumped.id = ((const Troupe__Dump *)(const void *)message)->id;
		dumped.line = lines;
		dumped.n_line = 1;
		link_send(link, MESSAGE_DUMPED, &dumped.base);
	}
	if ((kind == MESSAGE_DRAIN || kind == MESSAGE_STOP) && !f->stubborn) {
		note_order();
		f->over = true;
	}
	message_free(message);
}

static void on_bell(void *arg, int fd, short revents)
{
	uint64_t rings;
	(void)arg;
	(void)revents;
	ssize_t ignored = read(fd, &rings, sizeof(rings));
	(void)ignored;
}

static void say_hello(struct fake *f)
{
	Troupe__Hello hello = TROUPE__HELLO__INIT;
	char name[] = "fake", version[] = "1", takes[] = "nothing";
	hello.schema = MESSAGE_SCHEMA;
	hello.pid = getpid();
	hello.program = name;
	hello.version = version;
	hello.takes = takes;
	link_send(f->pipe, MESSAGE_HELLO, &hello.base);
}

static void say_ready(struct fake *f, int32_t pid)
{
	Troupe__Ready ready = TROUPE__READY__INIT;
	ready.pid = pid;
	link_send(f->pipe, MESSAGE_READY, &ready.base);
}

static void say_prepared(struct fake *f)
{
	Troupe__Prepared prepared = TROUPE__PREPARED__INIT;
	prepared.pid = getpid();
	link_send(f->pipe, MESSAGE_PREPARED, &prepared.base);
}

static void flood(void)
{
	char line[1024];
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 4096; i++) {
		ssize_t ignored = write(STDERR_FILENO, line, sizeof(line));
		(void)ignored;
	}
}

/* What is done before the loop. */
static void begin(struct fake *f)
{
	const char *act = f->settings.act;
	say_hello(f);
	if (strcmp(act, "flood") == 0)
		flood();
	f->stubborn = strcmp(act, "stubborn") == 0;
	if (f->stubborn)
		signal(SIGTERM, SIG_IGN);
	if (strcmp(act, "never") != 0)
		say_prepared(f);
}

/* Once nothing keeps it standing by. */
static void take_charge(struct fake *f)
{
	const char *act = f->settings.act;
	if (f->in_charge || atomic_load(f->standby))
		return;
	f->in_charge = true;
	if (strcmp(act, "liar") == 0)
		say_ready(f, getpid() + 1);
	else if (strcmp(act, "never") != 0)
		say_ready(f, getpid());
	if (strcmp(act, "finish") == 0) {
		Troupe__Finished finished = TROUPE__FINISHED__INIT;
		finished.pid = getpid();
		link_send(f->pipe, MESSAGE_FINISHED, &finished.base);
		f->over = true;
	}
}

static int play(struct fake *f)
{
	struct links *links = links_create();
	struct loop *loop = loop_create();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ledger_attach(&f->ledger, CONTRACT_FD_LEDGER, true) < 0)
		return CONTRACT_EXIT_ENVIRONMENT;
	f->standby = &f->ledger.seats[atoi(environment(CONTRACT_ENV_SEAT))].standby;
	if (pipe_connect(links, environment(CONTRACT_ENV_PIPE), &f->pipe) < 0)
		return CONTRACT_EXIT_ENVIRONMENT;
	loop_watch_link(loop, f->pipe, on_message, f);
	loop_watch_fd(loop, CONTRACT_FD_BELLS + atoi(environment(CONTRACT_ENV_SEAT)), POLLIN,
		      on_bell, f);
	begin(f);
	for (take_charge(f); !f->over; take_charge(f))
		loop_wait(loop, CLOCK_NEVER);
	loop_destroy(loop);
	links_destroy(links, 1000); /* what was said last still gets out */
	return CONTRACT_EXIT_ASKED;
}

int main(int argc, char **argv)
{
	struct fake f = {0};
	char why[256], lines[4096] = "";
	rows_defaults(&table, &f.settings);
	if (argc > 1 && strcmp(argv[1], CONTRACT_ARG_ROWS) == 0) {
		rows_print(&table, stdout);
		return 0;
	}
	lines[fread(lines, 1, sizeof(lines) - 1, stdin)] = '\0';
	if (rows_apply(&table, &f.settings, lines, why, sizeof(why)) < 0) {
		log_error("%s", why);
		return CONTRACT_EXIT_CONFIG;
	}
	if (argc > 1 && strcmp(argv[1], CONTRACT_ARG_PROBE) == 0) {
		if (strcmp(f.settings.source, "missing") == 0) {
			log_error("missing: no such file");
			return CONTRACT_EXIT_ENVIRONMENT;
		}
		printf("width=64\nheight=48\nfps_num=10\nfps_den=1\nlive=0\nframes=7\nlabels=cat,"
		       "dog\n");
		return 0;
	}
	read_act(&f);
	come_late(&f);
	if (strncmp(f.settings.act, "exit ", 5) == 0) {
		log_error("the fake worker was told to end");
		return atoi(f.settings.act + 5);
	}
	return play(&f);
}
