/* Private copies of pages. */
#include "ipc/slots/guard.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int guard_works(void)
{
	return sysconf(_SC_PAGESIZE) == LEDGER_PAGE;
}

int guard_page(void *page)
{
	uint8_t copy[LEDGER_PAGE];
	if (!guard_works())
		return 0;
	memcpy(copy, page, LEDGER_PAGE);
	if (mmap(page, LEDGER_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		return error_from_errno(errno);
	memcpy(page, copy, LEDGER_PAGE);
	return mprotect(page, LEDGER_PAGE, PROT_READ) < 0 ? error_from_errno(errno) : 0;
}

static int mend_page(int fd, uint64_t at, const void *good)
{
	uint8_t now[LEDGER_PAGE];
	if (pread(fd, now, LEDGER_PAGE, (off_t)at) != LEDGER_PAGE ||
	    memcmp(now, good, LEDGER_PAGE) == 0)
		return 0;
	return pwrite(fd, good, LEDGER_PAGE, (off_t)at) == LEDGER_PAGE;
}

int guard_mend(int fd, const struct ledger_header *header, const struct stream_row *streams,
	       uint32_t n_streams)
{
	if (fd < 0 || !guard_works())
		return 0;
	int mended = mend_page(fd, 0, header);
	for (uint32_t i = 0; i < n_streams; i++)
		mended += mend_page(fd, header->streams_at + i * sizeof(*streams), &streams[i]);
	return mended;
}
