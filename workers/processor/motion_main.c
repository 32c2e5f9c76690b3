/* troupe-processor-motion: the processor that draws motion, as a program. */
#include "workers/processor/motion.h"

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &motion_table);
}
