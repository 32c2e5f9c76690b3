/* `troupe verify DIR [--against DIR2]`: the oracle of recordings, on the command line. */
#include "workers/storer/verify.h"

#include "ipc/base/errors.h"
#include "tools/troupe/command.h"
#include "tools/troupe/decode.h"
#include "tools/troupe/output.h"
#include "tools/troupe/telling.h"

#include <jansson.h>

/* One call of the oracle. What is told is its first member, so that it can be passed on as such. */
struct checking {
	struct telling telling;
	uint64_t decoded, undecoded; /* frames */
};

static void progress(void *arg, uint64_t done, uint64_t total)
{
	struct checking *checking = arg;
	progress_show(&checking->telling.progress, done, total, NULL);
}

static int print_json(const struct verify_report *report, const struct checking *checking)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"run", report->run},
		{"segments", report->segments},
		{"bytes", report->bytes},
		{"records", report->records},
		{"rows", report->rows},
		{"h264", report->h264},
		{"runs", report->runs},
		{"streams", report->streams},
		{"forgotten", report->forgotten},
		{"bypassed", report->bypassed},
		{"quarantined", report->quarantined},
		{"uncommitted", report->uncommitted},
		{"against_run", report->against_run},
		{"decoded", checking->decoded},
		{"compared", report->compared},
		{"compared_bypassed", report->compared_bypassed},
		{"compared_models", report->compared_models},
	};
	json_t *json = json_object();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(json, numbers[i].key,
				    json_integer((json_int_t)numbers[i].value));
	json_object_set(json, "notes", checking->telling.notes);
	json_object_set(json, "faults", checking->telling.faults);
	int rc = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(json);
	return rc;
}

static unsigned long long without_prediction(const struct verify_report *report)
{
	return (unsigned long long)report->compared_bypassed + report->compared_models;
}

static void print_report(const struct call *call, const struct verify_report *report,
			 const struct checking *checking)
{
	char bytes[32];
	printf("%s: %llu frames of %llu streams in %llu runs, %llu segments, %s\n", call->arg[0],
	       (unsigned long long)report->rows, (unsigned long long)report->streams,
	       (unsigned long long)report->runs, (unsigned long long)report->segments,
	       human_bytes(report->bytes, bytes, sizeof bytes));
	if (report->forgotten)
		printf("  %llu frames that were stored once are known to be gone\n",
		       (unsigned long long)report->forgotten);
	if (report->bypassed || report->quarantined)
		printf("  %llu bypassed, %llu quarantined\n", (unsigned long long)report->bypassed,
		       (unsigned long long)report->quarantined);
	if (call->decode)
		printf("  %llu decoded\n", (unsigned long long)checking->decoded);
	if (report->uncommitted) {
		printf("  %llu records at the end are not committed; the next start takes care of "
		       "them\n",
		       (unsigned long long)report->uncommitted);
	}
	if (call->against) {
		printf("  run %llu compared with run %llu of %s: %llu frames, %llu without "
		       "prediction\n",
		       (unsigned long long)report->run, (unsigned long long)report->against_run,
		       call->against, (unsigned long long)report->compared,
		       without_prediction(report));
	}
	if (report->faults) {
		printf("%s%llu fault%s%s\n", paint_begin(stdout, PAINT_BAD),
		       (unsigned long long)report->faults, report->faults == 1 ? "" : "s",
		       paint_end(stdout, PAINT_BAD));
	} else {
		printf("%swhole%s%s\n", paint_begin(stdout, PAINT_GOOD),
		       call->against ? " and equal" : "", paint_end(stdout, PAINT_GOOD));
	}
}

static void progress_of_frames(void *arg, uint64_t done, uint64_t total)
{
	struct checking *checking = arg;
	progress_show(&checking->telling.progress, done, total, "frames");
}

static void decode_fault(void *arg, const char *text)
{
	struct checking *checking = arg;
	checking->undecoded++;
	telling_fault(&checking->telling, text);
}

/* Whether there is a picture in every frame. */
static int decode(const struct call *call, struct checking *checking)
{
	const struct decode_calls calls = {
		.fault = decode_fault, .progress = progress_of_frames, .arg = checking};
	char why[256] = "";
	progress_begin(&checking->telling.progress, "decode");
	int rc = decode_recording(call->arg[0], &calls, &checking->decoded, why, sizeof(why));
	progress_end(&checking->telling.progress);
	if (rc < 0)
		out_error("verify: %s cannot be decoded: %s", call->arg[0], why);
	return rc;
}

int verify_run(const struct call *call)
{
	struct verify_report report = {0};
	struct checking checking = {
		.telling = {.faults = call->json ? json_array() : NULL,
			    .notes = call->json ? json_array() : NULL},
	};
	const struct verify_options options = {.folder = call->arg[0],
					       .against = call->against,
					       .fault = telling_fault,
					       .note = telling_note,
					       .progress = progress,
					       .arg = &checking};
	progress_begin(&checking.telling.progress, "verify");
	int rc = verify_recording(&options, &report);
	progress_end(&checking.telling.progress);
	int undone = rc == 0 && call->decode ? decode(call, &checking) : 0;
	report.faults += checking.undecoded;
	if (rc < 0 && !report.faults)
		out_error("verify: %s: %s", call->arg[0], error_text(rc));
	if (call->json)
		print_json(&report, &checking);
	else if (rc == 0)
		print_report(call, &report, &checking);
	json_decref(checking.telling.faults);
	json_decref(checking.telling.notes);
	if (rc == TROUPE_E_NOT_FOUND)
		return EXIT_USAGE;
	return rc == 0 && undone == 0 && report.faults == 0 ? EXIT_DONE : EXIT_FAILED;
}
