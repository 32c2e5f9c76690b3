/* A capture that has a device: the stock one, whose frames come only as long as the descriptor that
 * it was handed does not hang up. Its probe names the device that TROUPE_TEST_DEVICE says. */
#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/capture/capture.h"

#include <poll.h>
#include <stdlib.h>

#define DEVICE "TROUPE_TEST_DEVICE"

static int device_probe(const void *config, FILE *out, char *why, size_t why_size)
{
	const char *path = getenv(DEVICE);
	int rc = capture_table.probe(config, out, why, why_size);
	if (rc == 0)
		fprintf(out, "device=%s\n", path ? path : "");
	return rc;
}

static int check_device(const struct worker *w)
{
	struct pollfd device = {.fd = worker_handed_fd(w)};
	if (device.fd >= 0 && poll(&device, 1, 0) == 0)
		return 0;
	log_error("the device is gone");
	return TROUPE_E_NOT_FOUND;
}

static int device_ready(struct worker *w, void *self)
{
	int rc = check_device(w);
	return rc < 0 ? rc : capture_table.ready(w, self);
}

static int device_frame(struct worker *w, void *self, struct frame *frame)
{
	int rc = check_device(w);
	return rc < 0 ? rc : capture_table.frame(w, self, frame);
}

int main(int argc, char **argv)
{
	struct worker_table table = capture_table;
	table.probe = device_probe;
	table.ready = device_ready;
	table.frame = device_frame;
	return worker_main(argc, argv, &table);
}
