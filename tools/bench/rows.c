/* The benches, one row each. */
#include "tools/bench/bench.h"

const struct bench_row bench_rows[] = {
	{.name = "hop",
	 .summary = "capture's PUBLISH to CLAIMED by an idle processor, against a futex and "
		    "ZeroMQ PUSH/PULL",
	 .seconds = 90,
	 .run = hop_run},
	{.name = "store",
	 .summary = "frames a second into the recording, against append and fdatasync",
	 .seconds = 20,
	 .run = store_run},
	{.name = "restart",
	 .summary = "kill -9 of a worker until its successor works, against a bare vfork and exec",
	 .seconds = 180,
	 .run = restart_run},
	{.name = "pipeline",
	 .summary = "frames a second and CPU a frame of 1 to N processors, against the sequential "
		    "reference",
	 .seconds = 120,
	 .run = pipeline_run},
	{.name = NULL},
};
