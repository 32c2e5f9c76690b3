/* `troupe reload`: shows how the config that runs differs from a file, and makes the file run. */
#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/rows.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reload_options {
	int64_t probation;
};

static const struct row probation_row = {.name = "--probation",
					 .type = ROW_DURATION,
					 ROW_AT(struct reload_options, probation),
					 .min = 0,
					 .max = 3600e9,
					 .fallback = "500ms",
					 .help = ""};

/* ---- telling ---- */

static void print_side(const Troupe__Change *change, char sign, const char *value, bool where)
{
	enum paint paint = sign == '+' ? PAINT_GOOD : PAINT_BAD;
	printf("%s  %c %s = \"%s\"%s", paint_begin(stdout, paint), sign,
	       *change->row ? change->row : "the section", value, paint_end(stdout, paint));
	if (where && change->line)
		printf("   line %u", change->line);
	putchar('\n');
}

/* "storer: restart" above all of a section. */
static void print_heading(const Troupe__Reload *reload, size_t first)
{
	const char *section = reload->change[first]->section;
	const char *kind = "live";
	for (size_t i = first; i < reload->n_change; i++) {
		const Troupe__Change *change = reload->change[i];
		if (strcmp(change->section, section) == 0 && strcmp(change->kind, "live") != 0)
			kind = change->kind;
	}
	printf("%s%s%s: %s\n", paint_begin(stdout, PAINT_BOLD), *section ? section : "the pipeline",
	       paint_end(stdout, PAINT_BOLD), kind);
}

static bool is_first(const Troupe__Reload *reload, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(reload->change[k]->section, reload->change[i]->section) == 0)
			return false;
	return true;
}

static void print_changes(const Troupe__Reload *reload)
{
	for (size_t i = 0; i < reload->n_change; i++) {
		const char *section = reload->change[i]->section;
		if (!is_first(reload, i))
			continue;
		print_heading(reload, i);
		for (size_t k = i; k < reload->n_change; k++) {
			const Troupe__Change *change = reload->change[k];
			if (strcmp(change->section, section) != 0)
				continue;
			if (!change->fresh)
				print_side(change, '-', change->before, false);
			if (!change->gone)
				print_side(change, '+', change->after, true);
			if (*change->why)
				printf("    %s\n", change->why);
		}
	}
	for (size_t i = 0; i < reload->n_restarts; i++)
		printf("%s%s%s", i ? ", " : "start anew: ", reload->restarts[i],
		       i + 1 == reload->n_restarts ? "\n" : "");
}

/* How far it is: for people who look on. */
static void show_stage(const Troupe__Reply *reply)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s\n", reply->text);
}

static int tell(const struct call *call, const Troupe__Reply *reply)
{
	int rc = exit_code_of(reply->code);
	if (rc != EXIT_DONE)
		out_error("%s", reply->text);
	if (call->json)
		return out_json(&reply->base) < 0 ? EXIT_FAILED : rc;
	if (reply->reload)
		print_changes(reply->reload);
	if (rc == EXIT_DONE)
		puts(reply->text);
	return rc;
}

/* ---- asking ---- */

static int ask_reload(const struct call *call, Troupe__ReloadRequest *reload)
{
	struct pipeline pipeline;
	Troupe__Reply *reply = NULL;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	int rc = pipeline_pick(call, false, &pipeline);
	if (rc != EXIT_DONE)
		return rc;
	request.what_case = TROUPE__REQUEST__WHAT_RELOAD;
	request.reload = reload;
	/* The supervisor ends every step of it by itself, so it is waited for as long as it lives.
	 */
	int error = pipeline_ask_on(&pipeline, &request, CLOCK_NEVER, show_stage, &reply);
	if (error < 0) {
		out_error("the supervisor of '%s' (pid %d) did not answer: %s", pipeline.name,
			  (int)pipeline.pid, error_text(error));
		return EXIT_FAILED;
	}
	rc = tell(call, reply);
	troupe__reply__free_unpacked(reply, NULL);
	return rc;
}

int reload_run(const struct call *call)
{
	struct reload_options options;
	char why[256];
	const char *probation = call->probation ? call->probation : probation_row.fallback;
	if (row_set(&probation_row, &options, probation, why, sizeof why) < 0) {
		out_error("reload: %s", why);
		return EXIT_USAGE;
	}
	/* The supervisor has another working folder. */
	char *path = call->config ? realpath(call->config, NULL) : NULL;
	if (call->config && !path) {
		out_error("%s: cannot be read: %s", call->config, strerror(errno));
		return EXIT_USAGE;
	}
	Troupe__ReloadRequest reload = TROUPE__RELOAD_REQUEST__INIT;
	reload.config = request_text(path);
	reload.dry_run = call->dry_run;
	reload.probation = options.probation;
	reload.stages = true;
	int rc = ask_reload(call, &reload);
	free(path);
	return rc;
}
