/* A processor that now and then cannot do a frame and says so: half of its incarnations hand back
 * the thirtieth frame they get, and end. Nothing of ours does that by itself. */
#include "workers/processor/processor.h"

#include "ipc/base/errors.h"

#include <unistd.h>

#define FRAMES_DONE 29

static int returning_frame(struct worker *w, void *self, struct frame *frame)
{
	static int done;
	if (getpid() % 2 == 0 && done++ == FRAMES_DONE)
		return TROUPE_E_IO;
	return processor_table.frame(w, self, frame);
}

int main(int argc, char **argv)
{
	struct worker_table returning = processor_table;
	returning.frame = returning_frame;
	return worker_main(argc, argv, &returning);
}
