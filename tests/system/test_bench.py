"""`troupe bench`: that it measures, says when it cannot, and leaves nothing behind. No figure is judged here."""

import glob
import json
import os
import signal
import subprocess

import harness
from harness import BIN, await_, check

FIELDS = ["bench", "figure", "unit", "n", "median", "p99", "raw_median", "raw_p99", "baseline", "baseline_n",
          "baseline_median", "raw_baseline_median", "ratio", "target", "reached", "two_processes"]
MACHINE = ["cores", "burn_ratio", "slowdown", "load_average", "before", "during", "after", "busy_before",
           "busy_after", "why"]


def below(pid):
    """Titles of the processes of the pipelines that this bench started, and its own children."""
    mine = "troupe: bench-%d" % pid
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                title = file.read().replace(b"\0", b" ").decode(errors="replace")
            with open(os.path.join(os.path.dirname(path), "stat")) as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == pid or title.startswith(mine) or mine[8:] in title.split():
            found.append(title)
    return found


def start(p, *args):
    return subprocess.Popen([os.path.join(BIN, "troupe"), "bench", *args, "--folder", p.folder], env=p.env,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(p, process, code):
    out, errors = process.communicate(timeout=300 * harness.PATIENCE)
    check(process.returncode == code, "exit %d, not %d: %s %s" % (process.returncode, code, out[-800:], errors[-800:]))
    check(not below(process.pid), "processes are left: %s" % below(process.pid))
    check(not in_memory(process.pid), "files are left in memory: %s" % in_memory(process.pid))
    check(os.listdir(p.folder) == [], "files are left: %s" % os.listdir(p.folder))
    return out, errors


def in_memory(pid):
    """What the bench keeps on the file system in memory."""
    return glob.glob("/dev/shm/troupe-bench-%d-*" % pid)


def measured(figures, name, alone=()):
    """The figures of one bench; those named in `alone` are compared with nothing."""
    mine = [f for f in figures if f["bench"] == name]
    check(mine, "no figure of %s" % name)
    for figure in mine:
        check(all(key in figure for key in FIELDS), "a figure lacks something: %s" % figure)
        compared = figure["baseline"] is not None and figure["baseline_n"] > 0  # a ratio may be 0, or none of 0
        check(figure["n"] > 0 and compared == (figure["figure"] not in alone), "nothing was measured: %s" % figure)
    return mine


def hop(all_figures):
    figures = measured(all_figures, "hop")
    targets = [f for f in figures if f["target"]]
    check(len(figures) == 13 and len(targets) == 7, "%d figures, %d with a target" % (len(figures), len(targets)))
    check(all("same_cpu" in f for f in figures if "hop" in f["figure"]), "no share of same-CPU wakes")
    apart = [f for f in figures if f["figure"].endswith("pinned apart")]
    check(apart and all(f["same_cpu"] == 0 for f in apart) or os.cpu_count() == 1, "not pinned apart: %s" % apart)
    one = [f for f in figures if f["figure"].endswith("on one CPU")]
    check(one and all(f["same_cpu"] == 100 for f in one), "not on one CPU: %s" % one)


def store(all_figures):
    alone = "commit, 16 streams × 30 frames/s × 100 KB"
    figures = measured(all_figures, "store", [alone])
    check(len(figures) == 4, "not four figures: %s" % figures)
    check(all(f["median"] > 0 for f in figures), "nothing was done: %s" % figures)
    check(figures[3]["gone"] > 0, "nothing went: %s" % figures[3])


def restart(all_figures):
    figures = measured(all_figures, "restart")
    workers = [f["figure"].split(",")[0] for f in figures]
    check(workers == ["processor", "processor of 500 MB"] * 2 + ["storer"] * 2 + ["display"] * 2,
          "other figures: %s" % workers)
    for figure in figures:
        check(figure["target"] and figure["median"] > 0 and figure["memory_gone_after"] > 0,
              "nobody was restarted: %s" % figure)


def pipeline(all_figures):
    figures = measured(all_figures, "pipeline", ["sequential", "CPU a frame, sequential"])
    most = min(len(os.sched_getaffinity(0)), 16)
    check(len(figures) == 2 * (1 + most + (most > 1)), "%d figures of %d CPUs" % (len(figures), most))
    by_amdahl = ["%d processors on %d CPUs" % (k, k) for k in range(2, most + 1)]
    for figure in figures:
        check(figure["median"] > 0, "nothing was done: %s" % figure)
        check(("amdahl_predicts" in figure) == (figure["figure"] in by_amdahl), "Amdahl elsewhere: %s" % figure)
        if "of_it_processors" in figure:
            check(0 < figure["of_it_processors"] < figure["raw_median"], "no processor worked: %s" % figure)


def busy_machine_gives_no_figure(make):
    p = make()
    burners = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2)]
    try:
        out, errors = finish(p, start(p, "store", "--seconds", "1", "--json"), 3)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    result = json.loads(out)
    check(result["busy"] and result["machine"]["busy_before"] and result["figures"] == [],
          "figures of a busy machine: %s" % out)
    check("machine busy: " in errors, "it does not say why: %s" % errors)


def interrupt_leaves_nothing(make):
    p = make()
    process = start(p, "hop", "--force")
    await_(lambda: any("processor" in title for title in below(process.pid)), "the bench's pipeline")
    process.send_signal(signal.SIGINT)
    finish(p, process, -signal.SIGINT)


def wrong_words(make):
    p = make()
    for words, told in [(["nonsense"], "valid: hop"), ([], "NAME"), (["hop", "--seconds", "soon"], "--seconds")]:
        _, errors = finish(p, start(p, *words), 2)
        check(told in errors, "%s: %s" % (words, errors))


def find(all_figures):
    figures = [f for f in all_figures if f["bench"] == "find"]
    check(len(figures) == 5 and all(f["n"] > 0 and f["median"] > 0 for f in figures), "not all was asked: %s" % figures)
    check(all(f["spans"] > 0 for f in figures if "all there is" in f["figure"] and "label" in f["figure"]),
          "nothing was found: %s" % figures)


def operate(all_figures):
    alone = ["supervisor's wake-ups, frames flow", "supervisor's wake-ups, idle", "supervisor's RssAnon",
             "supervisor's RSS", "top's CPU"]
    figures = {f["figure"]: f for f in measured(all_figures, "operate", alone)}
    for name in ["up until all are ready", "ps", "ps --json"] + alone[1:4]:
        check(figures[name]["target"], "%s has no target" % name)
    for name in set(figures) - set(alone[:2]):
        check(figures[name]["median"] > 0, "nothing was measured: %s" % figures[name])
    past = ["events, 10,000 lines", "events --limit 20 of 10,000", "history, 10,000 lines"]
    check(set(past) <= set(figures), "the journal was not read: %s" % list(figures))
    flow, idle = figures[alone[0]], figures[alone[1]]
    check(flow["frames"] > 0 and idle["frames"] == 0, "frames flow when idle, or else not: %s %s" % (flow, idle))


def each(make):
    """All benches in one run: the machine is measured once."""
    p = make()
    out, _ = finish(p, start(p, "all", "--seconds", "1", "--frames", "100000", "--force", "--json"), 0)
    result = json.loads(out)
    check(all(key in result["machine"] for key in MACHINE), "the machine lacks something: %s" % result["machine"])
    check(result["machine"]["burn_ratio"] > 0, "nothing burnt: %s" % result["machine"])
    for judge in [hop, store, restart, pipeline, find, operate]:
        judge(result["figures"])


harness.main({f.__name__: f for f in [each, busy_machine_gives_no_figure, interrupt_leaves_nothing, wrong_words]})
