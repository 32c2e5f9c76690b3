/* What a call of `troupe find` asks for. */
#include "tools/troupe/find.h"

#include "ipc/base/clock.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"
#include "tools/troupe/when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool read_time(const char *text, const char *option, int64_t now, struct when *when)
{
	char why[256];
	if (when_parse(text, now, when, why, sizeof why) == 0)
		return true;
	out_error("find: --%s: %s", option, why);
	return false;
}

static bool read_times(struct finding *finding, const struct call *call)
{
	int64_t now = clock_wall();
	struct when from = {INT64_MIN, INT64_MIN}, to = {INT64_MAX, INT64_MAX};
	if ((call->from && !read_time(call->from, "from", now, &from)) ||
	    (call->to && !read_time(call->to, "to", now, &to)))
		return false;
	finding->from = from.first;
	finding->to = to.last;
	if (call->from && finding->from > now) {
		out_error("find: --from %s is still to come", call->from);
		return false;
	}
	if (finding->from > finding->to) {
		out_error("find: --to %s is before --from %s", call->to,
			  call->from ? call->from : "");
		return false;
	}
	return true;
}

static bool read_probability(const char *text, double *best)
{
	char *end;
	if (!text)
		return true;
	*best = strtod(text, &end);
	if (end != text && !*end && *best >= 0 && *best <= 1)
		return true;
	out_error("find: --min-prob: '%s' is no number from 0 to 1", text);
	return false;
}

/* ---- conditions ---- */

static struct condition *add(struct finding *finding, enum event_kind kind, const char *what)
{
	struct condition *condition = &finding->conditions[finding->n_conditions++];
	*condition = (struct condition){.kinds = {kind}, .n_kinds = 1, .what = what};
	return condition;
}

static bool read_kind(struct finding *finding, const struct call *call)
{
	enum event_kind kind = event_kind_of(call->kind);
	if (call->label || call->prediction || call->motion) {
		out_error("find: --kind stands alone, without --label, --prediction and --motion");
		return false;
	}
	if (kind == N_EVENT_KINDS) {
		char valid[128] = "";
		for (int i = 0; i < N_EVENT_KINDS; i++) {
			size_t used = strlen(valid);
			snprintf(valid + used, sizeof valid - used, "%s%s", i ? ", " : "",
				 event_kind_text((enum event_kind)i));
		}
		out_error("find: unknown kind '%s' (valid: %s)", call->kind, valid);
		return false;
	}
	add(finding, kind, NULL);
	return true;
}

/* A label counts whether somebody gave it or a model predicted it. Of what is sure, first: that is
 * what is shown of several. */
static bool read_conditions(struct finding *finding, const struct call *call)
{
	double best = 0;
	if (!read_probability(call->min_prob, &best) || (call->kind && !read_kind(finding, call)))
		return false;
	if (call->label) {
		struct condition *label = add(finding, EVENT_LABEL, call->label);
		label->kinds[label->n_kinds++] = EVENT_PREDICTION;
	}
	if (call->prediction)
		add(finding, EVENT_PREDICTION, call->prediction);
	if (call->min_prob && !finding->n_conditions)
		add(finding, EVENT_PREDICTION, NULL);
	for (size_t i = 0; i < finding->n_conditions; i++)
		finding->conditions[i].best = best;
	if (call->motion)
		add(finding, EVENT_MOTION, "");
	if (!finding->n_conditions)
		add(finding, EVENT_RECORDED, "");
	return true;
}

int find_read(struct finding *finding, const struct call *call)
{
	uint64_t limit = UINT64_MAX;
	if (!read_times(finding, call) || !call_limit(call, &limit) ||
	    !read_conditions(finding, call))
		return EXIT_USAGE;
	finding->limit = limit;
	finding->stream = call->stream;
	finding->json = call->json;
	return EXIT_DONE;
}
