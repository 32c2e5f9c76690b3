/* troupe-processor-edges: the processor that draws edges, as a program. */
#include "workers/processor/edges.h"

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &edges_table);
}
