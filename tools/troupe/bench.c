/* `troupe bench NAME`: becomes troupe-bench. */
#include "tools/troupe/command.h"
#include "tools/troupe/programs.h"

int bench_run(const struct call *call)
{
	struct arguments arguments = {0};
	arguments_add(&arguments, "troupe bench");
	if (call->json)
		arguments_add(&arguments, "--json");
	if (call->force)
		arguments_add(&arguments, "--force");
	if (call->seconds) {
		arguments_add(&arguments, "--seconds");
		arguments_add(&arguments, call->seconds);
	}
	if (call->frames) {
		arguments_add(&arguments, "--frames");
		arguments_add(&arguments, call->frames);
	}
	if (call->folder) {
		arguments_add(&arguments, "--folder");
		arguments_add(&arguments, call->folder);
	}
	if (call->n_args)
		arguments_add(&arguments, call->arg[0]);
	return program_become("troupe-bench", &arguments);
}
