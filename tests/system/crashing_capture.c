/* A capture whose decoder crashes: at the first picture that it is asked for while the file named
 * by TROUPE_TEST_CRASH is there, which it takes away first. Linked with
 * --wrap=avcodec_receive_frame. */
#include "workers/capture/capture.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>
#include <unistd.h>

/* The linker's names for it. */
int real_receive(AVCodecContext *codec, AVFrame *frame) __asm__("__real_avcodec_receive_frame");
int crashing_receive(AVCodecContext *codec, AVFrame *frame) __asm__("__wrap_avcodec_receive_frame");

int crashing_receive(AVCodecContext *codec, AVFrame *frame)
{
	const char *flag = getenv("TROUPE_TEST_CRASH");
	if (flag && unlink(flag) == 0)
		abort();
	return real_receive(codec, frame);
}

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &capture_table);
}
