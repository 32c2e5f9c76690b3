"""Spares: a prepared process takes the place of a worker that dies, whatever that one held."""

import json
import os
import signal

import harness
from harness import await_, check

# To hang so long is enough; who does not hang must not be taken for one on a busy machine.
SOON = "%dms" % (1000 * harness.PATIENCE)
ROLES = ("capture.cam1", "processor.1", "storer", "trainer", "display")


def spare(p, name):
    """The spare of a worker, as soon as it is prepared."""
    return await_(lambda: next((s for s in p.ps().get("spare", [])
                                if s["name"] == name and s["state"] == "spare"), None), "a spare of %s" % name)


def lead(p, name, pid):
    return await_(lambda: (lambda w: w["pid"] == pid and w["state"] == "ready" and w)(p.worker(name)),
                  "pid %d to be %s" % (pid, name))


def start(make, role, keys="", **settings):
    section = {"capture.cam1": "stream", "processor.1": "processor"}.get(role, role)
    settings = dict({"fps": 100, "frames": 0, "size": "160x120", "processors": 1}, **settings)
    return make("spare-" + section, **{section: "spares = 1  max_restarts = 2  " + keys}, **settings).up()


def finish(p):
    """Frames flow until now, and none is lost."""
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + 20, "frames to flow")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    p.check_nothing_left()
    p.settings["frames"] = p.ledger.last()
    p.check_numbers(p.ledger.last())
    p.verify()
    p.check_equals_reference()


def takes_over(make, role):
    """More often than max_restarts: a kill from outside is nobody's fault."""
    p = start(make, role)
    for _ in range(3):
        waiting, before = spare(p, role), p.worker(role)
        check(waiting["slots_held"] == 0, "a spare holds nothing: %s" % waiting)
        if role in ("capture.cam1", "processor.1", "storer"):
            check(p.kill_holding(role, owed=role == "storer"), "it held something")
        else:
            os.kill(before["pid"], signal.SIGKILL)
        after = lead(p, role, waiting["pid"])
        check(after["incarnation"] > before["incarnation"], "incarnation %d" % after["incarnation"])
    finish(p)


def capture(make):
    takes_over(make, "capture.cam1")


def processor(make):
    takes_over(make, "processor.1")


def storer(make):
    takes_over(make, "storer")


def trainer(make):
    takes_over(make, "trainer")


def display(make):
    takes_over(make, "display")


def killed_alone(make):
    """Nobody notices, and another one comes. Its end is not the worker's, in whatever order they began."""
    p = start(make, "storer")
    before = p.worker("storer")
    for _ in range(4):
        waiting = spare(p, "storer")
        os.kill(waiting["pid"], signal.SIGKILL)
        await_(lambda: spare(p, "storer")["pid"] != waiting["pid"], "another spare")
    after = p.worker("storer")
    check(after["pid"] == before["pid"] and after["restarts"] == 0, "the storer is the same: %s" % after)
    check(not after.get("last_exit"), "it has not ended: %s" % after)
    waiting = spare(p, "storer")
    check("SIGKILL" in waiting["last_exit"], "a spare was killed: %s" % waiting)
    os.kill(before["pid"], signal.SIGABRT)
    await_(lambda: "SIGABRT" in p.worker("storer").get("last_exit", ""), "the cause of its end to be told")
    lead(p, "storer", waiting["pid"])
    exits = json.loads(p.troupe("inspect", "storer", "--json", "-n", p.name).stdout)["inspection"]["exit"]
    check([e.get("standby", False) for e in exits] == 4 * [True] + [False], "inspect tells of the exits %s" % exits)
    finish(p)


def killed_together(make):
    """Both, in either order, so that nobody of that worker is left. All roles in one pipeline. Where the spare took
    over in between, either death is a restart: four in all."""
    keys = "spares = 1  max_restarts = 4"
    p = make(fps=100, frames=0, size="160x120", processors=1, stream=keys, processor=keys, storer=keys, trainer=keys,
             display=keys).up()
    for role in ROLES:
        for order in (1, -1):
            waiting, before = spare(p, role), p.worker(role)
            for pid in (waiting["pid"], before["pid"])[::order]:
                os.kill(pid, signal.SIGKILL)
            p.back(role, before["incarnation"])
    finish(p)


def hang(make):
    p = start(make, "storer", hang_after=SOON, slots=200)
    waiting, before = spare(p, "storer"), p.worker("storer")
    os.kill(before["pid"], signal.SIGSTOP)
    lead(p, "storer", waiting["pid"])
    await_(lambda: "hung" in p.worker("storer")["last_exit"], "the cause to be known")
    finish(p)


def hang_of_the_spare(make):
    """It is replaced; the lead stays."""
    p = start(make, "storer", hang_after=SOON)
    waiting, before = spare(p, "storer"), p.worker("storer")
    os.kill(waiting["pid"], signal.SIGSTOP)
    await_(lambda: spare(p, "storer")["pid"] != waiting["pid"], "another spare")
    check(p.worker("storer")["pid"] == before["pid"], "the storer is the same")
    finish(p)


def hang_of_both(make):
    """A spare that is stopped as well is no help: another one comes."""
    p = start(make, "storer", hang_after=SOON, slots=200)
    waiting, before = spare(p, "storer"), p.worker("storer")
    os.kill(waiting["pid"], signal.SIGSTOP)
    os.kill(before["pid"], signal.SIGSTOP)
    p.back("storer", waiting["incarnation"])
    await_(lambda: not {waiting["pid"], before["pid"]} & set(p.pids()), "both to be gone")
    finish(p)


def spares_that_keep_dying(make):
    """The first of them plays, all others die at once: the lead is not disturbed, and people are told. To start
    the worker gives its spares another try."""
    p = make(frames=0, fps=100, size="160x120", processors=1)
    fickle = os.path.join(p.folder, "fickle")
    with open(fickle, "w") as file:
        file.write("#!/bin/sh\n" + harness.needs("write-path " + p.folder) +
                   "[ -z \"$1\" ] && [ -e %s/played ] && exit 3\n[ -z \"$1\" ] && : > %s/played\n"
                   "exec %s/troupe-storer \"$@\"\n" % (p.folder, p.folder, harness.BIN))
    os.chmod(fickle, 0o755)
    p.settings["storer"] = 'spares = 1  exec = "%s"  max_restarts = 2  backoff = "1ms"' % fickle
    p.up()
    before = p.worker("storer")
    gone = await_(lambda: next((s for s in p.ps().get("spare", []) if s["state"] == "gave up"), None),
                  "the spares to be given up")
    check(gone["name"] == "storer" and gone["last_exit"].startswith("exit 3"), "ps tells %s" % gone)
    check("its spares keep dying" in p.log("supervisor"), "the log tells it, too")
    told = p.troupe("ps", "-n", p.name).stdout
    check("storer (its spare): gave up: exit 3" in told, "ps tells why: %s" % told)
    after = p.worker("storer")
    check(after["pid"] == before["pid"] and after["state"] == "ready", "the storer is the same: %s" % after)
    check(after["restarts"] == 0 and not after.get("last_exit"), "nothing has happened to the storer: %s" % after)
    os.unlink(os.path.join(p.folder, "played"))
    told = p.troupe("start", "storer", "-n", p.name).stdout
    check("its spares get another try" in told, "start tells %s" % told)
    spare(p, "storer")
    finish(p)


def restart_renews_the_spare(make):
    """Whatever it is that is to be loaded anew."""
    p = start(make, "storer")
    waiting, before = spare(p, "storer"), p.worker("storer")
    p.troupe("restart", "storer", "-n", p.name)
    p.back("storer", before["incarnation"])
    await_(lambda: spare(p, "storer")["pid"] != waiting["pid"], "another spare")
    check(p.worker("storer")["restarts"] == 0, "it was asked for")
    finish(p)


def down_scale_stop_and_swap(make):
    p = make(fps=100, frames=0, size="160x120", processor="spares = 1", storer="spares = 1").up()
    first, second = spare(p, "processor.1"), spare(p, "processor.2")
    p.troupe("scale", "processor", "1", "-n", p.name)
    await_(lambda: second["pid"] not in p.pids(), "the spare to go with its worker")
    p.troupe("swap", "processor.1", "--exec", "troupe-processor-edges", "--probation", "0s", "-n", p.name)
    after = spare(p, "processor.1")
    check(after["pid"] != first["pid"] and after["program"].endswith("edges"), "the spare is of the new program")
    waiting = spare(p, "storer")
    p.troupe("stop", "storer", "-n", p.name)
    await_(lambda: waiting["pid"] not in p.pids(), "the spare to go with its worker")
    p.troupe("start", "storer", "-n", p.name)
    check(spare(p, "storer")["pid"] != waiting["pid"], "a new spare")
    check("spare" in p.troupe("ps", "-n", p.name).stdout, "ps shows spares")
    finish(p)


harness.main({f.__name__: f for f in (
    capture, processor, storer, trainer, display, killed_alone, killed_together, hang, hang_of_the_spare, hang_of_both,
    spares_that_keep_dying, restart_renews_the_spare, down_scale_stop_and_swap)})
