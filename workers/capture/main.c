/* troupe-capture: the capture worker as a program. */
#include "workers/capture/capture.h"

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &capture_table);
}
