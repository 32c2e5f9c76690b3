/* A disk that fails when told to: stands in for pwrite and fdatasync of the program under test
 * (-Wl,--wrap=pwrite,--wrap=fdatasync). SQLite is a shared library and keeps the real ones. */
#ifndef TROUPE_TESTS_UNIT_DISK_FAULTS_H
#define TROUPE_TESTS_UNIT_DISK_FAULTS_H

#include <stddef.h>

struct disk_faults {
	int pwrite_errno;    /* 0: works */
	size_t pwrite_first; /* bytes of the failing record that still arrive */
	int fdatasync_errno; /* 0: works */
	int fdatasync_only;  /* counted from 1, the one call that fails; 0: each */
	int fdatasync_dies;  /* counted from 1, the one at which the process is killed; 0: none */
	int fdatasyncs;	     /* how often it was called */
};

/* The one disk of the process. */
struct disk_faults *disk_faults(void);

#endif
