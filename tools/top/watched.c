/* Asking, looking, finding again. */
#include "tools/top/watched.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "tools/troupe/output.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longer, and keys would be slow to do something; who watches looks again in a second anyway. */
#define ANSWER_WAIT (500 * NS_PER_MS)
#define ORDER_WAIT  (3 * NS_PER_S)

int watched_init(struct watched *w, const struct call *call)
{
	*w = (struct watched){.ledger_fd = -1, .ledger = {.fd = -1}};
	w->look = calloc(LOOKS_KEPT, sizeof(*w->look));
	if (!w->look) {
		out_error("out of memory");
		return EXIT_FAILED;
	}
	return pipeline_pick(call, false, &w->pipeline);
}

static void forget_ledger(struct watched *w)
{
	ledger_finish(&w->ledger);
	if (w->ledger_fd >= 0)
		close(w->ledger_fd);
	w->ledger_fd = -1;
	w->n_looks = 0;
}

void watched_finish(struct watched *w)
{
	forget_ledger(w);
	if (w->reply)
		troupe__reply__free_unpacked(w->reply, NULL);
	free(w->look);
}

/* ---- the supervisor ---- */

/* It may be another one by now. Returns whether there is one. */
static bool find_again(struct watched *w)
{
	struct pipeline found[PIPELINES_MAX];
	size_t n = pipelines_find(found, PIPELINES_MAX);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(found[i].name, w->pipeline.name) == 0 && found[i].pid) {
			w->pipeline = found[i];
			return true;
		}
	}
	return false;
}

static void lose(struct watched *w, const char *why)
{
	if (!w->lost_at)
		w->lost_at = clock_now();
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static void map_ledger(struct watched *w)
{
	char path[320];
	snprintf(path, sizeof(path), "%s/ledger", w->pipeline.folder);
	w->ledger_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (w->ledger_fd >= 0 && ledger_attach(&w->ledger, w->ledger_fd, false) < 0)
		forget_ledger(w);
}

/* Of another run there is another ledger, and nothing of before counts. */
static void take_reply(struct watched *w, Troupe__Reply *reply)
{
	if (w->reply)
		troupe__reply__free_unpacked(w->reply, NULL);
	w->reply = reply;
	if (reply->pipeline->run != w->run)
		forget_ledger(w);
	w->run = reply->pipeline->run;
	if (w->ledger_fd < 0)
		map_ledger(w);
	w->came_back = w->lost_at != 0;
	w->lost_at = 0;
}

static void take_counts(struct watched *w)
{
	const Troupe__Pipeline *pipeline = w->reply->pipeline;
	struct look *look = &w->look[w->n_looks++ % LOOKS_KEPT];
	*look = (struct look){.time = clock_now()};
	look->n_streams = (uint32_t)pipeline->n_stream;
	if (look->n_streams > STREAMS_MAX)
		look->n_streams = STREAMS_MAX;
	for (uint32_t i = 0; i < look->n_streams; i++) {
		look->captured[i] = pipeline->stream[i]->captured;
		if (w->ledger_fd >= 0 && i < w->ledger.header->n_streams)
			stations_copy(&w->ledger, i, &look->stations[i]);
	}
}

static int ask_it(struct watched *w, int64_t wait, Troupe__Request *request, Troupe__Reply **reply)
{
	*reply = NULL;
	int rc = pipeline_ask(&w->pipeline, request, wait, reply);
	return rc < 0 ? rc : *reply ? 0 : TROUPE_E_TIMEOUT;
}

void watched_look(struct watched *w)
{
	Troupe__PsRequest ps = TROUPE__PS_REQUEST__INIT;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	Troupe__Reply *reply;
	request.what_case = TROUPE__REQUEST__WHAT_PS;
	request.ps = &ps;
	w->came_back = false;
	if (!find_again(w)) {
		lose(w, "the supervisor is gone");
		return;
	}
	int rc = ask_it(w, ANSWER_WAIT, &request, &reply);
	if (rc == 0 && reply->pipeline) {
		take_reply(w, reply);
		take_counts(w);
		return;
	}
	if (rc == 0)
		troupe__reply__free_unpacked(reply, NULL);
	lose(w, rc == TROUPE_E_CLOSED ? "the supervisor has just ended"
				      : "the supervisor does not answer");
}

void watched_order(struct watched *w, Troupe__Request *request, char *text, size_t size)
{
	Troupe__Reply *reply;
	int rc = ask_it(w, ORDER_WAIT, request, &reply);
	if (rc < 0) {
		snprintf(text, size, "the supervisor did not answer: %s", error_text(rc));
		return;
	}
	snprintf(text, size, "%s",
		 reply->text && *reply->text ? reply->text : error_text(reply->code));
	troupe__reply__free_unpacked(reply, NULL);
}

/* ---- figures ---- */

static const struct look *newest(const struct watched *w)
{
	return w->n_looks ? &w->look[(w->n_looks - 1) % LOOKS_KEPT] : NULL;
}

/* NULL: there is none beside the newest. */
static const struct look *oldest(const struct watched *w)
{
	if (w->n_looks < 2)
		return NULL;
	return &w->look[w->n_looks < LOOKS_KEPT ? 0 : w->n_looks % LOOKS_KEPT];
}

double watched_rate(const struct watched *w, uint32_t stream)
{
	const struct look *now = newest(w), *before = oldest(w);
	if (!before || stream >= now->n_streams || now->captured[stream] < before->captured[stream])
		return -1;
	return (double)(now->captured[stream] - before->captured[stream]) /
	       ((double)(now->time - before->time) / (double)NS_PER_S);
}

int64_t watched_percentile(const struct watched *w, uint32_t stream, enum station station,
			   double share)
{
	const struct look *now = newest(w), *before = oldest(w);
	if (!before || stream >= now->n_streams)
		return -1;
	return stations_percentile(&now->stations[stream], &before->stations[stream], station,
				   share);
}

uint64_t watched_count(const struct watched *w, uint32_t stream, enum station station)
{
	const struct look *now = newest(w), *before = oldest(w);
	if (!before || stream >= now->n_streams)
		return 0;
	return stations_count(&now->stations[stream], &before->stations[stream], station);
}
