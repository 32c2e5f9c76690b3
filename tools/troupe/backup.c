/* `troupe backup DIR [-n NAME | --from RECORDING]`: a consistent copy of a recording, while it is
 * written. */
#include "workers/storer/backup.h"

#include "ipc/base/errors.h"
#include "tools/troupe/command.h"
#include "tools/troupe/interrupt.h"
#include "tools/troupe/output.h"
#include "tools/troupe/recordings.h"
#include "tools/troupe/telling.h"

#include <jansson.h>

static int print_json(const struct call *call, const char *from, const char *why,
		      const struct backup_report *report, json_t *notes)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"segments", report->segments},	  {"bytes", report->bytes},
		{"copied", report->copied},	  {"copied_bytes", report->copied_bytes},
		{"removed", report->removed},	  {"kept", report->kept},
		{"snapshots", report->snapshots}, {"damaged", report->damaged},
		{"missing", report->missing},	  {"catalogue_bytes", report->catalogue_bytes},
	};
	json_t *json = json_pack("{s:s, s:s, s:s, s:O}", "from", from, "to", call->arg[0], "error",
				 why, "faults", notes);
	for (size_t i = 0; json && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(json, numbers[i].key,
				    json_integer((json_int_t)numbers[i].value));
	int rc = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(json);
	return rc;
}

static void print_report(const struct call *call, const char *from,
			 const struct backup_report *report)
{
	char bytes[32], copied[32], catalogue[32];
	printf("%s: %llu segments of %s, %s\n", call->arg[0], (unsigned long long)report->segments,
	       from, human_bytes(report->bytes, bytes, sizeof(bytes)));
	printf("  new %s in %llu segments, and the catalogue, %s\n",
	       human_bytes(report->copied_bytes, copied, sizeof(copied)),
	       (unsigned long long)report->copied,
	       human_bytes(report->catalogue_bytes, catalogue, sizeof(catalogue)));
	if (report->removed)
		printf("  %llu segments removed that the recording keeps no longer\n",
		       (unsigned long long)report->removed);
	if (report->kept)
		printf("  %llu segments that the recording has lost to damage put into %s/%s\n",
		       (unsigned long long)report->kept, call->arg[0], BACKUP_KEPT);
	if (report->damaged || report->missing) {
		printf("  %s%llu segments damaged, %llu missing in the recording itself%s; `troupe "
		       "verify %s` says more\n",
		       paint_begin(stdout, PAINT_BAD), (unsigned long long)report->damaged,
		       (unsigned long long)report->missing, paint_end(stdout, PAINT_BAD), from);
	}
}

/* What is asked for wrongly, and what did not work. */
static int exit_of(int rc)
{
	return rc == TROUPE_E_NOT_FOUND || rc == TROUPE_E_EXISTS ? EXIT_USAGE : EXIT_FAILED;
}

int backup_run(const struct call *call)
{
	char from[4096], why[1024] = "";
	struct telling telling = {.faults = call->json ? json_array() : NULL};
	struct backup_report report;
	int rc = recording_pick(call, call->from, from, sizeof(from));
	if (rc != EXIT_DONE)
		return rc;
	const struct backup_options options = {.from = from,
					       .to = call->arg[0],
					       .going = telling_goes_on,
					       .note = telling_fault,
					       .arg = &telling};
	interrupt_watch();
	progress_begin(&telling.progress, "backup");
	rc = backup_make(&options, &report, why, sizeof(why));
	progress_end(&telling.progress);
	if (call->json)
		print_json(call, from, why, &report, telling.faults);
	else if (rc == 0)
		print_report(call, from, &report);
	json_decref(telling.faults);
	if (rc < 0 && !call->json)
		out_error("backup: %s", why);
	interrupt_pass_on();
	if (rc < 0)
		return exit_of(rc);
	return report.damaged || report.missing ? EXIT_FAILED : EXIT_DONE;
}
