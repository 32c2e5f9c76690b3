"""Spares: a prepared process takes the place of a worker that dies, whatever that one held."""

import os
import signal

import harness
from harness import await_, check

ROLES = ("capture.cam1", "processor.1", "storer", "trainer", "display")


def spare(p, name):
    """The spare of a worker, as soon as it is prepared."""
    return await_(lambda: next((s for s in p.ps().get("spare", [])
                                if s["name"] == name and s["state"] == "spare"), None), "a spare of %s" % name)


def lead(p, name, pid):
    return await_(lambda: (lambda w: w["pid"] == pid and w["state"] == "ready" and w)(p.worker(name)),
                  "pid %d to be %s" % (pid, name))


def start(make, role, **settings):
    section = {"capture.cam1": "stream", "processor.1": "processor"}.get(role, role)
    keys = 'spares = 1  max_restarts = 2'
    return make("spare-" + section, fps=100, processors=1, **{section: keys}, **settings).up()


def finish(p, frames):
    p.wait_end(0)
    p.check_quiet()
    p.check_nothing_left()
    p.check_numbers(frames)
    p.verify()
    p.check_equals_reference()


def takes_over(make, role):
    """More often than max_restarts: a kill from outside is nobody's fault."""
    p = start(make, role, frames=500)
    for _ in range(4):
        waiting, before = spare(p, role), p.worker(role)
        check(waiting["slots_held"] == 0, "a spare holds nothing: %s" % waiting)
        if role in ("capture.cam1", "processor.1", "storer"):
            check(p.kill_holding(role, owed=role == "storer"), "it held something")
        else:
            os.kill(before["pid"], signal.SIGKILL)
        after = lead(p, role, waiting["pid"])
        check(after["incarnation"] > before["incarnation"], "incarnation %d" % after["incarnation"])
    finish(p, 500)


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
    """Nobody notices, and another one comes."""
    p = start(make, "storer", frames=300)
    before = p.worker("storer")
    for _ in range(4):
        waiting = spare(p, "storer")
        os.kill(waiting["pid"], signal.SIGKILL)
        await_(lambda: spare(p, "storer")["pid"] != waiting["pid"], "another spare")
    check(p.worker("storer")["pid"] == before["pid"], "the storer is the same")
    check(p.worker("storer")["restarts"] == 0, "the storer was not restarted")
    finish(p, 300)


def killed_together(make):
    for role in ROLES:
        p = start(make, role, frames=200)
        waiting, before = spare(p, role), p.worker(role)
        os.kill(waiting["pid"], signal.SIGKILL)
        os.kill(before["pid"], signal.SIGKILL)
        p.back(role, before["incarnation"])
        finish(p, 200)


def killed_together_the_other_way_round(make):
    for role in ROLES:
        p = start(make, role, frames=200)
        waiting, before = spare(p, role), p.worker(role)
        os.kill(before["pid"], signal.SIGKILL)
        os.kill(waiting["pid"], signal.SIGKILL)
        p.back(role, before["incarnation"])
        finish(p, 200)


def hang(make):
    p = start(make, "storer", frames=400, hang_after="500ms", slots=200)
    waiting, before = spare(p, "storer"), p.worker("storer")
    os.kill(before["pid"], signal.SIGSTOP)
    lead(p, "storer", waiting["pid"])
    await_(lambda: "hung" in p.worker("storer")["last_exit"], "the cause to be known")
    finish(p, 400)


def hang_of_the_spare(make):
    """It is replaced; the lead stays."""
    p = start(make, "storer", frames=400, hang_after="500ms")
    waiting, before = spare(p, "storer"), p.worker("storer")
    os.kill(waiting["pid"], signal.SIGSTOP)
    await_(lambda: spare(p, "storer")["pid"] != waiting["pid"], "another spare")
    check(p.worker("storer")["pid"] == before["pid"], "the storer is the same")
    finish(p, 400)


def spares_that_keep_dying(make):
    """The first of them plays, all others die at once: the lead is not disturbed, and somebody is told."""
    p = make(frames=300, fps=100)
    fickle = os.path.join(p.folder, "fickle")
    with open(fickle, "w") as file:
        file.write("#!/bin/sh\n[ -z \"$1\" ] && [ -e %s/played ] && exit 3\n[ -z \"$1\" ] && touch %s/played\n"
                   "exec %s/troupe-storer \"$@\"\n" % (p.folder, p.folder, harness.BIN))
    os.chmod(fickle, 0o755)
    p.settings["storer"] = 'spares = 1  exec = "%s"  max_restarts = 2  backoff = "1ms"' % fickle
    p.up()
    before = p.worker("storer")
    await_(lambda: "its spares keep dying" in p.log("supervisor"), "the supervisor to say so")
    after = p.worker("storer")
    check(after["pid"] == before["pid"] and after["state"] == "ready", "the storer is the same: %s" % after)
    finish(p, 300)


def down_scale_stop_and_swap(make):
    p = make(fps=100, frames=0, processors=2, processor="spares = 1", storer="spares = 1").up()
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
    p.troupe("down", "-n", p.name)
    p.settings["frames"] = p.ledger.last()
    finish(p, p.ledger.last())


harness.main({f.__name__: f for f in (
    capture, processor, storer, trainer, display, killed_alone, killed_together,
    killed_together_the_other_way_round, hang, hang_of_the_spare, spares_that_keep_dying, down_scale_stop_and_swap)})
