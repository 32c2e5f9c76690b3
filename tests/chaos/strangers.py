"""The steps of which only strangers are the cause: frames that one is too slow for, or gone from, are written off, and
slots are set aside that another one has written over. Supervisors, their successors, captures and storers die right
before and right after each; what is stored is right all the same, and every slot that was set aside is told of once."""

import os
import signal
import time

import harness
import runs
import successors
from harness import await_, check

ASIDE_MAX = 24
POINTS = ("WRITES_OFF", "STEP_WRITE_OFF", "SETS_ASIDE", "STEP_SET_ASIDE")
WRECK = ('worker "{name}" {{ exec = "{program}"  takes = "view"  tap = "{tap}"  mode = "{mode}"  seed = {seed}  '
         'count = {count}  max_restarts = 1000000  backoff = "1ms"  backoff_max = "20ms" }}\n')


def extra(seed):
    program = os.path.join(harness.BIN, "wreck")
    return successors.WAIT + "\n" + WRECK.format(
        name="slow", program=program, tap="lossless", mode="slow", seed=seed, count=1) + WRECK.format(
        name="vandal", program=program, tap="each", mode="illegal", seed=seed, count=2)


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Strangers(successors.Points):
    """One run: the first supervisor dies of a point in one folder, those that come after it of those in another."""

    def __init__(self, pipeline, choice, show, first, later):
        self.p, self.random, self.show = pipeline, choice, show
        self.counts = dict(supervisor_kills=0, adopters_killed=0, adoptions=0, worker_kills_before=0, restarts=0)
        self.times, self.upgrading = [], []
        self.later = later
        self.twins = successors.Twins(pipeline.name)
        self.twins.stop()  # nobody plays twice here, but strangers come and go fast
        pipeline.for_supervisor = {"TROUPE_FAIL_FOLDER": first}
        if pipeline.start() != "ready":  # it may have died of its point already
            self.succeed()
        self.ledger = pipeline.ledger = harness.Ledger(os.path.join(pipeline.runtime, "ledger"))

    def succeed(self):
        check(self.p.process.wait() == -signal.SIGKILL, "a supervisor ended with %d: %s" % (self.p.process.returncode, self.p.said()))
        self.counts["supervisor_kills"] += 1
        self.p.for_supervisor = {"TROUPE_FAIL_FOLDER": self.later}
        self.adopt()

    def provoke(self, damage):
        """The one that is owed frames goes and comes; the other begins its damage anew."""
        if len(self.upgrading) < 3:
            self.ask(self.random.choice(("stop", "start")), "slow")
        if damage and self.random.random() < 0.1:  # it needs a moment
            seat = next((s for s in self.ledger.seats() if s.worker == "vandal" and s.pid > 0), None)
            if seat and runs.parent_of(seat.pid) and sum(w.phase == "ASIDE" for w in self.ledger.words()) < ASIDE_MAX:
                send(seat.pid, signal.SIGKILL)
        storer = next((s for s in self.ledger.seats() if s.worker == "storer" and s.pid > 0), None)
        if storer and runs.parent_of(storer.pid) and self.random.random() < 0.2:  # until capture has no slot left
            send(storer.pid, signal.SIGSTOP)
            time.sleep(1)
            send(storer.pid, signal.SIGCONT)

    def run_points(self, fired, pids, damage, limit):
        """Until fired(), with more damage while damage() says so. Of whom pids() tells, the file is there a moment before it is dead."""
        deadline = time.monotonic() + limit
        while not fired() and time.monotonic() < deadline:
            if self.p.process.poll() is not None or self.p.process.pid in pids():
                self.succeed()
            self.provoke(damage())
            self.look()
            time.sleep(self.random.random() * 0.05)
        if self.p.process.pid in pids():
            self.succeed()

    def end(self):
        """By `down`, and with no slot but those that are set aside in use."""
        await_(lambda: not [a for a in self.upgrading if a.poll() is None], "all that was asked to be answered", 40)
        self.p.troupe("stop", "vandal", "-n", self.p.name, code=None)
        had = runs.committed(self.p, self.ledger.run)
        await_(lambda: runs.committed(self.p, self.ledger.run) > had + 20, "the recording to go on", 40)
        self.p.troupe("down", "-n", self.p.name, limit=60)
        self.p.wait_end(0)
        self.p.check_nothing_left()


def verify(run):
    """Frames may have gone with their slots, one with each; all others are there, once, and right. Returns how many."""
    p, ledger = run.p, run.ledger
    left = [w for w in ledger.words() if w.phase not in ("FREE", "ASIDE")]
    check(not left, "slots are not FREE: %s" % left)
    aside = [slot for slot, word in enumerate(ledger.words()) if word.phase == "ASIDE"]
    told = [e["slot"] for e in p.journal("set-aside") if "slot" in e]
    check(sorted(told) == aside, "slots %s are set aside, the journal tells of %s" % (aside, sorted(told)))
    ours = runs.Recording(p.recording)
    rows = ours.rows(ledger.run).fetchall()
    p.settings.update(frames=rows[-1]["source_index"] + 1, pace="max", extra="")
    reference = runs.reference_of(p.reference())
    check(len({row["seq"] for row in rows}) == len(rows), "frames are there twice")
    for row in rows:
        number = row["seq"]
        check(row["source_index"] + 1 == number, "frame %d is number %d of the source" % (number, row["source_index"]))
        theirs = reference[row["source_index"]]
        check(all(row[field] == theirs[0][field] for field in runs.RESULT) and ours.coded(row) == theirs[1].coded(theirs[0]),
              "frame %d is not the reference's" % number)
    gone = rows[-1]["seq"] - len(rows)
    check(gone <= len(aside), "%d frames are missing, %d slots were set aside" % (gone, len(aside)))
    return len(rows)
