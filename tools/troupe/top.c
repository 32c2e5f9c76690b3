/* `troupe top`: becomes troupe-top. */
#include "tools/troupe/command.h"
#include "tools/troupe/programs.h"

int top_run(const struct call *call)
{
	struct arguments arguments = {0};
	arguments_add(&arguments, "troupe top");
	if (call->name) {
		arguments_add(&arguments, "-n");
		arguments_add(&arguments, call->name);
	}
	if (call->json)
		arguments_add(&arguments, "--json");
	if (call->once)
		arguments_add(&arguments, "--once");
	if (call->wide)
		arguments_add(&arguments, "--wide");
	return program_become("troupe-top", &arguments);
}
