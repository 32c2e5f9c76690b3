/* A consistent copy of a recording, made while a storer writes it. The copy is a recording:
 * whatever reads one reads the other, and a storer can go on in it. What is copied again into the
 * same folder is only what is new there. Until the end of a backup the one before it stays valid,
 * whenever this one dies. */
#ifndef TROUPE_WORKERS_STORER_BACKUP_H
#define TROUPE_WORKERS_STORER_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the folder of a backup: says what it is the backup of. Nothing is ever removed from a folder
 * without it. */
#define BACKUP_MARK "backup-of"
/* Where it puts what the recording has lost to damage, and the copy still had. */
#define BACKUP_KEPT "kept"

/* Called now and then with bytes; `false` ends the backup. */
typedef bool backup_going_fn(void *arg, uint64_t done, uint64_t total);
/* Called for what a person should know: one line. */
typedef void backup_note_fn(void *arg, const char *text);

struct backup_options {
	const char *from; /* the recording */
	const char *to;	  /* the folder of the backup; made when it is not there */
	backup_going_fn *going;
	backup_note_fn *note; /* both may be NULL */
	void *arg;
};

struct backup_report {
	uint64_t segments; /* that the copy holds now … */
	uint64_t bytes;	   /* … and what of them is vouched for */
	uint64_t copied;   /* segments of which something was copied … */
	uint64_t copied_bytes;
	uint64_t catalogue_bytes; /* copied as a whole each time */
	uint64_t removed;	  /* segments that the recording has forgotten */
	uint64_t kept;		  /* segments that it has lost to damage: moved into BACKUP_KEPT */
	uint64_t snapshots;	  /* of the catalogue: more than one when something vanished */
	uint64_t damaged;	  /* segments that were copied as they are, damaged */
	uint64_t missing; /* segments that the recording's own catalogue knows and nobody has */
};

/* Makes the backup. On an error `why` is a line for people, and the backup that was there before is
 * as it was. TROUPE_E_NOT_FOUND: no recording; TROUPE_E_BUSY: somebody else writes into the folder;
 * TROUPE_E_EXISTS: the folder holds something that is no backup of this recording; TROUPE_E_CLOSED:
 * `going` ended it; TROUPE_E_NO_SPACE, … */
int backup_make(const struct backup_options *options, struct backup_report *report, char *why,
		size_t why_size);

#endif
