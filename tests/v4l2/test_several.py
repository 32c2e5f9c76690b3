"""Several cameras at once, alike in all but their driver's number for them: formats, an HDMI input, and who is who."""

import os
import struct

import camera
from camera import Camera
from harness import await_, check
from rig import PATIENT, SMALL, capture, check_recording, end, pipeline
from test_programs import Areas, shows, up

FORMATS = ("YU12", "NV21", "YUYV", "RGBP")  # ours, and one that libv4lconvert does
HDMI = "cam%d" % (len(FORMATS) + 1)
SLOTS = 16


def cameras(number):
    """Webcams whose picture does not change, and at last an HDMI input, with 60 frames/s of 1280×720."""
    kinds = ["0"] * (number - 1) + ["3"]
    camera.load("vivid", "n_devs=%d" % number, "num_inputs=" + ",".join(["1"] * number),
                "input_types=" + ",".join(kinds))
    for node in camera.nodes():
        device = Camera(node)
        device.set("OSD Text Mode", 2)
        device.close()


def stream(name, source, rows):
    return 'stream "%s" { source = "%s"  slots = %d  %s }\n' % (name, source, SLOTS, rows)


def start(make):
    cameras(len(FORMATS) + 1)
    first, *others = ['format = "%s"' % code for code in FORMATS]
    nodes = camera.nodes()
    extra = "".join(stream("cam%d" % (i + 2), nodes[i + 1], SMALL + form) for i, form in enumerate(others))
    return pipeline(make, first, source=nodes[0], slots=SLOTS, extra=extra + stream(HDMI, nodes[-1], PATIENT)).up()


def streams(p):
    return {s["name"]: s for s in p.status()["pipeline"]["stream"]}


def stored(p, more=3):
    """Waits until some more frames of each stream are stored."""
    before = {name: s["stored"] for name, s in streams(p).items()}
    await_(lambda: all(s["stored"] >= before[name] + more for name, s in streams(p).items()),
           "%d frames of each camera" % more, 120)


def check_who_is_who(p):
    """The number in the stream's name is one more than the driver's: told by the node that its capture has open."""
    for i in range(len(FORMATS) + 1):
        node = os.path.basename(os.readlink("/proc/%d/fd/5" % capture(p, "capture.cam%d" % (i + 1)).pid))
        with open("/sys/class/video4linux/%s/name" % node) as file:
            check(file.read().strip() == "vivid-%03d-vid-cap" % i, "cam%d has %s" % (i + 1, node))


def view_of(p, stream):
    """The colours in the middle of each of the pattern's eight bars."""
    areas, first = Areas(p.ledger), stream * SLOTS  # all streams have areas of one size, but the last one
    width, height = struct.unpack_from("<II", p.ledger.memory, struct.unpack_from("<QIIIIQQQ", p.ledger.memory)[7] + 48)
    slot = await_(lambda: next((i for i in range(first, first + SLOTS) if shows(p.ledger.words()[i])), None), "a view")
    at = areas.areas_at + slot * areas.stride + up(areas.image_size, 64) + height // 2 * width * 3
    row = p.ledger.memory[at:at + width * 3]
    return [row[width * (2 * bar + 1) // 16 * 3 + colour] for bar in range(8) for colour in range(3)]


def check_views(p):
    """What we convert ourselves, and what libv4lconvert does, make the same picture."""
    views = [view_of(p, i) for i in range(len(FORMATS))]
    check(max(views[0]) - min(views[0]) > 150, "there is no picture: %s" % views[0])
    for i, code in enumerate(FORMATS):
        log = p.log("capture.cam%d" % (i + 1))
        check("delivers %s 320x180 at 10/s" % code in log, "it is another format than " + code)
        worst = max(abs(a - b) for a, b in zip(views[i], views[0]))
        # libv4lconvert is not as exact as we are.
        check(worst <= (24 if "(emulated)" in log else 8), "%s differs by %d: %s, %s" % (
            code, worst, views[i], views[0]))


def several_at_once(make):
    p = start(make)
    check_who_is_who(p)
    check(" 1280x720 at 60/s" in p.log("capture." + HDMI), "it is another mode: " + p.log("capture." + HDMI))
    stored(p)
    check_views(p)
    camera.unplug()
    await_(lambda: all(w["state"] == "no device" for w in p.ps()["worker"] if w["name"].startswith("capture.")),
           "all to be without a device", 60)
    camera.plug()
    stored(p)
    check_who_is_who(p)
    end(p)
    for i in range(len(FORMATS) + 1):
        check_recording(p, "cam%d" % (i + 1))
    camera.load("vivid")


TESTS = {f.__name__: f for f in (several_at_once,)}
