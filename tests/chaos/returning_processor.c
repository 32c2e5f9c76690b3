/* A processor that now and then cannot do a frame and says so: each incarnation of processor.1
 * hands back the thirtieth frame it gets, and ends. Nothing of ours does that by itself. */
#include "workers/processor/processor.h"

#include "ipc/base/errors.h"

#include <string.h>

#define FRAMES_DONE 29

static int returning_frame(struct worker *w, void *self, struct frame *frame)
{
	static int done;
	if (strcmp(worker_name(w), "processor.1") == 0 && done++ == FRAMES_DONE)
		return TROUPE_E_IO;
	return processor_table.frame(w, self, frame);
}

int main(int argc, char **argv)
{
	struct worker_table returning = processor_table;
	returning.frame = returning_frame;
	return worker_main(argc, argv, &returning);
}
