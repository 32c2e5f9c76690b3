"""The shared memory of a troupe pipeline: where everything lies, the words of the slots, and the atomic instructions
by which several processes change them. docs/writing-a-worker.md and docs/slots.md have it in words; this knows
nothing of the C code, and a test compares the two."""
import ctypes
import mmap
import os
import struct
from collections import namedtuple
from typing import Iterator

import numpy

# ---- the layout: where a field lies, and how wide it is ----

MAGIC, VERSION = 0x72656764656C7274, 6
STREAMS_MAX, STREAM_SLOTS_MAX, SEATS_MAX, TAPS_MAX = 16, 1024, 64, 4
SEAT_LIVE = 1
NEVER = (1 << 63) - 1

HEADER = dict(magic=(0, "Q"), version=(8, "I"), n_streams=(12, "I"), n_slots=(16, "I"), n_taps=(20, "I"),
              size=(24, "Q"), run=(32, "Q"), streams_at=(40, "Q"), seats_at=(48, "Q"), taps_at=(56, "Q"),
              words_at=(64, "Q"), records_at=(72, "Q"), areas_at=(88, "Q"),
              playback_areas_at=(112, "Q"), stations_at=(120, "Q"), supervisor_pid=(4096, "i"),
              bypass_after=(4112, "q"), labels=(4128, "1024s"), n_labels=(5152, "I"),
              idle=(5160, "Q"), asked=(5168, "Q"), waiting=(5176, "Q"), bells_all=(5184, "Q"),
              orphan_wait=(5192, "q"))
STREAM = dict(name=(0, "32s"), first_slot=(32, "I"), n_slots=(36, "I"), width=(40, "I"), height=(44, "I"),
              view_width=(48, "I"), view_height=(52, "I"), fps_num=(56, "I"), fps_den=(60, "I"), quality=(4220, "I"),
              image_size=(72, "I"), view_size=(76, "I"), coded_size=(80, "I"), owner=(4096, "Q"), served=(4200, "q"))
SEAT = dict(worker=(0, "32s"), state=(32, "I"), incarnation=(36, "I"), pid=(40, "i"), standby=(44, "I"),
            progress=(160, "Q"), due=(168, "q"), frames=(176, "Q"), turns=(184, "Q"), alive=(192, "I"),
            counts=(256, "32s"), counted=(288, "Q"))
TAP = dict(name=(0, "32s"), owner=(32, "Q"), written_off=(40, "Q"))
RECORD = dict(seq=(0, "Q"), source_index=(8, "Q"), ordinal=(16, "4Q"), pts=(48, "q"), captured=(56, "q"),
              captured_wall=(64, "q"), published=(72, "q"), label=(128, "i"), coded_bytes=(132, "I"),
              thumb=(136, "768s"), thumb_before=(904, "768s"), claimed=(1672, "q"), finished=(1680, "q"),
              model_version=(1688, "Q"), motion=(1696, "f"), probability=(1700, "f"), prediction=(1704, "i"),
              processor=(1708, "I"), coded_at_source=(1712, "I"))
STATION_BUCKETS = 112
STREAM_SIZE, SEAT_SIZE, TAP_SIZE, RECORD_SIZE = 8192, 320, 48, 1728
STATIONS_SIZE = 4 * STATION_BUCKETS * 8  # of a stream; PUBLISHED, CLAIMED, FINISHED, STORED
CODED_NOT, CODED_PICTURE, CODED_UNIT, CODED_KEY_UNIT = range(4)  # coded_at_source of a record

# ---- the word of a slot: docs/slots.md ----

FREE, FILLING, QUEUED, HELD, DONE, ASIDE = range(6)
BYPASSED, QUARANTINED, SPOILED = 1, 2, 4

Word = namedtuple("Word", "seq owed attempts seat marks phase")


def unpack(word: int) -> Word:
    return Word(word >> 24, word >> 20 & 15, word >> 16 & 15, word >> 8 & 255, word >> 4 & 15, word & 15)


def pack(w: Word) -> int:
    return w.seq << 24 | w.owed << 20 | w.attempts << 16 | w.seat << 8 | w.marks << 4 | w.phase


def enter_done(w: Word) -> Word:
    """The one way into DONE, which is the way into FREE when nobody is owed anything and nobody holds on."""
    return w._replace(phase=DONE if w.owed or w.seat else FREE, attempts=0)


def shows(w: Word) -> bool:
    return w.phase in (FREE, DONE) and not w.marks & SPOILED


def station_bucket(took: int) -> int:
    """Which one counts a step of so many ns: four of them an octave, from 1,024 ns on."""
    if took < 1024:
        return 0
    octave = took.bit_length() - 1
    return min((octave - 10) * 4 + (took >> octave - 2 & 3) + 1, STATION_BUCKETS - 1)


# ---- atomic instructions on shared memory ----

RELAXED, ACQUIRE, ACQ_REL, SEQ_CST = 0, 2, 4, 5
_atomic = ctypes.CDLL("libatomic.so.1")
_SIGN = {4: ctypes.c_uint32, 8: ctypes.c_uint64}


def _function(name: str, width: int, *more, gives=True):
    function = getattr(_atomic, "__atomic_%s_%d" % (name, width))
    function.argtypes = [ctypes.c_void_p, *more]
    function.restype = _SIGN[width] if gives else None
    return function


_load = {n: _function("load", n, ctypes.c_int) for n in _SIGN}
_store = {n: _function("store", n, _SIGN[n], ctypes.c_int, gives=False) for n in _SIGN}
_add = _function("fetch_add", 8, ctypes.c_uint64, ctypes.c_int)
_or = _function("fetch_or", 8, ctypes.c_uint64, ctypes.c_int)
_and = _function("fetch_and", 8, ctypes.c_uint64, ctypes.c_int)
_exchange = _function("exchange", 8, ctypes.c_uint64, ctypes.c_int)
_swap = _function("compare_exchange", 8, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int, ctypes.c_int)
_swap.restype = ctypes.c_bool
fence = _atomic.atomic_thread_fence
fence.argtypes, fence.restype = [ctypes.c_int], None


class Stream:
    """One stream's geometry, copied when the worker begins: nobody can change it under our eyes."""

    def __init__(self, number: int, at: int, fields: dict, area_at: int, get):
        self.number, self.at, self._get = number, at, get
        self.name = fields["name"].split(b"\0")[0].decode(errors="replace")
        for key in ("first_slot", "n_slots", "width", "height", "view_width", "view_height", "fps_num", "fps_den",
                    "image_size", "view_size", "coded_size"):
            setattr(self, key, fields[key])
        self.slots = range(self.first_slot, self.first_slot + self.n_slots)
        self.view_at, self.coded_at = [sum(-(-n // 64) * 64 for n in sizes) for sizes in (
            [self.image_size], [self.image_size, self.view_size])]
        self.area_at = area_at
        self.stride = -(-(self.coded_at + -(-self.coded_size // 64) * 64) // 4096) * 4096

    @property
    def quality(self) -> int:
        """Of JPEGs; a reload may change it at any time."""
        return min(max(self._get(self.at, STREAM, "quality"), 1), 100)


class Ledger:
    """The shared memory: plain fields by struct, what others change meanwhile by atomic instructions."""

    def __init__(self, fd: int):
        size = os.fstat(fd).st_size
        self.memory = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._keep = ctypes.c_char.from_buffer(self.memory)
        self.base = ctypes.addressof(self._keep)
        head = {key: self.get(0, HEADER, key) for key in HEADER}
        if head["magic"] != MAGIC or head["version"] != VERSION or head["size"] != size:
            raise Refused("the memory on descriptor %d is no ledger of version %d" % (fd, VERSION))
        self.head = head
        self.words = numpy.frombuffer(self.memory, "<u8", head["n_slots"], head["words_at"])
        self.streams, area = [], head["areas_at"]
        for number in range(head["n_streams"]):
            at = head["streams_at"] + number * STREAM_SIZE
            stream = Stream(number, at, {key: self.get(at, STREAM, key) for key in STREAM}, area, self.get)
            area += stream.n_slots * stream.stride
            self.streams.append(stream)
        if (not 0 < len(self.streams) <= STREAMS_MAX or area > head["playback_areas_at"] or area > size
                or sum(s.n_slots for s in self.streams) != head["n_slots"]):
            raise Refused("the ledger's streams do not fit into it")

    def get(self, at: int, table: dict, key: str):
        offset, kind = table[key]
        value = struct.unpack_from("<" + kind, self.memory, at + offset)
        return value[0] if len(value) == 1 else value

    def put(self, at: int, table: dict, key: str, value) -> None:
        offset, kind = table[key]
        struct.pack_into("<" + kind, self.memory, at + offset, value)

    def load(self, at: int, width: int = 8) -> int:
        return _load[width](self.base + at, SEQ_CST)

    def store(self, at: int, value: int, width: int = 8) -> None:
        _store[width](self.base + at, value, SEQ_CST)

    def add(self, at: int, value: int = 1) -> None:
        _add(self.base + at, value, RELAXED)

    def set_bit(self, at: int, seat: int) -> None:
        """Then a fence: whoever changes a word after we have looked at it sees the bit."""
        _or(self.base + at, 1 << seat, SEQ_CST)
        fence(SEQ_CST)

    def exchange(self, at: int, value: int) -> int:
        return _exchange(self.base + at, value, SEQ_CST)

    def clear_bit(self, at: int, seat: int) -> int:
        return _and(self.base + at, ~(1 << seat) & (1 << 64) - 1, SEQ_CST)

    def swap(self, at: int, expected: int, wanted: int) -> bool:
        """One compare-and-swap: takes effect as a whole or not at all."""
        before = ctypes.c_uint64(expected)
        return _swap(self.base + at, ctypes.addressof(before), wanted, ACQ_REL, ACQUIRE)

    def word(self, slot: int) -> int:
        return self.load(self.head["words_at"] + 8 * slot)

    def step(self, slot: int, expected: int, wanted: Word) -> bool:
        return self.swap(self.head["words_at"] + 8 * slot, expected, pack(wanted))

    def record(self, slot: int) -> int:
        return self.head["records_at"] + slot * RECORD_SIZE

    def look(self, stream: Stream) -> Iterator:
        """(slot, word) of a stream, read one by one: a hint, what counts is the swap."""
        for slot, word in enumerate(self.words[stream.first_slot:stream.slots.stop].tolist(), stream.first_slot):
            yield slot, unpack(word)

    def take_owner(self, at: int, seat: int) -> bool:
        return self.swap(at, 0, seat) or self.load(at) == seat


class Refused(Exception):
    """What the worker was given cannot be right: starting again will not help."""


class Frame:
    """A frame in its slot. The arrays are the slot's memory itself and belong to it."""

    def __init__(self, ledger: Ledger, stream: Stream, slot: int, word: int):
        self.ledger, self.stream, self.slot, self.word = ledger, stream, slot, word
        w = unpack(word)
        self.seq, self.bypassed = w.seq, bool(w.marks & BYPASSED)
        self.at = ledger.record(slot)
        self.area = stream.area_at + (slot - stream.first_slot) * stream.stride

    def get(self, key: str):
        """A field of the record: RECORD has their names, docs/writing-a-worker.md what they mean."""
        return self.ledger.get(self.at, RECORD, key)

    def put(self, key: str, value) -> None:
        self.ledger.put(self.at, RECORD, key, value)

    def _array(self, at: int, *shape: int) -> numpy.ndarray:
        return numpy.ndarray(shape, numpy.uint8, self.ledger.memory, self.area + at)

    @property
    def image(self) -> tuple:
        """The planes Y, U, V of the captured picture (4:2:0, full range)."""
        w, h = self.stream.width, self.stream.height
        return (self._array(0, h, w), self._array(w * h, h // 2, w // 2),
                self._array(w * h + w * h // 4, h // 2, w // 2))

    @property
    def i420(self) -> numpy.ndarray:
        """The same planes, as they lie: one behind the other."""
        return self._array(0, self.stream.width * self.stream.height * 3 // 2)

    @property
    def view(self) -> numpy.ndarray:
        """The small picture, rows of RGB; void when bypassed."""
        return self._array(self.stream.view_at, self.stream.view_height, self.stream.view_width, 3)

    @property
    def coded(self) -> numpy.ndarray:
        """The bytes of the JPEG, as many as there are; void when bypassed, unless coded at the source."""
        return self._array(self.stream.coded_at, min(self.get("coded_bytes"), self.stream.coded_size))

    def put_coded(self, data: bytes) -> bool:
        """A processor's JPEG; False: it does not fit, and the storer will code the image itself."""
        fits = 0 < len(data) <= self.stream.coded_size
        if fits:
            self._array(self.stream.coded_at, len(data))[:] = numpy.frombuffer(data, numpy.uint8)
        self.put("coded_bytes", len(data) if fits else 0)
        return fits

    @property
    def motion(self) -> float:
        """How much the thumbnail differs from the one before, 0 to 1."""
        a, b = (numpy.frombuffer(self.get(key), numpy.uint8).astype(int) for key in ("thumb", "thumb_before"))
        return float(numpy.abs(a - b).sum()) / (a.size * 255)

    def note_steps(self) -> None:
        """Counts how long each step of a processed frame's way took, for `troupe top`. The last one counts itself."""
        times = [self.get(key) for key in ("captured", "published", "claimed", "finished")]
        for station, (begun, ended) in enumerate(zip(times, times[1:])):
            self.ledger.add(self.ledger.head["stations_at"] + self.stream.number * STATIONS_SIZE
                            + (station * STATION_BUCKETS + station_bucket(ended - begun)) * 8)

    def still(self) -> bool:
        """Whether everything that was read so far was of this one frame."""
        fence(ACQUIRE)
        now = unpack(self.ledger.word(self.slot))
        return now.seq == self.seq and shows(now)
