/* A file or folder that appears whole or not at all: it is made under a name of its own beside the
 * one it shall have, and renamed when it is whole. */
#ifndef TROUPE_TOOLS_TROUPE_OUTFILE_H
#define TROUPE_TOOLS_TROUPE_OUTFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct outfile {
	const char *name;    /* borrowed */
	char part[PATH_MAX]; /* where it is made; "": nothing is there */
	bool folder, replace;
};

/* Decides where it is made, and makes that: an empty file or folder. With `replace` a file that
 * is there gives way in the end; a folder only if it is empty. TROUPE_E_EXISTS: something is there
 * that may not be replaced; all errors are explained in `why`. */
int outfile_create(struct outfile *out, const char *name, bool folder, bool replace, char *why,
		   size_t why_size);

/* Brings it to the disk and gives it its name. On an error, explained, it stays a part. */
int outfile_commit(struct outfile *out, char *why, size_t why_size);

/* Removes the part, if it is still one. */
void outfile_discard(struct outfile *out);

#endif
