/* The benches, one row each. */
#include "tools/bench/bench.h"

const struct bench_row bench_rows[] = {
	{.name = "hop",
	 .summary = "capture's PUBLISH to CLAIMED by an idle processor, against a futex and "
		    "ZeroMQ PUSH/PULL",
	 .seconds = 90,
	 .run = hop_run},
	{.name = "store",
	 .summary = "frames into the recording, against append and fdatasync; 16 streams; and what "
		    "it costs that the oldest goes",
	 .seconds = 30,
	 .frames = 1e6,
	 .run = store_run},
	{.name = "restart",
	 .summary = "kill -9 of a worker until its successor works, against a bare vfork and exec",
	 .details =
		 "each worker is killed (-9) in a pipeline of its own, 50 times in 180 seconds, "
		 "without a spare and with one, always once it and its spare are ready. The time "
		 "runs from just before kill(2): of a processor, the only one, with frames that "
		 "wait, to `claimed` in the record of the first frame that another seat has "
		 "claimed; of a storer, with frames that wait, until a frame is settled that was "
		 "not settled before (seen 0.1 ms later at most; it includes what the disk takes, "
		 "--folder says which); of a display to the first byte of its answer to a "
		 "request that was made 0.1 ms after the kill. Beside it: when the kernel had torn "
		 "down the memory of the dead one, and of a storer what one page takes to be on "
		 "the disk. The baseline, once before each kill: from just "
		 "before posix_spawn (vfork and exec) of a small static program to the first lines "
		 "of its main().",
	 .seconds = 180,
	 .run = restart_run},
	{.name = "pipeline",
	 .summary = "frames a second and CPU a frame of 1 to N processors, against the sequential "
		    "reference",
	 .details =
		 "1080p frames of the pattern, as fast as can be, scaled, coded as JPEG, and "
		 "recorded in memory (/dev/shm), so that no disk is measured; no trainer, no "
		 "display. k processors and everything else of the pipeline (capture draws each "
		 "frame, the storer records it, the supervisor) may run on k CPUs together; \"1 "
		 "processor on N CPUs\" shows how much of that is not the processor's. Frames "
		 "count whose processing ended within the span, after a warm-up; CPU is that of "
		 "all processes in the same span. Amdahl: least squares of time a frame = serial + "
		 "parallel / k over all k, of rates corrected by the burn; what capture and storer "
		 "do counts as parallel as far as it goes on beside the processors. Two on two "
		 "CPUs have a target where the burn's ratio is at least 1.9.",
	 .seconds = 120,
	 .run = pipeline_run},
	{.name = "operate",
	 .summary = "what a supervisor costs, how long it takes to start a pipeline and to ask it",
	 .details =
		 "a pipeline of two processors, storer, trainer and display on the pattern at 30 "
		 "frames/s. \"up\" is `troupe up -d` until it returns, when all are ready; its "
		 "baseline are the same programs, started at once with --version until the last "
		 "has ended. A worker's time to ready is from its spawn until the supervisor has "
		 "heard of it (the journal's `took`), beside a bare vfork and exec. Wake-ups are "
		 "context switches of all the supervisor's threads in spans of a second; idle "
		 "means that its source was stopped. Memory is looked at again and again while "
		 "it is asked 1,000 times and while 50 workers are killed; p99 is the most there "
		 "was. Commands are timed whole, from fork to exit, by turns with /bin/true; "
		 "events and "
		 "history read the journal of a pipeline that has ended, 10,000 lines of 2,500 "
		 "lives. `troupe top`, which looks once a second, is on a terminal of 80 columns "
		 "meanwhile, and its CPU time that of all its threads.",
	 .seconds = 60,
	 .run = operate_run},
	{.name = "find",
	 .summary = "milliseconds of `troupe find` in a catalogue of ten million frames",
	 .details = "a catalogue is made, of --frames frames of four streams at 30 frames/s that "
		    "move for ten seconds of each minute and show a person for two. Each question "
		    "is asked by turns, every time for another stretch of it, from opening the "
		    "catalogue to the list of spans; the first one also as the program that people "
		    "start. `troupe find --explain` shows how SQLite goes about a question. Takes "
		    "4 GB below --folder for ten million frames.",
	 .seconds = 20,
	 .frames = 1e7,
	 .run = search_run},
	{.name = NULL},
};
