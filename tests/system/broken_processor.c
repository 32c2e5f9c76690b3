/* A processor with a planted mistake: it writes one byte behind a block when it gets frame 20. Only
 * a sanitizer sees it; the test that runs this expects to be told. */
#include "workers/processor/processor.h"

#include <stdlib.h>

static int broken_frame(struct worker *w, void *self, struct frame *frame)
{
	if (frame->seq == 20) {
		volatile char *block = malloc(8);
		size_t behind = 8 + (size_t)(frame->seq - 20); /* the compiler must not see it */
		if (block)
			block[behind] = 1;
		free((void *)(uintptr_t)block);
	}
	return processor_table.frame(w, self, frame);
}

int main(int argc, char **argv)
{
	struct worker_table broken = processor_table;
	broken.frame = broken_frame;
	return worker_main(argc, argv, &broken);
}
