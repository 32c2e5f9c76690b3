/* Which word was meant by one that is misspelt. */
#ifndef TROUPE_SUPERVISOR_NEAREST_H
#define TROUPE_SUPERVISOR_NEAREST_H

/* How many letters have to be changed, put in or left out to make one of the other. A word of more
 * than 40 letters is far from all. */
unsigned nearest_changes(const char *a, const char *b);

#endif
