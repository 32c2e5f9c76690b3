/* `troupe verify DIR [--against DIR2]`: the oracle of recordings, on the command line. */
#include "workers/storer/verify.h"

#include "ipc/base/errors.h"
#include "tools/troupe/command.h"
#include "tools/troupe/decode.h"
#include "tools/troupe/output.h"
#include "tools/troupe/progress.h"

#include <jansson.h>

/* What is said while it works: to stderr, or collected for JSON. */
struct telling {
	struct progress progress;
	json_t *faults, *notes;	     /* NULL: for people */
	uint64_t decoded, undecoded; /* frames */
};

static void fault(void *arg, const char *text)
{
	struct telling *telling = arg;
	progress_end(&telling->progress);
	if (telling->faults)
		json_array_append_new(telling->faults, json_string(text));
	else
		fprintf(stderr, "%sfault%s  %s\n", paint_begin(stderr, PAINT_BAD),
			paint_end(stderr, PAINT_BAD), text);
}

static void note(void *arg, const char *text)
{
	struct telling *telling = arg;
	progress_end(&telling->progress);
	if (telling->notes)
		json_array_append_new(telling->notes, json_string(text));
	else
		fprintf(stderr, "%snote%s   %s\n", paint_begin(stderr, PAINT_DIM),
			paint_end(stderr, PAINT_DIM), text);
}

static void progress(void *arg, uint64_t done, uint64_t total)
{
	struct telling *telling = arg;
	progress_show(&telling->progress, done, total, NULL);
}

static int print_json(const struct verify_report *report, const struct telling *telling)
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
		{"decoded", telling->decoded},
		{"compared", report->compared},
		{"compared_bypassed", report->compared_bypassed},
		{"compared_models", report->compared_models},
	};
	json_t *json = json_object();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(json, numbers[i].key,
				    json_integer((json_int_t)numbers[i].value));
	json_object_set(json, "notes", telling->notes);
	json_object_set(json, "faults", telling->faults);
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
			 const struct telling *telling)
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
		printf("  %llu decoded\n", (unsigned long long)telling->decoded);
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
	struct telling *telling = arg;
	progress_show(&telling->progress, done, total, "frames");
}

static void decode_fault(void *arg, const char *text)
{
	struct telling *telling = arg;
	telling->undecoded++;
	fault(arg, text);
}

/* Whether there is a picture in every frame. */
static int decode(const struct call *call, struct telling *telling)
{
	const struct decode_calls calls = {
		.fault = decode_fault, .progress = progress_of_frames, .arg = telling};
	char why[256] = "";
	progress_begin(&telling->progress, "decode");
	int rc = decode_recording(call->arg[0], &calls, &telling->decoded, why, sizeof(why));
	progress_end(&telling->progress);
	if (rc < 0)
		out_error("verify: %s cannot be decoded: %s", call->arg[0], why);
	return rc;
}

int verify_run(const struct call *call)
{
	struct verify_report report = {0};
	struct telling telling = {.faults = call->json ? json_array() : NULL,
				  .notes = call->json ? json_array() : NULL};
	const struct verify_options options = {.folder = call->arg[0],
					       .against = call->against,
					       .fault = fault,
					       .note = note,
					       .progress = progress,
					       .arg = &telling};
	progress_begin(&telling.progress, "verify");
	int rc = verify_recording(&options, &report);
	progress_end(&telling.progress);
	int undone = rc == 0 && call->decode ? decode(call, &telling) : 0;
	report.faults += telling.undecoded;
	if (rc < 0 && !report.faults)
		out_error("verify: %s: %s", call->arg[0], error_text(rc));
	if (call->json)
		print_json(&report, &telling);
	else if (rc == 0)
		print_report(call, &report, &telling);
	json_decref(telling.faults);
	json_decref(telling.notes);
	if (rc == TROUPE_E_NOT_FOUND)
		return EXIT_USAGE;
	return rc == 0 && undone == 0 && report.faults == 0 ? EXIT_DONE : EXIT_FAILED;
}
