/* What was recorded, by HTTP; see recorded.h. */
#include "workers/display/recorded.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/links/json.h"
#include "workers/display/caption.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A storer that was killed has a successor within moments, or after a few tries. */
#define WAIT	 (10 * NS_PER_S)
#define WAIT_MAX (60 * NS_PER_S)

/* ---- what is asked for ---- */

/* "1700000000.25": seconds since 1970 as ns. */
static bool parse_time(const char *text, int64_t *ns)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	int64_t seconds = strtoll(text, &end, 10), unit = NS_PER_S, fraction = 0;
	if (seconds > INT64_MAX / NS_PER_S / 2)
		return false;
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++)
			fraction += (*end - '0') * (unit /= 10);
	*ns = seconds * NS_PER_S + fraction;
	return *end == '\0';
}

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	*number = strtoull(text, &end, 10);
	return *end == '\0' && *number <= INT64_MAX;
}

static bool refuse(struct request *request, const char *name, const char *what)
{
	request_say(request, MHD_HTTP_BAD_REQUEST, "%s=%.40s is no %s.", name,
		    request_argument(request, name), what);
	return false;
}

/* A number that may be missing. */
static bool take_number(struct request *request, const char *name, uint64_t *number)
{
	const char *text = request_argument(request, name);
	return !text || parse_number(text, number) || refuse(request, name, "number");
}

static bool take_time(struct request *request, const char *name, int64_t *ns)
{
	const char *text = request_argument(request, name);
	return !text || parse_time(text, ns) || refuse(request, name, "time in seconds");
}

static bool take_stream(struct request *request, const char *name,
			struct recorded_question *question)
{
	if (strlen(name) < sizeof(question->stream)) {
		snprintf(question->stream, sizeof(question->stream), "%s", name);
		return true;
	}
	request_say(request, MHD_HTTP_NOT_FOUND, "No stream has a name that long.");
	return false;
}

static bool take_place(struct request *request, struct recorded_question *question)
{
	static const struct {
		const char *name;
		Troupe__Which which;
	} ways[] = {
		{"seq", TROUPE__WHICH__NUMBER},
		{"after", TROUPE__WHICH__AFTER},
		{"before", TROUPE__WHICH__BEFORE},
	};
	question->which =
		request_flag(request, "first") ? TROUPE__WHICH__FIRST : TROUPE__WHICH__LAST;
	if (request_argument(request, "at"))
		question->which = TROUPE__WHICH__AT;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!request_argument(request, ways[i].name))
			continue;
		question->which = ways[i].which;
		if (!take_number(request, ways[i].name, &question->seq))
			return false;
	}
	return take_number(request, "run", &question->run) &&
	       take_time(request, "at", &question->wall);
}

/* ---- answers ---- */

static json_t *record_json(const struct playback_record *r)
{
	json_t *out = json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:f, s:f, s:I, s:b, s:b, s:I, s:i, s:i, s:i}",
		"stream", r->stream, "run", (json_int_t)r->run, "seq", (json_int_t)r->seq,
		"captured_wall", (json_int_t)r->captured_wall, "pts_ms",
		(json_int_t)(r->pts / NS_PER_MS), "label", r->label, "prediction", r->prediction,
		"probability", (double)r->probability, "motion", (double)r->motion, "model",
		(json_int_t)r->model_version, "bypassed", (int)(r->marks & MARK_BYPASSED),
		"quarantined", (int)(r->marks & MARK_QUARANTINED), "stored_us",
		(json_int_t)((r->stored - r->captured) / NS_PER_US), "width", (int)r->width,
		"height", (int)r->height, "storer", (int)r->filler);
	if (out)
		json_object_set_new(out, "drops_before", caption_drops(r->drops_before));
	return out;
}

/* Takes the JSON over. */
static void add_header(struct MHD_Response *response, json_t *json)
{
	char *text =
		json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(4))
		     : NULL;
	if (text)
		MHD_add_response_header(response, "X-Frame", text);
	free(text);
	json_decref(json);
}

static struct MHD_Response *copy_of(const void *bytes, size_t size, const char *type)
{
	/* libmicrohttpd wants a pointer it may write to, but copies at once. */
	union {
		const void *in;
		void *out;
	} body = {.in = bytes};
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, body.out, MHD_RESPMEM_MUST_COPY);
	if (response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return response;
}

static void no_memory(struct request *request)
{
	request_say(request, MHD_HTTP_SERVICE_UNAVAILABLE, "There is no memory for this.");
}

static void answer_frame(struct request *request, const struct recorded_answer *answer)
{
	const struct playback_record *record = answer->record;
	char name[128];
	struct MHD_Response *response = copy_of(answer->coded, record->coded_bytes, "image/jpeg");
	if (!response) {
		no_memory(request);
		return;
	}
	snprintf(name, sizeof(name), "inline; filename=\"%s-%" PRIu64 "-%" PRIu64 ".jpg\"",
		 record->stream, record->run, record->seq);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, name);
	add_header(response, record_json(record));
	request_respond(request, MHD_HTTP_OK, response);
}

static void answer_timeline(struct request *request, const struct recorded_answer *answer)
{
	json_t *json = message_json(&answer->timeline->base);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (text)
		request_answer(request, MHD_HTTP_OK, HTTP_JSON, text, strlen(text));
	else
		no_memory(request);
	free(text);
	json_decref(json);
}

static unsigned status_of(int code)
{
	switch (code) {
	case TROUPE_E_ENDED:
	case TROUPE_E_NOT_FOUND:
		return MHD_HTTP_NOT_FOUND;
	case TROUPE_E_TIMEOUT:
		return MHD_HTTP_GATEWAY_TIMEOUT;
	case TROUPE_E_CLOSED:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	case TROUPE_E_ARGUMENT:
		return MHD_HTTP_BAD_REQUEST;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

/* Why there is no frame; if one is to blame, X-Frame names it, so that a player can go past it. */
static void answer_with_words(struct request *request, const struct recorded_answer *answer)
{
	char line[512];
	size_t size = (size_t)snprintf(line, sizeof(line) - 1, "%s",
				       *answer->text ? answer->text : error_text(answer->code));
	size = size < sizeof(line) - 1 ? size : sizeof(line) - 2;
	line[size++] = '\n';
	struct MHD_Response *response = copy_of(line, size, HTTP_TEXT);
	if (!response) {
		no_memory(request);
		return;
	}
	if (answer->seq)
		add_header(response, json_pack("{s:I, s:I}", "run", (json_int_t)answer->run, "seq",
					       (json_int_t)answer->seq));
	request_respond(request, status_of(answer->code), response);
}

static void on_answer(void *arg, const struct recorded_answer *answer)
{
	if (answer->record)
		answer_frame(arg, answer);
	else if (answer->timeline)
		answer_timeline(arg, answer);
	else
		answer_with_words(arg, answer);
}

static void ask_for(struct worker *w, struct request *request,
		    const struct recorded_question *question)
{
	int64_t wait = WAIT;
	if (!take_time(request, "wait", &wait))
		return;
	int64_t deadline = clock_now() + (wait < WAIT_MAX ? wait : WAIT_MAX);
	int rc = w ? worker_ask_recorded(w, question, deadline, on_answer, request)
		   : TROUPE_E_UNSUPPORTED;
	if (rc == 0)
		request_park(request);
	else
		request_say(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			    "The recording cannot be asked just now: %s.", error_text(rc));
}

void recorded_frame(struct worker *w, struct request *request, const char *stream)
{
	struct recorded_question question = {.run = w ? worker_ledger(w)->header->run : 0};
	if (take_stream(request, stream, &question) && take_place(request, &question))
		ask_for(w, request, &question);
}

void recorded_timeline(struct worker *w, struct request *request, const char *stream)
{
	struct recorded_question question = {.which = TROUPE__WHICH__TIMELINE};
	if (!take_stream(request, stream, &question) ||
	    !take_time(request, "from", &question.wall) ||
	    !take_time(request, "to", &question.until))
		return;
	if (question.until > question.wall)
		ask_for(w, request, &question);
	else
		request_say(request, MHD_HTTP_BAD_REQUEST,
			    "from and to are needed, in seconds since 1970, and from comes first.");
}
