/* troupe-display-snapshot: the display that writes files, as a program. */
#include "workers/display/snapshot.h"

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &snapshot_table);
}
