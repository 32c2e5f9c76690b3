/* troupe-manual, which runs while troupe is built and is not installed: makes the manual's pages
 * and the shells' completions of the very tables that parse. */
#include "tools/manual/pages.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: troupe-manual FOLDER TABLES EXAMPLES DATE\n");
		return 2;
	}
	const struct manual manual = {.folder = argv[1], .examples = argv[3], .date = argv[4]};
	command_pages(&manual);
	config_page(&manual, argv[2]);
	bash_completion(&manual);
	zsh_completion(&manual);
	return EXIT_SUCCESS;
}
