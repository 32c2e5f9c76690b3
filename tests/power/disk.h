/* A disk whose power can be cut. calls.c writes down every change that the process makes below a
 * watched folder (segments, SQLite's files and the folders themselves); disk_cut() then makes the
 * folder as it could look after the power was lost between any two of those changes:
 *
 *   - what was synced is there: the bytes of a file by fsync of the file, its name by fsync of the
 *     folder;
 *   - what was not may be there or not, each sector of 512 bytes in any of the states it ever had
 *     since the last sync, the length likewise; a sector that was never written may hold garbage;
 *   - each name made, removed or changed since its folder was synced may be so or not, in any
 *     combination;
 *   - after a sync that failed the bytes it was for count as clean: no later sync makes them
 *     durable, only writing them again does.
 *
 * That is harsher than any one file system. Not modelled: a sector that is torn in itself, and
 * damage to what was synced long ago. The files *-shm are SQLite's shared memory and are lost. One
 * thread. */
#ifndef TROUPE_TESTS_POWER_DISK_H
#define TROUPE_TESTS_POWER_DISK_H

#include "tests/power/chance.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define DISK_NAME 40

enum disk_event_kind {
	DISK_MAKE,     /* `child` gets the name `name` in folder `node` */
	DISK_REMOVE,   /* `name` leaves folder `node` */
	DISK_RENAME,   /* `child` goes from `name` to `to` within folder `node` */
	DISK_WRITE,    /* `size` bytes at `at` */
	DISK_TRUNCATE, /* to `size` bytes */
	DISK_SYNC,
	DISK_SYNC_FAILED,
	DISK_NOTE, /* `data` is what the program had promised by then */
};

struct disk_event {
	enum disk_event_kind kind;
	uint32_t node, child;
	char name[DISK_NAME], to[DISK_NAME];
	uint64_t at, size;
	uint8_t *data;
};

/* What the disk, or the program above it, does wrong on purpose. */
enum disk_lie {
	LIE_NONE,
	LIE_SEGMENT_SYNC,   /* segments are never synced */
	LIE_NAME_SYNC,	    /* the names of segments are never synced */
	LIE_FOLDER_SYNC,    /* the names beside recording.sqlite are never synced */
	LIE_RETRIED_SYNC,   /* a sync that failed is tried again, and believed */
	LIE_NO_REWRITE,	    /* a segment's bytes that are written over themselves stay clean */
	LIE_NO_LOG_REWRITE, /* the same of SQLite's log */
};

struct disk {
	struct disk_event *events;
	size_t n_events, room;
	size_t n_given; /* events that only tell what was there at the beginning */
	struct {
		dev_t dev;
		ino_t ino;
		bool folder;
		bool segment; /* or the folder of segments */
		bool index;   /* SQLite's file */
		bool log;     /* and its log */
		bool gone;    /* its inode may be another file's by now */
	} * nodes;
	uint32_t n_nodes, nodes_room;
	/* how it behaves */
	struct chance chance;
	enum disk_lie lie;
	unsigned fail_syncs, fail_writes; /* of 1,000 */
	bool fail_only_log;
	unsigned die_after_failure; /* of 1,000 failed syncs */
	uint64_t die_in;	    /* changes until the process is as good as dead; 0: it lives */
	bool dead;		    /* every call fails and changes nothing */
	int log_pages; /* after which SQLite's log is checkpointed; 0: as the storer has it */
};

/* Begins to watch a folder; everything in it counts as synced. Ends watching another one. */
void disk_watch(struct disk *disk, const char *folder);
/* Ends watching; the events stay. */
void disk_unwatch(void);
/* The same, and forgets the events. */
void disk_finish(struct disk *disk);

/* The one that is watched, or NULL. For calls.c. */
struct disk *disk_watched(void);

/* Writes an event down; `data` is copied. */
void disk_add(struct disk *disk, const struct disk_event *event, const void *data, size_t size);

/* Numbers of files: UINT32_MAX is not watched. */
uint32_t disk_node(const struct disk *disk, dev_t dev, ino_t ino);
uint32_t disk_new_node(struct disk *disk, const char *name, const struct stat *st);

/* Makes `folder` (which is there and empty) as the power cut before event `at` could leave it. */
void disk_cut(const struct disk *disk, size_t at, uint64_t seed, const char *folder);

/* Whether the event before `at` wrote into SQLite's file. */
bool disk_writes_index(const struct disk *disk, size_t at);

/* The last note before event `at`, or NULL. */
const void *disk_noted(const struct disk *disk, size_t at);

#endif
