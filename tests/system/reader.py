"""Reads a recording by what docs/recording.md says, and by nothing else: no code of troupe's, not even another test's.

    reader.py FOLDER            says what is in it
    reader.py FOLDER --frames DIR   also writes each frame to DIR/RUN-STREAM-SEQ.jpg (or .h264)

Whatever does not agree with the document is a Damaged.
"""

import os
import re
import sqlite3
import struct
import sys
from typing import NamedTuple


class Damaged(Exception):
    pass


def wrong(condition, *text):
    if condition:
        raise Damaged(" ".join(str(t) for t in text))


# ---- CRC-32C, the polynomial of Castagnoli, bit-reversed ----

def make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = make_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


# ---- a segment ----

class Header(NamedTuple):
    magic: bytes
    version: int
    number: int
    created_wall: int
    stream: bytes
    replaces: int
    crc: int


SEGMENT = struct.Struct("<8sIIq32sII")
assert SEGMENT.size == 64


class Record(NamedTuple):
    magic: bytes
    header: int
    length: int
    coded_bytes: int
    run: int
    stream: bytes
    seq: int
    ordinal: int
    pts: int
    captured: int
    captured_wall: int
    published: int
    finished: int
    width: int
    height: int
    label: bytes
    prediction: bytes
    model_version: int
    probability: float
    motion: float
    drops_no_slot: int
    drops_device: int
    drops_damaged: int
    drops_size: int
    marks: int
    coding: int
    source_index: int
    claimed: int


RECORD = struct.Struct("<4sIIIQ32sQQqqqqqII32s32sQffIIIIIIQq")
assert RECORD.size == 240
JPEG, H264, H264_KEY = 0, 1, 2


def text(field, what):
    """A text field: its text, filled up with zeros, at least one."""
    value, zero, rest = field.partition(b"\0")
    wrong(not zero or rest.strip(b"\0"), what, "is not filled up with zeros:", field)
    return value.decode()


class Frame(NamedTuple):
    """A record and where it lies."""
    segment: int
    offset: int
    record: Record
    stream: str
    label: str
    prediction: str
    dts: int
    coded: bytes


def read_header(data, number):
    wrong(len(data) < SEGMENT.size, "segment", number, "is shorter than its header")
    header = Header(*SEGMENT.unpack_from(data))
    wrong(header.magic != b"troupseg", "segment", number, "has the magic", header.magic)
    wrong(crc32c(data[:60]) != header.crc, "segment", number, "has a header with another CRC")
    wrong(header.version not in (1, 2), "segment", number, "is of version", header.version)
    wrong(header.number != number, "segment", number, "says that it is", header.number)
    stream = text(header.stream, "the stream of segment %d" % number)
    wrong(header.version == 1 and (stream or header.replaces), "segment", number, "is of version 1 and names more")
    wrong(header.version == 2 and not stream, "segment", number, "names no stream")
    return header._replace(stream=stream)


def read_record(data, at, header):
    where = "segment %d offset %d:" % (header.number, at)
    wrong(len(data) - at < RECORD.size, where, "too short for a record")
    record = Record(*RECORD.unpack_from(data, at))
    wrong(record.magic != b"TREC", where, "the magic is", record.magic)
    wrong(record.coding not in (JPEG, H264, H264_KEY), where, "the coding is", record.coding)
    wrong(record.header != (240 if record.coding == JPEG else 256), where, "the header has", record.header, "bytes")
    end = record.header + record.coded_bytes
    wrong(record.length != (end + 4 + 7) // 8 * 8, where, "the length is", record.length)
    wrong(len(data) - at < record.length, where, "the file ends within the record")
    wrong(crc32c(data[at:at + end]) != struct.unpack_from("<I", data, at + end)[0], where, "another CRC")
    wrong(data[at + end + 4:at + record.length].strip(b"\0"), where, "not filled up with zeros")
    wrong(record.marks & ~3, where, "the marks are", record.marks)
    dts = 0
    if record.coding != JPEG:
        dts, _, zero = struct.unpack_from("<qII", data, at + 240)
        wrong(zero, where, "what is not used is not 0")
    stream = text(record.stream, where + " the stream")
    wrong(header.stream not in ("", stream), where, "a record of", stream, "in a segment of", header.stream)
    return Frame(header.number, at, record, stream, text(record.label, where + " the label"),
                 text(record.prediction, where + " the prediction"), dts, data[at + record.header:at + end])


def read_segment(path, number, size=None):
    """The header and the frames of the first `size` bytes, which are what the catalogue vouches for; a file that is
    being written may have half a record behind them."""
    with open(path, "rb") as file:
        data = file.read() if size is None else file.read(size)
    wrong(size is not None and len(data) != size, path, "has", len(data), "bytes, not", size)
    header = read_header(data, number)
    frames, at = [], SEGMENT.size
    while at < len(data):
        frames.append(read_record(data, at, header))
        at += frames[-1].record.length
    return header, frames


# ---- the recording ----

# Column of the catalogue → what the record says.
COLUMNS = {
    "run": lambda f: f.record.run,
    "stream": lambda f: f.stream,
    "seq": lambda f: f.record.seq,
    "ordinal": lambda f: f.record.ordinal,
    "segment": lambda f: f.segment,
    "offset": lambda f: f.offset,
    "length": lambda f: f.record.length,
    "coding": lambda f: f.record.coding,
    "coded_at": lambda f: f.offset + f.record.header,
    "coded_bytes": lambda f: f.record.coded_bytes,
    "width": lambda f: f.record.width,
    "height": lambda f: f.record.height,
    "pts": lambda f: f.record.pts,
    "captured": lambda f: f.record.captured,
    "captured_wall": lambda f: f.record.captured_wall,
    "published": lambda f: f.record.published,
    "claimed": lambda f: f.record.claimed,
    "finished": lambda f: f.record.finished,
    "source_index": lambda f: f.record.source_index,
    "label": lambda f: f.label or None,
    "prediction": lambda f: f.prediction or None,
    "probability": lambda f: f.record.probability,
    "model_version": lambda f: f.record.model_version,
    "motion": lambda f: f.record.motion,
    "drops_no_slot": lambda f: f.record.drops_no_slot,
    "drops_device": lambda f: f.record.drops_device,
    "drops_damaged": lambda f: f.record.drops_damaged,
    "drops_size": lambda f: f.record.drops_size,
    "bypassed": lambda f: f.record.marks & 1,
    "quarantined": lambda f: f.record.marks >> 1 & 1,
}


class Recording(NamedTuple):
    segments: list
    frames: dict     # (run, stream, seq) → Frame
    forgotten: list  # rows of the catalogue


def open_catalogue(folder):
    path = os.path.join(folder, "recording.sqlite")
    wrong(not os.path.exists(path), "there is no", path)
    catalogue = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    catalogue.row_factory = sqlite3.Row
    version = catalogue.execute("SELECT version FROM schema_version").fetchone()[0]
    wrong(version != 2, "the catalogue is of version", version)
    catalogue.execute("BEGIN")  # all questions see the same state
    return catalogue


def read_segments(folder, catalogue):
    segments, frames = [], {}
    for row in catalogue.execute("SELECT * FROM segments WHERE state <> 'doomed' ORDER BY segment"):
        number = row["segment"]
        header, found = read_segment(os.path.join(folder, "segments", "%06d.seg" % number), number, row["bytes"])
        wrong(header.created_wall != row["created_wall"], "segment", number, "was created at another time")
        wrong((header.stream, header.replaces) != (row["stream"], row["replaces"]), "segment", number,
              "is of another stream or replaces another one than its row says")
        wrong(len(found) != row["frames"], "segment", number, "has", len(found), "frames, not", row["frames"])
        walls = [f.record.captured_wall for f in found] or [0]
        wrong((min(walls), max(walls)) != (row["first_wall"], row["last_wall"]), "segment", number,
              "begins or ends at another time")
        check_chain(number, found)
        for frame in found:
            key = (frame.record.run, frame.stream, frame.record.seq)
            wrong(key in frames, "frame", key, "is there twice")
            frames[key] = frame
        segments.append(header)
    return segments, frames


def check_chain(number, frames):
    """No H.264 frame needs another segment."""
    begun = set()
    for frame in frames:
        if frame.record.coding == H264_KEY:
            begun.add(frame.stream)
        wrong(frame.record.coding == H264 and frame.stream not in begun, "segment", number, "frame",
              frame.record.seq, "lies before a keyframe")


def check_rows(catalogue, frames):
    """Every frame has its row, every row its frame, and both say the same."""
    rows = {(r["run"], r["stream"], r["seq"]): r for r in catalogue.execute(
        "SELECT * FROM frames WHERE segment NOT IN (SELECT segment FROM segments WHERE state = 'doomed')")}
    wrong(set(rows) != set(frames), "rows without frame:", sorted(set(rows) - set(frames))[:5],
          "frames without row:", sorted(set(frames) - set(rows))[:5])
    for key, row in rows.items():
        for column, of in COLUMNS.items():
            wrong(row[column] != of(frames[key]), "frame", key, column, "is", row[column], "in the catalogue,",
                  of(frames[key]), "in the segment")


def check_numbers(frames, going, forgotten):
    """The ordinals of each (run, stream) are 1, 2, 3, … without a hole that is not in `forgotten`; seq grows."""
    streams = {}
    for (run, stream, seq), frame in frames.items():
        streams.setdefault((run, stream), []).append((seq, seq, frame.record.ordinal, frame.record.ordinal))
    for row in going:  # in segments that are about to be removed
        streams.setdefault((row["run"], row["stream"]), []).append((row["seq"], row["seq"], row["ordinal"], row["ordinal"]))
    for row in forgotten:
        streams.setdefault((row["run"], row["stream"]), []).append(
            (row["first_seq"], row["last_seq"], row["first_ordinal"], row["last_ordinal"]))
    for key, spans in streams.items():
        seq = ordinal = 0
        for first, last, first_ordinal, last_ordinal in sorted(spans):
            wrong(first <= seq or last < first, key, "frame", first, "comes twice")
            wrong(first_ordinal != ordinal + 1 or last_ordinal < first_ordinal, key, "frame", first,
                  "is the stream's number", first_ordinal, "behind number", ordinal)
            seq, ordinal = last, last_ordinal
    return streams


def check_streams(catalogue, streams):
    for row in catalogue.execute("SELECT * FROM streams WHERE frames > 0"):
        spans = sorted(streams.get((row["run"], row["stream"]), [(0, 0, 0, 0)]))
        count = sum(last - first + 1 for _, _, first, last in spans)  # by ordinals
        wrong((row["frames"], row["last_seq"], row["last_ordinal"]) != (count, spans[-1][1], spans[-1][3]),
              "stream", row["stream"], "has counted", row["frames"], "frames up to", row["last_seq"], "and",
              row["last_ordinal"], "not", count, spans[-1])


def read_recording(folder):
    catalogue = open_catalogue(folder)
    try:
        segments, frames = read_segments(folder, catalogue)
        check_rows(catalogue, frames)
        forgotten = catalogue.execute("SELECT * FROM forgotten").fetchall()
        going = catalogue.execute("SELECT * FROM frames WHERE segment IN "
                                  "(SELECT segment FROM segments WHERE state = 'doomed')").fetchall()
        check_streams(catalogue, check_numbers(frames, going, forgotten))
        return Recording(segments, frames, [dict(r) for r in forgotten])
    finally:
        catalogue.close()


def read_segments_alone(folder):
    """Every frame of the segments, whatever the catalogue says, or without one."""
    frames = {}
    for name in sorted(os.listdir(os.path.join(folder, "segments"))):
        if re.fullmatch(r"\d{6,}\.seg", name):
            _, found = read_segment(os.path.join(folder, "segments", name), int(name[:-4]))
            frames.update({(f.record.run, f.stream, f.record.seq): f for f in found})
    return frames


def write_frames(recording, folder):
    os.makedirs(folder, exist_ok=True)
    for (run, stream, seq), frame in recording.frames.items():
        end = "jpg" if frame.record.coding == JPEG else "h264"
        with open(os.path.join(folder, "%d-%s-%06d.%s" % (run, stream, seq, end)), "wb") as file:
            file.write(frame.coded)


if __name__ == "__main__":
    try:
        found = read_recording(sys.argv[1])
        print("%d segments, %d frames, %d ranges forgotten" % (
            len(found.segments), len(found.frames), len(found.forgotten)))
        if len(sys.argv) > 3 and sys.argv[2] == "--frames":
            write_frames(found, sys.argv[3])
    except (Damaged, OSError, sqlite3.Error) as fault:
        sys.exit("%s: %s" % (sys.argv[1], fault))
