"""Kills the supervisor again and again, at random moments, and lets another one take over: `chaos --supervisor-kills`.

The workers go on meanwhile. In the end, which is a `down`, one run must hold every frame once, in order and equal to the
reference: none lost, none doubled; and at no time may two processes have played one worker."""

import os
import select
import signal
import subprocess
import threading
import time

import harness
import runs
from harness import await_, check

WAIT = 'on_orphan = "wait 60s"'
EXITING = 4            # PF_EXITING of /proc/PID/stat
LOOK_EVERY = 0.01
# Two of a name must be seen for so long: one that was started as its supervisor died, and sees that another one has
# come, ends before it does anything.
TOO_LONG = 3 * harness.PATIENCE
# What happens before a kill, and while nobody supervises: out of 100.
BEFORE = [("nothing", 55), ("kill", 25), ("restart", 10), ("scale", 10)]
ALONE = [("nothing", 70), ("kill", 20), ("two", 5), ("wait", 5)]
ADOPTER_DIES = 0.2     # of the adopters are killed before they have said that they are ready
# Ends of which a recording says nothing.
NO_DEATH = ("asked", "replaced", "finished", "device")
UPGRADES = 0.05        # so often a supervisor becomes another program instead


class Twins(threading.Thread):
    """Looks through /proc all the time for two processes that play one worker."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.mark, self.over, self.found, self.since = ("troupe: %s " % name).encode(), threading.Event(), [], {}
        self.looks = 0
        self.start()

    def players(self):
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    title = file.read().split(b"\0")[0]
                if not title.startswith(self.mark) or title.endswith((b" supervisor", b" archive")):
                    continue
                with open("/proc/%s/stat" % pid) as file:
                    state, *fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if state not in "ZX" and not int(fields[5]) & EXITING:
                found.setdefault(title, set()).add(int(pid))
        return found

    def run(self):
        while not self.over.is_set():
            now, seen = time.monotonic(), set()
            for title, pids in self.players().items():
                if len(pids) > 1:
                    key = (title, tuple(sorted(pids)))
                    seen.add(key)
                    if now - self.since.setdefault(key, now) > TOO_LONG:
                        self.found.append("%s is played by %s" % (title.decode(), sorted(pids)))
                        return
            self.since = {key: at for key, at in self.since.items() if key in seen}
            self.looks += 1
            self.over.wait(LOOK_EVERY)

    def stop(self):
        self.over.set()
        self.join()


class Succession:
    """One run of the pipeline under many supervisors."""

    def __init__(self, pipeline, choice, show):
        self.p, self.random, self.show = pipeline, choice, show
        self.counts = dict(supervisor_kills=0, adopters_killed=0, adoptions=0, upgrades=0, worker_kills_before=0,
                           worker_kills_alone=0, restarts=0, scales=0)
        self.times = []
        self.upgrading = []
        pipeline.up()
        self.ledger = pipeline.ledger
        self.twins = Twins(pipeline.name)

    # ---- workers ----

    def somebody(self):
        found = [s for s in self.ledger.seats() if s.pid > 0 and runs.parent_of(s.pid)]
        return self.random.choice(found) if found else None

    def kill(self, counter):
        seat = self.somebody()
        if not seat:
            return
        try:
            os.kill(seat.pid, signal.SIGKILL)
            self.counts[counter] += 1
        except ProcessLookupError:
            pass

    def ask(self, *words):
        """Nobody waits for the answer: the supervisor may die before it has one."""
        process = subprocess.Popen([os.path.join(harness.BIN, "troupe"), *words, "-n", self.p.name], env=self.p.env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.upgrading.append(process)

    def before(self):
        names, weights = zip(*BEFORE)
        what = self.random.choices(names, weights)[0]
        if what == "kill":
            self.kill("worker_kills_before")
        elif what == "restart":
            seat = self.somebody()
            if seat:
                self.ask("restart", seat.worker)
                self.counts["restarts"] += 1
        elif what == "scale":
            self.ask("scale", "processor", str(self.random.randint(1, 4)))
            self.counts["scales"] += 1

    def alone(self):
        names, weights = zip(*ALONE)
        what = self.random.choices(names, weights)[0]
        if what == "wait":
            time.sleep(0.2)
        for _ in range({"kill": 1, "two": 2}.get(what, 0)):
            self.kill("worker_kills_alone")

    # ---- supervisors ----

    def start_adopter(self):
        """Returns the process and where it says that it is ready."""
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", os.path.join(harness.BIN, "troupe-supervisor"), "--adopt", "-n",
             self.p.name, "--ready-fd", str(writer)], env=dict(self.p.env, **self.p.for_supervisor),
            stdin=subprocess.DEVNULL, stdout=self.p.errors, stderr=self.p.errors, close_fds=True, pass_fds=[writer])
        os.close(writer)
        return process, reader

    def adopt(self):
        """Until one of them is ready; some are killed before."""
        while True:
            begun = time.monotonic()
            self.p.process, reader = self.start_adopter()
            if not self.p.for_supervisor and self.random.random() < ADOPTER_DIES:
                time.sleep(self.random.random() * 0.15)
                self.p.process.kill()
                self.p.process.wait()
                os.close(reader)
                self.counts["adopters_killed"] += 1
                continue
            told = b""
            while not told.endswith(b"\n"):
                check(select.select([reader], [], [], 60 * harness.PATIENCE)[0], "the adopter says nothing: %s" % self.p.said())
                chunk = os.read(reader, 4096)
                if not chunk:
                    break
                told += chunk
            os.close(reader)
            if told == b"ready\n":
                self.counts["adoptions"] += 1
                self.times.append(time.monotonic() - begun)
                return
            code = self.p.process.wait()  # dead of a point, perhaps
            check(self.p.for_supervisor and code == -signal.SIGKILL,
                  "adopt: exit %d: %s %s" % (code, told.decode().strip(), self.p.said()))

    def look(self):
        check(not self.twins.found, "two of one: %s" % self.twins.found)
        self.upgrading = [process for process in self.upgrading if process.poll() is None]

    def once(self):
        self.before()
        time.sleep(self.random.random() * 0.06)
        if self.random.random() < UPGRADES:
            self.ask("upgrade")
            self.counts["upgrades"] += 1
            time.sleep(self.random.random() * 0.3)
        self.p.process.kill()
        self.p.process.wait()
        self.counts["supervisor_kills"] += 1
        self.alone()
        self.adopt()
        self.look()

    def run(self, wanted):
        while self.counts["supervisor_kills"] + self.counts["adopters_killed"] < wanted:
            self.once()
            seen = self.ledger.last()
            self.show("%d of %d supervisors killed, %d frames" % (
                self.counts["supervisor_kills"] + self.counts["adopters_killed"], wanted, seen))
            if self.random.random() < 0.1:
                await_(lambda: self.ledger.last() > seen + 10, "frames to go on")

    def end(self):
        """All are well; then by `down`."""
        await_(lambda: all(w["state"] == "ready" for w in self.p.ps()["worker"]), "all workers to be ready", 40)
        last = self.ledger.last()
        await_(lambda: self.ledger.last() > last + 20, "frames to flow")
        self.look()
        self.p.troupe("down", "-n", self.p.name, limit=60)
        self.p.wait_end(0)
        self.twins.stop()
        self.look()
        self.p.check_quiet()
        self.p.check_nothing_left()

    def stop(self):
        self.twins.stop()
        for process in self.upgrading:
            process.kill()
            process.wait()


class Points(Succession):
    """Supervisors that die at every fail point of theirs, one after another, each followed by the next."""

    def __init__(self, pipeline, choice, show, folder):
        pipeline.for_supervisor = {"TROUPE_FAIL_FOLDER": folder}
        super().__init__(pipeline, choice, show)
        self.twins.stop()  # spares and newcomers bear the same name

    def provoke(self):
        roll = self.random.random()
        seat = self.somebody()
        if roll < 0.35:
            self.kill("worker_kills_before")
        elif roll < 0.5 and seat:
            self.ask("swap", seat.worker, "--probation", "30ms")
        elif roll < 0.55:
            self.ask("scale", "processor", str(self.random.randint(1, 3)))
        elif roll < 0.6 and seat:
            self.ask("restart", seat.worker)
        elif roll < 0.8:
            self.ask("ps")
        elif roll < 0.9:
            self.ask("upgrade")

    def run_points(self, fired, limit):
        """Until fired() says that all have, or time is up. The first supervisor has none armed."""
        deadline = time.monotonic() + limit
        self.p.process.kill()
        self.p.process.wait()
        while True:
            if self.p.process.poll() is not None:
                check(self.p.process.returncode == -signal.SIGKILL, "a supervisor ended with %d: %s" % (
                    self.p.process.returncode, self.p.said()))
                self.counts["supervisor_kills"] += 1
                self.adopt()
            if fired() or time.monotonic() > deadline:
                return
            if len(self.upgrading) < 4:
                self.provoke()
            self.look()
            time.sleep(self.random.random() * 0.03)


def check_deaths(p):
    """Each death that the journal has is in the recording, once, whoever was to tell it."""
    told = [(what.split(":")[0], begun) for what, begun in runs.Recording(p.recording).catalogue.execute(
        "SELECT what, begun FROM events WHERE kind = 'died'")]
    doubled = sorted(key for key in set(told) if told.count(key) > 1)
    check(not doubled, "the recording has deaths twice: %s" % doubled)
    lost = {(e["worker"], e["t"]) for e in p.journal("exit") if not e["standby"] and e["kind"] not in NO_DEATH} - set(told)
    check(not lost, "the recording lacks deaths: %s" % sorted(lost))


def verify(succession, show):
    """One run, every frame once, as the reference has it. Returns the rows."""
    p, ledger = succession.p, succession.ledger
    show("as many frames one after another, to compare")
    p.settings.update(frames=ledger.last(), pace="max")
    ours = runs.Recording(p.recording)
    check(ours.runs() == [ledger.run], "the recording has the runs %s, not the one" % ours.runs())
    rows = runs.check_run(ours, ledger.run, runs.reference_of(p.reference(limit=300 + ledger.last() // 50)))
    check(len(rows) == ledger.last(), "%d frames are stored, %d were numbered" % (len(rows), ledger.last()))
    lost = [row["seq"] for row in rows if row["bypassed"] or row["quarantined"]]
    check(not lost, "frames went by the processors: %s" % lost[:10])
    check_deaths(p)
    p.verify(limit=60 + len(rows) // 200)
    check(not p.sanitizer_reports(), "a sanitizer reported: " + p.sanitizer_reports())
    return rows


def play(p, choice, wanted, show, plant=None):
    begun = time.monotonic()
    succession = Succession(p, choice, show)
    try:
        succession.run(wanted)
        if plant == "twin":
            subprocess.Popen(["troupe: %s storer" % p.name, "%d" % (10 * harness.PATIENCE)], executable="/bin/sleep")
            await_(lambda: succession.twins.found, "the second storer to be found")
            succession.look()
        succession.end()
    finally:
        succession.stop()
    seconds = time.monotonic() - begun
    rows = verify(succession, show)
    times = sorted(succession.times)
    return dict(succession.counts, frames=len(rows), looks_for_twins=succession.twins.looks,
                adoption_ms_median=round(times[len(times) // 2] * 1000), adoption_ms_longest=round(times[-1] * 1000),
                seconds=round(seconds, 1))
