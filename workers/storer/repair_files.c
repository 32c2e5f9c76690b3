/* Moving what is damaged out of the way, and keeping what is whole of it. Nothing is deleted, and
 * nothing written over. */
#include "workers/storer/repair_private.h"

#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE  0755
#define SEGMENT_MODE 0644
#define TRIES	     1000 /* names for things that are set aside */

static int explain(struct repair *repair, const char *what, const char *name)
{
	int errnum = errno;

	return repair_explain(repair, error_from_errno(errnum), "cannot %s '%s' in '%s': %s", what,
			      name, repair->options->folder, strerror(errnum));
}

/* ---- setting aside ---- */

static int open_damaged(struct repair *repair)
{
	if (repair->damaged >= 0)
		return 0;
	if (mkdirat(repair->folder.folder, REPAIR_DAMAGED, FOLDER_MODE) < 0 && errno != EEXIST)
		return explain(repair, "make", REPAIR_DAMAGED);
	repair->damaged =
		openat(repair->folder.folder, REPAIR_DAMAGED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return repair->damaged >= 0 ? 0 : explain(repair, "open", REPAIR_DAMAGED);
}

/* The n-th name for something that was called `name`. */
static const char *other_name(const char *name, int n, char *out, size_t size)
{
	if (n == 1)
		snprintf(out, size, "%s", name);
	else
		snprintf(out, size, "%s.%d", name, n);
	return out;
}

/* Moves a file of segments/ into damaged/, beside what an earlier repair has put there. */
static int set_aside(struct repair *repair, const char *name)
{
	char other[NAME_MAX + 16];
	int rc = open_damaged(repair);

	for (int n = 1; rc == 0 && n <= TRIES; n++) {
		if (renameat2(repair->folder.segments, name, repair->damaged,
			      other_name(name, n, other, sizeof(other)), RENAME_NOREPLACE) == 0) {
			return fsync(repair->damaged) == 0
				       ? 0
				       : explain(repair, "sync", REPAIR_DAMAGED);
		}
		if (errno != EEXIST)
			return explain(repair, "move", name);
	}
	return rc;
}

/* ---- copying ---- */

/* Copies [from, to) of one file to another's `at`. */
static int copy_bytes(int in, int out, uint64_t from, uint64_t to, uint64_t at)
{
	uint8_t buffer[65536];

	while (from < to) {
		size_t size = to - from < sizeof(buffer) ? (size_t)(to - from) : sizeof(buffer);
		ssize_t got = pread(in, buffer, size, (off_t)from);

		for (ssize_t put = 0, n = 0; got > 0 && put < got; put += n) {
			n = pwrite(out, buffer + put, (size_t)(got - put), (off_t)at + put);
			if (n < 0 && errno != EINTR)
				return -1;
			n = n > 0 ? n : 0;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got < 0 ? errno : EIO;
			return -1;
		}
		from += (uint64_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

static char *draft_name(uint32_t number, char *out)
{
	snprintf(out, SEGMENT_NAME_SIZE, "%06" PRIu32 SEGMENT_DRAFT, number);
	return out;
}

/* Of several streams: that is version 1's. */
static void encode_header(const struct found *found, uint8_t *out)
{
	struct segment_header header = found->header;
	uint32_t version = htole32(1), crc;

	header.number = found->salvage;
	header.replaces = found->number;
	segment_encode_header(&header, out);
	if (header.stream[0] != 0)
		return;
	memcpy(out + 8, &version, sizeof(version));
	memset(out + 24, 0, 36);
	crc = htole32(crc32c(0, out, 60));
	memcpy(out + 60, &crc, sizeof(crc));
}

/* The whole records of `reader` behind each other; of H.264 those that can still be shown. */
static int copy_records(struct repair *repair, struct segment_reader *reader, int out,
			uint64_t *written)
{
	uint64_t at = SEGMENT_HEADER, to = SEGMENT_HEADER;
	bool broken = true;

	for (;;) {
		struct record record;
		uint32_t length;
		int rc = segment_read(reader, at, &record, NULL, &length);

		if (rc == TROUPE_E_ENDED)
			break;
		if (rc == TROUPE_E_TRUNCATED || rc == TROUPE_E_CORRUPT) {
			int64_t next = segment_resync(reader, at);

			broken = true;
			if (next < 0)
				break;
			at = (uint64_t)next;
			continue;
		}
		if (rc < 0)
			return repair_explain(repair, rc, "cannot read a segment: %s",
					      error_text(rc));
		broken = broken && record.coding == CODING_H264;
		if (!broken) {
			if (copy_bytes(reader->fd, out, at, at + length, to) < 0)
				return explain(repair, "write", "a new segment");
			to += length;
			repair->report->salvaged_records++;
		}
		at += length;
	}
	*written = to;
	return 0;
}

int repair_salvage(struct repair *repair, struct found *found)
{
	char name[SEGMENT_NAME_SIZE], draft[SEGMENT_NAME_SIZE];
	struct segment_reader reader = {.fd = -1};
	uint8_t header[SEGMENT_HEADER];
	uint64_t written;
	int out, rc;

	/* Not segment_open: its header may be what is damaged. */
	reader.fd = openat(repair->folder.segments, segment_name(found->number, name),
			   O_RDONLY | O_CLOEXEC);
	if (reader.fd < 0)
		return explain(repair, "open", name);
	memcpy(reader.header.stream, found->header.stream, NAME_SIZE);
	out = openat(repair->folder.segments, draft_name(found->salvage, draft),
		     O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, SEGMENT_MODE);
	rc = out < 0 ? explain(repair, "make", draft) : 0;
	if (rc == 0) {
		encode_header(found, header);
		rc = pwrite(out, header, sizeof(header), 0) == (ssize_t)sizeof(header)
			     ? copy_records(repair, &reader, out, &written)
			     : explain(repair, "write", draft);
	}
	if (rc == 0 && fsync(out) < 0)
		rc = explain(repair, "sync", draft);
	if (out >= 0)
		close(out);
	segment_close(&reader);
	repair->report->salvaged += rc == 0;
	return rc;
}

/* What lies behind the last whole record, first copied, then cut off. */
static int cut_tail(struct repair *repair, const struct found *found)
{
	char name[SEGMENT_NAME_SIZE], tail[64], other[96];
	int in = openat(repair->folder.segments, segment_name(found->number, name),
			O_RDWR | O_CLOEXEC);
	int out = -1, rc = in < 0 ? explain(repair, "open", name) : open_damaged(repair);

	snprintf(tail, sizeof(tail), "%s.from-%" PRIu64, name, found->end);
	for (int n = 1; rc == 0 && out < 0 && n <= TRIES; n++)
		out = openat(repair->damaged, other_name(tail, n, other, sizeof(other)),
			     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, SEGMENT_MODE);
	if (rc == 0 && (out < 0 || copy_bytes(in, out, found->end, found->size, 0) < 0 ||
			fsync(out) < 0 || fsync(repair->damaged) < 0))
		rc = explain(repair, "write", other);
	if (rc == 0 && (ftruncate(in, (off_t)found->end) < 0 || fsync(in) < 0))
		rc = explain(repair, "cut", name);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return rc;
}

int repair_move(struct repair *repair, const struct found *found)
{
	char name[SEGMENT_NAME_SIZE], draft[SEGMENT_NAME_SIZE];
	int rc;

	if (found->find == FIND_WHOLE)
		return 0;
	if (found->find == FIND_TAIL)
		return cut_tail(repair, found);
	/* The new one first: a death in between leaves the frames twice, never not at all. */
	if (found->salvage != 0 &&
	    (renameat(repair->folder.segments, draft_name(found->salvage, draft),
		      repair->folder.segments, segment_name(found->salvage, name)) < 0 ||
	     fsync(repair->folder.segments) < 0))
		return explain(repair, "rename", draft);
	rc = set_aside(repair, segment_name(found->number, name));
	if (rc == 0 && fsync(repair->folder.segments) < 0)
		rc = explain(repair, "sync", FOLDER_SEGMENTS);
	return rc;
}

/* ---- what is no segment ---- */

static bool is_segment(const char *name)
{
	unsigned long number = strtoul(name, NULL, 10);
	char again[SEGMENT_NAME_SIZE];

	return number > 0 && number <= UINT32_MAX &&
	       strcmp(segment_name((uint32_t)number, again), name) == 0;
}

int repair_others(struct repair *repair)
{
	int fd = openat(repair->folder.segments, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	int rc = 0;

	if (dir == NULL) {
		rc = explain(repair, "list", FOLDER_SEGMENTS);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	for (struct dirent *entry = readdir(dir); rc == 0 && entry != NULL; entry = readdir(dir)) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    is_segment(entry->d_name))
			continue;
		repair_tell(repair, "%s is no segment: set aside", entry->d_name);
		repair->report->others++;
		if (!repair->options->dry_run)
			rc = set_aside(repair, entry->d_name);
	}
	closedir(dir);
	return rc;
}
