/* Group, modes and umask. */
#include "supervisor/share.h"

#include "ipc/base/errors.h"
#include "supervisor/allot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHERS_NOTHING 0007
/* Set-group-id: what is made there has the folder's group. Sticky: only who made it removes it. */
#define RUNTIME_MODE 03770
#define STATE_MODE   03770

bool share_group(const struct config *config, gid_t *gid)
{
	for (size_t i = 0; i < config->n_sections; i++) {
		const struct section *section = &config->sections[i];
		uid_t uid;
		if (section->settings.enabled && *section->settings.user &&
		    allot_user(section->settings.user, &uid, gid) == 0 && uid != geteuid())
			return true;
	}
	return false;
}

int share_check(const struct config *config, char *why, size_t why_size)
{
	gid_t shared = 0, gid;
	if (!share_group(config, &shared))
		return 0;
	for (size_t i = 0; i < config->n_sections; i++) {
		const struct section *section = &config->sections[i];
		uid_t uid;
		if (!section->settings.enabled || !*section->settings.user ||
		    allot_user(section->settings.user, &uid, &gid) < 0 || gid == shared)
			continue;
		snprintf(why, why_size,
			 "%s:%d: %s: user = \"%s\": has another group than the other workers' "
			 "users: "
			 "they need one in common, wanted NAME:GROUP",
			 config->file, config_line(config, section, "user"), section->role->section,
			 section->settings.user);
		return TROUPE_E_CONFIG;
	}
	return 0;
}

static int open_folder(const char *path, gid_t gid, mode_t mode, char *why, size_t why_size)
{
	if (chown(path, (uid_t)-1, gid) == 0 && chmod(path, mode) == 0)
		return 0;
	snprintf(why, why_size, "%s: cannot be opened to group %u: %s", path, (unsigned)gid,
		 strerror(errno));
	return error_from_errno(errno);
}

/* The folder of all pipelines of this user may be passed through; it cannot be listed. */
static void open_root(const char *folder)
{
	char root[512];
	struct stat st;
	snprintf(root, sizeof(root), "%s", folder);
	char *slash = strrchr(root, '/');
	if (!slash || slash == root)
		return;
	*slash = '\0';
	if (stat(root, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & S_IXOTH))
		(void)chmod(root, (st.st_mode & 07777) | S_IXGRP | S_IXOTH);
}

/* Sockets that are there already. */
static void open_sockets(const char *folder, gid_t gid)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		struct stat st;
		int rc = fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW);
		if (rc < 0 || !S_ISSOCK(st.st_mode))
			continue;
		rc = fchownat(dirfd(dir), entry->d_name, (uid_t)-1, gid, AT_SYMLINK_NOFOLLOW);
		if (rc == 0)
			rc = fchmodat(dirfd(dir), entry->d_name, 0770, 0);
		(void)rc; /* one that has gone since needs no mode */
	}
	if (dir)
		closedir(dir);
}

int share_folders(const struct config *config, const struct runtime *runtime, char *why,
		  size_t why_size)
{
	gid_t gid;
	if (!share_group(config, &gid))
		return 0;
	umask(OTHERS_NOTHING);
	open_root(runtime->folder);
	open_root(runtime->state);
	int rc = open_folder(runtime->folder, gid, RUNTIME_MODE, why, why_size);
	if (rc == 0)
		rc = open_folder(runtime->state, gid, STATE_MODE, why, why_size);
	if (rc == 0)
		open_sockets(runtime->folder, gid);
	return rc;
}
