/* Who is rung when. The sets (idle, asked, waiting) only save bells: a bit that is set without need
 * costs a spurious wake-up, one that is missing at most the 100 ms that bound every sleep. */
#include "ipc/slots/bells.h"

#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Makes the bell of one seat at descriptor `at`. */
static int make_bell(int at)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	if (fd < 0)
		return error_from_errno(errno);
	if (fd == at)
		return 0;
	int rc = dup2(fd, at) < 0 ? error_from_errno(errno) : 0;
	close(fd);
	return rc;
}

static void close_bells(int base, int count)
{
	for (int seat = 0; seat < count; seat++)
		close(base + seat);
}

int bells_create(struct ledger *ledger, int base)
{
	for (int seat = 0; seat < SEATS_MAX; seat++) {
		int rc = make_bell(base + seat);
		if (rc < 0) {
			close_bells(base, seat);
			return rc;
		}
	}
	ledger->bell_base = base;
	return 0;
}

void bells_destroy(struct ledger *ledger)
{
	if (ledger->bell_base < 0)
		return;
	close_bells(ledger->bell_base, SEATS_MAX);
	ledger->bell_base = -1;
}

void bell_ring(const struct ledger *ledger, uint8_t seat)
{
	if (ledger->bell_base < 0 || seat == 0 || seat >= SEATS_MAX)
		return;
	uint64_t one = 1;
	FAIL_POINT(BELL_BEFORE);
	ssize_t ignored = write(ledger->bell_base + seat, &one, sizeof(one));
	(void)ignored; /* EAGAIN: it has been ringing 2^64 - 2 times already */
	FAIL_POINT(BELL_AFTER);
}

void bell_answer(const struct ledger *ledger, uint8_t seat)
{
	uint64_t rings;
	if (ledger->bell_base < 0)
		return;
	ssize_t ignored = read(ledger->bell_base + seat, &rings, sizeof(rings));
	(void)ignored;
}

void bells_ring_set(const struct ledger *ledger, uint64_t seats)
{
	for (; seats; seats &= seats - 1)
		bell_ring(ledger, (uint8_t)__builtin_ctzll(seats));
}

void bells_ring_all(const struct ledger *ledger)
{
	bells_ring_set(ledger, atomic_load(&ledger->header->bells_all));
}

uint8_t bells_published(struct ledger *ledger)
{
	_Atomic uint64_t *idle = &ledger->header->idle;
	atomic_thread_fence(memory_order_seq_cst); /* see seat_bit_set */
	uint64_t set = atomic_load(idle);
	while (set) {
		uint64_t lowest = set & -set;
		if (atomic_compare_exchange_weak(idle, &set, set & ~lowest)) {
			uint8_t seat = (uint8_t)__builtin_ctzll(lowest);
			bell_ring(ledger, seat);
			return seat;
		}
	}
	return 0;
}

void bells_freed(struct ledger *ledger)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&ledger->header->waiting))
		bells_ring_set(ledger, atomic_exchange(&ledger->header->waiting, 0));
}

void bells_done(struct ledger *ledger, uint64_t word)
{
	struct slot_word w = word_unpack(word);
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t t = 0; t < ledger->header->n_taps; t++)
		if (w.owed >> t & 1)
			bell_ring(ledger, (uint8_t)atomic_load(&ledger->taps[t].owner));
	if (atomic_load(&ledger->header->asked))
		bells_ring_set(ledger, atomic_exchange(&ledger->header->asked, 0));
	if (w.phase == PHASE_FREE)
		bells_freed(ledger);
}

void seat_bit_set(_Atomic uint64_t *set, uint8_t seat)
{
	atomic_fetch_or(set, UINT64_C(1) << seat);
	atomic_thread_fence(memory_order_seq_cst);
}

void seat_bit_clear(_Atomic uint64_t *set, uint8_t seat)
{
	atomic_fetch_and(set, ~(UINT64_C(1) << seat));
}
