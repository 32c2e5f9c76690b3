"""Streams from the network: what a camera does wrong is said by name, nothing is stored twice, and it comes back."""

import os
import re
import signal

import harness
from cameras import HttpCamera, RtspCamera, jpegs
from harness import await_, check

# s; a machine so busy that a camera is silent for longer makes more losses than the test does, which is no fault.
SILENCE = 2 + harness.PATIENCE / 2
QUICK = 'open_timeout = "60s" read_timeout = "%dms"' % (1000 * SILENCE)
SILENT = "sent nothing for %g s" % SILENCE


def watching(make, url, **settings):
    p = make(source=url, stream=QUICK, **settings)
    p.options = ["--progress"]
    return p


def said(p, words, times=1):
    """Waits until the live output has said so, as often; returns the line."""
    await_(lambda: times_said(p, words) >= times, "%r to be said" % words, 60)
    return [l for l in everything_said(p).split("\n") if words in l][times - 1]


def times_said(p, words):
    return everything_said(p).count(words)


def everything_said(p):
    with open(os.path.join(p.folder, "stderr")) as file:
        return file.read()


def more_frames(p, count):
    start = p.ledger.last()
    await_(lambda: p.ledger.last() >= start + count, "%d more frames" % count)


def stream(p):
    return p.status()["pipeline"]["stream"][0]


def drops(p):
    return {d["reason"]: d["count"] for d in stream(p).get("drop", [])}


def finish(p):
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    p.verify()
    return check_frames(p)


def check_frames(p):
    """Dense numbers; the pictures' own numbers, pts and all clocks grow from frame to frame; returns the rows."""
    frames = p.frames()
    check([f["seq"] for f in frames] == list(range(1, len(frames) + 1)), "numbers are not dense")
    numbers = p.pixel_numbers(frames)
    check(all(n >= 0 for n in numbers), "a picture shows no number")
    for f, number in zip(frames, numbers):
        f["number"] = number
    for key in ("number", "pts", "source_index", "captured", "captured_wall"):
        for a, b in zip(frames, frames[1:]):
            check(a[key] < b[key], "%s does not grow at frame %d: %s, %s" % (key, b["seq"], a[key], b[key]))
    return frames


def reports(p, word):
    return [e["text"] for e in p.journal() if word in e.get("text", "")]


def stalled_killed_and_started_again(make):
    p = make()
    with RtspCamera(p) as camera:
        p = watching(make, camera.url()).up()
        more_frames(p, 10)
        camera.stall()
        line = said(p, SILENT)
        check("camera lost" in line and camera.url() in line, "why it is lost: " + line)
        for command in "ps", "status":
            shown = p.troupe(command, "-n", p.name).stdout
            check(re.search("cam1: camera lost .* ago: " + re.escape(camera.url()), shown), command + " shows: " + shown)
        check(stream(p)["away_since"] and camera.url() in stream(p)["away"], "status --json: %s" % stream(p))
        camera.go_on()
        check("reconnect 1" in said(p, "camera back"), "it counts")
        await_(lambda: stream(p)["reconnects"] >= 1, "it to be counted in status")
        check("was lost and came back" in p.troupe("ps", "-n", p.name).stdout, "ps does not count it")
        more_frames(p, 10)
        lost = times_said(p, "camera lost")
        camera.kill()
        said(p, "camera lost", lost + 1)
        back = times_said(p, "camera back")
        camera.start()
        check("reconnect %d" % (back + 1) in said(p, "camera back", back + 1), "it counts")
        more_frames(p, 10)
        seen = p.troupe("inspect", "capture.cam1", "-n", p.name).stdout
        check(re.search("connected, [2-9] reconnects|away: ", seen), "inspect tells: " + seen)
        check(p.worker("capture.cam1")["incarnation"] == 1, "the capture went on")
        frames = finish(p)
    lost, back = len(reports(p, "camera lost")), len(reports(p, "camera back"))
    check(2 <= back <= lost <= back + 1, "the journal has each once: lost %d times, back %d times" % (lost, back))
    gaps = [(a, b) for a, b in zip(frames, frames[1:]) if b["number"] >= a["number"] + 3]
    check(len(gaps) >= 2, "two gaps are seen in the numbers: %s" % [f["number"] for f in frames])
    for f in frames:
        passed = f["captured"] - frames[0]["captured"]
        for name, time in (("wall clock", f["captured_wall"] - frames[0]["captured_wall"]),
                           ("pts", f["pts"] - frames[0]["pts"])):
            check(abs(time - passed) < 2.5e9, "the %s of frame %d is off by %d ns" % (name, f["seq"], time - passed))


def capture_killed_and_swapped(make):
    p = make()
    with RtspCamera(p) as camera:
        p = watching(make, camera.url()).up()
        for incarnation in (1, 2):
            more_frames(p, 5)
            os.kill(p.worker("capture.cam1")["pid"], signal.SIGKILL)
            p.back("capture.cam1", incarnation)
        more_frames(p, 5)
        p.troupe("swap", "capture.cam1", "--probation", "100ms", "-n", p.name)
        more_frames(p, 5)
        lost = times_said(p, "camera lost")
        camera.kill()
        said(p, "camera lost", lost + 1)
        os.kill(p.worker("capture.cam1")["pid"], signal.SIGKILL)
        p.back("capture.cam1", 4)
        said(p, "camera lost", lost + 2)
        camera.start()
        said(p, "camera back")
        more_frames(p, 5)
        finish(p)


def password_is_nowhere(make):
    secret = "sec9ret"
    p = make()
    with RtspCamera(p, password="anna:" + secret) as camera:
        wrong = watching(make, camera.url("anna:wrong" + secret))
        told = wrong.start()
        check("401" in told + wrong.said(), "a wrong password is named: %s %s" % (told, wrong.said()))
        p = watching(make, camera.url("anna:" + secret))
        p.options += ["--set", "stream.cam1.source=" + camera.url("anna:" + secret)]
        p.up()
        more_frames(p, 5)
        os.kill(p.worker("capture.cam1")["pid"], signal.SIGKILL)
        p.back("capture.cam1", 1)
        camera.kill()
        said(p, "camera lost")
        camera.password = "anna:other"
        camera.start()
        check("401" in said(p, "camera still lost"), "that the password is not right any more is named")
        check("401" in stream(p)["away"], "status --json: %s" % stream(p))
        shown = everything_said(p) + wrong.said() + told
        for command in (("ps",), ("ps", "--json"), ("status",), ("inspect", "capture.cam1"), ("logs", "capture.cam1")):
            shown += p.troupe(*command, "-n", p.name).stdout
        shown += of_processes(p)
        p.troupe("down", "-n", p.name)
        p.wait_end(0)
    for folder, _, files in [found for q in (p, wrong) for found in os.walk(q.folder)]:
        for file in files:
            if file.endswith(".conf"):
                continue
            with open(os.path.join(folder, file), errors="replace") as text:
                shown += text.read()
    check("***@127.0.0.1" in shown, "the camera is named at all")
    at = shown.find(secret)
    check(at < 0, "the password is shown: %r" % shown[max(0, at - 200):at + 20])


def of_processes(p):
    """Titles, arguments and environments of all processes of the pipeline, as `ps` may show them."""
    text = ""
    for pid in p.pids():
        for name in ("cmdline", "environ", "comm"):
            try:
                with open("/proc/%d/%s" % (pid, name), errors="replace") as file:
                    text += file.read().replace("\0", "\n")
            except OSError:
                pass  # it has ended meanwhile
    return text


def http_camera_of_all_sorts(make):
    """Garbage between pictures, a closed door, silence, another size: each said and counted, none harms what
    follows."""
    good, small = jpegs(320, 240, 1000, 60), jpegs(192, 144, 2000, 5)

    def first(viewer):
        viewer.begin()
        viewer.pictures(good)

    def garbage(viewer):
        viewer.begin()
        viewer.pictures(good[:10])
        viewer.send(os.urandom(3000))
        viewer.send(b"\r\n")
        viewer.pictures(good[10:20])

    def closed(viewer):
        pass

    def silent(viewer):
        viewer.begin()
        viewer.pictures(good[20:25])
        viewer.silence()

    def other_size(viewer):
        viewer.begin()
        viewer.pictures(good[25:30])
        viewer.pictures(small)
        viewer.pictures(good[30:])
        viewer.silence()

    def no_more(viewer):
        viewer.silence()

    with HttpCamera(first, garbage, closed, silent, other_size, no_more) as camera:
        p = watching(make, camera.url("anna:sec9ret", "?token=sec9ret")).up()
        said(p, SILENT)
        said(p, "320x240 again")
        await_(lambda: p.ledger.last() >= 50, "the rest of the pictures")
        count = drops(p)
        frames = finish(p)
    check("token=sec9ret" in camera.requests[0], "the camera did not get its token: " + camera.requests[0])
    shown = everything_said(p) + p.log("capture.cam1") + "".join(reports(p, "camera"))
    check("***@127.0.0.1" in shown and "sec9ret" not in shown, "what is secret is shown: " + shown)
    check(count["its size is not the stream's"] == len(small), "another size is counted: %s" % count)
    check(count["it could not be decoded"] >= 1, "garbage is counted: %s" % count)
    check(len(frames) >= 50, "too few frames: %d" % len(frames))


harness.main({f.__name__: f for f in (
    stalled_killed_and_started_again, capture_killed_and_swapped, password_is_nowhere, http_camera_of_all_sorts)})
