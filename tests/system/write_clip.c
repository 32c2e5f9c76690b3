/* A video file for tests whose pictures show their numbers: `write-clip PATH CODEC WIDTH HEIGHT FPS
 * FRAMES [SHRINK_AT [DAMAGE_AT [B_FRAMES]]]`; see tests/unit/clip.h. */
#include "tests/unit/clip.h"

#include <stdlib.h>

static uint32_t number(int argc, char **argv, int at)
{
	return argc > at ? (uint32_t)strtoul(argv[at], NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	if (argc < 7)
		return 2;
	const struct clip clip = {
		.codec = argv[2],
		.width = number(argc, argv, 3),
		.height = number(argc, argv, 4),
		.fps = number(argc, argv, 5),
		.frames = number(argc, argv, 6),
		.gop = 12,
		.shrink_at = number(argc, argv, 7),
		.damage_at = number(argc, argv, 8),
		.b_frames = (int)number(argc, argv, 9),
	};
	return clip_write(argv[1], &clip) < 0 ? 1 : 0;
}
