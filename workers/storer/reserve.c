/* Space that is kept for the moment when there is none. */
#include "workers/storer/reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME	"reserve"
#define RESERVE "../" NAME

bool reserve_take(int segments)
{
	struct stat file;
	int fd;
	bool taken;

	if (fstatat(segments, RESERVE, &file, 0) == 0 && file.st_size == RESERVE_BYTES)
		return true;
	fd = openat(segments, RESERVE, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	taken = fallocate(fd, 0, 0, RESERVE_BYTES) == 0;
	close(fd);
	if (!taken)
		unlinkat(segments, RESERVE, 0);
	return taken;
}

bool reserve_give_up(int segments)
{
	return unlinkat(segments, RESERVE, 0) == 0;
}

bool reserve_give_up_in(const char *recording)
{
	int folder = open(recording, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool given = folder >= 0 && unlinkat(folder, NAME, 0) == 0;

	if (folder >= 0)
		close(folder);
	return given;
}
