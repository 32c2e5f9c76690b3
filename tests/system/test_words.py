"""What a person is told when something dies or is ordered about: one line with the name, the cause and the way out."""

import fcntl
import os
import signal

import harness
from harness import await_, check

WORDS = "no more paper in the printer"


def breakable(p, program):
    """A program that is `program` until the file `broken` is there; then it dies at every start."""
    path = os.path.join(p.folder, "breakable-" + program)
    with open(path, "w") as file:
        file.write("#!/bin/sh\n[ -n \"$1\" ] || [ ! -e %s/broken ] && exec %s/troupe-%s \"$@\"\n"
                   "echo %s >&2\nexit 3\n" % (p.folder, harness.BIN, program, WORDS))
    os.chmod(path, 0o755)
    return 'exec = "%s" max_restarts = 2 backoff = "10ms"' % path


def break_it(p, worker):
    with open(os.path.join(p.folder, "broken"), "w"):
        pass
    p.hit(worker)


def state_of(p, worker, state):
    return await_(lambda: p.worker(worker)["state"] == state, "%s to be %s" % (worker, state))


def grown(p, worker, mb):
    with open("/proc/%d/statm" % p.worker(worker)["pid"]) as file:
        return int(file.read().split()[1]) * 4096 >= mb * 1000000


def told(p, *args, code=0):
    """The one line that a command says, on whichever side."""
    done = p.troupe(*args, "-n", p.name, code=code)
    said = done.stdout if code == 0 else done.stderr
    check(said.count("\n") == 1, "troupe %s says one line: %r" % (" ".join(args), said))
    return said


def given_up(make):
    p = make(frames=0, fps=50, processors=2)
    # Large, so that it dies slowly, and its successor has died at its start before its own end is seen.
    p.settings["processor"] = breakable(p, "processor") + ' ballast = "100MB"'
    p.options = ["--progress"]
    p.up()
    await_(lambda: grown(p, "processor.1", 100), "a large processor")
    break_it(p, "processor.1")
    state_of(p, "processor.1", "gave up")
    way = "`troupe -n %s start processor.1` tries again" % p.name
    cause = "exit 3: " + WORDS
    await_(lambda: "processor.1: gave up after 2 restarts" in p.said(), "the live output to say so")
    line = [l for l in p.said().split("\n") if "gave up" in l][-1]
    check(cause in line and way in line, "it says why and what to do: " + line)
    check(p.said().count("processor.1: " + cause) == 1, "each death at start would be noise: " + p.said())
    await_(lambda: "SIGKILL" in p.troupe("inspect", "processor.1", "-n", p.name).stdout, "the end of the large one")
    listed = p.troupe("ps", "-n", p.name).stdout
    check(WORDS in listed and way in listed, "ps says it: " + listed)
    seen = p.troupe("inspect", "processor.1", "-n", p.name).stdout
    check("process       none" in seen and WORDS in seen and "troupe start processor.1" in seen,
          "inspect says it: " + seen)
    start = p.ledger.last()
    await_(lambda: p.ledger.last() > start + 20, "the rest to flow on")
    os.unlink(os.path.join(p.folder, "broken"))
    check("given up" in told(p, "start", "processor.1"), "it is started")
    state_of(p, "processor.1", "ready")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()


def orders_in_every_state(make):
    p = make(frames=0, fps=50, processors=2)
    p.settings["trainer"] = breakable(p, "trainer")
    p.up()
    check("runs already" in told(p, "start", "trainer"), "start of one that runs")
    check("drained, then stopped" in told(p, "stop", "trainer"), "stop of one that runs")
    state_of(p, "trainer", "stopped")
    check("was stopped already" in told(p, "stop", "trainer"), "stop of one that is stopped")
    check("is stopped; `troupe" in told(p, "kill", "trainer", code=1), "kill of one that is stopped")
    check("is starting" in told(p, "restart", "trainer"), "restart of one that is stopped")
    state_of(p, "trainer", "ready")
    check("drained, then started again" in told(p, "restart", "trainer"), "restart of one that runs")
    state_of(p, "trainer", "ready")
    break_it(p, "trainer")
    state_of(p, "trainer", "gave up")
    check("was given up; `troupe" in told(p, "kill", "trainer", code=1), "kill of one that was given up")
    check("it had been given up" in told(p, "stop", "trainer"), "stop of one that was given up")
    check("nothing is recorded until" in told(p, "stop", "storer"), "what a stopped storer means is said")
    state_of(p, "storer", "stopped")
    told(p, "start", "storer")
    state_of(p, "storer", "ready")
    check("valid: " in told(p, "stop", "nobody", code=2), "who can be named is said")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    p.check_numbers(p.ledger.last())


def finished_source(make):
    p = make(frames=40, fps=100, extra='''stream "cam2" { source = "pattern:"  pattern_fps = 25 }''').up()
    state_of(p, "capture.cam1", "finished")
    for order in ("start", "restart", "kill"):
        check("source has ended" in told(p, order, "capture.cam1", code=1), "%s of what has ended" % order)
    check("ended already" in told(p, "stop", "capture.cam1"), "stop of what has ended")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)


def nobody_reads_the_progress(make):
    """A terminal that was stopped, here a full pipe, keeps nobody waiting."""
    p = make(frames=0, fps=50)
    pipe = os.path.join(p.folder, "pipe")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(pipe, os.O_WRONLY)
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * size)
    p.options = ["--progress"]
    p.prefix = ["sh", "-c", 'exec "$@" >%s' % pipe, "sh"]
    p.up()
    for _ in range(3):
        p.back("processor.1", p.hit("processor.1", signal.SIGABRT)["incarnation"])
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    check(os.read(reader, 2 * size) == b"x" * size, "nothing was written")
    os.close(reader)
    os.close(writer)


harness.main({f.__name__: f for f in (
    given_up, orders_in_every_state, finished_source, nobody_reads_the_progress)})
