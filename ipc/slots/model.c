/* Two banks and a number. The argument why a reader never gets a mixture:
 *
 * A publisher fills the bank that `current` does not name, word by word with release stores, and
 * only then swaps `current` to the new version. So version v + 2, which goes into the bank of v, is
 * begun only after `current` said v + 1. A reader loads `current` (v), copies the bank of v word by
 * word with acquire loads, and loads `current` again. If it copied even one word of v + 2, that
 * acquire load synchronises with the publisher's release store, which comes after its step to v +
 * 1: the second load cannot say v any more. So: still v means not a word of anything else. Words
 * are atomic objects while they are copied, so nothing is read that the C standard would call a
 * race.
 *
 * A publisher that dies half-way has not touched `current` nor the bank it names. Its successor
 * loads `current` with acquire, hence the order holds across the two processes as well.
 *
 * The checksum covers what the argument does not: two publishers at once, and a process that
 * scribbles. */
#include "ipc/slots/model.h"

#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"

#include <string.h>

#define BANK_WORDS   (sizeof(struct model_bank) / sizeof(uint64_t))
#define MAX_ATTEMPTS 16 /* a publisher needs seconds for a version, a reader microseconds */

static_assert(sizeof(struct model_bank) % sizeof(uint64_t) == 0, "banks are copied word by word");
static_assert(alignof(struct model_bank) == alignof(uint64_t), "banks are copied word by word");

uint32_t model_checksum(const struct model_bank *bank)
{
	const size_t begin = offsetof(struct model_bank, label);
	const size_t end = offsetof(struct model_bank, weight) + sizeof(bank->weight);
	return crc32c(0, (const uint8_t *)bank + begin, end - begin);
}

uint64_t model_current(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->model->current, memory_order_acquire);
}

static bool shape_valid(const struct model_bank *bank)
{
	return bank->classes <= LABELS_MAX && bank->features <= MODEL_FEATURES_MAX;
}

/* The bank as the atomic words it is while it is copied. */
static _Atomic uint64_t *bank_words(struct model_board *board, uint64_t version)
{
	return (_Atomic uint64_t *)(void *)&board->bank[version % 2];
}

int model_publish(struct ledger *ledger, const struct model_bank *model)
{
	if (!shape_valid(model))
		return TROUPE_E_ARGUMENT;
	uint64_t current = model_current(ledger);
	union {
		struct model_bank bank;
		uint64_t word[BANK_WORDS];
	} next = {.bank = *model};
	next.bank.version = current + 1;
	next.bank.crc32c = model_checksum(&next.bank);

	_Atomic uint64_t *to = bank_words(ledger->model, current + 1);
	for (size_t i = 0; i < BANK_WORDS; i++) {
		if (i == BANK_WORDS / 2)
			FAIL_POINT(MODEL_HALF);
		atomic_store_explicit(&to[i], next.word[i], memory_order_release);
	}
	FAIL_POINT(MODEL_WRITTEN);
	bool won = atomic_compare_exchange_strong_explicit(&ledger->model->current, &current,
							   current + 1, memory_order_acq_rel,
							   memory_order_relaxed);
	return won ? 0 : TROUPE_E_LOST;
}

static int check_copy(const struct model_bank *copy, uint64_t version)
{
	bool whole = copy->version == version && shape_valid(copy) &&
		     copy->crc32c == model_checksum(copy);
	return whole ? 0 : TROUPE_E_CORRUPT;
}

int model_read(const struct ledger *ledger, uint64_t known_version, struct model_bank *copy)
{
	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
		uint64_t version = model_current(ledger);
		if (version == 0 || version == known_version)
			return TROUPE_E_AGAIN;
		_Atomic uint64_t *from = bank_words(ledger->model, version);
		for (size_t i = 0; i < BANK_WORDS; i++) {
			uint64_t word = atomic_load_explicit(&from[i], memory_order_acquire);
			memcpy((uint8_t *)copy + i * sizeof(word), &word, sizeof(word));
		}
		if (model_current(ledger) == version)
			return check_copy(copy, version);
	}
	return TROUPE_E_AGAIN;
}
