/* troupe-processor: the processor worker as a program. */
#include "workers/processor/processor.h"

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &processor_table);
}
