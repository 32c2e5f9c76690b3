"""Cameras in a pipeline: capture killed while the stream runs, every fault that the driver can be told to have, formats."""

import os
import re
import signal
import struct
import subprocess
import time

import camera
from camera import Camera
from harness import BIN, await_, catch, check
from test_programs import Areas

# A frame every 100 ms: this machine is emulated, and a capture takes a while to start.
SMALL = 'size = "320x180"  fps = 10  buffers = 32  max_restarts = 100000  '


def pipeline(make, more="", **settings):
    return make(source=camera.BY_PATH, stream=SMALL + more, slots=64, **settings).up()


def grown(p, frames=3):
    """Waits for more frames."""
    at = p.ledger.last()
    await_(lambda: p.ledger.last() >= at + frames, "%d more frames" % frames, 60)


def check_recording(p):
    """Every frame is stored once, and the driver's numbers are the stored ones and what was counted."""
    p.troupe("down", "-n", p.name, limit=60)
    p.wait_end()
    p.verify()
    frames = p.frames()
    check([f["seq"] for f in frames] == list(range(1, len(frames) + 1)), "the numbers have holes")
    drops = 0
    for f in frames:
        drops += sum(f["drops_" + reason] for reason in ("no_slot", "device", "damaged", "size"))
        check(f["source_index"] == f["seq"] - 1 + drops,
              "frame %d is the camera's %d after %d drops" % (f["seq"], f["source_index"], drops))
    check(all(a["pts"] < b["pts"] for a, b in zip(frames, frames[1:])), "times stand still")
    return frames


def caught_up(p):
    """Waits until capture has taken what had piled up: then frames come as slowly as the camera sends them."""
    def at_its_pace():
        begun = time.monotonic()
        grown(p, 2)
        return time.monotonic() - begun > 0.12
    await_(at_its_pace, "capture to catch up", 60)


def capture(p):
    return await_(lambda: next((s for s in p.ledger.seats() if s.worker == "capture.cam1" and s.pid), None),
                  "a capture", 60)


def kills_lose_nothing(make):
    kills = int(os.environ.get("TROUPE_KILLS", "30"))
    p = pipeline(make)
    for i in range(kills):
        grown(p)
        caught_up(p)
        seat = capture(p)
        if i % 2:  # while a buffer is out, which it is as long as a slot is filled from it
            await_(lambda: catch(seat.pid, lambda: [w for w in p.ledger.held_by(seat.number) if w.phase == "FILLING"]),
                   "a slot to be filled", 60)
        os.kill(seat.pid, signal.SIGKILL)
        await_(lambda: capture(p).number != seat.number, "the next capture", 60)
    grown(p, 5)
    frames = {f["source_index"] for f in check_recording(p)}
    log = p.log("capture.cam1")
    full = [int(n) for n in re.findall(r"(\d+) of its 32 buffers are full", log)]
    salvaged = [int(n) for n in re.findall(r"frame (\d+) was out and is salvaged", log)]
    check(len(full) == kills, "%d captures went on with the stream after %d kills" % (len(full), kills))
    check(len(salvaged) >= kills // 3, "only %d frames were out" % len(salvaged))
    check(len(set(salvaged)) == len(salvaged), "a frame was salvaged twice")
    check(frames.issuperset(salvaged), "salvaged and not stored: %s" % sorted(set(salvaged) - frames))
    print("     %d kills, %d frames salvaged, at most %d buffers full; the driver lost %d of %d" % (
        kills, len(salvaged), max(full), max(frames) + 1 - len(frames), max(frames) + 1))


def every_fault_is_named_and_mended(make):
    p = pipeline(make)
    cam = Camera(camera.nodes()[0])
    said = lambda text: await_(lambda: text in p.log("capture.cam1"), "the log to say " + text, 30)
    grown(p)
    for fault, text in (("Inject V4L2_BUF_FLAG_ERROR", "is damaged: the driver says so"),
                        ("Inject VIDIOC_QBUF Error", "qbuf: Invalid argument; it is tried again"),
                        ("Inject Fatal Streaming Error", "dqbuf: Input/output error")):
        cam.set(fault, 1)
        said(text)
        grown(p)
    for fault, text in (("Inject VIDIOC_REQBUFS Error", "reqbufs: Invalid argument"),
                        ("Inject VIDIOC_STREAMON Error", "streamon: Invalid argument")):
        cam.set(fault, 1)
        cam.set("Inject Fatal Streaming Error", 1)
        said(text)
        grown(p)
    cam.set("Percentage of Dropped Buffers", 50)
    grown(p, 10)
    cam.set("Percentage of Dropped Buffers", 100)
    said("frames: none for")
    cam.set("Percentage of Dropped Buffers", 0)
    grown(p)
    cam.close()
    check(p.worker("capture.cam1")["restarts"] == 0, "capture did not mend it itself")
    frames = check_recording(p)
    check(sum(f["drops_damaged"] for f in frames) == 1, "the damaged frame is not counted")
    check(sum(f["drops_device"] for f in frames) >= 3, "what the driver dropped is not counted")


def a_camera_comes_back(make):
    p = pipeline(make)
    for way in ("unbound", "disconnected"):
        grown(p)
        before = capture(p)
        if way == "disconnected":
            cam = Camera(camera.nodes()[0])
            cam.set("Disconnect", 1)
            cam.close()
        camera.unplug()
        await_(lambda: p.worker("capture.cam1")["state"] == "no device", "the state 'no device'", 30)
        camera.plug()
        await_(lambda: capture(p).number != before.number, "a new capture", 60)
    grown(p)
    check("no device: " in p.log("capture.cam1"), "it does not say that it has no device")
    check_recording(p)


def controls_are_set_and_checked(make):
    p = pipeline(make, 'controls = "brightness=140, menu=3, horizontal_flip=1"')
    cam = Camera(camera.nodes()[0])
    check((cam.get("Brightness"), cam.get("Horizontal Flip")) == (140, 1), "the controls are not set")
    check("brightness" in p.troupe("devices").stdout, "troupe devices does not list it")
    cam.set("Horizontal Flip", 0)
    cam.close()
    check_recording(p)
    for controls, valid in (("brightness=256", "0 to 255"), ("menu=2", "1 (Menu Item 1), 3 (Menu Item 3)"),
                            ("brightnes=1", "brightness, contrast")):
        told = make(source=camera.BY_PATH, stream=SMALL + 'controls = "%s"' % controls).start()
        check(valid in told, "%s: %s" % (controls, told))


def formats_look_alike(make):
    """What we convert ourselves, and what libv4lconvert does, make the same picture of the test pattern."""
    cam = Camera(camera.nodes()[0])
    cam.set("OSD Text Mode", 2)  # nothing that changes
    cam.close()
    seen, said = {}, {}
    for code in os.environ.get("TROUPE_FORMATS", "YU12 NV21 YUYV RGB3 RGBP").split():
        p = pipeline(make, 'format = "%s"' % code)
        grown(p, 2)
        check("delivers %s 320x180" % code in p.log("capture.cam1"), "it is another format than " + code)
        check_recording(p)
        seen[code], said[code] = view_of(p), p.log("capture.cam1")
    for code, view in seen.items():
        worst = max(abs(a - b) for a, b in zip(view, seen["YU12"]))
        # libv4lconvert is not as exact as we are.
        check(worst <= (24 if "(emulated)" in said[code] else 8), "%s differs by %d: %s, %s" % (code, worst, view, seen["YU12"]))


def view_of(p):
    """The colours in the middle of each of the pattern's eight bars."""
    streams_at = struct.unpack_from("<QIIIIQQQ", p.ledger.memory)[7]
    width, height = struct.unpack_from("<II", p.ledger.memory, streams_at + 48)
    _, view = Areas(p.ledger).copy()
    row = view[height // 2 * width * 3:][:width * 3]
    return [row[width * (2 * bar + 1) // 16 * 3 + colour] for bar in range(8) for colour in range(3)]


def without_tables(jpeg):
    """As cameras send it: no Huffman tables."""
    at = 2
    while jpeg[at + 1] != 0xDA:
        size = 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
        if jpeg[at + 1] == 0xC4:
            jpeg = jpeg[:at] + jpeg[at + size:]
        else:
            at += size
    return jpeg


def numbered_jpegs(count):
    out = subprocess.run([os.path.join(BIN, "numbered-jpegs"), "320", "240", "0", str(count)], capture_output=True,
                         check=True).stdout
    found, at = [], 0
    while at < len(out):
        size = struct.unpack_from("<I", out, at)[0]
        found.append(without_tables(out[at + 4:at + 4 + size]))
        at += 4 + size
    return found


def a_jpeg_is_stored_as_it_came(make):
    camera.load("v4l2loopback", "exclusive_caps=1", "video_nr=20", "max_buffers=8")
    feeder = camera.Feeder("/dev/video20", 320, 240, "MJPG")
    jpegs = numbered_jpegs(50)
    feeder.feed(jpegs[0])
    p = make(source="/dev/video20", stream="buffers = 8", slots=64).up()
    check("delivers MJPG 320x240" in p.log("capture.cam1"), "it is no MJPG")
    for jpeg in jpegs:
        feeder.feed(jpeg)
        time.sleep(0.1)  # the camera's pace
    await_(lambda: p.ledger.last() >= 20, "20 of 50 frames", 30)
    check(capture(p) is not None, "there is no capture")
    frames = check_recording(p)
    feeder.close()
    numbers = p.pixel_numbers(frames)
    for frame, number in zip(frames, numbers):
        with open(os.path.join(p.recording, "segments", "%06d.seg" % frame["segment"]), "rb") as file:
            file.seek(frame["offset"] + 240)
            stored = file.read(frame["coded_bytes"])
        check(without_tables(stored) == jpegs[number], "frame %d, which shows %d, is not what was fed" % (
            frame["seq"], number))


TESTS = {f.__name__: f for f in (kills_lose_nothing, every_fault_is_named_and_mended, a_camera_comes_back,
                                 controls_are_set_and_checked, formats_look_alike,
                                 a_jpeg_is_stored_as_it_came)}
