/* The camera's thread and what it sends. */
#include "tests/unit/net_camera.h"

#include "ipc/base/clock.h"
#include "workers/media/barcode.h"
#include "workers/media/jpeg.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

bool net_send(int fd, const void *bytes, size_t size)
{
	return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

void net_answer(int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n"
				   "Content-Type: multipart/x-mixed-replace; boundary=x\r\n\r\n";
	char request[2048];
	if (recv(fd, request, sizeof(request), 0) > 0)
		net_send(fd, head, sizeof(head) - 1);
}

bool net_picture(struct net_camera *camera, int fd, uint32_t width, uint32_t height)
{
	static const struct timespec pace = {.tv_nsec = 5 * NS_PER_MS};
	uint8_t pixels[NET_WIDTH * NET_HEIGHT * 3 / 2];
	struct canvas canvas = {.format = CANVAS_I420,
				.pixels = pixels,
				.width = (int32_t)width,
				.height = (int32_t)height};
	struct jpeg_encoder *encoder = jpeg_encoder_create();
	const uint8_t *jpeg;
	size_t size;
	char head[128];
	memset(pixels, 128, sizeof(pixels));
	barcode_draw(&canvas, camera->number++);
	bool sent =
		encoder && jpeg_encode_i420(encoder, pixels, width, height, 90, &jpeg, &size) == 0;
	int length =
		sent ? snprintf(head, sizeof(head),
				"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n",
				size)
		     : 0;
	sent = sent && net_send(fd, head, (size_t)length) && net_send(fd, jpeg, size) &&
	       net_send(fd, "\r\n", 2);
	jpeg_encoder_destroy(encoder);
	nanosleep(&pace, NULL);
	return sent;
}

void net_say_nothing(struct net_camera *camera, int fd)
{
	char byte;
	(void)camera;
	while (recv(fd, &byte, 1, 0) > 0)
		continue;
}

void net_film(struct net_camera *camera, int fd)
{
	net_answer(fd);
	while (net_picture(camera, fd, NET_WIDTH, NET_HEIGHT))
		continue;
}

static void *serve(void *arg)
{
	struct net_camera *camera = arg;
	for (int fd; (fd = accept(camera->listener, NULL, NULL)) >= 0; close(fd)) {
		(*camera->visits)(camera, fd);
		camera->visits += camera->visits[1] != NULL;
	}
	return NULL;
}

void net_listen(struct net_camera *camera, uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(at);
	int on = 1;
	camera->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(camera->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(camera->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(camera->listener, (struct sockaddr *)&at, &size), 0);
	camera->port = ntohs(at.sin_port);
}

void net_begin(struct net_camera *camera, net_visit_fn *const *visits)
{
	camera->visits = visits;
	assert_int_equal(listen(camera->listener, 8), 0);
	assert_int_equal(pthread_create(&camera->thread, NULL, serve, camera), 0);
}

void net_end(struct net_camera *camera)
{
	shutdown(camera->listener, SHUT_RDWR);
	pthread_join(camera->thread, NULL);
	close(camera->listener);
}
