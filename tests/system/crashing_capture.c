/* A capture whose decoder crashes in its first incarnation: at the first picture that it is asked
 * for once the file named by TROUPE_TEST_CRASH is there. Linked with --wrap=avcodec_receive_frame.
 */
#include "workers/capture/capture.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The linker's names for it. */
int real_receive(AVCodecContext *codec, AVFrame *frame) __asm__("__real_avcodec_receive_frame");
int crashing_receive(AVCodecContext *codec, AVFrame *frame) __asm__("__wrap_avcodec_receive_frame");

int crashing_receive(AVCodecContext *codec, AVFrame *frame)
{
	const char *flag = getenv("TROUPE_TEST_CRASH"), *pipe = getenv("TROUPE_PIPE");
	if (flag && pipe && strstr(pipe, ".1.pipe") && access(flag, F_OK) == 0)
		abort();
	return real_receive(codec, frame);
}

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &capture_table);
}
