"""What the test machine's cameras do, as the capture relies on it: the facts of README.md here, checked."""

import errno
import os
import select
import signal

import camera
from camera import DONE, ERROR, MAPPED, MONOTONIC, QUEUED, Camera
from harness import await_, check

GONE = select.POLLERR | select.POLLHUP


def check_error(code, call, *args):
    try:
        call(*args)
    except OSError as fault:
        check(fault.errno == code, "%s: %s, not %s" % (call.__name__, fault, os.strerror(code)))
    else:
        check(False, "%s%r worked" % (call.__name__, args))


def in_child(work):
    """Runs work(tell) in a child that shares every descriptor; returns its pid and what it told first."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(lambda text: os.write(writer, text.encode()))
        finally:
            os._exit(1)
    os.close(writer)
    told = os.read(reader, 1000).decode()
    os.close(reader)
    return pid, told


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def streams(_make):
    device = Camera(camera.nodes()[0])
    agreed, _ = device.start()
    check(agreed[:3] == (640, 480, "YUYV"), "agreed on %s" % (agreed,))
    frames = [device.next() for _ in range(25)]
    for before, after in zip(frames, frames[1:]):
        check(after.sequence > before.sequence and after.time > before.time, "%s after %s" % (after, before))
    check(all(f.flags == MAPPED | MONOTONIC and f.bytesused == 640 * 480 * 2 for f in frames), "%s" % frames)
    check(frames[0].sequence == 0, "the first frame has the number %d" % frames[0].sequence)
    device.close()


def negotiates(_make):
    device = Camera(camera.nodes()[0])
    codes = [code for code, _, _ in device.formats()]
    check({"YUYV", "RGB3", "NV12", "YU12"} <= set(codes) and "MJPG" not in codes, "formats: %s" % codes)
    for width, height, fastest in ((640, 480, 25), (1280, 720, 12.5), (1920, 1080, 5)):
        check((1, width, height) in device.sizes("YUYV"), "no %d×%d" % (width, height))
        device.set_format(width, height, "YUYV")
        check(device.set_rate(1000, 1) == fastest, "the fastest rate is not %g" % fastest)
    check(device.set_format(640, 480, "MJPG").fourcc == "YUYV", "a format that is not there was agreed on")
    device.close()


def controls(_make):
    device = Camera(camera.nodes()[0])
    rows = {control.name: control for control in device.controls()}
    brightness = rows["Brightness"]
    check((brightness.minimum, brightness.maximum, brightness.default) == (0, 255, 128), "%s" % (brightness,))
    check(device.set("Brightness", 999) == 255, "a value out of range is not clamped")
    check_error(errno.EACCES, device.set, "Read-Only Integer 32 Bits", 1)
    check_error(errno.EINVAL, device.set, 0x980999, 1)
    device.set("Brightness", 128)
    device.close()


def injected_faults(_make):
    device = Camera(camera.nodes()[0])
    device.start()
    device.set("Inject V4L2_BUF_FLAG_ERROR", 1)
    flags = [device.next().flags & ERROR for _ in range(6)]
    check(flags.count(ERROR) == 1, "not one buffer in error: %s" % flags)
    device.wait()
    frame = device.dequeue()
    device.set("Inject VIDIOC_QBUF Error", 1)
    check_error(errno.EINVAL, device.queue, frame.index)
    check(not device.query(frame.index).flags & (QUEUED | DONE), "it was queued in spite of the error")
    device.queue(frame.index)
    device.set("Inject Fatal Streaming Error", 1)
    await_(lambda: device.wait() & select.POLLERR, "the fatal error")
    check_error(errno.EIO, device.dequeue)
    device.stream(False)
    device.set("Inject VIDIOC_STREAMON Error", 1)
    for index in range(4):
        device.queue(index)
    check_error(errno.EINVAL, device.stream)
    device.stream()
    check(device.next().sequence == 0, "numbers do not begin again with the stream")
    device.close()
    device = Camera(camera.nodes()[0])
    device.set("Inject VIDIOC_REQBUFS Error", 1)
    check_error(errno.EINVAL, device.request, 4)
    check(device.request(4) == 4, "the second request fails as well")
    device.close()


def drops(_make):
    device = Camera(camera.nodes()[0])
    device.start()
    device.next()
    device.set("Percentage of Dropped Buffers", 50)
    numbers = [device.next().sequence for _ in range(12)]
    check(numbers[-1] - numbers[0] > 11, "no number is missing in %s" % numbers)
    device.set("Percentage of Dropped Buffers", 100)
    while device.wait(0.5):
        device.next()
    check_error(errno.EAGAIN, device.dequeue)
    device.set("Percentage of Dropped Buffers", 0)
    check(device.next().sequence > numbers[-1] + 1, "dropped frames were not numbered")
    device.close()


def killed_holder(_make):
    """What the next incarnation finds: the stream runs on; the buffer that was out says which frame it has."""
    device = Camera(camera.nodes()[0])

    def hold_one(tell):
        device.start()
        for _ in range(3):
            device.next()
        device.wait()
        frame = device.dequeue()
        tell("%d %d %.6f" % (frame.index, frame.sequence, frame.time))
        signal.pause()
    pid, told = in_child(hold_one)
    kill(pid)
    out, sequence, time = told.split()
    held = device.query(int(out))
    check(held.flags == MONOTONIC, "the buffer that is out has flags %#x" % held.flags)
    check("%d %.6f" % (held.sequence, held.time) == sequence + " " + time, "%s, not %s" % (held, told))
    others = [device.query(index) for index in range(4) if index != held.index]
    check(all(b.flags & (QUEUED | DONE) for b in others), "%s" % others)
    check_error(errno.EBUSY, device.set_format, 640, 480, "YUYV")
    check_error(errno.EBUSY, device.request, 4)
    device.stream()
    check(device.query(held.index) == held, "starting a running stream is not without effect")
    await_(lambda: all(device.query(b.index).flags & DONE for b in others), "the stream to run on")
    numbers = sorted(device.query(b.index).sequence for b in others)
    check(numbers[0] > held.sequence, "%s after %d" % (numbers, held.sequence))
    device.queue(held.index)
    check([device.next().sequence for _ in others] == numbers, "not in order")
    device.close()


def unplugged(_make):
    node = camera.nodes()[0]
    device = Camera(node)
    _, maps = device.start()
    device.next()
    camera.unplug()
    camera.await_link(False)
    check(not os.path.exists(node) and not camera.nodes(), "the node is still there")
    check(device.wait() & GONE == GONE, "poll does not say that it is gone")
    check_error(errno.ENODEV, device.dequeue)
    check_error(errno.ENODEV, device.query, 0)
    check(len(maps[0][:]) == 640 * 480 * 2, "its memory is gone")
    camera.plug()
    camera.await_link(True)
    again = camera.nodes()[0]
    check(again != node, "the number is free while the old descriptor is held")
    check(os.path.realpath(camera.BY_PATH) == again, "the link does not lead to %s" % again)
    check_error(errno.ENODEV, device.identity)
    device.close()
    device = Camera(camera.BY_PATH)
    device.start()
    check(device.next().sequence == 0, "no new stream")
    device.close()


def disconnected(_make):
    """As if the cable were pulled while the node stays."""
    device = Camera(camera.nodes()[0])
    device.start()
    device.set("Disconnect", 1)
    check(device.wait() & GONE == GONE, "poll does not say that it is gone")
    check_error(errno.ENODEV, device.dequeue)
    check_error(errno.ENODEV, Camera, camera.nodes()[0])
    device.close()
    camera.renew()
    Camera(camera.nodes()[0]).close()


def two_with_hdmi(_make):
    camera.load("vivid", "n_devs=2", "num_inputs=1,1", "input_types=0,3")
    devices = [Camera(path) for path in camera.nodes()]
    check([d.identity()[2] for d in devices] == ["platform:vivid-000", "platform:vivid-001"], "%s" % camera.nodes())
    check(devices[1].inputs() == ["HDMI 0"], "inputs: %s" % devices[1].inputs())
    check(devices[1].format()[:2] == (1280, 720) and devices[1].rate() == 60, "%s" % (devices[1].format(),))
    for device in devices:
        device.start(*device.format()[:2])
        device.next()
        device.close()
    camera.load("vivid")


def loopback_gives_jpeg(_make):
    camera.load("v4l2loopback", "exclusive_caps=1", "video_nr=20")
    feeder = camera.Feeder("/dev/video20", 640, 480, "MJPG")
    feeder.feed(b"\xff\xd8 one \xff\xd9")
    device = Camera("/dev/video20")
    check([code for code, _, _ in device.formats()] == ["MJPG"], "formats: %s" % device.formats())
    agreed, maps = device.start(code="MJPG")
    check(agreed[:3] == (640, 480, "MJPG"), "agreed on %s" % (agreed,))
    device.wait()
    device.queue(device.dequeue().index)  # fed before the stream began: has not kept its length
    for number in range(8):
        jpeg = b"\xff\xd8 %d \xff\xd9" % number
        feeder.feed(jpeg)
        device.wait()
        frame = device.dequeue()
        check(maps[frame.index][:frame.bytesused] == jpeg, "frame %d has %d bytes" % (number, frame.bytesused))
        device.queue(frame.index)
    device.close()
    feeder.close()
    await_(lambda: os.listdir("/dev/v4l/by-path") == [os.path.basename(camera.BY_PATH)], "the one link")


TESTS = {f.__name__: f for f in (
    streams, negotiates, controls, injected_faults, drops, killed_holder, unplugged, disconnected, two_with_hdmi,
    loopback_gives_jpeg)}
