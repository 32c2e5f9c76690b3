"""Cameras in a pipeline: every fault that the driver can be told to have, unplugging, controls, JPEG."""

import os
import struct
import subprocess
import time

import camera
from camera import Camera
from harness import BIN, await_, check
from rig import PATIENT, capture, check_recording, grown, pipeline


def lost_by_device(p):
    drops = p.status()["pipeline"]["stream"][0]["drop"] or []
    return sum(drop["count"] for drop in drops if drop["reason"].startswith("the driver"))


def every_fault_is_named_and_mended(make):
    p = pipeline(make).up()
    cam = Camera(camera.nodes()[0])

    def after(fault, text):
        told = p.log("capture.cam1").count(text)
        cam.set(fault, 1)
        await_(lambda: p.log("capture.cam1").count(text) > told, "the log to say " + text, 60)
    grown(p)
    after("Inject V4L2_BUF_FLAG_ERROR", "is damaged: the driver says so")
    grown(p, 1)
    after("Inject VIDIOC_QBUF Error", "qbuf: Invalid argument; it is tried again")
    # Whichever call comes next is told of it.
    after("Inject Fatal Streaming Error", "buf: Input/output error; its stream is set up anew")
    grown(p)
    for fault, text in (("Inject VIDIOC_REQBUFS Error", "reqbufs: Invalid argument"),
                        ("Inject VIDIOC_STREAMON Error", "streamon: Invalid argument")):
        cam.set(fault, 1)
        after("Inject Fatal Streaming Error", text)
        grown(p)
    cam.set("Percentage of Dropped Buffers", 50)
    lost = lost_by_device(p)
    await_(lambda: lost_by_device(p) > lost + 2, "drops to be counted", 60)
    cam.set("Percentage of Dropped Buffers", 100)
    await_(lambda: "frames: none for" in p.log("capture.cam1"), "it to say that nothing comes", 60)
    cam.set("Percentage of Dropped Buffers", 0)
    grown(p)
    cam.close()
    check(p.worker("capture.cam1")["restarts"] == 0, "capture did not mend it itself")
    frames = check_recording(p)
    check(sum(f["drops_damaged"] for f in frames) == 1, "the damaged frame is not counted")
    check(sum(f["drops_device"] for f in frames) >= 3, "what the driver dropped is not counted")


def controls_are(brightness, flip):
    cam = Camera(camera.nodes()[0])
    now = cam.get("Brightness"), cam.get("Horizontal Flip")
    cam.close()
    check(now == (brightness, flip), "the controls are %s" % (now,))


def a_camera_comes_back(make):
    """As the same stream, with the controls that are its own."""
    p = pipeline(make, 'controls = "brightness=140, menu=3, horizontal_flip=1"').up()
    controls_are(140, 1)
    check("brightness" in p.troupe("devices").stdout, "troupe devices does not list it")
    for way in ("unbound", "disconnected"):
        grown(p)
        before = capture(p)
        if way == "disconnected":
            cam = Camera(camera.nodes()[0])
            cam.set("Disconnect", 1)
            cam.close()
        camera.unplug()
        await_(lambda: p.worker("capture.cam1")["state"] == "no device", "the state 'no device'", 60)
        camera.plug()
        await_(lambda: capture(p).number != before.number, "a new capture", 60)
    grown(p)
    controls_are(140, 1)
    check("no device: " in p.log("capture.cam1"), "it does not say that it has no device")
    check_recording(p)
    camera.renew()


def wrong_controls_are_refused(make):
    told = pipeline(make, 'controls = "brightness=256"').start()
    check("0 to 255" in told, "it is told " + told)
    for controls, valid in (("menu=2", "1 (Menu Item 1), 3 (Menu Item 3)"), ("brightnes=1", "brightness, contrast")):
        probe = subprocess.run([os.path.join(BIN, "troupe-capture"), "--probe"], text=True, capture_output=True,
                               input="source=%s\ncontrols=%s\n" % (camera.BY_PATH, controls))
        check(probe.returncode != 0 and valid in probe.stderr, "%s: %s" % (controls, probe))


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


def feed(p, feeder, jpeg):
    """Until a frame of it is there: the driver does not wait for who is slow, nor keeps what nobody waits for."""
    last = p.ledger.last()

    def is_there():
        feeder.feed(jpeg)
        until = time.monotonic() + 1
        while p.ledger.last() == last and time.monotonic() < until:
            time.sleep(0.005)
        return p.ledger.last() > last
    await_(is_there, "a frame", 60)


def a_jpeg_is_stored_as_it_came(make):
    camera.load("v4l2loopback", "exclusive_caps=1", "video_nr=20", "max_buffers=8")
    feeder = camera.Feeder("/dev/video20", 320, 240, "MJPG")
    jpegs = numbered_jpegs(12)
    feeder.feed(jpegs[0])
    p = pipeline(make, source="/dev/video20", rows=PATIENT + "buffers = 8").up()
    check("delivers MJPG 320x240" in p.log("capture.cam1"), "it is no MJPG")
    for jpeg in jpegs:
        feed(p, feeder, jpeg)
    frames = check_recording(p)
    feeder.close()
    numbers = p.pixel_numbers(frames)
    for frame, number in zip(frames, numbers):
        with open(os.path.join(p.recording, "segments", "%06d.seg" % frame["segment"]), "rb") as file:
            file.seek(frame["coded_at"])
            stored = file.read(frame["coded_bytes"])
        check(without_tables(stored) == jpegs[number], "frame %d, which shows %d, is not what was fed" % (
            frame["seq"], number))


TESTS = {f.__name__: f for f in (every_fault_is_named_and_mended, a_camera_comes_back, wrong_controls_are_refused,
                                 a_jpeg_is_stored_as_it_came)}
