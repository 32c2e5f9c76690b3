/* The sub-commands, one row each. */
#include "tools/troupe/command.h"

#include "tools/troupe/when.h"

#include <string.h>

#define NEEDS_PIPELINE                                                                             \
	"The pipeline is the one named by -n, else by $TROUPE_NAME, else the only one that runs."
#define WORKERS "Workers are called as `troupe ps` shows them: capture.cam1, processor.1, storer, …"

const struct command commands[] = {
	{.name = "up",
	 .args = "",
	 .help = "start a pipeline",
	 .more = "In the foreground it shows what flows; Ctrl-C drains and ends it. With -d it "
		 "returns when all "
		 "workers are ready. With --adopt the workers that a killed supervisor left go on "
		 "working under this one, where the config says on_orphan = \"wait 10s\" or the "
		 "like; then no config need be given. Where there are none, it starts the "
		 "pipeline.",
	 .options = "cdST",
	 .needs = "c",
	 .run = up_run},
	{.name = "upgrade",
	 .args = "",
	 .help = "replace the supervisor by another program while the video runs",
	 .more = "Without --exec it is the program that lies where the running one came from. It "
		 "is asked first whether it can go on with this pipeline; no worker is started "
		 "anew, and if it cannot, nothing changes.",
	 .options = "x",
	 .run = upgrade_run},
	{.name = "down",
	 .args = "",
	 .help = "drain and end a pipeline",
	 .more = "Waits until every frame is stored and every process gone. Clears up after a "
		 "supervisor that was "
		 "killed.",
	 .run = down_run},
	{.name = "list", .args = "", .help = "show the pipelines that run", .run = list_run},
	{.name = "ps",
	 .args = "",
	 .help = "show the workers",
	 .more = NEEDS_PIPELINE,
	 .options = "w",
	 .run = ps_run},
	{.name = "top",
	 .args = "",
	 .help = "watch the workers and streams live, and give orders by keys",
	 .more = "How much each worker does and uses, what it holds, how it ended last; of each "
		 "stream how long frames wait for a processor (WAIT), are processed (WORK) and "
		 "take "
		 "until they are in the recording (DISK): 50 and 99 of 100 of the last seconds. "
		 "Keys: "
		 "arrows select, k kills, r restarts, s stops or starts, + - scale the processors, "
		 "/ "
		 "filters, o sorts, w shows more, ? helps, q quits. Where there is no terminal, "
		 "and "
		 "with --once or --json, it prints one look. " NEEDS_PIPELINE,
	 .options = "1w",
	 .run = top_run},
	{.name = "status",
	 .args = "",
	 .help = "show what flowed: captured, stored, dropped",
	 .more = NEEDS_PIPELINE,
	 .run = status_run},
	{.name = "inspect",
	 .args = "WORKER",
	 .help = "show everything about one worker",
	 .more = WORKERS,
	 .min_args = 1,
	 .max_args = 1,
	 .run = inspect_run},
	{.name = "kill",
	 .args = "WORKER",
	 .help = "send a worker a signal (KILL unless -s says another)",
	 .more = WORKERS,
	 .options = "s",
	 .min_args = 1,
	 .max_args = 1,
	 .run = kill_run},
	{.name = "restart",
	 .args = "WORKER",
	 .help = "drain a worker and start it again",
	 .more = WORKERS,
	 .min_args = 1,
	 .max_args = 1,
	 .run = restart_run},
	{.name = "stop",
	 .args = "WORKER",
	 .help = "drain a worker and leave it stopped",
	 .more = WORKERS,
	 .min_args = 1,
	 .max_args = 1,
	 .run = stop_run},
	{.name = "start",
	 .args = "WORKER",
	 .help = "start a worker that is stopped or was given up",
	 .more = WORKERS,
	 .min_args = 1,
	 .max_args = 1,
	 .run = start_run},
	{.name = "swap",
	 .args = "WORKER",
	 .help = "let another program take a worker's place",
	 .more = "A PATH without a slash is a program beside troupe's own, e.g. "
		 "troupe-processor-edges. Without --exec the program of the config takes its place "
		 "again. If the newcomer is not ready in time, or ends within its probation, the "
		 "old "
		 "program is back, and the command says why and exits 1. " WORKERS,
	 .options = "xp",
	 .min_args = 1,
	 .max_args = 1,
	 .run = swap_run},
	{.name = "reload",
	 .args = "",
	 .help = "let a changed config run, without touching the rest",
	 .more = "Without -c it is the file that the pipeline was started with. What differs is "
		 "shown row by row: \"live\" is done at once; \"restart\" starts the section's "
		 "workers anew, one after the other, each taking over as in a swap; \"add\" and "
		 "\"remove\" start and end workers. If one change can \"never\" be while the "
		 "pipeline runs, or a newcomer fails, nothing is changed, and the command says why "
		 "and exits 1, or 2 where the file is at fault. With --dry-run it only says what "
		 "would be.",
	 .options = "cZp",
	 .run = reload_run},
	{.name = "scale",
	 .args = "processor N",
	 .help = "change the number of processors",
	 .min_args = 2,
	 .max_args = 2,
	 .run = scale_run},
	{.name = "label",
	 .args = "NAME",
	 .help = "stamp frames with a label from now on; --none ends it",
	 .options = "0m",
	 .max_args = 1,
	 .run = label_run},
	{.name = "record",
	 .args = "on|off",
	 .help = "turn the recording on or off",
	 .options = "m",
	 .min_args = 1,
	 .max_args = 1,
	 .run = record_run},
	{.name = "logs",
	 .args = "[WORKER]",
	 .help = "show what the workers said",
	 .more = "Without WORKER: all of them and the supervisor, in the order of time; WORKER may "
		 "be a pool. With --json each line is an object of its own. Lines that are not "
		 "troupe's own (of a "
		 "library, say) count as warnings. Earlier files of a log (WORKER.log.1, ...) are "
		 "read, too, and -f goes on when one is rotated. " WHEN_FORMS,
	 .options = "flve",
	 .max_args = 1,
	 .run = logs_run},
	{.name = "events",
	 .args = "",
	 .help = "show what happened: starts, ends and why, swaps, drops, …",
	 .more = "From the journal in the state folder, so it works for a pipeline that has ended, "
		 "too; -f shows more as it happens. With --json each line is an object as it "
		 "stands in the journal. " WHEN_FORMS,
	 .options = "feOJri",
	 .run = events_run},
	{.name = "history",
	 .args = "[WORKER]",
	 .help = "show restarts, faults, time to repair and availability",
	 .more = "Of the last run, unless --run says another one or all. A repair lasts from a "
		 "death until somebody is ready again. WORKER: each of its lives, and what it "
		 "ended "
		 "of. WORKER may be a pool. Works for a pipeline that has ended, too.",
	 .options = "R",
	 .max_args = 1,
	 .run = history_run},
	{.name = "slots",
	 .args = "",
	 .help = "show who holds which frame, live on a terminal",
	 .more = "Reads the ledger itself, so it works whatever the supervisor does.",
	 .options = "1",
	 .run = slots_run},
	{.name = "quarantine",
	 .args = "",
	 .help = "show the frames that caused three deaths, and why",
	 .more = "Each has a folder with its pixels and the reasons. Works for a pipeline that has "
		 "ended, too.",
	 .run = quarantine_run},
	{.name = "devices",
	 .args = "",
	 .help = "show the cameras, what they deliver and what can be set",
	 .more = "A name under \"controls\" goes into a stream's row `controls`, four letters "
		 "under "
		 "\"delivers\" into `format`. With --json every detail.",
	 .run = devices_run},
	{.name = "check",
	 .args = "",
	 .help = "check a config file",
	 .options = "cS",
	 .needs = "c",
	 .run = check_run},
	{.name = "config",
	 .args = "",
	 .help = "print a complete commented default config",
	 .run = config_run},
	{.name = "run",
	 .args = "",
	 .help = "run a config in one process, one step after another (--sequential)",
	 .more = "The reference: the recording of a pipeline must hold the same frames. Compare "
		 "with `troupe verify`.",
	 .options = "qcS",
	 .needs = "qc",
	 .run = sequential_run},
	{.name = "find",
	 .args = "[DIR]",
	 .help = "list what a recording has: when it was recorded, what moved, labels, losses",
	 .more = "Without DIR: the recording of a pipeline. Several conditions: spans that meet "
		 "all "
		 "of them. A span counts as sure as its surest frame. " WHEN_FORMS,
	 .options = "<>mLPMUKrIE",
	 .max_args = 1,
	 .run = find_run},
	{.name = "verify",
	 .args = "DIR",
	 .help = "check a recording; with --against compare two",
	 .more = "Every byte of the segments, and all that the catalogue says of them. With "
		 "--decode also whether there is a picture in every frame. What the next start of "
		 "a storer takes care of by itself is noted and no fault.",
	 .options = "aD",
	 .min_args = 1,
	 .max_args = 1,
	 .run = verify_run},
	{.name = "repair",
	 .args = "DIR",
	 .help = "make the catalogue of a recording anew from its segments",
	 .more = "Nothing is deleted: the old catalogue stays beside the new one, and what is "
		 "damaged is put into DIR/damaged, its whole frames into new segments. No storer "
		 "may run meanwhile. --dry-run only says what would be done.",
	 .options = "Z",
	 .min_args = 1,
	 .max_args = 1,
	 .run = repair_run},
	{.name = "backup",
	 .args = "DIR",
	 .help = "copy a recording, also while it is written",
	 .more = "DIR is new, empty, or an earlier backup of the same recording: then only what is "
		 "new is copied, and what the recording keeps no longer is removed. Until it is "
		 "done, the earlier one stays valid. The copy is a recording: it can be verified, "
		 "played, searched, and gone on with. Without --from it is the recording of a "
		 "pipeline.",
	 .options = "B",
	 .min_args = 1,
	 .max_args = 1,
	 .run = backup_run},
	{.name = "export",
	 .args = "[DIR] OUT",
	 .help = "make a film, pictures or a table of a part of a recording",
	 .more = "OUT ends with .mp4 (H.264 that browsers and phones play), .mkv (the recorded "
		 "JPEGs "
		 "as they are), '/' (a folder of them) or .csv (a line a frame; '-': standard "
		 "output). It appears when it is whole. DIR is the recording; without it, that of "
		 "a "
		 "pipeline. " WHEN_FORMS,
	 .options = "m<>r#yAgQW",
	 .min_args = 1,
	 .max_args = 2,
	 .run = export_run},
	{.name = "play",
	 .args = "[DIR]",
	 .help = "show a recording in the terminal",
	 .more = "Keys: space pause, arrows or . and , step, [ ] slower and faster, r the other "
		 "way, g go to a time or #frame, Home, End, e next event, q quit. At the end it "
		 "waits for more. Where there is no terminal, it prints a line a frame. DIR is the "
		 "recording; without it, that of a pipeline. " WHEN_FORMS,
	 .options = "m<rkX",
	 .max_args = 1,
	 .run = play_run},
	{.name = "bench",
	 .args = "NAME",
	 .help = "measure what this machine's troupe can do, as ratios to a baseline",
	 .more = "`troupe-bench --help` has the benches and what their figures mean; NAME may be "
		 "all. Exit 3: the machine is busy with something else. The programs that measure "
		 "come "
		 "with the source, not with an installed troupe.",
	 .options = "tGFo",
	 .min_args = 1,
	 .max_args = 1,
	 .run = bench_run},
	{.name = "complete",
	 .args = "pipelines|workers|streams",
	 .help = "print names, one a line, for a shell that completes a word",
	 .min_args = 1,
	 .max_args = 1,
	 .hidden = true,
	 .run = complete_run},
	{.name = NULL},
};

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}
