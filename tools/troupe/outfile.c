/* Files that appear whole; see outfile.h. */
#include "tools/troupe/outfile.h"

#include "ipc/base/errors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOT_EMPTY "is a folder that is not empty: name another"

static int explain(const char *name, const char *text, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s %s", name, text);
	return TROUPE_E_EXISTS;
}

static int explain_errno(const char *name, char *why, size_t why_size)
{
	int code = errno;
	snprintf(why, why_size, "cannot write %s: %s", name, strerror(code));
	return error_from_errno(code);
}

static bool is_empty(const char *folder)
{
	DIR *names = opendir(folder);
	int n = 0;
	while (names && readdir(names))
		n++;
	if (names)
		closedir(names);
	return n == 2;
}

/* Whether what is there may give way, so that nobody waits for an hour to hear that it may not. */
static int look(const struct outfile *out, char *why, size_t why_size)
{
	struct stat there;
	if (lstat(out->name, &there) < 0)
		return errno == ENOENT ? 0 : explain_errno(out->name, why, why_size);
	if (S_ISDIR(there.st_mode) && !out->folder)
		return explain(out->name, "is a folder: name a file in it", why, why_size);
	if (out->folder && !S_ISDIR(there.st_mode))
		return explain(out->name, "is there and no folder", why, why_size);
	if (!out->replace)
		return explain(out->name, "is there already; --force writes over it", why,
			       why_size);
	if (out->folder && !is_empty(out->name))
		return explain(out->name, NOT_EMPTY, why, why_size);
	if (!out->folder && !S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode))
		return explain(out->name, "is no regular file", why, why_size);
	return 0;
}

/* "FOLDER/.NAME.PID.part": hidden, and nobody else's. A slash at the end of a folder is left out.
 */
static int name_part(struct outfile *out, char *why, size_t why_size)
{
	size_t length = strlen(out->name);
	while (length > 1 && out->name[length - 1] == '/')
		length--;
	const char *slash = memrchr(out->name, '/', length);
	size_t folder = slash ? (size_t)(slash - out->name) + 1 : 0;
	int n = snprintf(out->part, sizeof(out->part), "%.*s.%.*s.%d.part", (int)folder, out->name,
			 (int)(length - folder), out->name + folder, (int)getpid());
	if (length > folder && n < (int)sizeof(out->part))
		return 0;
	out->part[0] = '\0';
	snprintf(why, why_size, "'%s' is no name for a file", out->name);
	return TROUPE_E_ARGUMENT;
}

/* An old part of the same name is of a process that was killed and had our number. */
static int make_part(struct outfile *out, char *why, size_t why_size)
{
	int fd = -1;
	if (out->folder && mkdir(out->part, 0777) == 0)
		return 0;
	if (!out->folder)
		fd = open(out->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		out->part[0] = '\0';
		return explain_errno(out->name, why, why_size);
	}
	close(fd);
	return 0;
}

int outfile_create(struct outfile *out, const char *name, bool folder, bool replace, char *why,
		   size_t why_size)
{
	*out = (struct outfile){.name = name, .folder = folder, .replace = replace};
	int rc = look(out, why, why_size);
	if (rc == 0)
		rc = name_part(out, why, why_size);
	return rc < 0 ? rc : make_part(out, why, why_size);
}

static bool sync_part(const struct outfile *out)
{
	int fd = open(out->part, O_RDONLY | O_CLOEXEC);
	bool synced = fd >= 0 && (out->folder ? syncfs(fd) : fsync(fd)) == 0;
	int why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	return synced;
}

/* Without `replace` whoever was there first stays, even if he came a moment ago; where the file
 * system cannot promise that, it was looked for in the beginning. A folder gives way if it is
 * empty. */
static bool give_name(const struct outfile *out)
{
	if (!out->replace) {
		if (renameat2(AT_FDCWD, out->part, AT_FDCWD, out->name, RENAME_NOREPLACE) == 0)
			return true;
		if (errno != EINVAL && errno != ENOSYS)
			return false;
	}
	return rename(out->part, out->name) == 0;
}

int outfile_commit(struct outfile *out, char *why, size_t why_size)
{
	if (!sync_part(out))
		return explain_errno(out->name, why, why_size);
	if (!give_name(out)) {
		if (out->folder && out->replace && (errno == ENOTEMPTY || errno == EEXIST))
			return explain(out->name, NOT_EMPTY, why, why_size);
		return explain_errno(out->name, why, why_size);
	}
	out->part[0] = '\0';
	return 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
	(void)stat;
	(void)type;
	(void)at;
	remove(path);
	return 0;
}

void outfile_discard(struct outfile *out)
{
	if (*out->part)
		nftw(out->part, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	out->part[0] = '\0';
}
