#!/usr/bin/env python3
"""Dies at every fail point in every role that passes it, and verifies what the pipeline recorded.

The points of workers are armed all at once, each at a random passing: a worker then dies dozens of times within a
run. A point of the supervisor ends its run, and `up` begins the next. A point that did not fire in the end is a fault.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import http.client
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "system")]
import harness
import runs
import strangers
import successors
from harness import Failed, check

RESTARTS = ('max_restarts = 1000000  restart_window = "1s"  backoff = "1ms"  backoff_max = "20ms"  '
            'ready_timeout = "%ds"' % (2 * harness.PATIENCE))
# Low rate and no pace: frames come as fast as they are taken, and a shape that the trainer learns is over soon.
# A frame is bypassed only when its holder and the supervisor have died together: nobody else gives it back.
EXACT = dict(hang_after="5s", bypass_after="%ds" % (4 * harness.PATIENCE), size="320x240", fps=25, frames=0, pace="max", slots=48, processors=2,
             stream=RESTARTS, processor=RESTARTS, storer=RESTARTS + ' segment_bytes = "100kB" commit_interval = "40ms"',
             trainer=RESTARTS + ' publish_every = "50ms" checkpoint_every = "100ms"', display=RESTARTS)
# A source that cannot wait and few slots: what a processor does not take in time goes on without it.
ROUGH = dict(EXACT, bypass_after="300ms", fps=100, pace="real", slots=16, stream=RESTARTS + " live = yes")
# Points that only the rough runs pass.
ROUGH_ONLY = ("STEP_BYPASS", "STEP_LET_GO", "STEP_HAND_BACK", "STEP_BLAME")
END_ONLY = ("STEP_ABANDON",)
# Points that are passed only where old frames are coded anew.
ARCHIVE_ONLY = ("RECODE_HALF", "RECODE_SYNCED", "ARCHIVE_BEGUN", "ARCHIVE_CODED", "ARCHIVE_NAMED", "ARCHIVE_ENTERING",
                "ARCHIVE_ENTERED", "ARCHIVE_REMOVED")
ARCHIVED = dict(EXACT, fps=60, pace="real", storer=EXACT["storer"] + ' archive = "h264"  archive_after = "1s"  '
                'archive_priority = "normal"')
# Points that are passed only where the recording has a limit.
KEEP_ONLY = ("KEEP_FORGETS", "KEEP_DOOMED", "KEEP_UNLINKED", "KEEP_SYNCED", "KEEP_FORGOTTEN")
BOUNDED = dict(EXACT, storer=EXACT["storer"] + ' keep = "600kB"')
# Points that are passed only where another supervisor goes on.
SUCCESSOR_ONLY = ("IMAGE_DRAFTED", "ADOPT_SAID", "ADOPT_MATCHED", "ADOPT_PLACED", "UPGRADE_EXEC")
SUCCESSION = dict(EXACT, fps=100, pace="real", extra=successors.WAIT, processor=RESTARTS + "  spares = 1")
SUCCESSION_LIMIT = 60  # seconds for all points of the supervisor
# Points that are passed only where each worker has a spare.
SPARE_ONLY = ("SPARE_PROMOTED", "SPARE_CHARGED")
SPARES = {role: EXACT[role] + "  spares = 1" for role in ("stream", "processor", "storer", "trainer", "display")}
# Passed for every frame: armed for a later passing. All others are passed now and then.
OFTEN = ("STEP_TAKE", "STEP_PUBLISH", "STEP_CLAIM", "STEP_FINISH", "STEP_SETTLE", "BELL_BEFORE", "BELL_AFTER",
         "BEFORE_QUEUE", "AFTER_QUEUE", "IMAGE_HALF", "PUBLISHED", "VIEW_DONE", "FINISHED", "RECORD_HALF", "APPENDED")
# Only after these are those passed: they are armed again until those have fired.
PROVOKES = {"RECOVERY_CUT": "RECORD_HALF"}
PLANTS = ["unarmed", "row", "byte", "lost"]
RUN_LIMIT = 15      # seconds for the points of one run
TRIES = 3           # runs for a point of the supervisor that does not fire
ROUGH_TRIES = 6     # runs for the points of which one ends the run before the others may have been passed


def all_points(only):
    done = subprocess.run([os.path.join(harness.BIN, "list-fail-points")], check=True, capture_output=True, text=True)
    points = []
    for line in done.stdout.splitlines():
        name, roles = line.split()
        points += [(name, role) for role in roles.split(",")]
    return [p for p in points if not only[0] or p == only or only[1] is None and p[0] == only[0]]


def most_passings(name, role):
    if name in END_ONLY or name in PROVOKES:
        return 0  # there may be no second one
    if name in ROUGH_ONLY + strangers.POINTS:
        return 1
    if role == "supervisor" and not name.startswith(("SWAP_", "SPARE_", "HEIR_", "STEP_")) and not name.endswith(("_PIPE", "_ANSWER")):
        return 12
    return 100 if name in OFTEN else 2


def plant(recording, fault):
    """Damages what is about to be checked: the checks must find it."""
    with sqlite3.connect(os.path.join(recording, "recording.sqlite")) as catalogue:
        last = catalogue.execute("SELECT max(seq) FROM frames").fetchone()[0]
        if fault == "row":
            catalogue.execute("DELETE FROM frames WHERE seq = ?", (last // 2,))
        elif fault == "lost":
            catalogue.execute("DELETE FROM frames WHERE seq > ?", (last // 2,))
    if fault == "byte":
        segments = os.path.join(recording, "segments")
        path = os.path.join(segments, sorted(os.listdir(segments))[0])
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 0x10]))


class Viewers(threading.Thread):
    """People who watch and ask: each answer is a chance for the display to die."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.address, self.over = url.split("/")[2], threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            for path in ("/api/workers", "/stream/cam1", "/healthz", "/recorded/cam1/frame?first=1&wait=1"):
                try:
                    line = http.client.HTTPConnection(self.address, timeout=1)
                    line.request("GET", path)
                    line.getresponse().read(2000)
                    line.close()
                except (OSError, http.client.HTTPException):
                    pass
            self.over.wait(0.02)

    def stop(self):
        self.over.set()
        self.join()


class Matrix:
    def __init__(self, args, folder):
        self.random = random.Random(args.seed)
        self.folder, self.show, self.plant = folder, args.verbose, args.plant
        self.begun = time.monotonic()
        self.fired = {}  # (point, role) -> pid
        self.deaths = 0
        self.runs = 0
        self.wanted = all_points((args.point, args.role))
        check(self.wanted, "no such point: %s %s" % (args.point, args.role or ""))

    def say(self, text):
        if self.show:
            print("%6.1f %s" % (time.monotonic() - self.begun, text), flush=True)

    def open(self, chosen):
        return [p for p in self.wanted if p not in self.fired and chosen(p)]

    def pipeline(self, name, settings):
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        return harness.Pipeline(folder, "f%d-%s" % (os.getpid() % 10000, name), **settings)

    # ---- one run ----

    def arm(self, points):
        self.runs += 1
        if self.plant == "unarmed":
            points = []
        points = points + [(PROVOKES[name], role) for name, role in points
                           if name in PROVOKES and (PROVOKES[name], role) not in points]
        folder = os.path.join(self.folder, "armed%d" % self.runs)
        os.mkdir(folder)
        with open(os.path.join(folder, "armed"), "w") as file:
            for name, role in points:
                file.write("%s %s %d\n" % (name, role, self.random.randint(0, most_passings(name, role))))
        return folder

    def look(self, folder, points):
        """Takes note of what has fired; returns pid and time of each of this run."""
        found = {}
        for name, role in points:
            try:
                with open(os.path.join(folder, "%s.%s" % (name, role))) as file:
                    words = file.read().split()
            except OSError:
                continue
            if len(words) == 2:
                found[name, role] = int(words[0]), int(words[1])
        for point in found:
            if point not in self.fired:
                self.say("  %s in %s" % point)
            self.fired[point] = found[point][0]
        return found

    def play(self, p, points, provoke, ends=False):
        """A run with these points armed, until all have fired, the supervisor has died of one, or time is up."""
        folder = self.arm(points)
        self.say("run %d: %s" % (self.runs, ", ".join("%s:%s" % q for q in points)))
        journal = runs.Journal(p)
        p.for_supervisor = {"TROUPE_FAIL_FOLDER": folder}
        run = Run(p, journal, p.start())
        viewers = Viewers(run.url) if run.url else None
        try:
            limit = RUN_LIMIT * harness.PATIENCE if self.plant != "unarmed" else 1
            deadline = time.monotonic() + limit
            while p.process.poll() is None and time.monotonic() < deadline:
                if not ends and len(self.look(folder, points)) == len(points) and run.committed > 50:
                    break
                provoke(run)
                run.see()
                time.sleep(self.random.random() * 0.05)
        finally:
            if viewers:
                viewers.stop()
        run.end()
        found = self.look(folder, points)
        run.check(found)
        self.deaths += len(found) + len(run.killed)
        return run

    # ---- what provokes ----

    def calm(self, run):
        """Deaths, swaps and scales: what the points of the supervisor and of starting and draining workers need."""
        if not run.ledger:
            return
        roll = self.random.random()
        if roll < 0.35:
            run.kill(self.random)
        elif roll < 0.45:
            run.swap(self.random)
        elif roll < 0.5:
            run.ask("scale", "processor", str(self.random.randint(1, 3)))

    def rough(self, run):
        """Processors (and perhaps the storer) that stand still until frames go on without them; one that aborts."""
        if not run.ledger:
            return
        held = [s for s in run.seats("processor") if harness.catch(s.pid, lambda: run.ledger.held_by(s.number), 50)]
        still = [s for s in run.seats("processor") if s not in held]
        if self.random.random() < 0.5:
            still += run.seats("storer")
        for seat in still:
            send(seat.pid, signal.SIGSTOP)
        time.sleep(0.6)
        for seat in held + still:
            if seat in held and self.random.random() < 0.3:
                run.aborted.add(seat.pid)
                send(seat.pid, signal.SIGABRT)
            send(seat.pid, signal.SIGCONT)
        time.sleep(0.2)

    # ---- the whole matrix ----

    def exact(self):
        p = self.pipeline("exact", EXACT)
        played = []
        try:
            mine = lambda q: q[0] not in (ROUGH_ONLY + END_ONLY + ARCHIVE_ONLY + KEEP_ONLY + SUCCESSOR_ONLY +
                                          strangers.POINTS)
            by_worker = lambda q: mine(q) and q[1] != "supervisor"
            for point in sorted(self.open(lambda q: mine(q) and q[1] == "supervisor"), key=lambda q: self.random.random()):
                for _ in range(TRIES):
                    p.settings.update(EXACT, **(SPARES if point[0] in SPARE_ONLY else {}))
                    played.append(self.play(p, self.open(by_worker) + [point], self.calm))
                    if point in self.fired:
                        break
            if self.open(by_worker):
                played.append(self.play(p, self.open(by_worker), self.calm))
            if self.open(lambda q: q[0] in END_ONLY):
                p.settings["frames"] = 150
                played.append(self.play(p, self.open(lambda q: q[0] in END_ONLY), lambda run: None, ends=True))
            if played:
                self.compare(p, played)
        finally:
            p.end()

    def rough_runs(self):
        if not self.open(lambda q: q[0] in ROUGH_ONLY):
            return
        returning = os.path.join(harness.BIN, "returning-processor")
        p = self.pipeline("rough", dict(ROUGH, processor=RESTARTS + ' exec = "%s"' % returning))
        p.aborts = True
        played = []
        try:
            for _ in range(ROUGH_TRIES):
                points = self.open(lambda q: q[0] in ROUGH_ONLY)
                if points:
                    played.append(self.play(p, points, self.rough))
            rows = self.compare(p, played, dropping=True)
            check(any(row["bypassed"] for row in rows), "no frame was bypassed")
            self.bypassed = sum(row["bypassed"] for row in rows)
            numbers = p.pixel_numbers(rows)
            for row, number in zip(rows, numbers):
                check(row["source_index"] == number, "frame %d shows the number %d, its source says %d" % (
                    row["seq"], number, row["source_index"]))
        finally:
            p.end()

    def bounded_runs(self):
        """The oldest goes while frames come: what went is told, what is left is as without deaths."""
        p = self.pipeline("bounded", BOUNDED)
        played = []
        try:
            for _ in range(TRIES):
                points = self.open(lambda q: q[0] in KEEP_ONLY)
                if points:
                    played.append(self.play(p, points, lambda run: None))
            if played:
                rows = self.compare(p, played)
                files = os.listdir(os.path.join(p.recording, "segments"))
                check(len(files) == len({row["segment"] for row in rows}), "files that nobody knows: %s" % files)
        finally:
            p.end()

    def archived_runs(self):
        """Old frames are coded anew while others come: each is there once, and shows its own number."""
        p = self.pipeline("archived", ARCHIVED)
        played = []
        try:
            for _ in range(TRIES):
                points = self.open(lambda q: q[0] in ARCHIVE_ONLY)
                if points:
                    played.append(self.play(p, points, lambda run: None))
            if played:
                rows = self.compare(p, played, coded=False)
                numbers = runs.numbers_shown(p)
                for row in rows:
                    number = numbers[row["run"], row["seq"]]
                    check(number == row["source_index"], "run %d, frame %d, coding %d, shows the number %d, its source "
                          "says %d" % (row["run"], row["seq"], row["coding"], number, row["source_index"]))
        finally:
            p.end()

    def succession(self):
        """Every point of the supervisor once more, in one run: another one takes over each time."""
        points = [q for q in self.wanted if q[1] == "supervisor" and not q[0].startswith("STEP_") and
                  q[0] not in strangers.POINTS]
        if not points:
            return
        p = self.pipeline("successors", SUCCESSION)
        folder = self.arm([])
        died = set()

        def fired():
            died.update(self.look(folder, points))
            return len(died) == len(points)
        try:
            run = successors.Points(p, self.random, self.say, folder)
            with open(os.path.join(folder, "armed"), "w") as file:
                for name, role in points:
                    file.write("%s %s %d\n" % (name, role, self.random.randint(0, min(3, most_passings(name, role)))))
            try:
                run.run_points(fired, SUCCESSION_LIMIT * harness.PATIENCE)
                missing = sorted(set(points) - died)
                check(not missing, "never fired with a successor: %s" % ", ".join(q[0] for q in missing))
                run.end()
            finally:
                run.stop()
            self.deaths += run.counts["supervisor_kills"] + run.counts["worker_kills_before"]
            self.frames = getattr(self, "frames", 0) + len(successors.verify(run, self.say))
        finally:
            p.end()

    def strangers_runs(self):
        """The first supervisor dies at each point that only strangers provoke; a successor, and workers, at all."""
        points = [q for q in self.wanted if q[0] in strangers.POINTS]
        ours, workers = [q for q in points if q[1] == "supervisor"], [q for q in points if q[1] != "supervisor"]
        for number, first in enumerate(ours or points[:1]):
            settings = dict(EXACT, fps=100, pace="real", slots=64, extra=strangers.extra(self.random.randint(1, 1000000)))
            p = self.pipeline("stranger%d" % number, settings)
            early, late = (workers + [first], points) if number == 0 else ([first], [])
            begins, goes_on = self.arm(early), self.arm(late)
            run = strangers.Strangers(p, self.random, self.say, begins, goes_on)

            def fired():
                died, later = set(self.look(begins, early)), set(self.look(goes_on, late))
                return first in died and {q for q in late if q in ours} <= later and set(late) <= died | later
            def damage():
                """As long as whoever supervises has a slot to set aside at which it dies."""
                first_one = run.counts["supervisor_kills"] == 0
                armed = [q for q in ([first] if first_one else late) if q[0].endswith("ASIDE")]
                return len(self.look(begins if first_one else goes_on, armed)) < len(armed)

            def pids():
                return {pid for folder in (begins, goes_on) for pid, _ in self.look(folder, points).values()}
            try:
                run.run_points(fired, pids, damage, SUCCESSION_LIMIT * harness.PATIENCE)
                check(self.plant or fired(), "never fired with strangers: begun with %s, then %s" % (
                    sorted(self.look(begins, early)), sorted(self.look(goes_on, late))))
                run.end()
                self.deaths += run.counts["supervisor_kills"]
                self.frames = getattr(self, "frames", 0) + strangers.verify(run)
            finally:
                run.stop()
                p.end()

    def compare(self, p, played, dropping=False, coded=True):
        """All runs against one reference, as long as the longest."""
        self.say("verify")
        if self.plant in PLANTS[1:]:
            plant(p.recording, self.plant)
        if self.plant not in ("row", "lost"):  # they are for our own checks to find
            p.verify()
        ours = runs.Recording(p.recording)
        longest = ours.catalogue.execute("SELECT max(source_index) FROM frames").fetchone()[0]
        p.settings.update(frames=longest + 1, pace="max", stream=RESTARTS, processor=RESTARTS)
        self.say("as many frames one after another: %d" % (longest + 1))
        reference = runs.reference_of(p.reference())
        self.say("compare")
        rows = []
        for run in ours.runs():
            stored = runs.check_run(ours, run, reference, dropping, coded)
            rows += stored
            check(not any(row["quarantined"] for row in stored), "run %d: frames are quarantined" % run)
            for one in played:
                if one.number == run:
                    one.check_stored(stored, dropping, ours.gone(run))
        self.frames = getattr(self, "frames", 0) + len(rows)
        return rows


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Run:
    """One `up` until its end."""

    def __init__(self, p, journal, told):
        self.p, self.journal, self.told = p, journal, told
        self.ledger = self.url = None
        self.number = self.committed = self.code = 0
        self.killed, self.aborted, self.asked = set(), set(), []
        if told != "ready":
            return
        try:
            self.ledger = harness.Ledger(os.path.join(p.runtime, "ledger"))
            self.number = self.ledger.run
            self.url = p.status()["pipeline"]["url"]
        except (OSError, Failed, ValueError):
            pass  # the supervisor has just died of its point
        runs.check_no_old_worker(p)

    def see(self):
        self.committed = max(self.committed, runs.committed(self.p, self.number) if self.number else 0)
        self.journal.read()
        check(not self.journal.gave_up, "gave up: %s" % self.journal.gave_up)
        self.asked = [a for a in self.asked if a.poll() is None]

    def seats(self, role=""):
        return [s for s in self.ledger.seats() if s.pid > 0 and s.worker.startswith(role) and
                runs.parent_of(s.pid) == self.p.process.pid]

    def kill(self, choice):
        """Anybody; if somebody holds a slot, half of the time such a one."""
        seats = self.seats()
        holders = [s for s in seats if self.ledger.held_by(s.number)]
        if holders and choice.random() < 0.5:
            seats = holders
        if seats:
            seat = choice.choice(seats)
            self.killed.add(seat.pid)
            send(seat.pid, signal.SIGKILL)

    def ask(self, *words):
        if len(self.asked) < 3:
            self.asked.append(subprocess.Popen([os.path.join(harness.BIN, "troupe"), *words, "-n", self.p.name],
                                               env=self.p.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def swap(self, choice):
        seats = self.seats()
        if seats:
            self.ask("swap", choice.choice(seats).worker, "--probation", "30ms")

    def end(self):
        """Whatever has not ended by itself is told to; afterwards nothing of the run lives."""
        p = self.p
        for asked in self.asked:
            asked.kill()
            asked.wait()
        if p.process.poll() is None:
            p.troupe("down", "-n", p.name, limit=60, code=None)
        p.process.wait(60 * harness.PATIENCE)
        runs.wait_orphans(p)
        self.journal.read()

    def check(self, found):
        """What the run's processes say: found is who died of a point, and when."""
        code = self.p.process.returncode
        self.code = code
        ended = [q for q in found if q[1] == "supervisor"]
        check(code == (-signal.SIGKILL if ended else 0), "the supervisor ended with %d: %s" % (code, self.p.said()))
        if not ended:
            self.p.check_quiet() if self.p.ledger else None
            self.p.check_nothing_left()
            if self.ledger:
                check(self.ledger.quiet(), "slots are not FREE: %s" % [
                    w for w in self.ledger.words() if w.phase != "FREE"])
        noted = max([when for pid, when in found.values() if pid in self.journal.exits], default=0)
        for (name, role), (pid, when) in found.items():
            late = ended and when > noted - 1e9 and pid not in self.journal.exits
            if role in ("supervisor", "archive") or late:
                continue  # it had not come to noting that when it died itself
            told = self.journal.exits.get(pid)
            check(told, "%s, pid %d, died at %s: the journal does not tell" % (role, pid, name))
            check(told["worker"].split(".")[0] == role and told["cause"] == runs.KILLED,
                  "%s, pid %d, died at %s; the journal says: %s: %s" % (role, pid, name, told["worker"], told["cause"]))
        for pid, told in self.journal.exits.items():
            faulty = told["fault"] and pid not in self.aborted and not told["cause"].startswith("exit 111")
            check(not faulty if getattr(self.p, "aborts", False) else not told["fault"],
                  "%s, pid %d, ended by itself: %s: %s" % (told["worker"], pid, told["cause"], told["words"]))

    def check_stored(self, rows, rough, gone):
        stored = gone + len(rows)
        check(stored >= self.committed, "run %d: %d frames were committed, %d are left" % (
            self.number, self.committed, stored))
        if self.ledger:
            runs.check_not_lost(self.ledger, stored, self.number)
        bypassed = [row["seq"] for row in rows if row["bypassed"]]
        check(rough or self.code or not bypassed, "run %d: frames are bypassed: %s" % (self.number, bypassed[:10]))


def parse():
    parser = argparse.ArgumentParser(prog="fail_points", description=__doc__.split("\n\n")[0])
    parser.add_argument("--bin", required=True, metavar="DIR", help="programs built with TROUPE_FAIL_POINTS")
    parser.add_argument("--seed", type=int, default=1, help="which passing of each point (default 1)")
    parser.add_argument("--point", help="only this point …")
    parser.add_argument("--role", help="… and only in this role")
    parser.add_argument("--keep", metavar="DIR", help="put all files there")
    parser.add_argument("--plant", choices=PLANTS, help=argparse.SUPPRESS)
    parser.add_argument("-v", "--verbose", action="store_true", help="tell each run and each death")
    return parser.parse_args()


def main():
    args = parse()
    harness.BIN = os.path.abspath(args.bin)
    folder = tempfile.mkdtemp(prefix="trp-")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun, fault = time.monotonic(), None
    try:
        matrix = Matrix(args, folder)
        matrix.exact()
        matrix.rough_runs()
        matrix.archived_runs()
        matrix.bounded_runs()
        matrix.succession()
        matrix.strangers_runs()
        never = matrix.open(lambda q: True)
        check(not never, "never fired: %s" % ", ".join("%s in %s" % q for q in never))
        print("%d points fired, %d deaths in %d runs, %d frames equal to the reference, %.0f s" % (
            len(matrix.fired), matrix.deaths, matrix.runs, matrix.frames, time.monotonic() - begun))
    except (Failed, subprocess.TimeoutExpired, OSError, sqlite3.Error, ValueError, KeyError) as error:
        fault = error
        print("fault  %s" % (error if isinstance(error, Failed) else repr(error)))
    if args.keep:
        shutil.move(folder, args.keep)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
