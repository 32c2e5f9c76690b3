/* Commands that change a pipeline by one request: kill, restart, stop, start, scale, label,
 * record. */
#include "ipc/base/clock.h"
#include "tools/troupe/client.h"
#include "tools/troupe/command.h"
#include "tools/troupe/output.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A request that drains a worker is answered when that is done. */
#define DRAIN_WAIT (60 * NS_PER_S)
#define QUICK_WAIT (5 * NS_PER_S)

/* A number within [0, most]; says what is valid when `word` is none. */
static bool number(const char *word, long most, const char *what, long *value)
{
	char *end = NULL;
	errno = 0;
	*value = strtol(word, &end, 10);
	if (end != word && *end == '\0' && errno == 0 && *value >= 0 && *value <= most)
		return true;
	out_error("'%s' is no %s (valid: 0 to %ld)", word, what, most);
	return false;
}

/* "KILL", "SIGKILL" or "9"; -1 and a complaint for anything else. */
static int signal_number(const char *word)
{
	long value = 0;
	if (word[0] >= '0' && word[0] <= '9')
		return number(word, NSIG - 1, "signal", &value) ? (int)value : -1;
	const char *name = strncmp(word, "SIG", 3) == 0 ? word + 3 : word;
	for (int i = 1; i < NSIG; i++) {
		const char *known = sigabbrev_np(i);
		if (known && strcmp(known, name) == 0)
			return i;
	}
	out_error("unknown signal '%s' (valid: KILL, TERM, STOP, CONT, … or a number)", word);
	return -1;
}

int kill_run(const struct call *call)
{
	Troupe__KillRequest kill = TROUPE__KILL_REQUEST__INIT;
	kill.worker = request_text(call->arg[0]);
	kill.signal = call->signal ? signal_number(call->signal) : 0;
	if (kill.signal < 0)
		return EXIT_USAGE;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_KILL;
	request.kill = &kill;
	return call_ask(call, &request, QUICK_WAIT, NULL);
}

/* restart, stop and start differ in nothing but which of the three they are. */
static int worker_request(const struct call *call, Troupe__Request__WhatCase what)
{
	Troupe__WorkerRequest worker = TROUPE__WORKER_REQUEST__INIT;
	worker.worker = request_text(call->arg[0]);
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = what;
	request.restart = &worker; /* the three share their place in the union */
	return call_ask(call, &request, DRAIN_WAIT, NULL);
}

int restart_run(const struct call *call)
{
	return worker_request(call, TROUPE__REQUEST__WHAT_RESTART);
}

int stop_run(const struct call *call)
{
	return worker_request(call, TROUPE__REQUEST__WHAT_STOP);
}

int start_run(const struct call *call)
{
	return worker_request(call, TROUPE__REQUEST__WHAT_START);
}

int scale_run(const struct call *call)
{
	long count = 0;
	if (!number(call->arg[1], INT_MAX, "number of workers", &count))
		return EXIT_USAGE;
	Troupe__ScaleRequest scale = TROUPE__SCALE_REQUEST__INIT;
	scale.worker = request_text(call->arg[0]);
	scale.count = (uint32_t)count;
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_SCALE;
	request.scale = &scale;
	return call_ask(call, &request, DRAIN_WAIT, NULL);
}

int label_run(const struct call *call)
{
	if (call->none == (call->n_args == 1)) {
		out_error("label: wants NAME or --none");
		return EXIT_USAGE;
	}
	Troupe__LabelRequest label = TROUPE__LABEL_REQUEST__INIT;
	label.label = request_text(call->none ? "" : call->arg[0]);
	label.stream = request_text(call->stream);
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_LABEL;
	request.label = &label;
	return call_ask(call, &request, QUICK_WAIT, NULL);
}

int record_run(const struct call *call)
{
	bool on = strcmp(call->arg[0], "on") == 0;
	if (!on && strcmp(call->arg[0], "off") != 0) {
		out_error("record: '%s' is neither on nor off", call->arg[0]);
		return EXIT_USAGE;
	}
	Troupe__RecordRequest record = TROUPE__RECORD_REQUEST__INIT;
	record.on = on;
	record.stream = request_text(call->stream);
	Troupe__Request request = TROUPE__REQUEST__INIT;
	request.what_case = TROUPE__REQUEST__WHAT_RECORD;
	request.record = &record;
	return call_ask(call, &request, QUICK_WAIT, NULL);
}
