"""A recording is kept within its limits: by bytes, by age, per stream, events longer; the oldest goes first, whole
segments, and what is left is whole. (The floor of the disk: test_disk.py.)"""

import os
import sqlite3
import subprocess
import time

import harness
from harness import BIN, await_, check

SECOND = 1000000000
FRAMES_TO = 'segment_bytes = "60kB" segment_seconds = "1s" keep_free = "0" '


def ask(p, sql, *values):
    path = os.path.join(p.recording, "recording.sqlite")
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as catalogue:
        return catalogue.execute(sql, values).fetchall()


def ranges(p, stream="cam1"):
    """What went of a stream: first and last number."""
    return ask(p, "SELECT first_seq, last_seq FROM forgotten WHERE stream = ? ORDER BY first_seq", stream)


def numbers(p, stream="cam1"):
    return [row[0] for row in ask(p, "SELECT seq FROM frames WHERE stream = ? ORDER BY seq", stream)]


def bytes_of(p):
    """Of the segments that are there; one may go while we look."""
    found = 0
    for entry in os.scandir(os.path.join(p.recording, "segments")):
        try:
            found += entry.stat().st_size
        except FileNotFoundError:
            pass
    return found


def ends_whole(p, streams=("cam1",)):
    """Each number is in the catalogue or went, and none is both; the files are those of the catalogue."""
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    p.verify()
    for stream in streams:
        there = set(numbers(p, stream))
        gone = [n for first, last in ranges(p, stream) for n in range(first, last + 1)]
        last, stored = ask(p, "SELECT last_seq, frames FROM streams WHERE stream = ?", stream)[0]
        check(not there & set(gone) and len(gone) == len(set(gone)), "%s: some went twice, or are there" % stream)
        check(there | set(gone) == set(range(1, last + 1)), "%s: not all of 1..%d are there or went" % (stream, last))
        check(stored == last, "%s: %d of %d count as stored" % (stream, stored, last))
    files = {int(name[:6]) for name in os.listdir(os.path.join(p.recording, "segments"))}
    check(files == {row[0] for row in ask(p, "SELECT segment FROM segments")}, "other files than segments: %s" % files)


def by_bytes(make):
    """Several times the limit is recorded. The oldest went, and space came back."""
    limit = 1000000
    p = make(frames=0, fps=200, storer=FRAMES_TO + 'keep = "1MB" commit_interval = "40ms"').up()
    stored = []

    def enough():
        stored.append(p.status()["pipeline"]["stream"][0]["stored"])
        return len(ranges(p)) == 1 and sum(last for _, last in ranges(p)) > 400
    await_(enough, "400 frames to go")
    check(stored == sorted(stored), "what is stored goes back: %s" % stored)
    ends_whole(p)
    check(len(ranges(p)) == 1 and ranges(p)[0][0] == 1, "not the oldest went: %s" % ranges(p))
    # What was committed after the last look comes to no more than there are slots; without a limit all were there.
    largest = ask(p, "SELECT max(bytes) FROM segments")[0][0]
    check(bytes_of(p) <= limit * 3 // 2 + largest, "%d bytes are kept of %d" % (bytes_of(p), limit))
    check(ask(p, "SELECT count(*) FROM forgotten WHERE why <> 'keep'")[0][0] == 0, "another reason")
    check(ask(p, "SELECT count(*) FROM events WHERE kind <> 'recorded' AND first_seq > 0 AND last_seq < ?",
              ranges(p)[0][1] - 1000)[0][0] == 0, "there are events of frames that went long ago")


def by_age(make):
    """Nothing goes before its time."""
    p = make(frames=0, storer=FRAMES_TO + 'keep = "2s"').up()
    captured = {}

    def look():
        captured.update(ask(p, "SELECT seq, captured_wall FROM frames"))
        now = time.time_ns()  # the catalogue is asked after this, so what it says is no older
        for first, last in ranges(p):
            known = [captured[n] for n in range(first, last + 1) if n in captured]
            young = [when for when in known if time.time_ns() - when < 2 * SECOND]
            check(not young, "frames went %s s after their capture" % [(now - when) / SECOND for when in young])
        return ranges(p) and ranges(p)[0][1] > 100
    await_(look, "frames to go for their age")
    ends_whole(p)
    check(len(ranges(p)) == 1 and ranges(p)[0][0] == 1, "not the oldest went: %s" % ranges(p))


def per_stream(make):
    """One stream has a limit of its own, the other has none."""
    p = make(frames=0, stream='keep = "300kB"', storer=FRAMES_TO, extra="""
stream "cam2" { source = "pattern:" pattern_size = "160x120" pattern_fps = 20 slots = 16 }""").up()
    await_(lambda: ranges(p) and ranges(p)[0][1] > 100 and numbers(p, "cam2"), "frames of cam1 to go")
    ends_whole(p, ("cam1", "cam2"))
    check(not ranges(p, "cam2"), "frames of cam2 went: %s" % ranges(p, "cam2"))


def events_stay_longer(make):
    """What was labelled for a moment stays when all around it is gone."""
    p = make(frames=0, storer=FRAMES_TO + 'keep = "1s" keep_events = "1h" event_motion = 1 event_gap = "100ms"')
    clip = os.path.join(p.folder, "clip.avi")
    done = subprocess.run([os.path.join(BIN, "write-clip"), clip, "mjpeg", "320", "240", "50", "100"])
    check(done.returncode == 0, "write-clip failed")
    p.settings["source"] = clip
    p.settings["stream"] = "loop = yes"
    p.up()
    await_(lambda: p.ledger.last() > 100, "frames to flow")
    p.troupe("label", "person", "-n", p.name)
    start = p.ledger.last()
    await_(lambda: p.ledger.last() > start + 20, "labelled frames")
    p.troupe("label", "--none", "-n", p.name)
    after = p.ledger.last()
    await_(lambda: any(last > after for _, last in ranges(p)), "frames behind the event to go")
    check(ask(p, "SELECT count(*) FROM frames WHERE label = 'person'")[0][0] >= 20, "frames of the event went")
    gone = ranges(p)
    check(len(gone) == 2 and gone[0][0] == 1, "what went is not before and behind the event: %s" % gone)
    ends_whole(p)
    event = ask(p, "SELECT first_seq, last_seq FROM events WHERE kind = 'label'")
    check(event and set(range(event[0][0], event[-1][1] + 1)) <= set(numbers(p)), "of the event %s went %s" % (
        event, ranges(p)))


def wrong_words(make):
    """A limit that is none is one line with the place and what is valid."""
    p = make(storer='keep = "20 gigabytes"')
    done = subprocess.run([os.path.join(BIN, "troupe-supervisor"), "--plan", "-c", p.write_config()], env=p.env,
                          text=True, capture_output=True)
    check(done.returncode != 0 and done.stderr.count("\n") == 1 and "keep" in done.stderr and "20GB" in done.stderr,
          "it says: %s" % done.stderr)


harness.main({f.__name__: f for f in (by_bytes, by_age, per_stream, events_stay_longer, wrong_words)})
