/* What keep.h decides about, kept up with the catalogue: every segment that there is, in memory, so
 * that deciding costs no questions. It is read bit by bit after a start, so that nobody waits for a
 * recording of many segments; until then nothing goes. One thread. */
#ifndef TROUPE_WORKERS_STORER_STOCK_H
#define TROUPE_WORKERS_STORER_STOCK_H

#include "workers/storer/index.h"
#include "workers/storer/keep.h"

#define STOCK_BOOT_SIZE 48

/* A stream by its name; numbers are those of keep_rules. */
struct stock_stream {
	char name[NAME_SIZE];
};

struct stock_boot {
	char id[STOCK_BOOT_SIZE]; /* "": not known, then it is this run's alone */
	uint64_t run;
};

struct stock {
	struct index *index;
	struct keep_stock keep;
	size_t room;
	struct keep_stream *limits; /* by number: what keep_rules.streams is to be */
	struct stock_stream *streams;
	size_t n_streams;
	struct stock_boot *boots;
	size_t n_boots;
	uint32_t boot;	  /* the running one */
	uint32_t known;	  /* the highest number that was read */
	uint32_t again;	  /* up to here all have been looked at again */
	uint32_t *doomed; /* found so */
	size_t n_doomed;
};

/* `run` is ours. */
int stock_init(struct stock *stock, struct index *index, uint64_t run);
void stock_finish(struct stock *stock);

/* The number of a stream; a new one when nobody has asked for it before. */
int stock_stream(struct stock *stock, const char *name);

/* Reads on: what is new, and how much open segments have grown; at most some hundred segments at a
 * time. TROUPE_E_AGAIN: there are more. */
int stock_refresh(struct stock *stock);

/* The segment is no longer there to decide about. */
void stock_remove(struct stock *stock, size_t which);

/* The next segment that is doomed and was not told yet; 0: none. */
uint32_t stock_doomed(struct stock *stock);

#endif
