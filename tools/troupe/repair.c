/* `troupe repair DIR [--dry-run]`: makes the catalogue of a recording anew, and sets aside what is
 * damaged. */
#include "workers/storer/repair.h"

#include "ipc/base/errors.h"
#include "tools/troupe/command.h"
#include "tools/troupe/interrupt.h"
#include "tools/troupe/output.h"
#include "tools/troupe/telling.h"

#include <jansson.h>

static int print_json(const struct call *call, const char *why, const struct repair_report *report,
		      json_t *lines)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"segments", report->segments}, {"bytes", report->bytes},
		{"records", report->records},	{"damaged", report->damaged},
		{"salvaged", report->salvaged}, {"salvaged_records", report->salvaged_records},
		{"tails", report->tails},	{"others", report->others},
		{"frames", report->frames},	{"forgotten", report->forgotten},
	};
	json_t *json = json_pack("{s:s, s:b, s:s, s:s, s:b, s:O}", "folder", call->arg[0],
				 "dry_run", call->dry_run, "error", why, "catalogue",
				 report->catalogue, "adopted", report->adopted, "told", lines);
	for (size_t i = 0; json && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(json, numbers[i].key,
				    json_integer((json_int_t)numbers[i].value));
	int rc = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(json);
	return rc;
}

static void print_report(const struct call *call, const struct repair_report *report)
{
	unsigned long long files = report->damaged + report->tails + report->others;
	char bytes[32];
	printf("%s: %llu segments, %s, %llu whole records\n", call->arg[0],
	       (unsigned long long)report->segments,
	       human_bytes(report->bytes, bytes, sizeof(bytes)),
	       (unsigned long long)report->records);
	if (call->dry_run) {
		puts("  nothing was changed; without --dry-run the catalogue is made anew from "
		     "them");
		return;
	}
	printf("  the new catalogue has %llu frames", (unsigned long long)report->frames);
	if (report->forgotten)
		printf(", and knows %llu to be gone", (unsigned long long)report->forgotten);
	putchar('\n');
	if (files > 0)
		printf("  %llu files set aside in %s/" REPAIR_DAMAGED "\n", files, call->arg[0]);
	if (*report->catalogue && !report->adopted) {
		puts("  the old catalogue could not be read: names of pipelines, why frames are "
		     "gone, "
		     "lost cameras and deaths are not known any more");
	}
	printf("%srepaired%s; `troupe verify %s` checks it\n", paint_begin(stdout, PAINT_GOOD),
	       paint_end(stdout, PAINT_GOOD), call->arg[0]);
}

int repair_run(const struct call *call)
{
	char why[1024] = "";
	struct telling telling = {.notes = call->json ? json_array() : NULL};
	struct repair_report report;
	const struct repair_options options = {.folder = call->arg[0],
					       .dry_run = call->dry_run,
					       .told = telling_line,
					       .going = telling_goes_on,
					       .arg = &telling};
	interrupt_watch();
	progress_begin(&telling.progress, "repair");
	int rc = repair_recording(&options, &report, why, sizeof(why));
	progress_end(&telling.progress);
	if (call->json)
		print_json(call, why, &report, telling.notes);
	else if (rc == 0)
		print_report(call, &report);
	json_decref(telling.notes);
	if (rc < 0 && !call->json)
		out_error("repair: %s", why);
	interrupt_pass_on();
	return rc == 0 ? EXIT_DONE : rc == TROUPE_E_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED;
}
