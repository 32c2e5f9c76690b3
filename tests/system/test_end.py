"""Every way a pipeline ends, and what the next one finds."""

import os
import signal

import harness
from harness import await_, check


def flowing(make, **settings):
    p = make(frames=0, fps=100, **settings).up()
    await_(lambda: p.ledger.last() > 30, "frames to flow")
    return p


def whole(p, quiet=True):
    if quiet:
        p.check_quiet()
    p.verify()
    p.check_numbers(max(f["seq"] for f in p.frames()))


def down(make):
    p = flowing(make)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_nothing_left()
    whole(p)
    check(p.ledger.last() == len(p.frames()), "every numbered frame is stored")


def by_signal(make, sig):
    p = flowing(make)
    os.kill(p.process.pid, sig)
    p.wait_end(0)
    p.check_nothing_left()
    whole(p)
    check(p.ledger.last() == len(p.frames()), "every numbered frame is stored")


def interrupt(make):
    by_signal(make, signal.SIGINT)


def terminate(make):
    by_signal(make, signal.SIGTERM)


def killed_supervisor(make):
    p = flowing(make)
    os.kill(p.process.pid, signal.SIGKILL)
    p.process.wait()
    await_(lambda: not p.pids(), "orphaned workers to end", 30)
    check(p.ledger.last() == len(p.frames()), "%d captured, %d stored" % (
        p.ledger.last(), len(p.frames())))
    p.verify()
    # What it left is cleared by down, and up works again.
    p.troupe("down", "-n", p.name)
    check(not os.path.exists(p.runtime), "down cleared the runtime folder")
    first = p.ledger.last()
    p.settings["frames"] = 50
    p.up()
    p.wait_end(0)
    p.check_nothing_left()
    check(len(p.frames()) == first + 50, "the second run is stored beside the first")
    p.verify()


def killed_supervisor_then_up_at_once(make):
    p = flowing(make)
    os.kill(p.process.pid, signal.SIGKILL)
    p.process.wait()
    first = p.ledger
    p.settings["frames"] = 50
    p.up()  # waits for the workers of the killed one: there are never two of a worker
    titles = list(p.pids().values())
    check(len(titles) == len(set(titles)), "two of a worker: %s" % titles)
    p.wait_end(0)
    p.check_nothing_left()
    check(len(p.frames()) == first.last() + 50, "both runs are stored whole")
    p.verify()


def killed_supervisor_with_a_stopped_worker(make):
    p = flowing(make)
    pid = p.worker("trainer")["pid"]
    os.kill(pid, signal.SIGSTOP)
    harness.wait_stopped(pid)
    os.kill(p.process.pid, signal.SIGKILL)
    p.process.wait()
    said = p.troupe("down", "-n", p.name, limit=40).stderr
    check("killing" not in said, "it ends by itself when it goes on: " + said)
    p.check_nothing_left()
    p.verify()


def finished_source_ends_up(make):
    p = make(frames=60, fps=200).up()
    p.wait_end(0)
    p.check_nothing_left()
    p.check_numbers(60)


def gives_up_loudly(make):
    """A worker that dies at every start: the rest flows on, and whoever watches is told."""
    p = make(frames=0, fps=50)
    dies = os.path.join(p.folder, "dies")
    with open(dies, "w") as file:
        file.write("#!/bin/sh\n[ -n \"$1\" ] || [ ! -e %s/broken ] && exec %s/troupe-trainer \"$@\"\n"
                   "echo my last words >&2\nexit 3\n" % (p.folder, harness.BIN))
    os.chmod(dies, 0o755)
    p.settings["trainer"] = 'exec = "%s" max_restarts = 2 backoff = "10ms"' % dies
    p.options = ["--progress"]
    p.up()
    open(os.path.join(p.folder, "broken"), "w").close()
    os.kill(p.worker("trainer")["pid"], signal.SIGABRT)
    await_(lambda: p.worker("trainer")["state"] == "gave up", "the supervisor to give up")
    await_(lambda: "trainer: gave up after" in p.said() and "my last words; `troupe" in p.said(), "the supervisor to say so")
    start = p.ledger.last()
    await_(lambda: p.ledger.last() > start + 20, "the rest to flow on")
    os.unlink(os.path.join(p.folder, "broken"))
    p.troupe("start", "trainer", "-n", p.name)
    await_(lambda: p.worker("trainer")["state"] == "ready", "the trainer to be back")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    whole(p)


harness.main({f.__name__: f for f in (
    down, interrupt, terminate, killed_supervisor, killed_supervisor_then_up_at_once,
    killed_supervisor_with_a_stopped_worker, finished_source_ends_up, gives_up_loudly)})
