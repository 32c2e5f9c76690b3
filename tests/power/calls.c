/* Stands in for libc's calls that change files: ours, because this is linked into the program, and
 * SQLite's too, because a program's symbols come before a shared library's. So the layer lies below
 * SQLite's own VFS, and what that one does to folders is seen as well. Every call goes straight to
 * the kernel and is then written down (disk.h). */
#include "tests/power/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC visibility push(default) /* for SQLite's library to find them */

/* Each under the name that libc has for it; 64 is the same on this machine. */
int on_open(const char *path, int flags, ...) __asm__("open");
int on_open64(const char *path, int flags, ...) __asm__("open64");
int on_openat(int folder, const char *path, int flags, ...) __asm__("openat");
int on_openat64(int folder, const char *path, int flags, ...) __asm__("openat64");
int on_mkdir(const char *path, mode_t mode) __asm__("mkdir");
int on_mkdirat(int folder, const char *path, mode_t mode) __asm__("mkdirat");
int on_unlink(const char *path) __asm__("unlink");
int on_unlinkat(int folder, const char *path, int flags) __asm__("unlinkat");
int on_rename(const char *from, const char *to) __asm__("rename");
ssize_t on_pwrite(int fd, const void *data, size_t size, off_t at) __asm__("pwrite");
ssize_t on_pwrite64(int fd, const void *data, size_t size, off_t at) __asm__("pwrite64");
int on_ftruncate(int fd, off_t size) __asm__("ftruncate");
int on_ftruncate64(int fd, off_t size) __asm__("ftruncate64");
int on_fsync(int fd) __asm__("fsync");
int on_fdatasync(int fd) __asm__("fdatasync");

#pragma GCC visibility pop

/* Where a name stands. */
struct place {
	uint32_t folder; /* UINT32_MAX: not watched */
	char name[DISK_NAME];
};

static struct place find_place(const struct disk *disk, int folder, const char *path)
{
	struct place place = {.folder = UINT32_MAX};
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	char parent[4096] = ".";
	struct stat st;

	if (slash != NULL)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	if (strlen(name) >= DISK_NAME || strstr(name, "-shm") != NULL ||
	    fstatat(folder, parent, &st, 0) < 0)
		return place;
	place.folder = disk_node(disk, st.st_dev, st.st_ino);
	snprintf(place.name, sizeof(place.name), "%s", name);
	return place;
}

static uint32_t node_of(const struct disk *disk, int fd)
{
	struct stat st;

	if (disk == NULL || fstat(fd, &st) < 0)
		return UINT32_MAX;
	return disk_node(disk, st.st_dev, st.st_ino);
}

static int refuse(int why)
{
	errno = why;
	return -1;
}

/* The dead change nothing. One change before death counts down. */
static bool alive(struct disk *disk)
{
	if (disk != NULL && disk->die_in > 0 && --disk->die_in == 0)
		disk->dead = true;
	return disk == NULL || !disk->dead;
}

static void note_name(struct disk *disk, enum disk_event_kind kind, const struct place *place,
		      uint32_t child)
{
	struct disk_event event = {.kind = kind, .node = place->folder, .child = child};

	memcpy(event.name, place->name, sizeof(event.name));
	disk_add(disk, &event, NULL, 0);
}

/* ---- names ---- */

static int open_at(int folder, const char *path, int flags, unsigned mode)
{
	struct disk *disk = disk_watched();
	bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
	struct place place = {.folder = UINT32_MAX};
	struct stat st;
	uint32_t node;
	int fd;

	if (disk != NULL && changes)
		place = find_place(disk, folder, path);
	if (place.folder == UINT32_MAX)
		return (int)syscall(SYS_openat, folder, path, flags, mode);
	changes = (flags & O_TRUNC) != 0 || fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW) < 0;
	if (changes && !alive(disk))
		return refuse(EIO);
	fd = (int)syscall(SYS_openat, folder, path, flags, mode);
	if (fd < 0 || !changes || fstat(fd, &st) < 0)
		return fd;
	node = disk_node(disk, st.st_dev, st.st_ino);
	if (node == UINT32_MAX)
		note_name(disk, DISK_MAKE, &place, disk_new_node(disk, place.name, &st));
	else
		disk_add(disk, &(struct disk_event){.kind = DISK_TRUNCATE, .node = node}, NULL, 0);
	return fd;
}

static unsigned mode_of(int flags, va_list args)
{
	return (flags & O_CREAT) != 0 ? va_arg(args, unsigned) : 0;
}

#define OPEN_AT(folder, path, flags)                                                               \
	do {                                                                                       \
		va_list args;                                                                      \
		unsigned mode;                                                                     \
		va_start(args, flags);                                                             \
		mode = mode_of(flags, args);                                                       \
		va_end(args);                                                                      \
		return open_at(folder, path, flags, mode);                                         \
	} while (0)

int on_open(const char *path, int flags, ...)
{
	OPEN_AT(AT_FDCWD, path, flags);
}

int on_open64(const char *path, int flags, ...)
{
	OPEN_AT(AT_FDCWD, path, flags);
}

int on_openat(int folder, const char *path, int flags, ...)
{
	OPEN_AT(folder, path, flags);
}

int on_openat64(int folder, const char *path, int flags, ...)
{
	OPEN_AT(folder, path, flags);
}

int on_mkdirat(int folder, const char *path, mode_t mode)
{
	struct disk *disk = disk_watched();
	struct place place = {.folder = UINT32_MAX};
	struct stat st;
	int rc;

	if (disk != NULL)
		place = find_place(disk, folder, path);
	if (place.folder != UINT32_MAX && !alive(disk))
		return refuse(EIO);
	rc = (int)syscall(SYS_mkdirat, folder, path, mode);
	if (rc == 0 && place.folder != UINT32_MAX && fstatat(folder, path, &st, 0) == 0)
		note_name(disk, DISK_MAKE, &place, disk_new_node(disk, place.name, &st));
	return rc;
}

int on_mkdir(const char *path, mode_t mode)
{
	return on_mkdirat(AT_FDCWD, path, mode);
}

int on_unlinkat(int folder, const char *path, int flags)
{
	struct disk *disk = disk_watched();
	struct place place = {.folder = UINT32_MAX};
	uint32_t node = UINT32_MAX;
	struct stat st;
	int rc;

	if (disk != NULL)
		place = find_place(disk, folder, path);
	if (place.folder != UINT32_MAX) {
		if (!alive(disk))
			return refuse(EIO);
		if (fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			node = disk_node(disk, st.st_dev, st.st_ino);
	}
	rc = (int)syscall(SYS_unlinkat, folder, path, flags);
	if (rc == 0 && node != UINT32_MAX) {
		note_name(disk, DISK_REMOVE, &place, node);
		disk->nodes[node].gone = true;
	}
	return rc;
}

int on_unlink(const char *path)
{
	return on_unlinkat(AT_FDCWD, path, 0);
}

/* Within one folder, which is all that a recording needs. */
int on_rename(const char *from, const char *to)
{
	struct disk *disk = disk_watched();
	struct place old = {.folder = UINT32_MAX}, new;
	struct disk_event event = {.kind = DISK_RENAME};
	struct stat st;
	int rc;

	if (disk != NULL)
		old = find_place(disk, AT_FDCWD, from);
	if (old.folder == UINT32_MAX || stat(from, &st) < 0)
		return (int)syscall(SYS_rename, from, to);
	if (!alive(disk))
		return refuse(EIO);
	new = find_place(disk, AT_FDCWD, to);
	rc = (int)syscall(SYS_rename, from, to);
	event.node = old.folder;
	event.child = disk_node(disk, st.st_dev, st.st_ino);
	memcpy(event.name, old.name, sizeof(event.name));
	memcpy(event.to, new.name, sizeof(event.to));
	if (rc == 0)
		disk_add(disk, &event, NULL, 0);
	return rc;
}

/* ---- bytes ---- */

/* Whether these very bytes are there already. */
static bool rewrites(int fd, const void *data, size_t size, off_t at)
{
	char there[4096];

	for (size_t done = 0; done < size;) {
		size_t want = size - done < sizeof(there) ? size - done : sizeof(there);
		ssize_t got = pread(fd, there, want, at + (off_t)done);

		if (got <= 0 || memcmp(there, (const char *)data + done, (size_t)got) != 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

static ssize_t write_at(struct disk *disk, uint32_t node, int fd, const void *data, size_t size,
			off_t at)
{
	bool clean = (disk->lie == LIE_NO_REWRITE && disk->nodes[node].segment) ||
		     (disk->lie == LIE_NO_LOG_REWRITE && disk->nodes[node].log);
	bool known = clean && rewrites(fd, data, size, at);
	ssize_t put = syscall(SYS_pwrite64, fd, data, size, at);
	const struct disk_event event = {
		.kind = DISK_WRITE, .node = node, .at = (uint64_t)at, .size = (uint64_t)put};

	if (put > 0 && !known)
		disk_add(disk, &event, data, (size_t)put);
	return put;
}

ssize_t on_pwrite(int fd, const void *data, size_t size, off_t at)
{
	struct disk *disk = disk_watched();
	uint32_t node = node_of(disk, fd);
	size_t part;

	if (node == UINT32_MAX)
		return syscall(SYS_pwrite64, fd, data, size, at);
	if (disk->dead)
		return refuse(EIO);
	part = (size_t)chance_below(&disk->chance, size + 1);
	if (!alive(disk)) { /* dies half-way */
		if (part > 0)
			(void)write_at(disk, node, fd, data, part, at);
		return refuse(EIO);
	}
	if (!chance_hits(&disk->chance, disk->fail_writes))
		return write_at(disk, node, fd, data, size, at);
	return part > 0 ? write_at(disk, node, fd, data, part, at) : refuse(ENOSPC);
}

ssize_t on_pwrite64(int fd, const void *data, size_t size, off_t at)
{
	return on_pwrite(fd, data, size, at);
}

int on_ftruncate(int fd, off_t size)
{
	struct disk *disk = disk_watched();
	const struct disk_event event = {
		.kind = DISK_TRUNCATE, .node = node_of(disk, fd), .size = (uint64_t)size};
	int rc;

	if (event.node != UINT32_MAX && !alive(disk))
		return refuse(EIO);
	rc = (int)syscall(SYS_ftruncate, fd, size);
	if (rc == 0 && event.node != UINT32_MAX)
		disk_add(disk, &event, NULL, 0);
	return rc;
}

int on_ftruncate64(int fd, off_t size)
{
	return on_ftruncate(fd, size);
}

/* ---- syncs ---- */

static bool lied_about(const struct disk *disk, uint32_t node)
{
	bool folder = disk->nodes[node].folder, segment = disk->nodes[node].segment;

	return (disk->lie == LIE_SEGMENT_SYNC && segment && !folder) ||
	       (disk->lie == LIE_NAME_SYNC && segment && folder) ||
	       (disk->lie == LIE_FOLDER_SYNC && !segment && folder);
}

static int sync_node(struct disk *disk, uint32_t node, bool may_fail)
{
	const struct disk_event synced = {.kind = DISK_SYNC, .node = node};
	const struct disk_event failed = {.kind = DISK_SYNC_FAILED, .node = node};

	if (!alive(disk))
		return refuse(EIO);
	may_fail = may_fail && (disk->nodes[node].log || !disk->fail_only_log);
	if (may_fail && chance_hits(&disk->chance, disk->fail_syncs)) {
		disk_add(disk, &failed, NULL, 0);
		if (disk->lie == LIE_RETRIED_SYNC)
			return 0;
		if (chance_hits(&disk->chance, disk->die_after_failure))
			disk->dead = true;
		return refuse(EIO);
	}
	if (!lied_about(disk, node))
		disk_add(disk, &synced, NULL, 0);
	return 0;
}

int on_fsync(int fd)
{
	struct disk *disk = disk_watched();
	uint32_t node = node_of(disk, fd);

	return node == UINT32_MAX ? (int)syscall(SYS_fsync, fd) : sync_node(disk, node, true);
}

/* SQLite takes no notice of a folder that could not be synced (it says so in its source), so that
 * is spared it: only fsync, which is ours, fails for folders. */
int on_fdatasync(int fd)
{
	struct disk *disk = disk_watched();
	uint32_t node = node_of(disk, fd);

	if (node == UINT32_MAX)
		return (int)syscall(SYS_fdatasync, fd);
	return sync_node(disk, node, !disk->nodes[node].folder);
}
