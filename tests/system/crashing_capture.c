/* A capture whose decoder crashes: at the first picture that it is asked for while the file named
 * by TROUPE_TEST_CRASH is there, which it takes away first. Linked with
 * --wrap=avcodec_receive_frame. */
#include "workers/capture/capture.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>
#include <unistd.h>

int __real_avcodec_receive_frame(AVCodecContext *codec, AVFrame *frame);
int __wrap_avcodec_receive_frame(AVCodecContext *codec, AVFrame *frame);

int __wrap_avcodec_receive_frame(AVCodecContext *codec, AVFrame *frame)
{
	const char *flag = getenv("TROUPE_TEST_CRASH");
	if (flag && unlink(flag) == 0)
		abort();
	return __real_avcodec_receive_frame(codec, frame);
}

int main(int argc, char **argv)
{
	return worker_main(argc, argv, &capture_table);
}
