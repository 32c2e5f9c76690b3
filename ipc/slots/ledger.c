/* Making, mapping and reading the ledger; who changes it is in steps.c. */
#include "ipc/slots/ledger.h"

#include "ipc/base/errors.h"
#include "ipc/slots/guard.h"
#include "ipc/slots/room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* Bytes of an I420 image; width and height are within limits. */
static uint32_t image_size(uint32_t width, uint32_t height)
{
	return width * height * 3 / 2;
}

static uint64_t area_stride(uint32_t image, uint32_t view, uint32_t coded)
{
	return round_up(round_up(image, 64) + round_up(view, 64) + round_up(coded, 64), PAGE);
}

/* Offsets of everything, in the order of layout.h. */
struct shape {
	uint64_t streams, seats, taps, words, records, model, playback_words, playback_records,
		stations, areas, playback_areas, size;
	uint32_t n_slots;
};

static struct shape shape_of(uint32_t n_streams, uint32_t n_slots, uint64_t pixels,
			     uint64_t playback_size)
{
	struct shape at = {.n_slots = n_slots};
	at.streams = round_up(sizeof(struct ledger_header), LEDGER_PAGE);
	at.seats = round_up(at.streams + n_streams * sizeof(struct stream_row), 64);
	at.taps = round_up(at.seats + SEATS_MAX * sizeof(struct seat_row), 64);
	at.words = round_up(at.taps + TAPS_MAX * sizeof(struct tap_row), 64);
	at.records = round_up(at.words + n_slots * sizeof(uint64_t), 64);
	at.model = round_up(at.records + n_slots * sizeof(struct slot_record), 64);
	at.playback_words = round_up(at.model + sizeof(struct model_board), 64);
	at.playback_records = at.playback_words + PLAYBACK_SLOTS * sizeof(uint64_t);
	at.stations = at.playback_records + PLAYBACK_SLOTS * sizeof(struct playback_record);
	at.areas = round_up(at.stations + n_streams * sizeof(struct station_row), PAGE);
	at.playback_areas = at.areas + pixels;
	at.size = at.playback_areas + PLAYBACK_SLOTS * playback_size;
	return at;
}

static struct shape plan_shape(const struct ledger_plan *plan)
{
	uint32_t n_slots = 0, largest = 0;
	uint64_t pixels = 0;
	for (uint32_t i = 0; i < plan->n_streams; i++) {
		const struct stream_plan *s = &plan->streams[i];
		uint32_t image = image_size(s->width, s->height);
		n_slots += s->n_slots;
		pixels +=
			s->n_slots * area_stride(image, s->view_width * s->view_height * 3, image);
		largest = image > largest ? image : largest;
	}
	return shape_of(plan->n_streams, n_slots, pixels, round_up(largest, PAGE));
}

uint64_t ledger_plan_size(const struct ledger_plan *plan)
{
	return plan_shape(plan).size;
}

static bool geometry_makes_sense(uint32_t width, uint32_t height, uint32_t view_width,
				 uint32_t view_height)
{
	return width >= 2 && height >= 2 && width <= 16384 && height <= 16384 &&
	       (width | height) % 2 == 0 && view_width >= 2 && view_height >= 2 &&
	       view_width <= width && view_height <= height;
}

static bool plan_makes_sense(const struct ledger_plan *plan)
{
	if (plan->n_streams < 1 || plan->n_streams > STREAMS_MAX || plan->n_taps > TAPS_MAX ||
	    plan->low_water_percent > 100)
		return false;
	for (uint32_t i = 0; i < plan->n_streams; i++) {
		const struct stream_plan *s = &plan->streams[i];
		if (s->n_slots < 4 || s->n_slots > STREAM_SLOTS_MAX ||
		    !geometry_makes_sense(s->width, s->height, s->view_width, s->view_height) ||
		    s->first_seq > SEQ_MAX / 2)
			return false;
	}
	return true;
}

/* Fills the handle's pointers from the header's offsets. */
static void find_parts(struct ledger *ledger, uint8_t *base)
{
	struct ledger_header *h = (void *)base;
	ledger->header = h;
	ledger->streams = (void *)(base + h->streams_at);
	ledger->seats = (void *)(base + h->seats_at);
	ledger->taps = (void *)(base + h->taps_at);
	ledger->words = (void *)(base + h->words_at);
	ledger->records = (void *)(base + h->records_at);
	ledger->model = (void *)(base + h->model_at);
	ledger->areas = base + h->areas_at;
	ledger->playback_words = (void *)(base + h->playback_words_at);
	ledger->playback_records = (void *)(base + h->playback_records_at);
	ledger->playback_areas = base + h->playback_areas_at;
	ledger->stations = (void *)(base + h->stations_at);
	uint64_t at = 0;
	for (uint32_t i = 0; i < h->n_streams; i++) {
		const struct stream_row *s = &ledger->streams[i];
		ledger->area_at[i] = at;
		ledger->area_stride[i] = area_stride(s->image_size, s->view_size, s->coded_size);
		at += s->n_slots * ledger->area_stride[i];
		if (s->coded_size > ledger->playback_size)
			ledger->playback_size = round_up(s->coded_size, PAGE);
	}
}

static void fill_stream(struct stream_row *row, const struct stream_plan *plan, uint32_t first_slot)
{
	*row = (struct stream_row){
		.first_slot = first_slot,
		.n_slots = plan->n_slots,
		.width = plan->width,
		.height = plan->height,
		.view_width = plan->view_width,
		.view_height = plan->view_height,
		.fps_num = plan->fps_num,
		.fps_den = plan->fps_den,
		.quality = plan->quality,
		.live = plan->live,
		.image_size = image_size(plan->width, plan->height),
		.view_size = plan->view_width * plan->view_height * 3,
		.coded_size = image_size(plan->width, plan->height),
		.first_seq = plan->first_seq,
		.taps_on = plan->taps_on,
		.keep_bytes = plan->keep_bytes,
		.keep_age = plan->keep_age,
	};
	strncpy(row->name, plan->name, NAME_SIZE - 1);
	for (int t = 0; t < TAPS_MAX; t++)
		row->tap_every_ns[t] = plan->tap_every_ns[t];
	atomic_store(&row->settled, plan->first_seq);
}

static void fill(struct ledger *ledger, uint8_t *base, const struct ledger_plan *plan)
{
	struct shape at = plan_shape(plan);
	struct ledger_header *h = (void *)base;
	*h = (struct ledger_header){
		.version = LEDGER_VERSION,
		.n_streams = plan->n_streams,
		.n_slots = at.n_slots,
		.n_taps = plan->n_taps,
		.size = at.size,
		.run = plan->run,
		.streams_at = at.streams,
		.seats_at = at.seats,
		.taps_at = at.taps,
		.words_at = at.words,
		.records_at = at.records,
		.model_at = at.model,
		.areas_at = at.areas,
		.playback_words_at = at.playback_words,
		.playback_records_at = at.playback_records,
		.playback_areas_at = at.playback_areas,
		.stations_at = at.stations,
		.supervisor_pid = getpid(),
		.hang_after = plan->hang_after,
		.bypass_after = plan->bypass_after,
		.orphan_wait = plan->orphan_wait,
		.low_water_percent = plan->low_water_percent,
		.labels = {"none"},
		.n_labels = 1,
	};
	strncpy(h->pipeline, plan->pipeline, NAME_SIZE - 1);
	struct stream_row *rows = (void *)(base + at.streams);
	uint32_t slot = 0;
	for (uint32_t i = 0; i < plan->n_streams; i++) {
		fill_stream(&rows[i], &plan->streams[i], slot);
		slot += plan->streams[i].n_slots;
	}
	find_parts(ledger, base);
	for (uint32_t i = 0; i < plan->n_taps; i++)
		strncpy(ledger->taps[i].name, plan->taps[i], NAME_SIZE - 1);
	/* All slots are FREE and show nothing; the magic comes last: a ledger has it or is none. */
	for (uint32_t i = 0; i < h->n_slots; i++)
		atomic_store(&ledger->words[i],
			     word_pack((struct slot_word){.marks = MARK_SPOILED}));
	h->magic = LEDGER_MAGIC;
}

static uint8_t *map(int fd, uint64_t size, bool writable)
{
	int access = PROT_READ | (writable ? PROT_WRITE : 0);
	uint8_t *base = mmap(NULL, size, access, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return NULL;
	/* A child between fork and exec must never be able to write into a slot. */
	madvise(base, size, MADV_DONTFORK);
	return base;
}

int ledger_create(struct ledger *ledger, const struct ledger_plan *plan)
{
	*ledger = (struct ledger){.fd = -1, .bell_base = -1};
	if (!plan_makes_sense(plan))
		return TROUPE_E_ARGUMENT;
	uint64_t size = ledger_plan_size(plan);
	if (size > room_in_memory())
		return TROUPE_E_MEMORY;
	int fd = memfd_create("troupe-ledger", MFD_CLOEXEC);
	if (fd < 0)
		return error_from_errno(errno);
	/* posix_fallocate gives up on a memfd only for want of memory (or of RLIMIT_FSIZE). */
	if (posix_fallocate(fd, 0, (off_t)size) != 0) {
		close(fd);
		return TROUPE_E_MEMORY;
	}
	uint8_t *base = map(fd, size, true);
	if (!base) {
		close(fd);
		return TROUPE_E_MEMORY;
	}
	fill(ledger, base, plan);
	ledger->fd = fd;
	ledger->writable = true;
	ledger->size = size;
	return 0;
}

static bool name_ends(const char name[NAME_SIZE])
{
	return memchr(name, 0, NAME_SIZE) != NULL;
}

/* A header may be anything. Where its parts lie follows from two counts, so nothing else that it
 * says about them is believed. */
static bool header_fits(const struct ledger_header *h, uint64_t size)
{
	if (h->size != size || h->n_streams < 1 || h->n_streams > STREAMS_MAX ||
	    h->n_taps > TAPS_MAX || h->n_slots > STREAMS_MAX * STREAM_SLOTS_MAX)
		return false;
	struct shape at = shape_of(h->n_streams, h->n_slots, 0, 0);
	return at.size <= size && h->streams_at == at.streams && h->seats_at == at.seats &&
	       h->taps_at == at.taps && h->words_at == at.words && h->records_at == at.records &&
	       h->model_at == at.model && h->playback_words_at == at.playback_words &&
	       h->playback_records_at == at.playback_records && h->areas_at == at.areas &&
	       h->stations_at == at.stations && h->playback_areas_at >= at.areas &&
	       h->playback_areas_at <= size && name_ends(h->pipeline);
}

static bool stream_fits(const struct stream_row *s)
{
	return s->n_slots >= 4 && s->n_slots <= STREAM_SLOTS_MAX && name_ends(s->name) &&
	       geometry_makes_sense(s->width, s->height, s->view_width, s->view_height) &&
	       s->image_size == image_size(s->width, s->height) &&
	       s->view_size == s->view_width * s->view_height * 3 && s->coded_size == s->image_size;
}

static bool rows_fit(const struct ledger *ledger)
{
	const struct ledger_header *h = ledger->header;
	uint64_t slots = 0, pixels = 0;
	for (uint32_t i = 0; i < h->n_streams; i++) {
		const struct stream_row *s = &ledger->streams[i];
		if (s->first_slot != slots || !stream_fits(s))
			return false;
		slots += s->n_slots;
		pixels += s->n_slots * ledger->area_stride[i];
	}
	return slots == h->n_slots && h->areas_at + pixels == h->playback_areas_at &&
	       h->playback_areas_at + PLAYBACK_SLOTS * ledger->playback_size == h->size;
}

/* Takes the copies of what never changes, and then looks whether it makes sense: what is judged is
 * what is used. */
static int take_over(struct ledger *ledger, uint8_t *base, uint64_t size)
{
	const struct ledger_header *h = (void *)base;
	int rc = guard_page(base);
	if (rc < 0)
		return rc;
	if (h->magic != LEDGER_MAGIC)
		return TROUPE_E_CORRUPT;
	if (h->version != LEDGER_VERSION)
		return TROUPE_E_SCHEMA;
	if (!header_fits(h, size))
		return TROUPE_E_CORRUPT;
	ledger->streams = (void *)(base + h->streams_at);
	for (uint32_t i = 0; i < h->n_streams && rc == 0; i++)
		rc = guard_page(&ledger->streams[i]);
	if (rc < 0)
		return rc;
	find_parts(ledger, base);
	return rows_fit(ledger) ? 0 : TROUPE_E_CORRUPT;
}

int ledger_guard(struct ledger *ledger)
{
	int rc = guard_page(ledger->header);
	for (uint32_t i = 0; i < ledger->header->n_streams && rc == 0; i++)
		rc = guard_page(&ledger->streams[i]);
	return rc;
}

int ledger_mend(const struct ledger *ledger)
{
	return guard_mend(ledger->fd, ledger->header, ledger->streams, ledger->header->n_streams);
}

int ledger_attach(struct ledger *ledger, int fd, bool writable)
{
	*ledger = (struct ledger){.fd = fd, .bell_base = -1, .writable = writable};
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_from_errno(errno);
	if ((uint64_t)st.st_size < sizeof(struct ledger_header))
		return TROUPE_E_CORRUPT;
	uint64_t size = (uint64_t)st.st_size;
	uint8_t *base = map(fd, size, writable);
	if (!base)
		return error_from_errno(errno);
	ledger->size = size;
	int rc = take_over(ledger, base, size);
	if (rc < 0) {
		munmap(base, size);
		*ledger = (struct ledger){.fd = -1, .bell_base = -1};
	}
	ledger->fd = -1; /* the caller's, not ours to close */
	return rc;
}

void ledger_finish(struct ledger *ledger)
{
	if (ledger->header)
		munmap(ledger->header, ledger->size);
	if (ledger->header && ledger->fd >= 0)
		close(ledger->fd);
	*ledger = (struct ledger){.fd = -1, .bell_base = -1};
}

uint64_t ledger_word(const struct ledger *ledger, uint32_t slot)
{
	return atomic_load_explicit(&ledger->words[slot], memory_order_acquire);
}

/* Where a frame is, and where it can still be seen, its record has its number: written before
 * PUBLISH, and not again before the slot is being filled. */
static bool is_vouched_for(const struct ledger *ledger, uint32_t slot, const struct slot_word *w)
{
	bool between =
		w->phase == PHASE_FILLING || w->phase == PHASE_ASIDE || (w->marks & MARK_SPOILED);
	return between || __atomic_load_n(&ledger->records[slot].seq, __ATOMIC_RELAXED) == w->seq;
}

struct slot_word ledger_look(const struct ledger *ledger, uint32_t slot)
{
	uint64_t word = ledger_word(ledger, slot);
	struct slot_word w = word_unpack(word);
	if (!word_legal(word) || !is_vouched_for(ledger, slot, &w))
		return (struct slot_word){.phase = PHASE_ASIDE};
	return w;
}

uint32_t ledger_stream_of(const struct ledger *ledger, uint32_t slot)
{
	uint32_t stream = 0;
	while (stream + 1 < ledger->header->n_streams &&
	       slot >= ledger->streams[stream + 1].first_slot)
		stream++;
	return stream;
}

uint8_t *ledger_image(const struct ledger *ledger, uint32_t slot)
{
	uint32_t stream = ledger_stream_of(ledger, slot);
	uint32_t index = slot - ledger->streams[stream].first_slot;
	return ledger->areas + ledger->area_at[stream] + index * ledger->area_stride[stream];
}

uint8_t *ledger_view(const struct ledger *ledger, uint32_t slot)
{
	const struct stream_row *s = &ledger->streams[ledger_stream_of(ledger, slot)];
	return ledger_image(ledger, slot) + round_up(s->image_size, 64);
}

uint8_t *ledger_coded(const struct ledger *ledger, uint32_t slot)
{
	const struct stream_row *s = &ledger->streams[ledger_stream_of(ledger, slot)];
	return ledger_view(ledger, slot) + round_up(s->view_size, 64);
}

uint64_t ledger_newest(const struct ledger *ledger, uint32_t stream, uint32_t *slot)
{
	const struct stream_row *s = &ledger->streams[stream];
	uint64_t newest = s->first_seq;
	*slot = SLOT_NONE;
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = ledger_look(ledger, i);
		/* TAKE never gets the last one, so the numbers of these are old. */
		bool between = w.phase == PHASE_FILLING || w.phase == PHASE_ASIDE ||
			       (w.marks & MARK_SPOILED);
		if (!between && w.seq > newest) {
			newest = w.seq;
			*slot = i;
		}
	}
	return newest;
}

/* A frame whose slot was set aside had its number, too. Nobody vouches for that one: it is believed
 * as far as it can be. */
uint64_t ledger_last_seq(const struct ledger *ledger, uint32_t stream, uint32_t *slot)
{
	const struct stream_row *s = &ledger->streams[stream];
	uint32_t where;
	uint64_t newest = ledger_newest(ledger, stream, &where), last = newest;
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++) {
		struct slot_word w = word_unpack(ledger_word(ledger, i));
		if (w.phase == PHASE_ASIDE && w.seq > last && w.seq <= newest + s->n_slots)
			last = w.seq;
	}
	if (slot)
		*slot = where;
	return last;
}

uint32_t ledger_count(const struct ledger *ledger, uint32_t stream, enum phase phase)
{
	const struct stream_row *s = &ledger->streams[stream];
	uint32_t count = 0;
	for (uint32_t i = s->first_slot; i < s->first_slot + s->n_slots; i++)
		count += ledger_look(ledger, i).phase == phase;
	return count;
}

bool ledger_quiet(const struct ledger *ledger)
{
	for (uint32_t i = 0; i < ledger->header->n_slots; i++) {
		enum phase phase = word_unpack(ledger_word(ledger, i)).phase;
		if (phase != PHASE_FREE && phase != PHASE_ASIDE)
			return false;
	}
	return true;
}
