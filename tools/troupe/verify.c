/* `troupe verify DIR [--against DIR2]`: the oracle of recordings, on the command line. */
#include "workers/storer/verify.h"

#include "ipc/base/errors.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <jansson.h>

/* Faults as they are found: to stderr, or collected for JSON. */
struct faults {
	json_t *json; /* NULL: for people */
};

static void fault(void *arg, const char *text)
{
	const struct faults *faults = arg;
	if (faults->json)
		json_array_append_new(faults->json, json_string(text));
	else
		fprintf(stderr, "%sfault%s  %s\n", paint_begin(stderr, PAINT_BAD),
			paint_end(stderr, PAINT_BAD), text);
}

static int print_json(const struct verify_report *report, json_t *faults)
{
	json_t *json = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}",
		"run", (json_int_t)report->run, "segments", (json_int_t)report->segments, "bytes",
		(json_int_t)report->bytes, "records", (json_int_t)report->records, "rows",
		(json_int_t)report->rows, "runs", (json_int_t)report->runs, "streams",
		(json_int_t)report->streams, "bypassed", (json_int_t)report->bypassed,
		"quarantined", (json_int_t)report->quarantined, "uncommitted",
		(json_int_t)report->uncommitted, "against_run", (json_int_t)report->against_run,
		"compared", (json_int_t)report->compared, "compared_bypassed",
		(json_int_t)report->compared_bypassed, "compared_models",
		(json_int_t)report->compared_models, "faults", faults);
	int rc = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(json);
	return rc;
}

static unsigned long long without_prediction(const struct verify_report *report)
{
	return (unsigned long long)report->compared_bypassed + report->compared_models;
}

static void print_report(const struct call *call, const struct verify_report *report)
{
	char bytes[32];
	printf("%s: %llu frames of %llu streams in %llu runs, %llu segments, %s\n", call->arg[0],
	       (unsigned long long)report->rows, (unsigned long long)report->streams,
	       (unsigned long long)report->runs, (unsigned long long)report->segments,
	       human_bytes(report->bytes, bytes, sizeof bytes));
	if (report->bypassed || report->quarantined)
		printf("  %llu bypassed, %llu quarantined\n", (unsigned long long)report->bypassed,
		       (unsigned long long)report->quarantined);
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

int verify_run(const struct call *call)
{
	struct verify_report report = {0};
	struct faults faults = {.json = call->json ? json_array() : NULL};
	int rc = verify_recording(call->arg[0], call->against, &report, fault, &faults);
	if (rc < 0 && !report.faults)
		out_error("verify: %s: %s", call->arg[0], error_text(rc));
	if (call->json)
		print_json(&report, faults.json);
	else if (rc == 0)
		print_report(call, &report);
	json_decref(faults.json);
	if (rc == TROUPE_E_NOT_FOUND)
		return EXIT_USAGE;
	return rc == 0 && report.faults == 0 ? EXIT_DONE : EXIT_FAILED;
}
