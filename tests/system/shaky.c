/* Workers with a fault to swap to. Which fault is the end of the program's own file name, so that a
 * test copies it:
 *   …-never-prepared   never comes back from `open`
 *   …-never-ready      never comes back from `ready`
 *   …-crashes          aborts at the third frame it is given
 *   …-floods           says more at each frame than a pipe takes at once
 *   …-hangs            stays in hang_at_the_third_frame() for ever
 *   …-unlike           says that it takes something else than the worker it shall follow */
#include "tests/system/shaky.h"
#include "ipc/base/log.h"
#include "ipc/worker/worker.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CRASH_AT    3
#define FLOOD_LINES 2000

static int wait_for_ever(void)
{
	while (poll(NULL, 0, -1) <= 0)
		;
	return 0;
}

static int never_open(struct worker *w, void **self)
{
	(void)w;
	(void)self;
	return wait_for_ever();
}

static int never_ready(struct worker *w, void *self)
{
	(void)w;
	(void)self;
	return wait_for_ever();
}

static int crash(struct worker *w, void *self, struct frame *frame)
{
	if (atomic_load(&worker_ledger(w)->seats[worker_seat(w)].frames) + 1 >= CRASH_AT)
		abort();
	return SHAKY_TABLE.frame(w, self, frame);
}

static int flood(struct worker *w, void *self, struct frame *frame)
{
	for (int line = 0; line < FLOOD_LINES; line++)
		log_info("frame %llu, line %d of many", (unsigned long long)frame->seq, line);
	return SHAKY_TABLE.frame(w, self, frame);
}

/* Not inlined, so that a look at the stack finds its name. */
__attribute__((noinline)) static int hang_at_the_third_frame(void)
{
	int rc = wait_for_ever();
	__asm__ volatile("" : "+r"(rc)); /* no tail call either */
	return rc;
}

static int hang(struct worker *w, void *self, struct frame *frame)
{
	if (atomic_load(&worker_ledger(w)->seats[worker_seat(w)].frames) + 1 >= CRASH_AT)
		return hang_at_the_third_frame();
	return SHAKY_TABLE.frame(w, self, frame);
}

static bool is_called(const char *path, const char *end)
{
	size_t length = strlen(path), its = strlen(end);
	return length >= its && strcmp(path + length - its, end) == 0;
}

int main(int argc, char **argv)
{
	struct worker_table table = SHAKY_TABLE;
	char path[512] = "";
	ssize_t ignored = readlink("/proc/self/exe", path, sizeof(path) - 1);
	(void)ignored;
	if (is_called(path, "-never-prepared"))
		table.open = never_open;
	else if (is_called(path, "-never-ready"))
		table.ready = never_ready;
	else if (is_called(path, "-crashes"))
		table.frame = crash;
	else if (is_called(path, "-floods"))
		table.frame = flood;
	else if (is_called(path, "-hangs"))
		table.frame = hang;
	else if (is_called(path, "-unlike"))
		table.takes = WORKER_TAKES_NOTHING;
	return worker_main(argc, argv, &table);
}
