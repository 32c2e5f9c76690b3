"""A pipeline as a test sees it: real processes, a real recording, and the ledger read through its memfd.

Nothing here links troupe's code: the ledger is read by the layout in ipc/slots/layout.h, the catalogue by
Python's own SQLite, processes through /proc. Waiting is always for a condition, with a time limit.
"""

import contextlib
import json
import mmap
import os
import select
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from typing import NamedTuple

BIN = os.environ.get("TROUPE_BIN", os.path.join(os.getcwd(), "bin"))
PHASES = ["FREE", "FILLING", "QUEUED", "HELD", "DONE", "ASIDE"]
BYPASSED, QUARANTINED, SPOILED = 1, 2, 4
# Sanitized programs are slower; every limit is stretched, none is a measurement.
PATIENCE = float(os.environ.get("TROUPE_PATIENCE", "1"))


class Failed(AssertionError):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def await_(condition, what, limit=20.0):
    """Returns the first true value of condition(), or fails naming what did not come. Whoever asks at length, by a
    command of a sanitized build, rests as long: what is waited for needs the CPU, too."""
    deadline = time.monotonic() + limit * PATIENCE
    while True:
        begun = time.monotonic()
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed("waited %.0f s in vain for: %s" % (limit * PATIENCE, what))
        time.sleep(max(0.005, min(time.monotonic() - begun, 0.2)))


def whole_lines(path):
    """What has been written of a file that somebody writes: the last line may have only begun. One not there is empty."""
    try:
        with open(path, errors="replace") as file:
            text = file.read()
    except FileNotFoundError:
        return ""
    return text[:text.rfind("\n") + 1]


class Word:
    def __init__(self, raw):
        self.seq = raw >> 24
        self.owed = raw >> 20 & 0xF
        self.attempts = raw >> 16 & 0xF
        self.seat = raw >> 8 & 0xFF
        self.marks = raw >> 4 & 0xF
        self.phase = PHASES[raw & 0xF] if raw & 0xF < len(PHASES) else "none"  # somebody has written over it

    def __repr__(self):
        return "%d %s seat %d owed %x marks %x attempts %d" % (
            self.seq, self.phase, self.seat, self.owed, self.marks, self.attempts)


class Seat(NamedTuple):
    """One incarnation of a worker, as its row says; the number of a row is its seat."""
    number: int
    worker: str
    incarnation: int
    pid: int


SEAT_SIZE, SEATS, SEAT_LIVE = 320, 64, 1


class Ledger:
    """The slots of a running pipeline, through /proc/PID/fd/N; stays readable after the pipeline is gone."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        (_, _, self.n_streams, self.n_slots, _, _, self.run, _, self.seats_at, _, self.words_at,
         *_) = struct.unpack_from("<QIIIIQQQQQQQQQ", self.memory)

    def words(self):
        raw = struct.unpack_from("<%dQ" % self.n_slots, self.memory, self.words_at)
        return [Word(w) for w in raw]

    def seats(self):
        """Who plays now; a pid is 0 between a seat's giving and its process."""
        found = []
        for number in range(SEATS):
            worker, state, incarnation, pid = struct.unpack_from(
                "<32sIIi", self.memory, self.seats_at + number * SEAT_SIZE)
            if state == SEAT_LIVE:
                found.append(Seat(number, worker.split(b"\0")[0].decode(), incarnation, pid))
        return found

    def held_by(self, seat):
        return [w for w in self.words() if w.seat == seat]

    def owed(self):
        return [w for w in self.words() if w.phase == "DONE" and w.owed]

    def quiet(self):
        return all(w.phase == "FREE" for w in self.words())

    def last(self):
        return max(w.seq for w in self.words())


CONFIG = """
name = "{name}"
hang_after = "{hang_after}"
bypass_after = "{bypass_after}"
sandbox = "{sandbox}"
stream "cam1" {{
  source = "{source}"
  pattern_size = "{size}"
  pattern_fps = {fps}
  pattern_frames = {frames}
  pace = "{pace}"
  slots = {slots}
  {stream}
}}
processor {{ count = {processors}  model = "none"  {processor} }}
storer {{ folder = "{folder}"  {storer} }}
trainer {{ {trainer} }}
display {{ listen = "{listen}"  {display} }}
{extra}
"""

# A machine so busy that somebody stands still for seconds is none of a test's business, unless it says so.
DEFAULTS = dict(hang_after="8s", bypass_after="10s", size="320x240", fps=50, frames=200, pace="real",
                source="pattern:", slots=32, stream="", processors=2, processor="", storer="", trainer="",
                listen="127.0.0.1:0", display="", extra="", sandbox="strict")


def needs(*lines):
    """For a shell script that plays a worker: says to `--rows` what it does beside what its program does."""
    told = "".join("\\tneed\\t%s\\t%s\\n" % tuple(line.split(" ", 1)) for line in lines)
    return "[ \"$1\" = --rows ] && printf '%s'\n" % told


class Pipeline:
    def __init__(self, folder, name, **settings):
        self.folder, self.name = folder, name
        self.settings = dict(DEFAULTS, **settings)
        self.recording = os.path.join(folder, "recording")
        self.env = dict(os.environ, TROUPE_RUNTIME_DIR=os.path.join(folder, "run"),
                        TROUPE_STATE_DIR=os.path.join(folder, "state"))
        self.runtime = os.path.join(folder, "run", name)
        self.process = self.ledger = None
        self.expect_reports = False
        self.prefix, self.options = [], []
        self.for_supervisor = {}  # more environment, for it and its workers alone
        self.looked = set()

    def write_config(self, path="pipeline.conf", **changes):
        text = CONFIG.format(name=self.name, **dict(self.settings, folder=self.recording, **changes))
        path = os.path.join(self.folder, path)
        with open(path, "w") as file:
            file.write(text)
        return path

    def troupe(self, *args, code=0, limit=30, input=None, env=None):
        done = subprocess.run([os.path.join(BIN, "troupe"), *args], env=env or self.env, text=True,
                              capture_output=True, timeout=limit * PATIENCE, input=input)
        if code is not None:
            check(done.returncode == code, "troupe %s: exit %d, not %d: %s%s" % (
                " ".join(args), done.returncode, code, done.stdout[-500:], done.stderr[-1500:]))
        return done

    def bind_by_modes(self):
        """Root is not bound by the modes of files; the supervisor of this pipeline will be."""
        if os.geteuid() == 0:
            self.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]

    def start(self):
        """Starts the supervisor as a child and returns what it says once it is ready or has failed. It does not
        outlive this test, even if that is killed for its time limit; its workers end with it."""
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        self.errors = open(os.path.join(self.folder, "stderr"), "w+")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self.prefix, os.path.join(BIN, "troupe-supervisor"),
             "-c", self.write_config(), "-n", self.name, "--ready-fd", str(writer), *self.options],
            env=dict(self.env, **self.for_supervisor), stdin=subprocess.DEVNULL,
            stdout=self.errors, stderr=self.errors, close_fds=True, pass_fds=[writer])
        os.close(writer)
        told, held = b"", None
        deadline = time.monotonic() + 30 * PATIENCE
        while not told.endswith(b"\n"):
            check(time.monotonic() < deadline, "the supervisor did not say in time whether it is ready")
            held = self.hold_ledger(held)
            if not select.select([reader], [], [], 0.01)[0]:
                continue
            chunk = os.read(reader, 4096)
            if not chunk:
                break
            told += chunk
        os.close(reader)
        # Before it is asked for: a short source may have ended when a busy test comes to that.
        if held is not None and told == b"ready\n":
            self.ledger = Ledger("/dev/fd/%d" % held)
        if held is not None:
            os.close(held)
        return told.decode().strip()

    def hold_ledger(self, held):
        """A descriptor of this supervisor's ledger, once there is one."""
        path = os.path.join(self.runtime, "ledger")
        try:
            if held is None and os.readlink(path).startswith("/proc/%d/" % self.process.pid):
                return os.open(path, os.O_RDONLY)
        except OSError:
            pass
        return held

    def up(self):
        before, told = self.ledger, self.start()
        check(told == "ready", "up failed: %s %s" % (told, self.said()))
        if self.ledger is before:
            self.ledger = Ledger(os.path.join(self.runtime, "ledger"))
        return self

    def said(self):
        with open(os.path.join(self.folder, "stderr")) as file:
            return file.read()[-3000:]

    def log(self, worker):
        return whole_lines(os.path.join(self.folder, "state", self.name, worker + ".log"))

    def journal(self, event=None, worker=None):
        """Its events so far, oldest first; of one kind, of one worker."""
        lines = whole_lines(os.path.join(self.folder, "state", self.name, "journal.jsonl")).splitlines()
        return [e for e in map(json.loads, lines)
                if event in (None, e["event"]) and worker in (None, e.get("worker"))]

    def sanitizer_reports(self):
        """What a sanitizer said in the log of any process: a test that leaves some has failed."""
        state = os.path.join(self.folder, "state", self.name)
        told = self.said() if self.process else ""
        for log in sorted(os.listdir(state)) if os.path.isdir(state) else []:
            if log.endswith(".log"):
                with open(os.path.join(state, log), errors="replace") as file:
                    told += file.read()
        lines = [l for l in told.split("\n") if "Sanitizer" in l or "runtime error:" in l]
        return "\n".join(lines)

    def look(self, command):
        """What a command tells that is asked again and again. To look for leaks takes a sanitizer as long as all the rest
        of it: at the first time is enough."""
        env = self.env
        if command in self.looked:
            env = dict(env, ASAN_OPTIONS=env.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
        self.looked.add(command)
        return json.loads(self.troupe(command, "--json", "-n", self.name, env=env).stdout)

    def ps(self):
        return self.look("ps")

    def worker(self, name):
        for worker in self.ps()["worker"]:
            if worker["name"] == name:
                return worker
        raise Failed("ps does not know %s" % name)

    def status(self):
        return self.look("status")

    def names(self):
        return [w["name"] for w in self.ps()["worker"]]

    def wait_end(self, code=0, limit=60):
        try:
            got = self.process.wait(limit * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed("the pipeline does not end; words: %s" % [
                w for w in self.ledger.words() if w.phase != "FREE"])
        check(got == code, "the pipeline ended with %d, not %d: %s" % (got, code, self.said()))

    def kill_holding(self, name, sig=signal.SIGKILL, owed=False):
        """Kills a worker at a moment when it holds a slot (or, a tap, is owed one); returns its words."""
        def attempt():
            worker = self.worker(name)
            pid, seat = worker["pid"], worker["seat"]
            if pid <= 0 or worker["state"] != "ready":
                return None
            held = catch(pid, self.ledger.owed if owed else lambda: self.ledger.held_by(seat))
            if held:
                os.kill(pid, sig)
            return held
        return await_(attempt, "%s to hold a slot" % name, 60)

    def hit(self, name, sig=signal.SIGKILL):
        """Sends a signal to a worker that is ready; returns what ps said of it. One that is just being replaced, by its
        own fault or a busy machine's, has no process or another one."""
        def attempt():
            worker = self.worker(name)
            try:
                if worker["pid"] <= 0 or worker["state"] != "ready":
                    return None
                os.kill(worker["pid"], sig)
            except ProcessLookupError:
                return None
            return worker
        return await_(attempt, "%s to be ready" % name)

    def ended_by(self, name, cause):
        """Waits until ps tells of its end: that is known a moment later than its death, which its successor is for."""
        await_(lambda: cause in self.worker(name)["last_exit"], "ps to say that %s ended by %s" % (name, cause))

    def back(self, name, after):
        """Waits until a later incarnation of the worker is ready."""
        def is_back():
            worker = self.worker(name)
            return worker["incarnation"] > after and worker["state"] == "ready" and worker
        return await_(is_back, "%s to be back" % name)

    def pids(self):
        """Every process of this pipeline, by its title."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    title = file.read().split(b"\0")[0].decode(errors="replace")
            except OSError:
                continue
            if title.startswith("troupe: %s " % self.name):
                found[int(pid)] = title
        if self.process and self.process.poll() is None:
            found[self.process.pid] = "supervisor"
        return found

    def check_nothing_left(self):
        await_(lambda: not self.pids(), "all processes to be gone: %s" % self.pids())
        check(not os.path.exists(self.runtime), "the runtime folder is still there: %s" % (
            os.path.exists(self.runtime) and os.listdir(self.runtime)))

    def check_quiet(self):
        check(self.ledger.quiet(), "slots are not FREE: %s" % [
            w for w in self.ledger.words() if w.phase != "FREE"])

    # ---- the recording, by readers that are not troupe's ----

    def frames(self, folder=None):
        path = os.path.join(folder or self.recording, "recording.sqlite")
        with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as catalogue:
            catalogue.row_factory = sqlite3.Row
            return [dict(r) for r in catalogue.execute("SELECT * FROM frames ORDER BY run, stream, seq")]

    def check_numbers(self, count, folder=None, most=100000):
        """Exactly 1..count, each once, by SQLite; and each JPEG, or an even choice of `most`, shows its own
        number in its pixels."""
        frames = self.frames(folder)
        seqs = [f["seq"] for f in frames]
        check(seqs == list(range(1, count + 1)), "the catalogue has not 1..%d once each: %s" % (
            count, describe(seqs, count)))
        frames = frames[::max(1, -(-len(frames) // most))] if most else []
        for frame, number in zip(frames, self.pixel_numbers(frames, folder)):
            check(number == frame["source_index"], "frame %d shows the number %d, its source says %d" % (
                frame["seq"], number, frame["source_index"]))

    def pixel_numbers(self, frames, folder=None):
        """The number in the pixels of each of these frames' JPEGs, found by the catalogue alone."""
        segments = os.path.join(folder or self.recording, "segments")
        jpegs = b""
        for f in frames:
            with open(os.path.join(segments, "%06d.seg" % f["segment"]), "rb") as file:
                file.seek(f["coded_at"])
                jpeg = file.read(f["coded_bytes"])
            jpegs += struct.pack("<I", len(jpeg)) + jpeg
        done = subprocess.run([os.path.join(BIN, "read-numbers")], input=jpegs, capture_output=True,
                              timeout=60 * PATIENCE)
        check(done.returncode == 0, "read-numbers failed")
        return [int(line) for line in done.stdout.split()]

    def verify(self, against=None, code=0, limit=60):
        args = ["verify", self.recording] + (["--against", against] if against else [])
        return self.troupe(*args, code=code, limit=limit)

    def reference(self, limit=120):
        """Runs the same config one after another into a recording of its own; returns its folder."""
        folder = os.path.join(self.folder, "reference")
        if not os.path.exists(folder):
            keep, self.recording = self.recording, folder
            path = self.write_config("reference.conf", pace="max")  # its times are the source's own
            self.recording = keep
            self.troupe("run", "--sequential", "-c", path, limit=limit)
        return folder

    def check_equals_reference(self, limit=120):
        self.verify(against=self.reference(limit), limit=limit)

    def end(self):
        """Whatever state a test left: nothing of it survives. The supervisor first: it would start others."""
        if self.process:
            self.process.kill()
            self.process.wait()
        deadline = time.monotonic() + 5
        while self.pids() and time.monotonic() < deadline:
            for pid in self.pids():
                for sig in (signal.SIGCONT, signal.SIGKILL):
                    try:
                        os.kill(pid, sig)
                    except ProcessLookupError:
                        pass
            time.sleep(0.01)


def describe(seqs, count):
    missing = sorted(set(range(1, count + 1)) - set(seqs))
    double = sorted({s for s in seqs if seqs.count(s) > 1}) if len(seqs) < 5000 else []
    return "%d rows, missing %s, double %s, last %s" % (len(seqs), missing[:10], double[:10], seqs[-1:])


def process_state(pid):
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def wait_stopped(pid):
    while process_state(pid) not in "TtZX":
        time.sleep(0.0002)


@contextlib.contextmanager
def urgent():
    """Before all others, where that is allowed: who shares one core with a worker else sees it only when it sleeps."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def go_on(pid):
    """Continues a process whose supervisor was killed, if the kernel has not: it continues the process groups that
    this orphans. A second SIGCONT may come as the process ends and make LeakSanitizer wait for ever: it would take
    away the SIGSTOP by which that one's tracer attaches."""
    try:
        if process_state(pid) in "Tt":
            os.kill(pid, signal.SIGCONT)
    except (ProcessLookupError, FileNotFoundError):
        pass


def catch(pid, look, tries=400):
    """Stops a process, again and again, until look() finds something; returns that, the process still stopped.

    A stopped process cannot let go of what was seen before a signal comes. None: not seen, or it is gone.
    """
    try:
        with urgent():
            for _ in range(tries):
                os.kill(pid, signal.SIGSTOP)
                wait_stopped(pid)
                seen = look()
                if seen:
                    return seen
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.001)
    except (ProcessLookupError, FileNotFoundError):
        pass
    return None


def mounts_below(folder):
    with open("/proc/self/mounts") as file:
        return [line.split()[1] for line in file if line.split()[1].startswith(folder + "/")]


def remove(folder):
    """Never through a mount: what a test that failed has left mounted there (a machine's /dev) is not ours."""
    for path in sorted(mounts_below(folder), reverse=True):
        subprocess.run(["umount", "--lazy", path], capture_output=True)
    if mounts_below(folder):
        print("left for what is mounted in it: " + folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)


SKIPPED = 77  # the exit code by which ctest knows


def own_mounts():
    """Runs this script in a mount namespace of its own (not root: with a user namespace too), so that nothing
    that is mounted here is seen elsewhere or stays behind."""
    if os.environ.get("TROUPE_OWN_MOUNTS"):
        return
    flags = "-m" if os.geteuid() == 0 else "-Urm"
    try:
        allowed = subprocess.run(["unshare", flags, "true"], capture_output=True)
    except OSError as missing:
        allowed = missing
    if getattr(allowed, "returncode", 1) != 0:
        print("skipped: this user may not make a mount namespace: %s" % getattr(allowed, "stderr", allowed))
        sys.exit(SKIPPED)
    os.environ["TROUPE_OWN_MOUNTS"] = "yes"
    os.execvp("unshare", ["unshare", flags, sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]])


def main(tests):
    """Runs the tests named on the command line (all without a name), each in a folder of its own."""
    wanted = sys.argv[1:] or list(tests)
    failed = 0
    for name in wanted:
        folder = tempfile.mkdtemp(prefix="trp-")
        begun = time.monotonic()
        pipelines = []

        def make(pipeline=name, **settings):
            sub = os.path.join(folder, str(len(pipelines)))
            os.mkdir(sub)
            pipelines.append(Pipeline(sub, "t%d-%s" % (os.getpid() % 10000, pipeline[:9].rstrip("_")), **settings))
            return pipelines[-1]
        try:
            tests[name](make)
            for p in pipelines:
                check(p.expect_reports or not p.sanitizer_reports(),
                      "a sanitizer reported: " + p.sanitizer_reports())
            print("ok   %s (%.1f s)" % (name, time.monotonic() - begun), flush=True)
        except (Failed, subprocess.TimeoutExpired, OSError, sqlite3.Error, ValueError, KeyError) as fault:
            failed += 1
            print("FAIL %s: %s" % (name, fault), flush=True)
            traceback.print_exc()
            for p in pipelines:
                print("--- said:\n" + (p.said() if p.process else ""))
                state = os.path.join(p.folder, "state", p.name)
                for log in sorted(os.listdir(state)) if os.path.isdir(state) else []:
                    if log.endswith(".log"):
                        print("--- %s:\n%s" % (log, open(os.path.join(state, log), errors="replace").read()[-1500:]))
        finally:
            for p in pipelines:
                p.end()
            if not os.environ.get("TROUPE_KEEP"):
                remove(folder)
    sys.exit(1 if failed else 0)
