/* Reads a config file by libconfuse into plain entries that know their line. What keys there may be
 * in which section the caller says; what their values mean is config.c's. */
#ifndef TROUPE_SUPERVISOR_READER_H
#define TROUPE_SUPERVISOR_READER_H

#include <stdbool.h>
#include <stddef.h>

/* "key = value" of the section `section` ("" at the top level) with `title` ("" without one). */
struct entry {
	char *section, *title, *key, *value;
	int line;
};

/* A section of the file, also an empty one. */
struct entry_section {
	char *section, *title;
	int line;
};

struct entries {
	struct entry *all;
	size_t count;
	struct entry_section *sections;
	size_t n_sections;
	char error[512]; /* "demo.conf:12: processor: unknown key …" */
	/* while reading */
	const char *file;
	bool lenient;
	bool failed;
};

/* What may stand in a section; `keys` is freed by nobody. */
struct section_keys {
	const char *section; /* "" is the top level */
	bool titled;	     /* may be there several times, each with another title */
	const char **keys;
	size_t n_keys;
};

/* `lenient`: unknown keys within sections are passed over. `text` is the file's content. 0, or
 * TROUPE_E_CONFIG with entries->error. Free with entries_finish either way. */
int entries_read(struct entries *entries, const char *file, const char *text,
		 const struct section_keys *sections, size_t n_sections, bool lenient);
void entries_finish(struct entries *entries);

/* The value of the last such entry, NULL: none. */
const char *entries_value(const struct entries *entries, const char *section, const char *title,
			  const char *key);

#endif
