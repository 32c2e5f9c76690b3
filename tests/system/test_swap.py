"""Swapping every role under load, rolling back, and whatever may come in between: nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import urllib.request

import harness
from harness import await_, check

SHAKY = {"processor.1": "shaky-processor", "storer": "shaky-storer"}
# Only for those that are never ready: whoever is must not be too late for it.
QUICK = 'ready_timeout = "%dms"' % (1000 * harness.PATIENCE)
# One that is stuck in `open` hears nothing.
SHORT = 'drain_timeout = "500ms"'


def stage(p, worker, text):
    """Waits until the swap of a worker is at that stage; returns the event."""
    return await_(lambda: next((e for e in p.journal() if e["event"] == "swap" and e["worker"] == worker
                                and e["stage"] == text), None), "the swap of %s to be %s" % (worker, text))


def newcomer(p, worker):
    """The pid of the standby that was started last."""
    return await_(lambda: next((e["pid"] for e in reversed(p.journal()) if e["event"] == "spawn"
                                and e["worker"] == worker and e.get("standby")), None),
                  "a standby of %s to be started" % worker)


def swap(p, worker, program=None, probation="0s", code=0):
    args = ["--exec", program] if program else []
    done = p.troupe("swap", worker, *args, "--probation", probation, "--json", "-n", p.name, code=code)
    return json.loads(done.stdout)


def begin(p, worker, program, probation="0s"):
    """A swap that goes on while the test does something else."""
    return subprocess.Popen(
        [os.path.join(harness.BIN, "troupe"), "swap", worker, "--exec", program, "--probation", probation,
         "--json", "-n", p.name], env=p.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def both_outputs(process, code):
    out, errors = process.communicate(timeout=30 * harness.PATIENCE)
    check(process.returncode == code, "swap: exit %d, not %d: %s" % (process.returncode, code, out + errors))
    return out, errors


def outcome(process, code):
    return "".join(both_outputs(process, code))


def copy(p, program, name):
    path = os.path.join(p.folder, name)
    if not os.path.exists(path):  # else it may be running
        shutil.copy(os.path.join(harness.BIN, program), path)
    return path


def shaky(p, worker, fault):
    return copy(p, SHAKY[worker], SHAKY[worker] + "-" + fault)


def is_old(p, worker, before, same=True):
    """The old program plays, in the very process of before or in another."""
    after = await_(lambda: (lambda w: w["state"] == "ready" and w)(p.worker(worker)), "%s to be ready" % worker)
    check(after["program"] == before["program"], "%s is played by %s" % (worker, after["program"]))
    check((after["pid"] == before["pid"]) == same, "%s was pid %d and is %d" % (worker, before["pid"], after["pid"]))


def flow(p):
    """Frames are stored from now on, too."""
    def stored():
        return p.status()["pipeline"]["stream"][0]["stored"]
    start = stored()
    await_(lambda: stored() > start + 20, "frames to be stored")


def finish(p, frames):
    p.wait_end(0)
    p.check_quiet()
    p.check_nothing_left()
    p.check_numbers(frames)
    p.verify()
    p.check_equals_reference()


def finish_now(p):
    p.troupe("down", "-n", p.name)
    p.settings["frames"] = p.ledger.last()
    finish(p, p.ledger.last())


# ---- there and back, each role ----

def there_and_back(make, worker, look=lambda p: None):
    p = make("swap-" + worker.split(".")[0], frames=0, fps=100, size="160x120", processors=1).up()
    before = p.worker(worker)
    other = copy(p, "troupe-" + worker.split(".")[0], "other")
    for program, wanted in ((other, other), (None, before["program"])):
        report = swap(p, worker, program, "300ms")
        look(p)
        after = p.worker(worker)
        check(report["ok"] and report["frames_lost"] == 0, "the report says %s" % report)
        check(after["program"] == wanted == report["program"], "%s plays after the swap" % after["program"])
        check(after["pid"] == report["pid"] and after["restarts"] == 0, "the report says %s" % report)
    check(after["incarnation"] == 3, "the incarnation is %d" % after["incarnation"])
    flow(p)
    finish_now(p)


def capture(make):
    there_and_back(make, "capture.cam1")


def processor(make):
    there_and_back(make, "processor.1")


def storer(make):
    there_and_back(make, "storer")


def trainer(make):
    there_and_back(make, "trainer")


def display(make):
    def look(p):
        page = urllib.request.urlopen(p.status()["pipeline"]["url"] + "healthz", timeout=20 * harness.PATIENCE)
        check(page.status == 200, "the page answers %d" % page.status)
    there_and_back(make, "display", look)


# ---- roll back ----

def roll_back(make, workers, fault, words, single):
    """All of them at once."""
    limit = QUICK if fault.startswith("never-") else ""
    p = make("back-" + fault[:9], frames=0, fps=100, size="160x120", processors=1, processor=limit, storer=limit).up()
    before = {worker: p.worker(worker) for worker in workers}
    under_way = {worker: begin(p, worker, shaky(p, worker, fault), "60s") for worker in workers}
    for worker in workers:
        report = json.loads(both_outputs(under_way[worker], 1)[0])
        check(not report["ok"] and words in report["why"], "the report says %s" % report)
        is_old(p, worker, before[worker], same=not single)
        check(report["frames_lost"] == 0, "the report says %s" % report)
    flow(p)
    finish_now(p)


def never_prepared(make):
    roll_back(make, list(SHAKY), "never-prepared", "not ready in time", False)


def never_ready_pool(make):
    roll_back(make, ["processor.1"], "never-ready", "not ready in time", False)


def never_ready_single(make):
    roll_back(make, ["storer"], "never-ready", "not ready in time", True)


def crashes_on_probation_pool(make):
    roll_back(make, ["processor.1"], "crashes", "SIGABRT", True)


def crashes_on_probation_single(make):
    roll_back(make, ["storer"], "crashes", "SIGABRT", True)


def plays_another_role(make):
    roll_back(make, list(SHAKY), "unlike", "another role", False)


def exits_at_once(make):
    p = make(frames=0, fps=100, size="160x120").up()
    for worker in SHAKY:
        before = p.worker(worker)
        check("exit 1" in swap(p, worker, "/bin/false", code=1)["why"], "why is told")
        none = p.troupe("swap", worker, "--exec", "no-such-program", "-n", p.name, code=2)
        check("no-such-program" in none.stderr, "the program is named: %s" % none.stderr)
        garbage = os.path.join(p.folder, "garbage")
        with open(garbage, "w") as file:
            file.write("no program")
        os.chmod(garbage, 0o755)
        check("cannot be started" in swap(p, worker, garbage, code=1)["why"], "why is told")
        is_old(p, worker, before)
    finish_now(p)


# ---- whatever comes in between ----

def newcomer_killed_while_it_prepares(make):
    p = make(frames=0, fps=100, size="160x120").up()
    for worker in SHAKY:
        before = p.worker(worker)
        process = begin(p, worker, shaky(p, worker, "never-prepared"))
        os.kill(newcomer(p, worker), signal.SIGKILL)
        check("SIGKILL" in outcome(process, 1), "why is told")
        is_old(p, worker, before)
    finish_now(p)


def old_one_killed_while_the_newcomer_prepares(make):
    p = make(frames=0, fps=100, size="160x120").up()
    for worker in SHAKY:
        before = p.worker(worker)
        process = begin(p, worker, shaky(p, worker, "never-prepared"))
        pid = newcomer(p, worker)
        os.kill(before["pid"], signal.SIGKILL)
        p.back(worker, before["incarnation"])
        is_old(p, worker, before, same=False)
        os.kill(pid, signal.SIGKILL)
        outcome(process, 1)
    flow(p)
    finish_now(p)


def stop_old_one(p, worker):
    """An old one that cannot drain: the swap stays where it is."""
    before = p.worker(worker)
    os.kill(before["pid"], signal.SIGSTOP)
    harness.wait_stopped(before["pid"])
    process = begin(p, worker, copy(p, "troupe-" + worker, "other"))
    stage(p, worker, "draining the old one")
    return before, process


def old_one_killed_while_it_drains(make):
    p = make(frames=0, fps=100, size="160x120", hang_after="20s", bypass_after="15s", slots=200).up()
    before, process = stop_old_one(p, "storer")
    os.kill(before["pid"], signal.SIGKILL)
    outcome(process, 0)
    check(p.worker("storer")["program"] == os.path.join(p.folder, "other"), "the newcomer plays")
    flow(p)
    finish_now(p)


def newcomer_killed_while_the_old_one_drains(make):
    p = make(frames=0, fps=100, size="160x120", hang_after="20s", bypass_after="15s", slots=200).up()
    before, process = stop_old_one(p, "storer")
    os.kill(newcomer(p, "storer"), signal.SIGKILL)
    outcome(process, 1)
    os.kill(before["pid"], signal.SIGCONT)
    p.back("storer", before["incarnation"])
    is_old(p, "storer", before, same=False)
    flow(p)
    finish_now(p)


def newcomer_killed_as_it_takes_charge(make):
    p = make(frames=0, fps=100, size="160x120").up()
    for worker in SHAKY:
        before = p.worker(worker)
        process = begin(p, worker, shaky(p, worker, "never-ready"))
        os.kill(stage(p, worker, "taking charge")["pid"], signal.SIGKILL)
        outcome(process, 1)
        is_old(p, worker, before, same=worker != "storer")
    flow(p)
    finish_now(p)


def newcomer_killed_on_probation(make):
    p = make(frames=0, fps=100, size="160x120").up()
    for worker in ("processor.1", "storer", "capture.cam1"):
        before = p.worker(worker)
        process = begin(p, worker, copy(p, "troupe-" + worker.split(".")[0], worker), "60s")
        os.kill(stage(p, worker, "on probation")["pid"], signal.SIGKILL)
        outcome(process, 1)
        is_old(p, worker, before, same=False)
    flow(p)
    finish_now(p)


def down_in_between(make):
    p = make(frames=0, fps=100, size="160x120", extra=SHORT).up()
    flow(p)
    under_way = [begin(p, worker, shaky(p, worker, "never-prepared")) for worker in SHAKY]
    for worker in SHAKY:
        newcomer(p, worker)
    finish_now(p)
    for process in under_way:
        check("stopping" in outcome(process, 1), "why is told")


def other_requests_in_between(make):
    p = make(frames=0, fps=100, size="160x120", extra=SHORT).up()
    workers = ("processor.1", "processor.2")
    under_way = [begin(p, worker, shaky(p, "processor.1", "never-prepared")) for worker in workers]
    new = {newcomer(p, worker) for worker in workers}
    for request in ("swap", "restart", "start"):
        refused = p.troupe(request, "processor.2", "-n", p.name, code=1)
        check("a swap is under way" in refused.stderr, "refused: %s" % refused.stderr)
    p.troupe("scale", "processor", "1", "-n", p.name)
    check("smaller" in outcome(under_way[1], 1), "why is told")
    p.troupe("stop", "processor.1", "-n", p.name)
    check("told to stop" in outcome(under_way[0], 1), "why is told")
    await_(lambda: not new & set(p.pids()), "the newcomers to be gone")
    await_(lambda: not p.worker("processor.1")["pid"], "the old one to be gone")
    p.troupe("start", "processor.1", "-n", p.name)
    flow(p)
    finish_now(p)


def supervisor_killed_in_between(make):
    p = make(frames=0, fps=100, size="160x120").up()
    process = begin(p, "storer", shaky(p, "storer", "never-prepared"))
    newcomer(p, "storer")
    p.process.kill()
    check("did not answer" in outcome(process, 1), "why is told")
    p.process.wait()


def supervisor_killed_while_the_old_one_drains(make):
    """Nobody can tell the newcomer to take charge any more: it takes what has no owner."""
    p = make(frames=0, fps=100, size="160x120", hang_after="20s", bypass_after="15s", slots=200).up()
    flow(p)
    before, process = stop_old_one(p, "storer")
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + 20, "frames to be owed")
    p.process.kill()
    p.process.wait()
    outcome(process, 1)
    harness.go_on(before["pid"])
    await_(lambda: not p.pids(), "orphaned workers to end", 30)
    p.check_numbers(p.ledger.last())
    p.verify()


harness.main({f.__name__: f for f in (
    capture, processor, storer, trainer, display, never_prepared, never_ready_pool, never_ready_single,
    crashes_on_probation_pool, crashes_on_probation_single, plays_another_role, exits_at_once,
    newcomer_killed_while_it_prepares, old_one_killed_while_the_newcomer_prepares,
    old_one_killed_while_it_drains, newcomer_killed_while_the_old_one_drains,
    newcomer_killed_as_it_takes_charge, newcomer_killed_on_probation, down_in_between,
    other_requests_in_between, supervisor_killed_in_between,
    supervisor_killed_while_the_old_one_drains)})
