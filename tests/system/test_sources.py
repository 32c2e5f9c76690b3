"""Sources that are broken: one clear line, or a drop that is counted by its reason; what is healthy flows on."""

import json
import os
import subprocess

import harness
from cameras import HttpCamera, free_port, jpegs
from harness import BIN, await_, check


def from_source(make, source, more="", **settings):
    """A pipeline whose stream cam1 comes from there."""
    p = make(**settings)
    write = p.write_config

    def other_source(*args, **kwargs):
        path = write(*args, **kwargs)
        with open(path) as file:
            text = file.read().replace('source = "pattern:"', 'source = "%s" %s' % (source, more))
        with open(path, "w") as file:
            file.write(text)
        return path
    p.write_config = other_source
    return p


def clip(path, *what, codec="mjpeg", size=(320, 240), fps=50, frames=50):
    """A video file whose pictures show their numbers; `what`: shrink at, damage at."""
    args = [path, codec, *size, fps, frames, *what]
    done = subprocess.run([os.path.join(BIN, "write-clip"), *map(str, args)], capture_output=True)
    check(done.returncode == 0, "write-clip %s: %s" % (args, done.stderr))
    return path


def refused(p, *words):
    """As `up` would, without the rest of it."""
    done = subprocess.run([*p.prefix, os.path.join(BIN, "troupe-supervisor"), "--plan", "-c", p.write_config()],
                          env=p.env, text=True, capture_output=True, timeout=30 * harness.PATIENCE)
    check(done.returncode != 0, "it is accepted: %s" % done.stdout)
    check(done.stderr.count("\n") == 1, "it is not one line: %s" % done.stderr)
    for word in words:
        check(word in done.stderr, "the error does not name %r: %s" % (word, done.stderr))


def up_refused(p, *words):
    told = p.start()
    check(told != "ready" and p.process.wait(30 * harness.PATIENCE) != 0, "up succeeded")
    for word in words:
        check(word in told, "the error does not name %r: %s" % (word, told))
    check(p.said().count("\n") == 1, "it is not one line: %s" % p.said())
    p.check_nothing_left()


def write(path, data=b""):
    with open(path, "wb") as file:
        file.write(data)
    return path


def files_that_are_none(make):
    here = make().folder

    def at(name):
        return os.path.join(here, name)
    whole = open(clip(at("whole.avi"), frames=5), "rb").read()
    os.mkdir(at("folder.avi"))
    os.mkfifo(at("fifo.avi"))
    frames = whole.index(b"movi")
    for path, words in (
            (at("folder.avi"), "not a regular file"),
            (at("fifo.avi"), "not a regular file"),
            ("/dev/zero", "/dev/zero"),
            (write(at("empty.avi")), "empty"),
            (write(at("text.avi"), b"Dear diary,\n" * 1000), "no video"),
            (write(at("cut.avi"), whole[:100]), "no video"),
            (write(at("without-frames.avi"), whole[:frames + 4]), "without-frames.avi"),
            (write(at("list.m3u8"), b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:1/a.ts\n"), "no video"),
            (at("nowhere.avi"), "No such file")):
        refused(from_source(make, path), words, path)
    unreadable = write(at("unreadable.avi"), whole)
    os.chmod(unreadable, 0)
    p = from_source(make, unreadable)
    p.bind_by_modes()
    refused(p, unreadable, "Permission denied")
    huge = clip(at("huge.avi"), size=(10000, 10000), frames=1)
    up_refused(from_source(make, huge, extra='memory = "1GB"'), "memory:", "1.0 GB is allowed")


def files_that_are_half_of_one(make):
    """Cut off, wrongly named, damaged, of two sizes: what can be had is recorded, the rest is counted."""
    here = make().folder
    whole = clip(os.path.join(here, "whole.avi"), 40, 20, frames=60)
    data = open(whole, "rb").read()
    cut = write(os.path.join(here, "cut.mp3"), data[:len(data) * 3 // 5])
    p = from_source(make, cut, pace="max").up()
    p.wait_end(0)
    p.check_quiet()
    p.verify()
    stored = p.frames()
    check(20 < len(stored) < 60, "frames of a cut file: %d" % len(stored))
    p.check_equals_reference()
    p = from_source(make, whole, "max_restarts = 1", pace="real").up()
    p.wait_end(0)
    frames = p.frames()
    p.check_numbers(39)
    lost = [f["source_index"] for f in frames]
    check(20 not in lost and lost[-1] == 39, "the damaged one is left out: %s" % lost)
    check(frames[20]["drops_damaged"] == 1, "it is counted in the next one")
    p.check_equals_reference()


def a_decoder_that_crashes(make):
    """It takes one incarnation of one capture with it: the other stream does not notice, and no frame is lost. All
    may have ended before this test looks: the journal tells."""
    p = make(frames=0)
    path = clip(os.path.join(p.folder, "clip.avi"), frames=100)
    flag = os.path.join(p.folder, "crash")
    p = from_source(make, path, 'exec = "crashing-capture"',
                    extra='stream "cam2" { source = "pattern:320x240@50" pattern_frames = 100 }')
    p.for_supervisor = {"TROUPE_TEST_CRASH": flag}
    p.up()
    await_(lambda: p.ledger.last() > 20, "frames to flow")
    write(flag)
    p.wait_end(0)
    p.check_quiet()
    ends = [(e["worker"], e["cause"]) for e in p.journal("exit") if e["fault"]]
    check(len(ends) == 1 and ends[0][0] == "capture.cam1" and "SIGABRT" in ends[0][1], "who died: %s" % ends)
    p.check_equals_reference()


def cameras_that_do_not_answer(make):
    """`up` says so, for each in its own words, and ends. Only who is waited for in vain is not waited for long."""
    quick, long = ('open_timeout = "%s" read_timeout = "%s"' % (limit, limit) for limit in ("300ms", "60s"))
    nobody = "rtsp://anna:sec9ret@127.0.0.1:%d/live" % free_port()
    up_refused(from_source(make, nobody, long), "rtsp://***@127.0.0.1", "Connection refused")
    refused(from_source(make, "gopher://127.0.0.1/video", long), "no stream comes by such a URL")

    def not_found(viewer):
        viewer.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def page(viewer):
        viewer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6000\r\n\r\n" + b"<html>" * 1000)

    def half(viewer):
        viewer.begin()
        viewer.send(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 9999\r\n\r\n")
        viewer.send(jpegs(320, 240, 1, 1)[0][:500])
        viewer.silence()
    for script, limit, words in ((lambda viewer: viewer.silence(), quick, "does not answer"), (not_found, long, "404"),
                                 (page, long, "no video"), (half, quick, "does not answer")):
        with HttpCamera(script) as camera:
            refused(from_source(make, camera.url(), limit), camera.url(), words)


def going_while_nothing_comes(make):
    """A capture that waits for a camera in vain drains like any other."""
    good = jpegs(320, 240, 1, 20)

    def first(viewer):
        viewer.begin()
        viewer.pictures(good)
        viewer.silence()

    with HttpCamera(first, first, lambda viewer: viewer.silence()) as camera:
        p = from_source(make, camera.url(), 'open_timeout = "60s" read_timeout = "300ms"').up()
        await_(lambda: camera.connections >= 3, "the camera to be lost and asked again")
        p.troupe("down", "-n", p.name)
        p.wait_end(0)
        check("SIGKILL" not in json.dumps(p.journal()), "it had to be killed")
        p.check_quiet()


harness.main({f.__name__: f for f in (
    files_that_are_none, files_that_are_half_of_one, a_decoder_that_crashes, cameras_that_do_not_answer,
    going_while_nothing_comes)})
