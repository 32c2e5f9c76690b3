/* One robust futex of the calling thread's own. */
#include "ipc/slots/alive.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static int register_list(struct robust_list_head *head)
{
	return syscall(SYS_set_robust_list, head, sizeof(*head)) < 0 ? error_from_errno(errno) : 0;
}

/* A list of one entry. The kernel adds the offset to where the entry is, looks at the word that
 * lies there, and does nothing unless it has the id of the thread that ends: so the entry may be in
 * the list before the word is ours, and no moment is left out. */
static void make_list(struct alive *alive, _Atomic uint32_t *word)
{
	*alive = (struct alive){.entry.next = &alive->head.list, .word = word};
	alive->head.list.next = &alive->entry;
	alive->head.futex_offset = (long)((intptr_t)word - (intptr_t)&alive->entry);
}

int alive_take(struct alive *alive, _Atomic uint32_t *word)
{
	size_t size;
	uint32_t nobody = 0;
	make_list(alive, word);
	if (syscall(SYS_get_robust_list, 0, &alive->before, &size) < 0) {
		alive->word = NULL;
		return error_from_errno(errno);
	}
	int rc = register_list(&alive->head);
	if (rc < 0)
		alive->word = NULL;
	else if (!atomic_compare_exchange_strong(word, &nobody, (uint32_t)gettid())) {
		alive_release(alive);
		rc = TROUPE_E_BUSY;
	}
	return rc;
}

void alive_release(struct alive *alive)
{
	if (!alive->word)
		return;
	uint32_t held = atomic_load(alive->word);
	/* Who waits may set its bit in between. */
	while ((held & FUTEX_TID_MASK) == (uint32_t)gettid() &&
	       !atomic_compare_exchange_weak(alive->word, &held, 0)) {
	}
	if (held & FUTEX_WAITERS)
		syscall(SYS_futex, alive->word, FUTEX_WAKE, 1, NULL, NULL, 0);
	register_list(alive->before);
	alive->word = NULL;
}
