"""What tests of cameras in a pipeline share: a pipeline that a slow machine does not hurry, and what must hold of its
recording."""

import time

import camera
from harness import await_, check

# This machine is emulated, by one that may be busy: what a person would call a hang is none here.
PATIENT = 'ready_timeout = "120s"  '
# A frame every 100 ms, and as many buffers as there can be: a capture takes a while to start.
SMALL = PATIENT + 'size = "320x180"  fps = 10  buffers = 32  max_restarts = 100000  backoff_max = "1ms"  '
REASONS = ("no_slot", "device", "damaged", "size")


def pipeline(make, stream="", source=camera.BY_PATH, rows=SMALL, **settings):
    """One stream of a camera, recorded by as few processes as can be."""
    return make(**dict(dict(
        source=source, stream=rows + stream, slots=64, processors=1, processor=PATIENT, storer=PATIENT,
        trainer="enabled = no", display="enabled = no", hang_after="60s", bypass_after="50s"), **settings))


def grown(p, frames=3):
    """Waits for more frames."""
    at = p.ledger.last()
    await_(lambda: p.ledger.last() >= at + frames, "%d more frames" % frames, 60)


def caught_up(p):
    """Waits until capture has taken what had piled up: then frames come as slowly as the camera sends them."""
    def at_its_pace():
        begun = time.monotonic()
        grown(p, 2)
        return time.monotonic() - begun > 0.12
    await_(at_its_pace, "capture to catch up", 60)


def capture(p, name="capture.cam1"):
    """The seat of who plays, or is about to."""
    return await_(lambda: next((s for s in p.ledger.seats() if s.worker == name and s.pid), None), "a capture", 60)


def end(p):
    p.troupe("down", "-n", p.name, limit=60)
    p.wait_end()
    p.verify()


def check_recording(p, stream="cam1"):
    """Ends the pipeline. Every frame is stored once, and the driver's numbers are the stored ones and what was
    counted. Returns the stream's frames."""
    if p.process.poll() is None:
        end(p)
    frames = [f for f in p.frames() if f["stream"] == stream]
    check([f["seq"] for f in frames] == list(range(1, len(frames) + 1)), "the numbers have holes")
    drops = 0
    for f in frames:
        drops += sum(f["drops_" + reason] for reason in REASONS)
        check(f["source_index"] == f["seq"] - 1 + drops,
              "frame %d is the camera's %d after %d drops" % (f["seq"], f["source_index"], drops))
    check(all(a["pts"] < b["pts"] for a, b in zip(frames, frames[1:])), "times stand still")
    return frames
