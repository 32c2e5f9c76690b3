"""The folder of a recording: made by a newer version, in use by somebody else, moved elsewhere."""

import os
import signal
import sqlite3

from harness import await_, check, main

def catalogue(folder):
    return sqlite3.connect(os.path.join(folder, "recording.sqlite"))


def rows(folder, sql):
    with catalogue(folder) as db:
        return db.execute(sql).fetchall()


def refused(p, *words):
    told = p.start()
    text = told + "\n" + p.said()
    check(told != "ready", "up succeeded")
    check(p.process.wait(30) != 0, "exit code 0 for a failure")
    for word in words:
        check(word in text, "the error does not name %r: %s" % (word, text))
    p.check_nothing_left()


def newer_version(make):
    p = make(frames=10, pace="max").up()
    p.wait_end(0)
    rows(p.recording, "UPDATE schema_version SET version = version + 1")
    frames = p.frames()
    refused(p, "newer troupe", "version 3")
    check(p.frames() == frames, "it was changed")


def somebody_else_has_it(make):
    p = make(frames=0).up()
    other = make("other", frames=0, storer='lock_wait = "0s"')
    other.recording = p.recording
    storer = p.worker("storer")["pid"]
    refused(other, p.recording, "in use by process %d" % storer)
    stored = len(p.frames())
    await_(lambda: len(p.frames()) > stored + 5, "the first one to go on")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.verify()


def moved_elsewhere(make):
    p = make(frames=0, storer='segment_bytes = "60kB"').up()
    await_(lambda: len(p.frames()) > 30, "some frames")
    os.kill(p.process.pid, signal.SIGKILL)  # so that it does not end well
    p.process.wait()
    await_(lambda: not p.pids(), "its workers to end")
    first = len(p.frames())
    moved = make(frames=40, pace="max", storer='segment_bytes = "60kB"')
    os.rename(p.recording, moved.recording)
    moved.up()
    moved.wait_end(0)
    moved.verify()
    counts = rows(moved.recording, "SELECT count(*) FROM frames GROUP BY run ORDER BY run")
    check(counts[0][0] >= first and counts[1:] == [(40,)], "it has %s, %d before" % (counts, first))


if __name__ == "__main__":
    main({f.__name__: f for f in (newer_version, somebody_else_has_it, moved_elsewhere)})
