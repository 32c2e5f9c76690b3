"""Old frames are coded anew while recording goes on: whoever dies, each frame is there once and shows its own number.

What is asked of a recording here is asked of its catalogue by Python's own SQLite, and of its pixels by show-numbers."""

import os
import signal
import sqlite3
import subprocess

import harness
from harness import PATIENCE, await_, check, main

# Small segments, so that many are closed soon; archive_after is as short as may be.
STORER = ('segment_bytes = "150kB"  commit_interval = "40ms"  archive = "h264"  archive_after = "1s"  archive_priority = "normal"  '
          'restart_window = "1s"  max_restarts = 1000')
SETTINGS = dict(fps=100, frames=0, processors=1, storer=STORER)


def segments(p, where):
    path = "file:%s?mode=ro" % os.path.join(p.recording, "recording.sqlite")
    with sqlite3.connect(path, uri=True) as catalogue:
        catalogue.row_factory = sqlite3.Row
        return catalogue.execute("SELECT * FROM segments WHERE %s ORDER BY segment" % where).fetchall()


def archived(p):
    return segments(p, "coding = 1")


def child(p):
    """The pid of the child that codes anew, or 0: there is none now."""
    for pid, title in p.pids().items():
        if title == "troupe: %s archive" % p.name:
            return pid
    return 0


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def shown(p, *order):
    """(seq, number in the pixels, coding) of every frame, by whatever coding."""
    done = subprocess.run([os.path.join(harness.BIN, "show-numbers"), p.recording, *order], capture_output=True,
                          text=True, timeout=60 * PATIENCE)
    check(done.returncode == 0, "show-numbers: %s" % done.stderr)
    return [(int(seq), int(number), int(coding)) for _, _, seq, number, coding in map(str.split, done.stdout.splitlines())]


def check_frames(p):
    """Each number once, and in the pixels what the source says; nothing left over in the folder."""
    rows = p.frames()
    check([r["seq"] for r in rows] == list(range(1, len(rows) + 1)), "not every number once: %d rows" % len(rows))
    for order in ((), ("backwards",)):
        for (seq, number, coding), row in zip(shown(p, *order), reversed(rows) if order else rows):
            check(seq == row["seq"] and coding == row["coding"], "show-numbers tells of frame %d, not %d" % (seq, row["seq"]))
            check(number == row["source_index"], "frame %d, coding %d, shows %d, its source says %d" % (
                seq, coding, number, row["source_index"]))
    files = sorted(os.listdir(os.path.join(p.recording, "segments")))
    known = ["%06d.seg" % s["segment"] for s in segments(p, "1")]
    check(files == known, "the folder has %s, the catalogue %s" % (files, known))
    return rows


def finish(p):
    p.troupe("down", "-n", p.name, limit=60)
    p.wait_end()
    p.check_nothing_left()
    rows = check_frames(p)
    p.verify()
    return rows


def swapped_while_recording(make):
    p = make(**SETTINGS).up()
    await_(lambda: len(archived(p)) >= 4, "four segments to be coded anew")
    before = p.ledger.last()
    await_(lambda: p.ledger.last() > before + 100, "recording to go on")
    check("archive" in p.troupe("inspect", "storer", "-n", p.name).stdout, "inspect does not tell of the archive")
    rows = finish(p)
    jpegs = [r["coded_bytes"] for r in rows if r["coding"] == 0]
    ours = [r["coded_bytes"] for r in rows if r["coding"] != 0]
    check(sum(ours) / len(ours) * 4 < sum(jpegs) / len(jpegs), "%d bytes a frame became %d" % (
        sum(jpegs) / len(jpegs), sum(ours) / len(ours)))
    check(p.log("storer").count("cannot be coded anew") == 0, p.log("storer"))


def killed_in_the_middle(make):
    """The child, then the storer with a child at work, again and again."""
    p = make(**SETTINGS).up()
    for kills in range(1, 7):
        pid = await_(lambda: child(p), "a child to code anew")
        storer = p.worker("storer")
        kill(storer["pid"] if kills % 2 == 0 else pid)
        await_(lambda: not os.path.exists("/proc/%d" % pid), "the child to be gone")
        if kills % 2 == 0:
            p.back("storer", storer["incarnation"])
        await_(lambda: len(archived(p)) >= kills, "segments to be coded anew")
    finish(p)


def frames_of(p, run, where="1"):
    with sqlite3.connect(os.path.join(p.recording, "recording.sqlite")) as catalogue:
        return catalogue.execute("SELECT count(*) FROM frames WHERE run = ? AND %s" % where, (run,)).fetchone()[0]


def what_an_earlier_run_left(make):
    p = make(**dict(SETTINGS, frames=120, pace="max", storer=STORER.replace('"1s"  restart', '"1h"  restart')))
    p.up().wait_end()
    check(not archived(p), "coded anew before its time")
    run = p.ledger.run
    p.settings.update(SETTINGS, fps=5, storer=STORER + ' segment_seconds = "1s"')
    p.up()
    await_(lambda: frames_of(p, run, "coding = 0") == 0, "all frames of the run before to be coded anew")
    p.troupe("down", "-n", p.name, limit=60)
    p.wait_end()
    p.verify()
    old = [r for r in p.frames() if r["run"] == run]
    check([r["seq"] for r in old] == list(range(1, 121)), "%d frames of the run before" % len(old))
    numbers = [number for _, number, _ in shown(p)][:120]
    check(numbers == [r["source_index"] for r in old], "other numbers in the pixels: %s" % numbers[:10])


main({f.__name__: f for f in (swapped_while_recording, killed_in_the_middle, what_an_earlier_run_left)})
