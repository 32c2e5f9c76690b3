/* troupe-storer. */
#include "ipc/worker/worker.h"
#include "workers/storer/storer.h"

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &storer_table);
}
