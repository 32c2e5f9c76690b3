"""What the runs of one pipeline left, looked at from outside: its journal, its recording against the reference, its
last ledger. A run ends by `down`, with its source, or by a killed supervisor."""

import collections
import json
import mmap
import os
import sqlite3
import subprocess

import harness
from harness import await_, check

KILLED, AS_ASKED = "killed from outside (SIGKILL)", "ended as asked"
# What a frame's result is, beside its coded bytes.
RESULT = ("pts", "width", "height", "coded_bytes", "label")
JPEG_AT = 240  # in a record


class Journal:
    """What the supervisor of one run wrote, read as it grows."""

    def __init__(self, pipeline):
        self.path = os.path.join(pipeline.folder, "state", pipeline.name, "journal.jsonl")
        self.at = os.path.getsize(self.path) if os.path.exists(self.path) else 0
        self.part = b""
        self.exits, self.reclaims, self.spawns = {}, {}, {}  # spawns: (worker, incarnation) -> pid
        self.kept = collections.defaultdict(list)  # worker -> its exits, oldest first
        self.waiting = {}  # seat -> pid whose things are to be given back
        self.gave_up = []

    def read(self):
        if not os.path.exists(self.path):
            return
        with open(self.path, "rb") as file:
            file.seek(self.at)
            text = file.read()
        self.at += len(text)
        *lines, self.part = (self.part + text).split(b"\n")
        for line in lines:
            self.take(json.loads(line))

    def take(self, event):
        kind, worker = event["event"], event.get("worker")
        if kind == "spawn":
            self.spawns[worker, event["incarnation"]] = event["pid"]
        elif kind == "exit":
            check(event["pid"] not in self.exits, "pid %d ended twice" % event["pid"])
            self.exits[event["pid"]] = event
            self.kept[worker].append(event)
            self.waiting[event["seat"]] = event["pid"]
        elif kind == "reclaim":
            self.reclaims[self.waiting.pop(event["seat"])] = event
        elif kind == "gave-up":
            self.gave_up.append(worker)


class Recording:
    """A recording by its catalogue and its segment files alone."""

    def __init__(self, folder):
        self.folder, self.segments = folder, {}
        path = "file:%s?mode=ro" % os.path.join(folder, "recording.sqlite")
        self.catalogue = sqlite3.connect(path, uri=True)
        self.catalogue.row_factory = sqlite3.Row

    def runs(self):
        return [row["run"] for row in self.catalogue.execute("SELECT run FROM runs ORDER BY run")]

    def rows(self, run):
        return self.catalogue.execute("SELECT * FROM frames WHERE run = ? ORDER BY stream, seq", (run,))

    def gone(self, run):
        """Up to which frame a run was forgotten, by the rule that the oldest goes first."""
        ranges = self.catalogue.execute("SELECT first_seq, last_seq FROM forgotten WHERE run = ? ORDER BY first_seq",
                                        (run,)).fetchall()
        check(not ranges or len(ranges) == 1 and ranges[0][0] == 1, "run %d: not the oldest went: %s" % (
            run, [tuple(r) for r in ranges]))
        return ranges[0][1] if ranges else 0

    def coded(self, row):
        number = row["segment"]
        if number not in self.segments:
            with open(os.path.join(self.folder, "segments", "%06d.seg" % number), "rb") as file:
                self.segments[number] = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        begin = row["offset"] + JPEG_AT
        return self.segments[number][begin:begin + row["coded_bytes"]]


def committed(pipeline, run):
    """The number that the catalogue has committed last: what may never be lost again."""
    path = os.path.join(pipeline.recording, "recording.sqlite")
    try:
        with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as catalogue:
            return catalogue.execute("SELECT max(seq) FROM frames WHERE run = ?", (run,)).fetchone()[0] or 0
    except sqlite3.OperationalError:  # not made yet
        return 0


def numbers_shown(pipeline):
    """(run, seq) -> the number in the pixels of each frame of one stream, however it is coded."""
    done = subprocess.run([os.path.join(harness.BIN, "show-numbers"), pipeline.recording], capture_output=True, text=True)
    check(done.returncode == 0, "show-numbers: %s" % done.stderr)
    words = map(str.split, done.stdout.splitlines())
    return {(int(run), int(seq)): int(number) for run, _, seq, number, _ in words}


def check_run(ours, run, reference, dropping=False, coded=True):
    """Each frame of a run that has not been forgotten once, in order, equal to the reference's of the same place in
    the source. A source that drops has counted what is missing. Returns the rows."""
    rows, dropped = ours.rows(run).fetchall(), 0
    for number, row in enumerate(rows, ours.gone(run) + 1):
        check(row["seq"] == number, "run %d: after frame %d comes frame %d" % (run, number - 1, row["seq"]))
        dropped += row["drops_no_slot"] + row["drops_device"] if dropping else 0
        check(row["source_index"] + 1 == number + dropped, "run %d, frame %d: is number %d of the source, and %d "
              "were dropped before it" % (run, number, row["source_index"], dropped))
        theirs = reference.get(row["source_index"])
        check(theirs, "run %d, frame %d: the reference ends before it" % (run, number))
        for field in RESULT:
            check(field == "coded_bytes" and not coded or row[field] == theirs[0][field], "run %d, frame %d: its %s is %r, the reference's %r" % (
                run, number, field, row[field], theirs[0][field]))
        check(not coded or ours.coded(row) == theirs[1].coded(theirs[0]), "run %d, frame %d: other coded bytes than the "
              "reference's" % (run, number))
    return rows


def reference_of(folder):
    """source_index -> (row, recording) of the reference."""
    recording = Recording(folder)
    run, = recording.runs()
    return {row["source_index"]: (row, recording) for row in recording.rows(run)}


def check_not_lost(ledger, stored, run):
    """Of frames that were numbered but not stored, each still stands in its slot: none went by the recording."""
    kept = {word.seq for word in ledger.words() if word.phase in ("QUEUED", "HELD", "DONE")}
    gone = [seq for seq in range(stored + 1, ledger.last() + 1) if seq not in kept]
    check(not gone, "run %d: frames %s are neither stored nor in a slot; stored: 1..%d" % (run, gone[:10], stored))


def parent_of(pid):
    """The parent of a process that runs; 0: it does not."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            state, parent = file.read().rsplit(")", 1)[1].split()[:2]
    except OSError:
        return 0
    return 0 if state in "ZX" else int(parent)


def check_no_old_worker(pipeline):
    """Whoever plays in this pipeline is a child of its present supervisor."""
    strange = {pid: title for pid, title in pipeline.pids().items()
               if pid != pipeline.process.pid and not title.endswith(" archive") and
               parent_of(pid) not in (0, pipeline.process.pid)}
    if pipeline.process.poll() is None:  # else they were its own until now
        check(not strange, "of an earlier run: %s" % strange)


def wait_orphans(pipeline):
    await_(lambda: not pipeline.pids(), "the workers of a killed supervisor to end: %s" % pipeline.pids(), 60)
