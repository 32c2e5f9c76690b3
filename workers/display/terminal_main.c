/* troupe-display-terminal: the display for the terminal, as a program. */
#include "workers/display/terminal.h"

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &terminal_table);
}
