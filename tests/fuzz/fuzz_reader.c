/* Any bytes as a video file: it is opened or refused, and every frame of it is decoded, or not, and
 * converted; going to a place in it, too. The seeds are small clips of several kinds,
 * made by the build. */
#include "ipc/base/errors.h"
#include "tests/fuzz/fuzz.h"
#include "workers/capture/reader.h"
#include "workers/media/convert.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUIRE(condition_)                                                                        \
	do {                                                                                       \
		if (!(condition_))                                                                 \
			abort();                                                                   \
	} while (0)

#define FRAMES_MAX 12

/* The decoder's word for the size is all that convert_to_i420 goes by; so is ours. */
static void convert(const AVFrame *frame)
{
	uint32_t width = (uint32_t)frame->width & ~1U, height = (uint32_t)frame->height & ~1U;
	if (!width || !height || (uint64_t)width * height > 1U << 22)
		return;
	uint8_t *i420 = malloc((size_t)width * height * 3 / 2);
	REQUIRE(i420 != NULL);
	int rc = convert_to_i420(frame, width, height, i420);
	REQUIRE((rc == 0) == convert_supported(frame->format));
	free(i420);
}

static void read_frames(struct reader *reader)
{
	const AVFrame *frame;
	for (int n = 0; n < FRAMES_MAX; n++) {
		int rc = reader_next(reader, &frame);
		REQUIRE(rc == 0 || rc == TROUPE_E_CORRUPT || rc == TROUPE_E_ENDED ||
			rc == TROUPE_E_IO || rc == TROUPE_E_MEMORY || rc == TROUPE_E_TIMEOUT);
		if (rc < 0 && rc != TROUPE_E_CORRUPT)
			return;
		if (rc < 0)
			continue;
		int64_t pts = reader_pts(reader, frame);
		REQUIRE(pts == READER_NO_PTS || llabs(pts) < INT64_MAX / 4);
		convert(frame);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct source_host nobody = {0};
	struct reader *reader = NULL;
	char path[64], why[256] = "";
	int fd = memfd_create("video", MFD_CLOEXEC);
	REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int rc = reader_open(&reader, path, &nobody, why, sizeof(why));
	REQUIRE(rc == 0 || (rc < 0 && *why && !strchr(why, '\n')));
	if (rc == 0) {
		read_frames(reader);
		if (reader_seek(reader, INT64_C(40000000)) == 0)
			read_frames(reader);
		(void)reader_last_pts(reader);
	}
	reader_close(reader);
	close(fd);
	return 0;
}

uint8_t *fuzz_seed(size_t i, size_t *size)
{
	static const char *const seeds[] = {FUZZ_SEEDS};
	if (i >= sizeof(seeds) / sizeof(seeds[0]))
		return NULL;
	int fd = open(seeds[i], O_RDONLY | O_CLOEXEC);
	struct stat st;
	REQUIRE(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0);
	uint8_t *bytes = malloc((size_t)st.st_size);
	REQUIRE(bytes != NULL && read(fd, bytes, (size_t)st.st_size) == st.st_size);
	close(fd);
	*size = (size_t)st.st_size;
	return bytes;
}
