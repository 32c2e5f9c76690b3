/* Slots and memory. */
#include "supervisor/plan.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/worker/contract.h"
#include "supervisor/query.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A source has limits of its own, which may be as long as this (open_timeout and read_timeout). */
#define PROBE_TIMEOUT (130 * NS_PER_S)
/* A recording commits every 100 to 200 ms. */
#define COMMIT_SECONDS 0.2
/* One that is filled, one that was just finished, and some that nobody is quick enough with. */
#define SPARE_SLOTS 4
#define SLOTS_MIN   8

/* A field of --probe; texts go to the end of the struct. */
struct field {
	const char *name;
	uint64_t min, max;
	uint64_t *value;
};

/* Whether the line is "KEY=…"; then its value is in `out`. */
static bool parse_text(const char *line, size_t length, const char *key, char *out, size_t size)
{
	size_t its = strlen(key);
	if (length < its || memcmp(line, key, its) != 0)
		return false;
	snprintf(out, size, "%.*s", (int)(length - its), line + its);
	return true;
}

static int parse_field(const char *line, size_t length, const struct field *fields, size_t n,
		       struct probed *probed)
{
	if (parse_text(line, length, "labels=", probed->labels, sizeof(probed->labels)) ||
	    parse_text(line, length, "device=", probed->device, sizeof(probed->device)))
		return 0;
	for (size_t i = 0; i < n; i++) {
		size_t name = strlen(fields[i].name);
		if (length <= name + 1 || memcmp(line, fields[i].name, name) != 0 ||
		    line[name] != '=')
			continue;
		char *end;
		*fields[i].value = strtoull(line + name + 1, &end, 10);
		return end == line + length ? 0 : TROUPE_E_MALFORMED;
	}
	return 0; /* a newer program may say more */
}

int probe_parse(const char *lines, struct probed *probed, char *why, size_t why_size)
{
	uint64_t width = 0, height = 0, num = 0, den = 0, live = 0, frames = 0;
	const struct field fields[] = {
		{"width", 2, 16384, &width},   {"height", 2, 16384, &height},
		{"fps_num", 1, 1000000, &num}, {"fps_den", 1, 1000000, &den},
		{"live", 0, 1, &live},	       {"frames", 0, UINT64_MAX, &frames},
	};
	const size_t n = sizeof(fields) / sizeof(fields[0]);
	*probed = (struct probed){0};
	for (const char *at = lines; *at;) {
		size_t length = strcspn(at, "\n");
		if (parse_field(at, length, fields, n, probed) < 0) {
			snprintf(why, why_size, "\"%.*s\" is no number",
				 (int)(length > 80 ? 80 : length), at);
			return TROUPE_E_MALFORMED;
		}
		at += length + (at[length] == '\n');
	}
	for (size_t i = 0; i < n; i++) {
		if (*fields[i].value < fields[i].min || *fields[i].value > fields[i].max) {
			snprintf(why, why_size, "%s = %" PRIu64 " is missing or out of range",
				 fields[i].name, *fields[i].value);
			return TROUPE_E_MALFORMED;
		}
	}
	probed->width = (uint32_t)width & ~1U;
	probed->height = (uint32_t)height & ~1U;
	probed->fps_num = (uint32_t)num;
	probed->fps_den = (uint32_t)den;
	probed->live = live;
	probed->frames = frames;
	return 0;
}

int stream_probe(const struct section *section, struct probed *probed, char *why, size_t why_size)
{
	char *answer = NULL, words[WHY_SIZE], detail[WHY_SIZE];
	char *lines = section_lines(section);
	if (!lines)
		return TROUPE_E_MEMORY;
	int rc = query(section->program, CONTRACT_ARG_PROBE, lines, PROBE_TIMEOUT, &answer, words,
		       sizeof(words));
	free(lines);
	if (rc != 0) {
		snprintf(why, why_size, "%s %s: %s", section->role->section, section->title,
			 *words	  ? words
			 : rc < 0 ? error_text(rc)
				  : "the source cannot be used");
		rc = rc < 0 ? rc : TROUPE_E_NOT_FOUND;
	} else {
		rc = probe_parse(answer, probed, detail, sizeof(detail));
		if (rc < 0)
			snprintf(why, why_size, "%s %s: %s %s: %s", section->role->section,
				 section->title, section->program, CONTRACT_ARG_PROBE, detail);
	}
	free(answer);
	return rc;
}

uint32_t plan_slots(double fps, const struct top_settings *top, uint32_t processors)
{
	/* The longest that a slot can be kept: a bypassed frame's holder is found by then too. */
	double longest = (double)top->hang_after / (double)NS_PER_S;
	double frames = ceil(fps * (longest + COMMIT_SECONDS));
	double slots = frames + processors + SPARE_SLOTS;
	return slots < SLOTS_MIN	  ? SLOTS_MIN
	       : slots > STREAM_SLOTS_MAX ? STREAM_SLOTS_MAX
					  : (uint32_t)slots;
}

static uint32_t even(double pixels)
{
	uint32_t value = (uint32_t)(pixels / 2 + 0.5) * 2;
	return value < 2 ? 2 : value;
}

void plan_stream(const struct section *section, const struct probed *probed,
		 const struct top_settings *top, uint32_t processors, bool recorded,
		 struct stream_plan *plan)
{
	const struct section_settings *s = &section->settings;
	double fps = (double)probed->fps_num / probed->fps_den;
	uint32_t view_width = even((double)s->view_width);
	if (view_width > probed->width)
		view_width = probed->width;
	uint32_t view_height = even((double)view_width * probed->height / probed->width);
	*plan = (struct stream_plan){
		.name = section->title,
		.n_slots = s->slots ? (uint32_t)s->slots : plan_slots(fps, top, processors),
		.width = probed->width,
		.height = probed->height,
		.view_width = view_width,
		.view_height = view_height > probed->height ? probed->height : view_height,
		.fps_num = probed->fps_num,
		.fps_den = probed->fps_den,
		.quality = (uint32_t)s->quality,
		.live = probed->live,
		.taps_on = recorded && s->record,
		.keep_bytes = s->keep.bytes,
		.keep_age = s->keep.age,
	};
	if (s->record_fps > 0)
		plan->tap_every_ns[0] = (int64_t)((double)NS_PER_S / s->record_fps);
	if (plan->n_slots < SLOTS_MIN)
		plan->n_slots = SLOTS_MIN;
}

static uint64_t plan_slot_count(const struct ledger_plan *plan)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < plan->n_streams; i++)
		n += plan->streams[i].n_slots;
	return n;
}

uint64_t plan_slot_size(const struct ledger_plan *plan)
{
	uint64_t n = plan_slot_count(plan);
	return n ? ledger_plan_size(plan) / n : 0;
}

static void format_bytes(uint64_t bytes, char *out, size_t size)
{
	if (bytes >= 1000000000)
		snprintf(out, size, "%.1f GB", (double)bytes / 1e9);
	else
		snprintf(out, size, "%.1f MB", (double)bytes / 1e6);
}

int plan_check(const struct ledger_plan *plan, const struct top_settings *top, uint64_t available,
	       char *why, size_t why_size)
{
	uint64_t size = ledger_plan_size(plan), limit = available;
	bool by_row = top->memory > 0 && (uint64_t)top->memory < available;
	if (by_row)
		limit = (uint64_t)top->memory;
	if (size <= limit)
		return 0;
	char one[32], all[32], have[32];
	format_bytes(plan_slot_size(plan), one, sizeof(one));
	format_bytes(size, all, sizeof(all));
	format_bytes(limit, have, sizeof(have));
	snprintf(why, why_size,
		 "memory: %" PRIu64
		 " slots of %s need %s, %s is %s: lower slots, size, hang_after or "
		 "bypass_after",
		 plan_slot_count(plan), one, all, have, by_row ? "allowed" : "available");
	return TROUPE_E_MEMORY;
}

uint64_t memory_available(void)
{
	FILE *in = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kb = UINT64_MAX / 1024;
	while (in && fgets(line, sizeof(line), in))
		if (strncmp(line, "MemAvailable:", 13) == 0)
			kb = strtoull(line + 13, NULL, 10);
	if (in)
		fclose(in);
	return kb * 1024;
}
