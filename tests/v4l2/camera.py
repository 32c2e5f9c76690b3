"""A V4L2 device as a test sees it: the kernel's own calls, by Python's ioctl; nothing here links troupe's code."""

import collections
import fcntl
import glob
import mmap
import os
import select
import struct
import subprocess

from harness import await_

CAPTURE, OUTPUT, MMAP = 1, 2, 1  # V4L2_BUF_TYPE_VIDEO_…, V4L2_MEMORY_MMAP
MAPPED, QUEUED, DONE, ERROR, MONOTONIC = 0x1, 0x2, 0x4, 0x40, 0x2000
NEXT_CONTROL = 0x80000000
READ, WRITE = 2, 1
CALLS = {name: direction << 30 | size << 16 | ord("V") << 8 | number for name, direction, number, size in [
    ("QUERYCAP", READ, 0, 104), ("ENUM_FMT", READ | WRITE, 2, 64), ("G_FMT", READ | WRITE, 4, 208),
    ("S_FMT", READ | WRITE, 5, 208), ("REQBUFS", READ | WRITE, 8, 20), ("QUERYBUF", READ | WRITE, 9, 88),
    ("QBUF", READ | WRITE, 15, 88), ("DQBUF", READ | WRITE, 17, 88), ("STREAMON", WRITE, 18, 4),
    ("STREAMOFF", WRITE, 19, 4), ("G_PARM", READ | WRITE, 21, 204), ("S_PARM", READ | WRITE, 22, 204),
    ("ENUMINPUT", READ | WRITE, 26, 80), ("G_CTRL", READ | WRITE, 27, 8), ("S_CTRL", READ | WRITE, 28, 8),
    ("QUERYCTRL", READ | WRITE, 36, 68), ("G_INPUT", READ, 38, 4), ("S_INPUT", READ | WRITE, 39, 4),
    ("S_DV_TIMINGS", READ | WRITE, 87, 132), ("G_DV_TIMINGS", READ | WRITE, 88, 132),
    ("ENUM_FRAMESIZES", READ | WRITE, 74, 44), ("ENUM_FRAMEINTERVALS", READ | WRITE, 75, 52)]}

Buffer = collections.namedtuple("Buffer", "index bytesused flags field time sequence length offset")
Control = collections.namedtuple("Control", "id type name minimum maximum step default flags")
Format = collections.namedtuple("Format", "width height fourcc stride size")


def fourcc(text):
    return struct.unpack("<I", text.encode())[0]


def code_name(number):
    """The four letters; the highest bit says that the bytes come in the other order."""
    return struct.pack("<I", number & 0x7FFFFFFF).decode() + ("-BE" if number >> 31 else "")


def text_of(raw):
    return raw.split(b"\0")[0].decode()


class Camera:
    """One open device node."""

    def __init__(self, path_or_fd):
        self.fd = path_or_fd if isinstance(path_or_fd, int) else os.open(path_or_fd, os.O_RDWR | os.O_NONBLOCK)

    def close(self):
        os.close(self.fd)

    def call(self, name, layout, *values):
        """One ioctl on the structure that begins so; returns its fields after it."""
        size = CALLS[name] >> 16 & 0x3FFF
        raw = bytearray(struct.pack(layout, *values).ljust(size, b"\0"))
        fcntl.ioctl(self.fd, CALLS[name], raw)
        return struct.unpack_from(layout, raw)

    def identity(self):
        driver, card, bus, version, _, caps = self.call("QUERYCAP", "16s32s32sIII", b"", b"", b"", 0, 0, 0)
        return text_of(driver), text_of(card), text_of(bus), version, caps

    # ---- formats ----

    def format(self):
        return self._format("G_FMT", 0, 0, 0)

    def set_format(self, width, height, code):
        return self._format("S_FMT", width, height, fourcc(code))

    def _format(self, call, *wanted):
        _, width, height, code, _, stride, size = self.call(call, "<IxxxxIIIIII", CAPTURE, *wanted, 1, 0, 0)
        return Format(width, height, code_name(code), stride, size)

    def formats(self):
        return self._list("ENUM_FMT", "<III32sI", lambda i: (i, CAPTURE, 0, b"", 0),
                          lambda f: (code_name(f[4]), text_of(f[3]), f[2]))

    def sizes(self, code):
        return self._list("ENUM_FRAMESIZES", "<IIIII", lambda i: (i, fourcc(code), 0, 0, 0), lambda f: f[2:])

    def intervals(self, code, width, height):
        return self._list("ENUM_FRAMEINTERVALS", "<IIIIIII", lambda i: (i, fourcc(code), width, height, 0, 0, 0),
                          lambda f: f[4:])

    def inputs(self):
        return self._list("ENUMINPUT", "<I32sI", lambda i: (i, b"", 0), lambda f: text_of(f[1]))

    def _list(self, call, layout, ask, answer):
        found = []
        while True:
            try:
                found.append(answer(self.call(call, layout, *ask(len(found)))))
            except OSError:
                return found

    def set_input(self, number):
        self.call("S_INPUT", "<I", number)

    def rate(self):
        """Frames a second."""
        fields = self.call("G_PARM", "<IIIII", CAPTURE, 0, 0, 0, 0)
        return fields[4] / fields[3]

    def set_rate(self, numerator, denominator):
        fields = self.call("S_PARM", "<IIIII", CAPTURE, 0, 0, denominator, numerator)
        return fields[4] / fields[3]

    # ---- buffers ----

    def request(self, count):
        return self.call("REQBUFS", "<III", count, CAPTURE, MMAP)[0]

    def query(self, index):
        return self._buffer("QUERYBUF", index)

    def queue(self, index):
        return self._buffer("QBUF", index)

    def dequeue(self):
        return self._buffer("DQBUF", 0)

    def _buffer(self, call, index):
        (index, _, used, flags, field, seconds, micros, sequence, _, offset, length) = self.call(
            call, "<IIIIIxxxxqq16xIIQI", index, CAPTURE, 0, 0, 0, 0, 0, 0, MMAP, 0, 0)
        return Buffer(index, used, flags, field, seconds + micros / 1e6, sequence, length, offset)

    def map(self, count):
        buffers = [self.query(index) for index in range(count)]
        return [mmap.mmap(self.fd, b.length, offset=b.offset) for b in buffers]

    def stream(self, on=True):
        self.call("STREAMON" if on else "STREAMOFF", "<I", CAPTURE)

    def wait(self, seconds=10):
        """What poll says when there is something; 0: nothing came. Only while it streams: before, asking whether
        there is something to read starts the driver's emulation of read(), which takes the buffers."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        said = poll.poll(seconds * 1000)
        return said[0][1] if said else 0

    def start(self, width=640, height=480, code="YUYV", rate=(25, 1), buffers=4):
        """Negotiates, maps, queues, streams; returns the format that was agreed and the mapped buffers."""
        agreed = self.set_format(width, height, code)
        self.set_rate(*rate)
        maps = self.map(self.request(buffers))
        for index in range(len(maps)):
            self.queue(index)
        self.stream()
        return agreed, maps

    def next(self):
        """The next frame, its buffer queued again at once."""
        self.wait()
        frame = self.dequeue()
        self.queue(frame.index)
        return frame

    # ---- controls ----

    def controls(self):
        found, last = [], 0
        while True:
            try:
                last, kind, name, *rest = self.call(
                    "QUERYCTRL", "<II32siiiiI", last | NEXT_CONTROL, 0, b"", 0, 0, 0, 0, 0)
            except OSError:
                return found
            found.append(Control(last, kind, text_of(name), *rest))

    def get(self, control):
        return self.call("G_CTRL", "<Ii", self.control(control), 0)[1]

    def set(self, control, value):
        return self.call("S_CTRL", "<Ii", self.control(control), value)[1]

    def control(self, name):
        if isinstance(name, int):
            return name
        for control in self.controls():
            if control.name == name:
                return control.id
        raise KeyError("the camera has no control '%s'" % name)


# ---- the drivers ----

VIVID = "vivid.0"  # one platform device, whatever the number of cameras in it
BY_PATH = "/dev/v4l/by-path/platform-vivid.0-video-index0"


def nodes():
    """The capture nodes of vivid, as paths, the first camera first."""
    found = []
    for path in glob.glob("/sys/devices/platform/%s/video4linux/video*" % VIVID):
        with open(path + "/name") as file:
            name = file.read()
        if "vid-cap" in name:
            found.append((name, "/dev/" + os.path.basename(path)))
    return [path for _, path in sorted(found)]


def unplug():
    write("/sys/bus/platform/drivers/vivid/unbind", VIVID)


def plug():
    write("/sys/bus/platform/drivers/vivid/bind", VIVID)


def await_link(there):
    """Links come and go a moment after their nodes."""
    await_(lambda: os.path.realpath(BY_PATH) in nodes() if there else not os.path.lexists(BY_PATH),
           "the link to %s" % ("come" if there else "go"))


def renew():
    """Unplugs vivid and plugs it in again: it forgets what it was set to."""
    unplug()
    await_link(False)
    plug()
    await_link(True)


def load(driver, *parameters):
    """Loads a driver, anew if it is there; nobody may have its devices open then."""
    if os.path.exists("/sys/module/" + driver):
        subprocess.run(["/bin/busybox", "rmmod", driver], check=True)
        if driver == "vivid":
            await_link(False)
    subprocess.run(["/bin/busybox", "modprobe", driver, *parameters], check=True)
    if driver == "vivid":
        await_link(True)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Feeder:
    """The other side of a v4l2loopback device: what is written here is what its readers get. Numbers count what was
    written; a reader that is slower than the writer misses frames, whatever buffers it has queued."""

    def __init__(self, path, width, height, code):
        self.fd = os.open(path, os.O_RDWR)
        raw = bytearray(struct.pack("<IxxxxIIII", OUTPUT, width, height, fourcc(code), 1).ljust(208, b"\0"))
        fcntl.ioctl(self.fd, CALLS["S_FMT"], raw)

    def feed(self, frame):
        os.write(self.fd, frame)

    def close(self):
        os.close(self.fd)
