/* A stranger's worker that breaks everything it can reach, in ways that a row chooses and a seed
 * fixes: it throws messages at every socket of the pipeline, claims frames and never finishes them,
 * is too slow for what it is owed, and writes garbage over each area of the shared memory, through
 * a mapping of its own. */
#include "ipc/base/clock.h"
#include "ipc/base/crc32c.h"
#include "ipc/worker/contract.h"
#include "ipc/worker/worker.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <zmq.h>

struct config {
	char mode[16];
	int64_t seed, count;
};

static const struct row rows[] = {
	{.name = "mode",
	 .type = ROW_CHOICE,
	 ROW_AT(struct config, mode),
	 .fallback = "words",
	 .choices =
		 "messages|claims|slow|words|illegal|records|seats|head|rows|board|playback|areas",
	 .help = "What it breaks."},
	{.name = "seed",
	 .type = ROW_INT,
	 ROW_AT(struct config, seed),
	 .min = 1,
	 .max = 1e9,
	 .fallback = "1",
	 .help = "Of its choices."},
	{.name = "count",
	 .type = ROW_INT,
	 ROW_AT(struct config, count),
	 .min = 1,
	 .max = 1e9,
	 .fallback = "100",
	 .help = "It does so much damage, and then only looks."},
};

struct wreck {
	const struct config *config;
	uint64_t random;
	int64_t done;
	bool begun; /* frames flow: everybody is there */
	uint8_t *memory;
	size_t size;
};

static uint64_t roll(struct wreck *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}

/* ---- memory ---- */

/* Anything between random bits and numbers at the edge of what there is. */
static uint64_t garbage(struct wreck *r)
{
	static const uint64_t edges[] = {0,
					 1,
					 UINT64_MAX,
					 INT64_MAX,
					 UINT64_C(1) << 63,
					 UINT32_MAX,
					 UINT64_C(0x7fc000007fc00000), /* not a number, twice */
					 UINT64_C(0x4141414141414141)};
	return roll(r) % 3 ? roll(r) : edges[roll(r) % (sizeof(edges) / sizeof(edges[0]))];
}

static void scribble(struct wreck *r, uint64_t at, uint64_t size)
{
	uint64_t value = garbage(r), where = at + roll(r) % (size / 8) * 8;
	if (where + 8 <= r->size)
		memcpy(r->memory + where, &value, 8);
}

/* A whole area, from some place on. */
static void flood(struct wreck *r, uint64_t at, uint64_t size)
{
	for (uint64_t n = 8 + roll(r) % 64; n > 0; n--)
		scribble(r, at, size);
}

static void break_words(struct wreck *r, const struct ledger *l)
{
	const struct ledger_header *h = l->header;
	uint64_t word = garbage(r);
	if (roll(r) % 2) { /* one that looks right at first */
		word = word_pack((struct slot_word){.seq = roll(r) % 4 ? roll(r) % 500 : roll(r),
						    .owed = roll(r) % 3 == 0,
						    .seat = (uint8_t)(roll(r) % 3 ? 0 : roll(r)),
						    .phase = (uint8_t)(roll(r) % N_PHASES)});
	}
	atomic_store(&l->words[roll(r) % h->n_slots], word);
}

/* Beyond doubt: of no phase that there is. */
static void break_surely(struct wreck *r, const struct ledger *l)
{
	atomic_store(&l->words[roll(r) % l->header->n_slots], roll(r) | 15);
}

static void break_head(struct wreck *r, const struct ledger *l)
{
	flood(r, 0, LEDGER_PAGE);
	flood(r, LEDGER_PAGE, sizeof(struct ledger_header) - LEDGER_PAGE);
	flood(r, l->header->streams_at, LEDGER_PAGE);
}

static void break_record(struct wreck *r, const struct ledger *l)
{
	uint64_t slot = roll(r) % l->header->n_slots;
	flood(r, l->header->records_at + slot * sizeof(struct slot_record),
	      sizeof(struct slot_record));
}

static void break_seats(struct wreck *r, const struct ledger *l)
{
	flood(r, l->header->seats_at, SEATS_MAX * sizeof(struct seat_row));
}

static void break_rows(struct wreck *r, const struct ledger *l)
{
	scribble(r, l->header->streams_at + LEDGER_PAGE, 176);
}

static void break_board(struct wreck *r, const struct ledger *l)
{
	flood(r, l->header->model_at, sizeof(struct model_board));
}

static void break_playback(struct wreck *r, const struct ledger *l)
{
	flood(r, l->header->playback_words_at,
	      PLAYBACK_SLOTS * (8 + sizeof(struct playback_record)));
}

static void break_areas(struct wreck *r, const struct ledger *l)
{
	flood(r, l->header->areas_at, r->size - l->header->areas_at);
}

static void break_memory(struct wreck *r, const struct ledger *l)
{
	static const struct {
		const char *mode;
		void (*damage)(struct wreck *r, const struct ledger *l);
	} ways[] = {
		{"words", break_words}, {"illegal", break_surely},    {"records", break_record},
		{"seats", break_seats}, {"head", break_head},	      {"rows", break_rows},
		{"board", break_board}, {"playback", break_playback}, {"areas", break_areas},
	};
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(r->config->mode, ways[i].mode) == 0)
			ways[i].damage(r, l);
}

/* ---- messages ---- */

static int socket_type(const char *name)
{
	const char *dot = strrchr(name, '.');
	if (dot && strcmp(dot, ".pipe") == 0)
		return ZMQ_PAIR;
	return (dot && strcmp(dot, ".in") == 0) || strcmp(name, "reports") == 0 ? ZMQ_PUSH
										: ZMQ_DEALER;
}

/* Well-formed on the outside: what is in it is read. But for the control socket, which a person of
 * the same name may stop the pipeline by: there it has a wrong checksum. */
static size_t make_message(struct wreck *r, uint8_t *bytes, size_t max, bool believed)
{
	static const uint16_t kinds[] = {1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 16, 17, 24, 40, 41, 99};
	uint32_t length = (uint32_t)(roll(r) % (max - 16));
	for (size_t i = 0; i < length + 16; i++)
		bytes[i] = (uint8_t)(roll(r) >> 11);
	if (roll(r) % 8 == 0)
		return length;
	if (roll(r) % 3 == 0)
		length = 0;
	uint16_t schema = MESSAGE_SCHEMA,
		 kind = kinds[roll(r) % (sizeof(kinds) / sizeof(kinds[0]))];
	uint32_t crc = crc32c(0, bytes + 16, length) + !believed;
	memcpy(bytes, &(uint32_t){0x31707274}, 4); /* "trp1" */
	memcpy(bytes + 4, &schema, 2);
	memcpy(bytes + 6, &kind, 2);
	memcpy(bytes + 8, &length, 4);
	memcpy(bytes + 12, &crc, 4);
	return length + 16;
}

static void throw_at(struct wreck *r, void *context, const char *folder, const char *name)
{
	char endpoint[300];
	uint8_t bytes[1024];
	void *socket = zmq_socket(context, socket_type(name));
	snprintf(endpoint, sizeof(endpoint), "ipc://%s/%s", folder, name);
	if (zmq_connect(socket, endpoint) == 0) {
		for (int i = 0; i < 20; i++) {
			size_t size =
				make_message(r, bytes, sizeof(bytes), strcmp(name, "control") != 0);
			zmq_send(socket, bytes, size,
				 ZMQ_DONTWAIT | (roll(r) % 9 ? 0 : ZMQ_SNDMORE));
		}
	}
	zmq_close(socket);
}

static void throw_messages(struct wreck *r)
{
	const char *folder = getenv(CONTRACT_ENV_RUNTIME);
	DIR *dir = opendir(folder ? folder : "/");
	void *context = zmq_ctx_new();
	zmq_ctx_set(context, ZMQ_BLOCKY, 0);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (strstr(e->d_name, ".in") || strstr(e->d_name, ".pipe") ||
		    strcmp(e->d_name, "control") == 0 || strcmp(e->d_name, "reports") == 0)
			throw_at(r, context, folder, e->d_name);
	}
	if (dir)
		closedir(dir);
	zmq_ctx_term(context);
}

/* ---- the worker ---- */

static int open_wreck(struct worker *w, void **self)
{
	struct stat st;
	if (fstat(CONTRACT_FD_LEDGER, &st) < 0)
		return -1;
	struct wreck *r = calloc(1, sizeof(*r));
	if (!r)
		return -1;
	r->config = worker_config(w);
	uint64_t life = worker_ledger(w)->seats[worker_seat(w)].incarnation; /* each its own */
	r->random =
		((uint64_t)r->config->seed + (life - 1) * 1000003) * UINT64_C(0x9e3779b97f4a7c15);
	r->size = (size_t)st.st_size;
	r->memory = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, CONTRACT_FD_LEDGER, 0);
	if (r->memory == MAP_FAILED) {
		free(r);
		return -1;
	}
	*self = r;
	return 0;
}

static void close_wreck(struct worker *w, void *self)
{
	(void)w;
	struct wreck *r = self;
	munmap(r->memory, r->size);
	free(r);
}

static int look(struct worker *w, void *self, struct frame *frame)
{
	(void)w;
	struct wreck *r = self;
	r->begun |= frame->seq > 0;
	if (strcmp(r->config->mode, "slow") == 0)
		nanosleep(&(struct timespec){.tv_nsec = NS_PER_S / 20}, NULL);
	return TAP_TAKEN;
}

static int64_t do_damage(struct worker *w, void *self, int64_t now)
{
	struct wreck *r = self;
	uint32_t slot;
	if (!r->begun || r->done >= r->config->count)
		return CLOCK_NEVER;
	r->done++;
	if (strcmp(r->config->mode, "messages") == 0)
		throw_messages(r);
	else if (strcmp(r->config->mode, "claims") == 0)
		r->done -= ledger_claim(worker_ledger(w), worker_seat(w), &slot) < 0;
	else if (strcmp(r->config->mode, "slow") != 0)
		break_memory(r, worker_ledger(w));
	if (r->done == r->config->count)
		worker_report(w, "damage done");
	return now + 5 * NS_PER_MS;
}

int main(int argc, char **argv)
{
	const struct worker_table table = {.name = "wreck",
					   .version = "1.0",
					   .summary = "breaks what it can reach",
					   .takes = WORKER_TAKES_AS_TOLD,
					   .rows = {rows, 3, sizeof(struct config)},
					   .open = open_wreck,
					   .frame = look,
					   .tick = do_damage,
					   .close = close_wreck};
	return worker_main(argc, argv, &table);
}
