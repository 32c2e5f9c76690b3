/* The way to the module; the rest is in movie_file.c. */
#include "workers/media/movie.h"
#include "workers/media/module.h"

int movie_load(const struct movie_module **module, char *why, size_t why_size)
{
	const void *table;
	int rc = media_module(MEDIA_MODULE_MOVIE, MOVIE_SYMBOL, &table, why, why_size);
	*module = table;
	return rc;
}
