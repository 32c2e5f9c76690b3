"""A frame that causes three deaths goes on unprocessed, and a folder says why; nothing else is touched by it."""

import json
import os
import signal
import struct
import subprocess

import harness
from harness import await_, check, whole_lines

CRASH = "crash_on = 40"
DEATHS, PIXELS, ABOUT = "deaths.jsonl", "frame.i420", "frame.txt"


def shelf(p):
    return os.path.join(p.folder, "state", p.name, "quarantine")


def folder_of(p, stream="cam1", seq=40):
    return os.path.join(shelf(p), "%d-%s-%d" % (p.ledger.run, stream, seq))


def wait_for(p, file, **frame):
    path = os.path.join(folder_of(p, **frame), file)
    return await_(lambda: os.path.exists(path) and path, path)


def deaths(folder):
    return [json.loads(line) for line in whole_lines(os.path.join(folder, DEATHS)).splitlines()]


def about(folder):
    with open(os.path.join(folder, ABOUT)) as file:
        return dict(line.rstrip("\n").split(": ", 1) for line in file if ": " in line)


def check_reasons(folder, cause):
    told = deaths(folder)
    check([d["attempt"] for d in told] == [1, 2, 3], "three deaths are told: %s" % told)
    for death in told:
        check(cause in death["cause"], "the cause is %r" % death["cause"])
        check(death["worker"].startswith("processor.") and death["pid"] > 0 and death["wall"] and
              death["program"], "who it was is told: %s" % death)
    check(len({d["pid"] for d in told}) == 3, "three processes died: %s" % told)


def coded_bytes(p, frame, folder):
    with open(os.path.join(folder, "segments", "%06d.seg" % frame["segment"]), "rb") as file:
        file.seek(frame["coded_at"])
        return file.read(frame["coded_bytes"])


def check_pixels(p, folder, stream="cam1", seq=40):
    """Coded again, the raw bytes are what the reference recorded of that very frame."""
    with open(os.path.join(folder, PIXELS), "rb") as file:
        raw = file.read()
    told = about(folder)
    width, height = int(told["width"]), int(told["height"])
    check(len(raw) == width * height * 3 // 2 == int(told["bytes"]), "%d bytes of pixels" % len(raw))
    check(told["stream"] == stream and int(told["seq"]) == seq and int(told["run"]) == p.ledger.run,
          "the frame is named: %s" % told)
    jpeg = subprocess.run([os.path.join(harness.BIN, "encode-i420"), str(width), str(height), "85"], input=raw,
                          capture_output=True, check=True).stdout
    number = subprocess.run([os.path.join(harness.BIN, "read-numbers")], input=struct.pack("<I", len(jpeg)) + jpeg,
                            capture_output=True, check=True).stdout
    check(int(number) == seq - 1 == int(told["source_index"]), "the pixels show the number %s" % number)
    p.settings["processor"] = ""
    reference = p.reference()
    same = [f for f in p.frames(reference) if f["seq"] == seq]
    check(jpeg in [coded_bytes(p, f, reference) for f in same], "the pixels are not those of the reference")


def check_the_rest(p, frames, marked=(40,)):
    p.check_quiet()
    p.check_nothing_left()
    p.check_numbers(frames, most=50)  # their pixels; all are compared with the reference below
    p.verify()
    got = [f["seq"] for f in p.frames() if f["quarantined"]]
    check(got == list(marked), "quarantined are %s" % got)
    p.settings["processor"] = ""
    p.check_equals_reference()


def ended_by_us(p):
    """Ends a source that has no end, so that nothing has to be looked at before it; returns how many frames there are."""
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + 20, "frames to flow on")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.settings["frames"] = p.ledger.last()  # as many as the reference shall have
    return p.ledger.last()


def stop_storer(p):
    pid = p.hit("storer", signal.SIGSTOP)["pid"]
    harness.wait_stopped(pid)
    return pid


def three_deaths(make):
    p = make(frames=0, fps=100, processor=CRASH).up()
    folder = os.path.dirname(wait_for(p, ABOUT))
    listed = p.ps()["pipeline"]
    check(listed["stream"][0]["quarantined"] == 1, "ps counts it: %s" % listed)
    check(listed["quarantine"] == shelf(p), "ps names the folder: %s" % listed)
    said = p.troupe("ps", "-n", p.name).stdout
    check("cam1: 1 frame in quarantine" in said and shelf(p) in said, "ps says so: " + said)
    check_the_rest(p, ended_by_us(p))
    check(sorted(os.listdir(folder)) == [DEATHS, PIXELS, ABOUT], "in it: %s" % os.listdir(folder))
    check_reasons(folder, "SIGABRT")
    check_pixels(p, folder)
    event, = p.journal("quarantine")
    check(event["stream"] == "cam1" and event["seq"] == 40 and event["folder"] == folder and
          len(event["causes"]) == 3, "the journal tells it: %s" % event)


def is_listed(make):
    p = make(frames=120, fps=100, processor=CRASH).up()
    p.wait_end(0)
    frame, = json.loads(p.troupe("quarantine", "--json", "-n", p.name).stdout)
    check((frame["stream"], frame["seq"], frame["pixels"], len(frame["deaths"])) == ("cam1", 40, True, 3),
          "it is listed, also after the end: %s" % frame)
    said = p.troupe("quarantine", "-n", p.name).stdout
    check("frame 40 of cam1" in said and said.count("died of SIGABRT") == 3 and folder_of(p) in said,
          "it is listed for people: " + said)


def two_streams(make):
    p = make(frames=0, fps=50, processor=CRASH, extra='''stream "cam2" { source = "pattern:"
        pattern_size = "160x120" pattern_fps = 50 pattern_frames = 100 }''').up()
    for stream in ("cam1", "cam2"):
        wait_for(p, ABOUT, stream=stream)
    counts = [s["quarantined"] for s in p.ps()["pipeline"]["stream"]]
    check(counts == [1, 1], "each stream counts its own: %s" % counts)
    ended_by_us(p)
    p.check_quiet()
    for stream in ("cam1", "cam2"):
        folder = folder_of(p, stream=stream)
        check_reasons(folder, "SIGABRT")
        check_pixels(p, folder, stream)


def hangs_count(make):
    p = make(frames=120, fps=50, processor='hold = "40:60s"', hang_after="500ms", bypass_after="30s",
             slots=128).up()
    for attempt in range(3):
        def holder():
            return [w.seat for w in p.ledger.words() if w.seq == 40 and w.phase == "HELD" and w.attempts == attempt]
        seat, = await_(holder, "somebody to hold frame 40 for the %d. time" % (attempt + 1))
        who = next(s for s in p.ledger.seats() if s.number == seat)
        await_(lambda: p.worker(who.worker)["state"] == "ready", "the supervisor to know that it is ready")
        try:
            os.kill(who.pid, signal.SIGSTOP)
        except ProcessLookupError:
            pass  # on a busy machine it hung by itself
    folder = os.path.dirname(wait_for(p, ABOUT))
    p.wait_end(0)
    check_the_rest(p, 120)
    check_reasons(folder, "hung")


def twice_is_not_enough(make):
    """The program is exchanged after the second death: the frame is processed like any other."""
    p = make(frames=120, fps=100, processors=1, bypass_after="30s", slots=128,
             processor=CRASH + '  backoff = "3s"').up()
    await_(lambda: [w for w in p.ledger.words() if w.seq == 40 and w.attempts == 2], "two deaths of frame 40")
    good = os.path.join(p.folder, "good")
    with open(good, "w") as file:
        file.write("#!/bin/sh\n" + harness.needs("run /bin/grep") +
                   "rows=$(grep -v crash_on)\nexec %s/troupe-processor \"$@\" <<END\n$rows\nEND\n" % harness.BIN)
    os.chmod(good, 0o755)
    p.troupe("swap", "processor.1", "--exec", good, "-n", p.name)
    p.wait_end(0)
    check_the_rest(p, 120, marked=())
    check(not [f for f in p.frames() if f["bypassed"]], "no frame went on unprocessed")
    check(not os.path.exists(folder_of(p)), "there is no folder")


def killed_storer(make):
    """Whatever half the killed one has left, its successor leaves the whole."""
    p = make(frames=150, fps=50, processor=CRASH, hang_after="20s", slots=200).up()
    pid = stop_storer(p)
    folder = os.path.dirname(wait_for(p, DEATHS))
    await_(lambda: [w for w in p.ledger.words() if w.seq == 40 and w.marks & harness.QUARANTINED],
           "frame 40 to be owed")
    check(not os.path.exists(os.path.join(folder, ABOUT)), "the storer was stopped before")
    for half in (PIXELS + ".tmp", PIXELS):
        with open(os.path.join(folder, half), "wb") as file:
            file.write(b"half")
    os.kill(pid, signal.SIGKILL)
    wait_for(p, ABOUT)
    p.wait_end(0)
    check_the_rest(p, 150)
    check(sorted(os.listdir(folder)) == [DEATHS, PIXELS, ABOUT], "in it: %s" % os.listdir(folder))
    check_pixels(p, folder)


def killed_supervisor(make):
    p = make(frames=0, fps=50, processor=CRASH, hang_after="20s", slots=200).up()
    pid = stop_storer(p)
    folder = os.path.dirname(wait_for(p, DEATHS))
    await_(lambda: [w for w in p.ledger.words() if w.seq == 40 and w.marks & harness.QUARANTINED],
           "frame 40 to be owed")
    p.process.kill()
    p.process.wait()
    harness.go_on(pid)
    await_(lambda: not p.pids(), "the workers to end")
    check(sorted(os.listdir(folder)) == [DEATHS, PIXELS, ABOUT], "in it: %s" % os.listdir(folder))
    check_reasons(folder, "SIGABRT")
    p.verify()
    check([f["seq"] for f in p.frames() if f["quarantined"]] == [40], "it is marked in the recording")
    p.troupe("down", "-n", p.name)


def only_the_newest_are_kept(make):
    p = make(frames=0, fps=50, processor=CRASH, extra='''quarantine_keep = 1
        stream "cam2" { source = "pattern:"  pattern_fps = 50  pattern_frames = 100 }''')
    old = os.path.join(shelf(p), "1234-cam1-7")
    os.makedirs(old)
    with open(os.path.join(old, PIXELS), "w") as file:
        file.write("old")
    with open(os.path.join(shelf(p), "a file"), "w") as file:
        file.write("not a frame")
    p.up()
    await_(lambda: [s["quarantined"] for s in p.ps()["pipeline"]["stream"]] == [1, 1], "both in quarantine")
    ended_by_us(p)
    left = [f for f in os.listdir(shelf(p)) if f != "a file"]
    check(len(left) == 1 and left[0].endswith("-40"), "one folder is left: %s" % left)
    p.check_quiet()
    p.verify()


def not_recorded(make):
    p = make(frames=0, fps=100, processor=CRASH, stream="record = no").up()
    folder = os.path.dirname(wait_for(p, DEATHS))
    await_(lambda: p.ps()["pipeline"]["stream"][0]["quarantined"] == 1, "ps to count it")
    ended_by_us(p)
    p.check_quiet()
    check_reasons(folder, "SIGABRT")
    check(os.listdir(folder) == [DEATHS], "only the reasons: %s" % os.listdir(folder))
    check("reasons only" in p.troupe("quarantine", "-n", p.name).stdout, "and it says so")


def folder_not_writable(make):
    """What cannot be kept there is said, and stops nothing."""
    p = make(frames=150, fps=50, processor=CRASH, hang_after="20s", slots=200)
    p.bind_by_modes()
    p.up()
    pid = stop_storer(p)
    folder = os.path.dirname(wait_for(p, DEATHS))
    os.chmod(folder, 0o500)
    os.kill(pid, signal.SIGCONT)
    p.wait_end(0)
    check("quarantine: frame 40 of cam1 cannot be kept" in p.log("storer"), "the storer says so: " + p.log("storer"))
    check_the_rest(p, 150)
    check(os.listdir(folder) == [DEATHS], "nothing half is left: %s" % os.listdir(folder))


def no_room_for_the_pixels(make):
    """A limit on the size of a file stands for a disk that is too full for 1.4 MB, but not for a segment."""
    p = make(frames=120, fps=50, processor=CRASH, size="1280x720", slots=128)
    small = os.path.join(p.folder, "small")
    with open(small, "w") as file:
        file.write("#!/bin/sh\nulimit -f 2000\nexec %s/troupe-storer \"$@\"\n" % harness.BIN)
    os.chmod(small, 0o755)
    p.settings["storer"] = 'exec = "%s" segment_bytes = 500kB' % small
    p.up()
    folder = os.path.dirname(wait_for(p, DEATHS))
    p.wait_end(0)
    check("quarantine: frame 40 of cam1 cannot be kept" in p.log("storer"), "the storer says so: " + p.log("storer"))
    check(os.listdir(folder) == [DEATHS], "no half of a file takes room: %s" % os.listdir(folder))
    p.settings["storer"] = ""
    check_the_rest(p, 120)


harness.main({f.__name__: f for f in (
    three_deaths, is_listed, two_streams, hangs_count, twice_is_not_enough, killed_storer, killed_supervisor,
    only_the_newest_are_kept, not_recorded, folder_not_writable, no_room_for_the_pixels)})
