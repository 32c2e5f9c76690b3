"""H.264 as it came, for tests: clips whose pictures show their numbers, and what a recording made of their access
units, judged by libavcodec alone (h264_units.c)."""

import os
import struct
import subprocess

from harness import BIN, PATIENCE, check

JPEG, H264, H264_KEY = 0, 1, 2
GOP = 12  # of write-clip


def clip(folder, frames=100, fps=50, b_frames=0, size=(320, 240), codec="libx264", ending="mp4"):
    path = os.path.join(folder, "clip-%s-%d.%s" % (codec, b_frames, ending))
    args = [path, codec, *size, fps, frames, 0, 0, b_frames]
    subprocess.run([os.path.join(BIN, "write-clip"), *map(str, args)], check=True, capture_output=True)
    return path


def units_of(path, *most):
    """The access units of a file or stream, in its order."""
    raw = subprocess.run([os.path.join(BIN, "h264-units"), "list", path, *map(str, most)], capture_output=True,
                         check=True, timeout=60 * PATIENCE).stdout
    found, at = [], 0
    while at < len(raw):
        length, = struct.unpack_from("<I", raw, at)
        found.append(raw[at + 4:at + 4 + length])
        at += 4 + length
    return found


def read_units(p, frames, folder=None):
    """Adds "dts" and "unit" to the rows of H.264 frames, from their records."""
    for f in frames:
        if f["coding"] == JPEG:
            continue
        with open(os.path.join(folder or p.recording, "segments", "%06d.seg" % f["segment"]), "rb") as file:
            file.seek(f["offset"] + 240)
            f["dts"], f["lacks"], _ = struct.unpack("<qII", file.read(16))
            file.seek(f["coded_at"])
            f["unit"] = file.read(f["coded_bytes"])
    return frames


def groups(frames):
    """Rows of frames that are decoded together: from each key unit on."""
    found = []
    for f in frames:
        if f["coding"] == H264_KEY:
            found.append([])
        if f["coding"] != JPEG:
            check(found, "frame %d has no key unit before it" % f["seq"])
            check(not found[-1] or found[-1][-1]["seq"] == f["seq"] - 1,
                  "frame %d is not right behind the access units that it needs" % f["seq"])
            check(f["coding"] == H264_KEY or found[-1][-1]["segment"] == f["segment"],
                  "frame %d needs another segment" % f["seq"])
            found[-1].append(f)
    return found


def shown(p, frames):
    """The numbers in the pixels of all frames by their seq, each H.264 frame decoded from its key unit on with what is
    stored behind it, in the order of their dts."""
    read_units(p, frames)
    jpegs = [f for f in frames if f["coding"] == JPEG]
    numbers = dict(zip([f["seq"] for f in jpegs], p.pixel_numbers(jpegs) if jpegs else []))
    data = b""
    for group in groups(frames):
        for f in sorted(group, key=lambda f: f["dts"]):
            data += struct.pack("<QI", f["seq"], len(f["unit"])) + f["unit"]
        data += struct.pack("<QI", 0, 0)
    done = subprocess.run([os.path.join(BIN, "h264-units"), "show"], input=data, capture_output=True,
                          timeout=60 * PATIENCE)
    check(done.returncode == 0, "h264-units failed")
    order = [tuple(map(int, line.split())) for line in done.stdout.split(b"\n") if line]
    check([seq for seq, _ in order] == sorted(seq for seq, _ in order),
          "pictures come out in another order than they were captured: %s" % order[:20])
    numbers.update(order)
    return numbers


def check_shown(p, frames, length=None):
    """Every frame can be shown, and is the one that was captured; `length` frames are in the file."""
    numbers = shown(p, frames)
    for f in frames:
        wanted = f["source_index"] % length if length else None
        got = numbers.get(f["seq"])
        check(got is not None, "frame %d cannot be shown" % f["seq"])
        check(got == wanted if length else got >= 0, "frame %d shows the number %s, not %s" % (f["seq"], got, wanted))
    return numbers


def numbers_in(paths):
    """The numbers in the pixels of JPEG files."""
    data = b""
    for path in paths:
        with open(path, "rb") as file:
            jpeg = file.read()
        data += struct.pack("<I", len(jpeg)) + jpeg
    done = subprocess.run([os.path.join(BIN, "read-numbers")], input=data, capture_output=True, check=True,
                          timeout=60 * PATIENCE)
    return [int(line) for line in done.stdout.split()]


def stored_as_it_came(frames):
    return [f["seq"] for f in frames if f["coding"] != JPEG]

