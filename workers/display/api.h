/* What the page and scripts ask the supervisor: who is there and how are they, kill this one,
 * restart that one. The supervisor is asked over its control socket and answers when it can; until
 * then the HTTP request is parked, so the loop never waits. Everybody who wants to know how the
 * workers are shares one question: a thousand pages cost the supervisor no more than one.
 *
 * Answers are looked for in api_turn(), every few milliseconds while a question is out, and not by
 * watching the socket: ZeroMQ's descriptor tells only of changes, and a change that was missed
 * would be silence. */
#ifndef TROUPE_WORKERS_DISPLAY_API_H
#define TROUPE_WORKERS_DISPLAY_API_H

#include "workers/display/http.h"

struct api;

/* `control_path` is the supervisor's control socket. NULL: out of memory. */
struct api *api_create(const char *control_path);

/* Answers what is parked. NULL is fine. Before http_destroy(). */
void api_destroy(struct api *api);

/* GET /api/workers: the supervisor's answer to `ps` as JSON. */
void api_workers(struct api *api, struct request *request);
/* GET /healthz: 200 "ok" when every worker is ready, else 503 and which are not. */
void api_health(struct api *api, struct request *request);
/* POST /api/workers/NAME/kill and /restart. */
void api_kill(struct api *api, struct request *request, const char *worker);
void api_restart(struct api *api, struct request *request, const char *worker);

/* Takes answers and gives up on what is past its deadline: http_turn() has to follow. */
void api_turn(struct api *api, int64_t now);
/* When it wants to look again. */
int64_t api_due(const struct api *api, int64_t now);

#endif
