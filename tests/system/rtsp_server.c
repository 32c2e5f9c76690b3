/* An RTSP camera for tests: `rtsp-server PORT WIDTH HEIGHT FPS FIRST [USER:PASSWORD]` serves
 * rtsp://127.0.0.1:PORT/live as H.264 to whoever comes. Each picture shows its number (barcode.h),
 * the first one FIRST; the numbers go on by the clock from the start, over all viewers. Says "ready
 * PORT" on standard output; port 0 is any. */
#include "workers/media/barcode.h"

#include <gst/app/gstappsrc.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct camera {
	int32_t width, height, fps;
	uint64_t first;
	gint64 begun; /* monotonic, us */
};

/* One run of the media: from the first viewer to the last. */
struct filming {
	const struct camera *camera;
	GstAppSrc *source;
	uint64_t last; /* number of the picture sent last */
};

static GstBuffer *picture(const struct camera *camera, uint64_t number)
{
	size_t luma = (size_t)camera->width * (size_t)camera->height;
	GstBuffer *buffer = gst_buffer_new_allocate(NULL, luma * 3 / 2, NULL);
	GstMapInfo map;
	gst_buffer_map(buffer, &map, GST_MAP_WRITE);
	memset(map.data, 128, map.size);
	const struct canvas canvas = {
		.format = CANVAS_I420,
		.pixels = map.data,
		.width = camera->width,
		.height = camera->height,
	};
	int32_t step = (int32_t)(number % 50) * camera->width / 50;
	draw_box(&canvas, step, camera->height / 4, camera->width / 10, camera->height / 10,
		 (struct colour){.red = 220, .green = 60, .blue = 60});
	barcode_draw(&canvas, number);
	gst_buffer_unmap(buffer, &map);
	return buffer;
}

/* Sends what is due; a number that the clock has passed is left out, as a camera does. Only while
 * it plays: just before, there is a clock but no time that it began, and a picture stamped by that
 * would be waited for for hours. A picture may be refused: while a viewer's PLAY is carried out,
 * all that flows is thrown away for a moment. */
static gboolean film(gpointer arg)
{
	struct filming *filming = arg;
	const struct camera *camera = filming->camera;
	gint64 passed = g_get_monotonic_time() - camera->begun;
	uint64_t number = camera->first + (uint64_t)(passed * camera->fps / G_USEC_PER_SEC);
	if (number == filming->last || GST_STATE(filming->source) != GST_STATE_PLAYING)
		return G_SOURCE_CONTINUE;
	filming->last = number;
	gst_app_src_push_buffer(filming->source, picture(camera, number));
	return G_SOURCE_CONTINUE;
}

static void stop_filming(gpointer arg)
{
	struct filming *filming = arg;
	gst_object_unref(filming->source);
	free(filming);
}

static void end_filming(GstRTSPMedia *media, gpointer timer)
{
	(void)media;
	g_source_remove(GPOINTER_TO_UINT(timer));
}

static void begin_filming(GstRTSPMediaFactory *factory, GstRTSPMedia *media, gpointer arg)
{
	(void)factory;
	GstElement *bin = gst_rtsp_media_get_element(media);
	struct filming *filming = calloc(1, sizeof(*filming));
	if (!filming)
		abort();
	filming->camera = arg;
	filming->source = GST_APP_SRC(gst_bin_get_by_name(GST_BIN(bin), "camera"));
	gst_object_unref(bin);
	/* A few looks a picture, so that each comes at about its time. */
	guint timer = g_timeout_add_full(G_PRIORITY_DEFAULT, (guint)(250 / filming->camera->fps),
					 film, filming, stop_filming);
	g_signal_connect(media, "unprepared", G_CALLBACK(end_filming), GUINT_TO_POINTER(timer));
}

static void ask_for_password(GstRTSPServer *server, GstRTSPMediaFactory *factory, const char *text)
{
	char *user = g_strdup(text), *password = strchr(user, ':');
	GstRTSPAuth *auth = gst_rtsp_auth_new();
	GstRTSPToken *token = gst_rtsp_token_new(GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING,
						 "viewer", NULL);
	*password++ = '\0';
	gst_rtsp_auth_add_digest(auth, user, password, token);
	gst_rtsp_auth_set_supported_methods(auth, GST_RTSP_AUTH_DIGEST);
	gst_rtsp_media_factory_add_role(factory, "viewer", GST_RTSP_PERM_MEDIA_FACTORY_ACCESS,
					G_TYPE_BOOLEAN, TRUE, GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
					G_TYPE_BOOLEAN, TRUE, NULL);
	gst_rtsp_server_set_auth(server, auth);
	gst_rtsp_token_unref(token);
	g_object_unref(auth);
	g_free(user);
}

static GstRTSPMediaFactory *make_factory(struct camera *camera)
{
	char launch[512];
	snprintf(launch, sizeof(launch),
		 "( appsrc name=camera is-live=true do-timestamp=true format=time "
		 "caps=video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1 "
		 "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 threads=1 "
		 "! rtph264pay name=pay0 pt=96 config-interval=-1 )",
		 camera->width, camera->height, camera->fps);
	GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
	gst_rtsp_media_factory_set_launch(factory, launch);
	gst_rtsp_media_factory_set_shared(factory, TRUE);
	g_signal_connect(factory, "media-configure", G_CALLBACK(begin_filming), camera);
	return factory;
}

int main(int argc, char **argv)
{
	if (argc < 6)
		return 2;
	struct camera camera = {
		.width = atoi(argv[2]),
		.height = atoi(argv[3]),
		.fps = atoi(argv[4]),
		.first = strtoull(argv[5], NULL, 10),
	};
	gst_init(NULL, NULL);
	GMainLoop *loop = g_main_loop_new(NULL, FALSE);
	GstRTSPServer *server = gst_rtsp_server_new();
	GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
	GstRTSPMediaFactory *factory = make_factory(&camera);
	if (argc > 6)
		ask_for_password(server, factory, argv[6]);
	gst_rtsp_mount_points_add_factory(mounts, "/live", factory);
	g_object_unref(mounts);
	gst_rtsp_server_set_address(server, "127.0.0.1");
	gst_rtsp_server_set_service(server, argv[1]);
	camera.begun = g_get_monotonic_time();
	if (!gst_rtsp_server_attach(server, NULL))
		return 1;
	printf("ready %d\n", gst_rtsp_server_get_bound_port(server));
	fflush(stdout);
	g_main_loop_run(loop);
	return 0;
}
