/* troupe-display: the worker that shows the live video and the workers in a browser. */
#include "workers/display/display.h"

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &display_table);
}
