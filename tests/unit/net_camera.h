/* A camera in the network that is a thread of the test: sends JPEGs that show their numbers by
 * HTTP.
 */
#ifndef TROUPE_TESTS_UNIT_NET_CAMERA_H
#define TROUPE_TESTS_UNIT_NET_CAMERA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_WIDTH  192 /* of a picture, at most */
#define NET_HEIGHT 192

struct net_camera;
typedef void net_visit_fn(struct net_camera *camera, int fd);

struct net_camera {
	int listener;
	uint16_t port;
	pthread_t thread;
	net_visit_fn *const
		*visits; /* one a connection, the last for all that follow; ends with NULL */
	uint64_t number; /* of the next picture; the thread's */
	void *arg;	 /* the visits' own */
};

/* Takes a port, on which nobody answers yet. */
void net_listen(struct net_camera *camera, uint16_t port);
void net_begin(struct net_camera *camera, net_visit_fn *const *visits);
/* After its viewer has gone. */
void net_end(struct net_camera *camera);

/* What visits are made of. False: the viewer has gone. */
bool net_send(int fd, const void *bytes, size_t size);
void net_answer(int fd);
/* The next picture, 5 ms long. */
bool net_picture(struct net_camera *camera, int fd, uint32_t width, uint32_t height);

/* Two whole ones: pictures without end, and nothing, until the viewer goes. */
net_visit_fn net_film, net_say_nothing;

#endif
