"""What a person sees of a running pipeline: in what a hung worker hung, logs that are flooded, rotated and followed, and
`troupe top` on a terminal."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess

import harness
from harness import BIN, await_, check, process_state
from terminal import Terminal

# Few capabilities, all of which the screen of these tests knows.
TERMINFO = r"""see|the terminal of a test,
	cols#80, lines#24,
	clear=\E[1;1H\E[J, cup=\E[%i%p1%d;%p2%dH, ed=\E[J, el=\E[K,
	smcup=\E[?1049h, rmcup=\E[?1049l, civis=\E[?25l, cnorm=\E[?25h,
	rev=\E[7m, sgr0=\E[m,
	kcuu1=\E[A, kcud1=\E[B,
"""
DOWN = b"\033[B"


def shaky(p, end):
    """A row for a processor with that fault."""
    path = os.path.join(p.folder, "shaky-processor" + end)
    shutil.copy(os.path.join(BIN, "shaky-processor"), path)
    return 'exec = "%s"' % path


def text_of(path):
    with open(path) as file:
        return file.read()


def size_of(path):
    """0 as well where it is not there just now."""
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


# ---- in what it hangs ----

def hung_worker_leaves_its_stack(make):
    p = make(hang_after="500ms", frames=0, processors=1)
    p.settings["processor"] = shaky(p, "-hangs")
    p.up()
    await_(lambda: p.journal("hung", "processor.1"), "the processor to hang")
    if shutil.which("eu-stack"):  # which is given two seconds each time: a busy machine may need some
        await_(lambda: any("hang_at_the_third_frame" in text_of(e["stack"]) for e in p.journal("hung", "processor.1")),
               "the function in which it hangs to be told", 40)
    hung = p.journal("hung", "processor.1")[0]
    end = await_(lambda: [e for e in p.journal("exit", "processor.1") if e["pid"] == hung["pid"]], "its end")[0]
    check(end["kind"] == "hung", "it ended as %s" % end)
    told = text_of(hung["stack"])
    check("pid %d, incarnation 1," % hung["pid"] in told and "thread %d (" % hung["pid"] in told, told)
    check("system call" in told or "waits in the kernel" in told, told)
    inspection = json.loads(p.troupe("inspect", "--json", "-n", p.name, "processor.1").stdout)["inspection"]
    kept = [e.get("stack") for e in inspection["exit"] if e["pid"] == hung["pid"]]
    check(kept == [hung["stack"]], "inspect names %s, the journal %s" % (kept, hung["stack"]))
    check(hung["stack"] in p.troupe("events", "-n", p.name).stdout, "events does not name it")


def fake_eu_stack(p):
    """One that never ends; returns the file in which it says its pid when it is called."""
    folder, called = os.path.join(p.folder, "bin"), os.path.join(p.folder, "called")
    os.mkdir(folder)
    program = os.path.join(folder, "eu-stack")
    with open(program, "w") as file:
        file.write("#!/bin/sh\necho $$ >%s.new\nmv %s.new %s\nexec sleep 1000\n" % (called, called, called))
    os.chmod(program, 0o755)
    p.for_supervisor["PATH"] = folder + ":" + os.environ["PATH"]
    return called


def stopped_worker_needs_no_eu_stack(make):
    """It is in no function worth knowing: it is killed at once, however long eu-stack would take."""
    p = make(hang_after="500ms", frames=0)
    called = fake_eu_stack(p)
    p.up()
    p.back("processor.1", p.hit("processor.1", signal.SIGSTOP)["incarnation"])
    told = text_of(p.journal("hung", "processor.1")[0]["stack"])
    check("state T" in told and "eu-stack" not in told, told)
    check(not os.path.exists(called), "eu-stack was called for a stopped process")


def eu_stack_that_hangs_is_ended(make):
    """The worker is killed all the same, and the supervisor answers meanwhile."""
    p = make(hang_after="500ms", frames=0, processors=1)
    called = fake_eu_stack(p)
    p.settings["processor"] = shaky(p, "-hangs")
    p.up()
    await_(lambda: os.path.exists(called), "eu-stack to be called")
    eu_stack = int(text_of(called))
    p.troupe("ps", "-n", p.name)
    await_(lambda: p.journal("exit", "processor.1"), "the hung one's end")
    await_(lambda: not os.path.exists("/proc/%d" % eu_stack) or process_state(eu_stack) in "ZX", "the end of eu-stack")


# ---- logs ----

LOGS = 'log_size = "100kB"\nlog_files = 2\n'


def flood_is_rotated_and_followed(make):
    p = make(frames=0, processors=1, extra=LOGS)
    p.settings["processor"] = shaky(p, "-floods")
    p.up()
    log = os.path.join(p.folder, "state", p.name, "processor.1.log")
    await_(lambda: "of many" in p.log("processor.1"), "the flood to begin")  # there is no log before
    follow = subprocess.Popen([os.path.join(BIN, "troupe"), "logs", "processor.1", "-f", "-n", p.name], env=p.env,
                              stdout=subprocess.PIPE, text=True)
    try:
        seen, dropped = [], 0
        while len(seen) < 10000 or not dropped:
            line = follow.stdout.readline()
            check(line, "logs -f has ended")
            number = re.search(r"frame (\d+), line (\d+) of many$", line)
            seen += [(int(number[1]), int(number[2]))] if number else []
            dropped += " lines dropped: " in line
    finally:
        follow.kill()
        follow.communicate()
    check(seen == sorted(set(seen)), "lines came twice, or in a wrong order")
    await_(lambda: os.path.exists(log + ".2"), "a second earlier file")
    check(not os.path.exists(log + ".3"), "more than two earlier files are kept")
    size = await_(lambda: size_of(log + ".1"), "the earlier file, which is renamed all the time")
    check(size < 400000, "a file of %d bytes" % size)
    p.troupe("ps", "-n", p.name)
    stored = p.status()["pipeline"]["stream"][0]["stored"]
    await_(lambda: p.status()["pipeline"]["stream"][0]["stored"] > stored, "frames to be stored beside the flood")


def what_the_disk_has_no_room_for(make):
    """A limit on the size of files is as good as a full disk, and can be lifted again."""
    p = make(frames=0, processors=1)
    p.settings["processor"] = shaky(p, "-floods")
    p.up()
    await_(lambda: "of many" in p.log("processor.1"), "the flood to begin")
    supervisor = p.process.pid
    soft, hard = resource.prlimit(supervisor, resource.RLIMIT_FSIZE)
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (1, hard))
    frames = p.worker("processor.1")["frames"]
    await_(lambda: p.worker("processor.1")["frames"] > frames + 5, "frames to be processed, whatever the disk does")
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (soft, hard))
    await_(lambda: re.search(r"warn  \d+ lines? dropped: File too large\n", p.log("processor.1")), "the log to say so")
    told = await_(lambda: p.journal("log-dropped", "processor.1"), "the journal to say so")
    check(told[0]["lines"] > 0 and "large" in told[0]["why"], str(told))


def words_of_logs(make):
    p = make(frames=0)
    p.up()
    folder = os.path.join(p.folder, "state", p.name)
    for end, lines in (("", "2026-01-03T00:00:00.000Z error three\n"),
                       (".1", "2026-01-02T00:00:00.000Z warn  two\nof a library\n2026-01-02T00:00:01.000Z info  i\n"),
                       (".2", "2026-01-01T00:00:00.000Z debug one\n")):
        with open(os.path.join(folder, "told.log" + end), "w") as file:
            file.write(lines)

    def logs(*args, code=0):
        return p.troupe("logs", "told", "-n", p.name, *args, code=code)

    def texts(*args):
        return [json.loads(line)["text"] for line in logs("--json", *args).stdout.splitlines()]
    check(texts() == ["one", "two", "of a library", "i", "three"], texts())
    check(texts("--level", "warn") == ["two", "of a library", "three"], texts("--level", "warn"))
    check(texts("--level", "error") == ["three"], texts("--level", "error"))
    check(texts("-l", "1") == ["three"] and texts("-l", "3") == ["of a library", "i", "three"], texts("-l", "3"))
    check(texts("-l", "0") == [], texts("-l", "0"))
    check(texts("--since", "2026-01-02T00:00:01Z") == ["i", "three"], texts("--since", "2026-01-02T00:00:01Z"))
    check(json.loads(logs("--json", "-l", "1").stdout) == {
        "worker": "told", "time": "2026-01-03T00:00:00.000Z", "level": "error", "text": "three"}, "a line as JSON")
    check("no level 'loud' (valid: error, warn, info, debug)" in logs("--level", "loud", code=2).stderr, "a wrong level")
    check("--since" in logs("--since", "then", code=2).stderr, "a wrong time")


# ---- top ----

class Top:
    def __init__(self, p, columns=80, lines=24):
        source = os.path.join(p.folder, "see.ti")
        with open(source, "w") as file:
            file.write(TERMINFO)
        subprocess.run(["tic", "-x", "-o", os.path.join(p.folder, "terminfo"), source], check=True)
        self.terminal = Terminal(columns, lines)
        theirs = self.terminal.theirs
        self.process = subprocess.Popen(
            [os.path.join(BIN, "troupe"), "top", "-n", p.name], stdin=theirs, stdout=theirs, stderr=theirs,
            env=dict(p.env, TERM="see", TERMINFO=os.path.join(p.folder, "terminfo")),
            preexec_fn=self.terminal.become_controlling)

    def press(self, keys):
        os.write(self.terminal.fd, keys)

    def lines(self):
        return self.terminal.see(lambda screen: [screen.line(row) for row in range(30)])

    def await_line(self, pattern):
        try:
            return await_(lambda: next((l for l in self.lines() if re.search(pattern, l)), None), pattern)
        except harness.Failed as fault:
            raise harness.Failed("%s, on the screen: %s" % (fault, self.lines()))

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def top_shows_and_obeys(make):
    p = make(frames=0)
    p.up()
    top = Top(p)
    try:
        top.await_line(r"^processor\.1 +ready ")
        top.await_line(r"^cam1 +\d+ .* [0-9.]+[um]s/[0-9.]+[um]?s ")
        before = p.worker("processor.1")
        place = [w["name"] for w in p.ps()["worker"]].index("processor.1")
        top.press(DOWN * place + b"k")
        top.await_line(r"^kill processor\.1\? y/n")
        top.press(b"y")
        p.back("processor.1", before["incarnation"])
        top.await_line(r"^processor\.1 +ready .* 1 SIGKILL")
        top.press(b"+")
        top.await_line(r"^processor\.3 +ready ")
        top.press(b"/trai\r")
        await_(lambda: not any(l.startswith("processor.") for l in top.lines()), "the filter to hide processors")
        top.await_line(r"^trainer +ready ")
        top.press(b"\033")
        top.terminal.resize(40, 10)
        await_(lambda: top.terminal.see(lambda s: s.cells and max(r for r, _ in s.cells) == 9 and
                                        max(c for _, c in s.cells) <= 39), "a drawing that fits the small screen")
        top.terminal.resize(10, 2)
        top.await_line("^too small")
        top.terminal.resize(80, 24)
        p.process.kill()
        p.process.wait()
        top.await_line("^the supervisor is gone, for ")
        check(p.start() == "ready", "it does not start again")
        top.await_line("^the supervisor is there again|^the supervisor does not")
        top.await_line(r"^processor\.1 +ready ")
        top.press(b"q")
        check(top.process.wait(20 * harness.PATIENCE) == 0, "top ended with %s" % top.process.returncode)
        await_(lambda: not top.terminal.see(lambda s: s.alternate), "the screen of before to be back")
    finally:
        top.end()


def top_without_a_terminal(make):
    p = make(frames=0)
    p.up()
    await_(lambda: p.status()["pipeline"]["stream"][0]["stored"] > 0, "frames to have gone all the way")
    once = p.troupe("top", "-n", p.name).stdout
    check(re.search(r"^processor\.1 +ready", once, re.M) and re.search(r"^cam1 ", once, re.M), once)
    told = json.loads(p.troupe("top", "--json", "-n", p.name).stdout)
    steps = told["streams"][0]["steps"]
    check(list(steps) == ["published", "claimed", "finished", "stored"], steps)
    check(all(s["frames"] > 0 and 0 < s["p50"] <= s["p99"] for s in steps.values()), steps)
    check({w["name"] for w in told["workers"]} == set(p.names()), told)
    terminal = Terminal(80, 24)
    dumb = subprocess.run([os.path.join(BIN, "troupe"), "top", "-n", p.name], env=dict(p.env, TERM="dumb"), text=True,
                          stdin=terminal.theirs, stdout=terminal.theirs, stderr=subprocess.PIPE)
    check(dumb.returncode == 1 and dumb.stderr.count("\n") == 1 and "'dumb'" in dumb.stderr and "--once" in dumb.stderr,
          "%d %s" % (dumb.returncode, dumb.stderr))


harness.main({f.__name__: f for f in (
    hung_worker_leaves_its_stack, stopped_worker_needs_no_eu_stack, eu_stack_that_hangs_is_ended,
    flood_is_rotated_and_followed, what_the_disk_has_no_room_for, words_of_logs, top_shows_and_obeys,
    top_without_a_terminal)})
