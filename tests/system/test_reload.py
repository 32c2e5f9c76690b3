"""`troupe reload`: another config runs, the frames flow on, and what cannot be is refused whole."""

import json
import os
import signal
import subprocess
import urllib.request

from harness import BIN, await_, check, main, needs

SMALL = dict(frames=0, fps=100, size="160x120")
SECRET = "environment = \"KEY=hush-hush\""


def reload(p, *args, code=0):
    done = p.troupe("reload", "-n", p.name, "--json", *args, code=code)
    return json.loads(done.stdout) if done.stdout else {"text": done.stderr}


def changed(answer):
    """{(section, row): (kind, before, after)}"""
    return {(c.get("section", ""), c.get("row", "")): (c["kind"], c.get("before", ""), c.get("after", ""))
            for c in answer["reload"].get("change", [])}


def pids(p):
    return {w["name"]: w["pid"] for w in p.ps()["worker"]}


def new_pids(p, before):
    now = pids(p)
    return {name for name in now if now[name] != before.get(name)}


def environ(pid):
    with open("/proc/%d/environ" % pid, "rb") as file:
        return file.read().decode().split("\0")


def has_rows(p, worker, variable, there):
    """Whether a worker that is ready was started with, or without, that variable."""
    found = p.worker(worker)
    try:
        return found["state"] == "ready" and (variable in environ(found["pid"])) == there
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has just gone


def flow(p):
    def stored():
        return p.status()["pipeline"]["stream"][0]["stored"]
    start = stored()
    await_(lambda: stored() > start + 10, "frames to be stored")


def finish(p):
    """Each frame that there ever was is in the recording, once."""
    flow(p)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    p.check_nothing_left()
    p.check_numbers(p.ledger.last(), most=20)
    p.verify()


def nothing_happened(p, before):
    check(pids(p) == before, "workers were restarted: %s" % new_pids(p, before))


# ---- what applies live, what restarts ----

def live_rows(make):
    p = make(**SMALL).up()
    before = pids(p)
    check(changed(reload(p)) == {}, "something differs from the file that runs")
    p.write_config(hang_after="9s", processor="nice = 5  cpus = \"0\"  max_restarts = 3", processors=1,
                   storer="limit_files = 300", stream="quality = 50")
    answer = reload(p, "--dry-run")
    check(changed(answer) == {
        ("", "hang_after"): ("live", p.settings["hang_after"], "9s"), ("processor", "nice"): ("live", "0", "5"),
        ("processor", "cpus"): ("live", "", "0"), ("processor", "max_restarts"): ("live", "10", "3"),
        ("processor", "count"): ("live", "2", "1"), ("storer", "limit_files"): ("live", "0", "300"),
        ("stream.cam1", "quality"): ("live", "85", "50")}, "the difference is %s" % answer)
    nothing_happened(p, before)
    shown = p.troupe("reload", "-n", p.name).stdout
    check("processor: live\n" in shown and "- nice = \"0\"" in shown and "+ nice = \"5\"" in shown, shown)
    await_(lambda: "processor.2" not in pids(p), "the pool to be smaller")
    check(not new_pids(p, before), "workers were restarted")
    nice = min(19, os.getpriority(os.PRIO_PROCESS, p.process.pid) + 5)
    for task in os.listdir("/proc/%d/task" % before["processor.1"]):
        check(os.sched_getaffinity(int(task)) == {0}, "a thread runs elsewhere")
        check(os.getpriority(os.PRIO_PROCESS, int(task)) == nice, "a thread is not as nice")
    with open("/proc/%d/limits" % before["storer"]) as file:
        check("Max open files            300" in file.read(), "the limit of files is not there")
    check(changed(reload(p)) == {}, "the new config does not run")
    finish(p)


def rows_that_restart(make):
    p = make(**SMALL).up()
    before = pids(p)
    p.write_config(processor=SECRET, storer="commit_interval = \"50ms\"", stream="seed = 3")
    answer = reload(p, "--dry-run")
    nothing_happened(p, before)
    answer = reload(p, "--probation", "0s")
    wanted = {"processor.1", "processor.2", "storer", "capture.cam1"}
    check(set(answer["reload"]["restarts"]) == wanted, "the answer says %s" % answer)
    check(new_pids(p, before) == wanted, "restarted were %s" % new_pids(p, before))
    check("KEY=hush-hush" in environ(pids(p)["processor.2"]), "the new rows are not there")
    check(p.journal("reload"), "the journal does not know")
    check("hush" not in json.dumps(p.journal()) + json.dumps(answer) + p.log("supervisor"), "a secret is told")
    finish(p)


def workers_come_and_go(make):
    p = make(**SMALL).up()
    p.write_config(trainer="enabled = no")
    check(changed(reload(p))[("trainer", "enabled")][0] == "remove", "it is not removed")
    await_(lambda: "trainer" not in pids(p), "the trainer to be gone")
    p.write_config(extra="worker \"looks\" { exec = \"troupe-display-terminal\" enabled = no }")
    reload(p)
    await_(lambda: p.worker("trainer")["state"] == "ready", "the trainer to be back")
    finish(p)


def another_address(make):
    p = make(**SMALL).up()
    first = p.status()["pipeline"]["url"]
    p.write_config(listen="localhost:0")
    reload(p)
    second = p.status()["pipeline"]["url"]
    check(first != second, "it listens at %s as before" % second)
    with urllib.request.urlopen(second + "api/workers", timeout=20) as answer:
        check(answer.status == 200, "the page does not answer")
    finish(p)


# ---- refused whole ----

def refused(p, before, what, **settings):
    path = p.write_config(**settings)
    answer = p.troupe("reload", "-n", p.name, code=2).stderr
    check(path + ":" in answer and what in answer, "refused with: %s" % answer)
    check(int(answer.split(path + ":")[1].split(":")[0]) > 0, "no line is named: %s" % answer)
    nothing_happened(p, before)


def never(make):
    p = make(**SMALL).up()
    before = pids(p)
    refused(p, before, "\"320\" to \"100\": only a new run", stream="view_width = 100", processor="nice = 3")
    refused(p, before, "\"32\" to \"40\": only a new run", slots=40)
    refused(p, before, "another size", size="320x240")
    refused(p, before, "stream.two: from \"not there\"", extra="stream \"two\" { source = \"pattern:\" }")
    refused(p, before, "recording", storer="enabled = no")
    refused(p, before, "unknown key", storer="wrong = 1")
    refused(p, before, "TROUPE_", trainer="environment = \"TROUPE_SEAT=1\"")
    refused(p, before, "no-such-program", trainer="exec = \"no-such-program\"")
    check(os.getpriority(os.PRIO_PROCESS, before["processor.1"]) == os.getpriority(os.PRIO_PROCESS, p.process.pid),
          "a part of what was refused was done")
    other = os.path.join(p.folder, "sub")
    os.mkdir(other)
    path = p.write_config(os.path.join("sub", "other.conf"))
    check("another folder" in p.troupe("reload", "-n", p.name, "-c", path, code=2).stderr, "paths would change")
    p.write_config()
    check(changed(reload(p)) == {}, "what was refused runs")
    finish(p)


# ---- one that fails ----

def program(p, name, lines):
    """A trainer whose rows are right, and that does something else when it is started."""
    path = os.path.join(p.folder, name)
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + needs("run /bin/sleep") +
                   "[ \"$1\" = --rows ] && exec %s/troupe-trainer --rows\n%s\n" % (BIN, lines))
    os.chmod(path, 0o755)
    return path


def newcomer_that_fails(make):
    p = make(**SMALL).up()
    before = p.worker("trainer")
    p.write_config(processor="environment = \"A=1\"", stream="quality = 40", listen="localhost:0",
                   trainer="exec = \"%s\"" % program(p, "bad", "echo broken >&2; exit 3"))
    url = p.status()["pipeline"]["url"]
    answer = p.troupe("reload", "--probation", "0s", "-n", p.name, code=1).stderr
    check("broken" in answer and "as it was before" in answer, "it says: %s" % answer)
    after = p.worker("trainer")
    check(after["program"] == before["program"] and after["state"] == "ready", "the trainer is %s" % after)
    for name in ("processor.1", "processor.2"):
        await_(lambda: has_rows(p, name, "A=1", False), "%s to have its old rows" % name)
    check(p.status()["pipeline"]["url"] == url, "the address has changed")
    p.write_config()
    check(changed(reload(p)) == {}, "what failed runs")
    finish(p)


def one_at_a_time(make):
    """While one waits for its newcomer, others are refused; killed workers and down do not wait for it."""
    p = make(extra="drain_timeout = \"300ms\"", **SMALL).up()
    p.write_config(trainer="exec = \"%s\"" % program(p, "slow", "exec sleep 1000"))
    args = [os.path.join(BIN, "troupe"), "reload", "-n", p.name]
    process = subprocess.Popen(args, env=p.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    await_(lambda: any(s["program"].endswith("slow") for s in p.ps().get("spare", [])), "the newcomer to be there")
    for request in (["reload"], ["swap", "storer"], ["scale", "processor", "3"]):
        told = p.troupe(*request, "-n", p.name, code=1).stderr
        check("under way" in told, "%s is refused with: %s" % (request, told))
    p.back("processor.1", p.hit("processor.1")["incarnation"])
    finish(p)
    told = process.communicate(timeout=60)
    check(process.returncode == 1 and "stopping" in told[1], "it ended with %s" % (told,))


def killed_workers(make):
    """Whoever dies while it is carried out: it is done or undone, and nothing is lost."""
    p = make(hang_after="20s", bypass_after="15s", slots=200, **SMALL).up()
    args = [os.path.join(BIN, "troupe"), "reload", "-n", p.name, "--probation", "0s"]
    for turn, name in enumerate(("processor.1", "storer", "capture.cam1", "processor.2")):
        value = "environment = \"TURN=%d\"" % turn
        p.write_config(processor=value, storer=value, stream=value)
        process = subprocess.Popen(args, env=p.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        killed = 0
        while process.poll() is None and killed < 5:
            worker = p.worker(name)
            if worker["pid"] > 0:
                try:
                    os.kill(worker["pid"], signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
        told = process.communicate(timeout=60)
        check(process.returncode in (0, 1), "reload ended with %d: %s" % (process.returncode, told))
        done = process.returncode == 0
        for worker in ("processor.1", "processor.2", "storer", "capture.cam1"):
            await_(lambda: has_rows(p, worker, "TURN=%d" % turn, done),
                   "%s to have the %s rows" % (worker, "new" if done else "old"), 60)
    finish(p)


if __name__ == "__main__":
    main({f.__name__: f for f in (
        live_rows, rows_that_restart, workers_come_and_go, another_address, never, newcomer_that_fails, one_at_a_time,
        killed_workers)})
