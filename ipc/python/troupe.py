"""A worker of a troupe pipeline in Python, by the contract of docs/writing-a-worker.md and nothing else.

    import troupe

    class Mine(troupe.Worker):
        def look(self, frame: troupe.Frame) -> None:
            print(frame.seq, frame.view.mean())

    Mine.main()

What the worker takes, its section of the config says (`takes`, `tap`), or, in a processor's place, that it is one.
The pixels are numpy arrays within the pipeline's shared memory: nothing is copied, and nothing may be kept beyond the
call; who only looks asks frame.still() before it believes what it has seen. Everything that several processes change
is changed by real atomic instructions (libatomic); a process that is killed between any two leaves words that say
truly what it held.
"""
import ctypes
import os
import select
import signal
import struct
import sys
import time
from typing import Dict, Iterable, Iterator, Optional

import zmq

import troupe_life_pb2 as life
import troupe_report_pb2 as reports
import troupe_rows
from troupe_ledger import (ACQUIRE, ASIDE, CODED_NOT, CODED_PICTURE, DONE, FREE, HEADER, HELD, NEVER, QUEUED, RECORD, SEAT, SEATS_MAX, SEAT_LIVE,
                           SEAT_SIZE, SEQ_CST, STREAM, TAP, TAP_SIZE, Frame, Ledger, Refused, Stream, Word, enter_done,
                           fence, pack, shows, unpack)
from troupe_messages import SCHEMA, crc32c, decode, encode
from troupe_rows import Row

# ---- the contract: descriptors, exit codes ----

FD_CONFIG, FD_LEDGER, FD_BELLS = 0, 3, 8
EXIT_ASKED, EXIT_CONFIG, EXIT_BUG, EXIT_ENVIRONMENT = 0, 100, 101, 111

# ---- the worker ----

GUARD = 0.1  # seconds: a bell is never the only cause of progress
PER_TURN = 16
ORPHAN_DEADLINE = 10.0


def now() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


SET_ROBUST_LIST = {"x86_64": 273, "aarch64": 99}  # the system call's number; on other machines we do without


class Alive:
    """The word of the seat row by which the kernel tells at once that our main thread ends: a robust futex
    (set_robust_list(2)). The list by which it finds the word is our own memory: first entry, from there to the word,
    none pending; and the one entry."""

    def __init__(self, word: int):
        self.word, self.call = ctypes.c_uint32.from_address(word), SET_ROBUST_LIST.get(os.uname().machine)
        self.list = (ctypes.c_int64 * 4)()
        head = ctypes.addressof(self.list)
        self.list[:] = head + 24, word - (head + 24), 0, head
        if self._register(head):
            self.word.value = os.getpid()  # of the main thread

    def _register(self, head: int) -> bool:
        return bool(self.call) and ctypes.CDLL(None).syscall(self.call, ctypes.c_void_p(head), ctypes.c_size_t(24)) == 0

    def release(self) -> None:
        if self.word.value & 0x3FFFFFFF == os.getpid():
            self.word.value = 0
        self._register(0)


class Missing(Exception):
    """Something that the worker opens is not there, or cannot be had: starting again may help."""


class TooLate(Exception):
    """Another supervisor has come before we could be seen, and may have started somebody else in our place."""


class Supervision:
    """Who supervises, and how long to go on when nobody does. The end of one is told by its pidfd: SIGHUP comes once
    for each of its threads, and from whoever wants us to wait no longer."""

    def __init__(self, ledger: Ledger, parent: int):
        self.ledger, self.parent = ledger, parent
        self.pid, self.fd = 0, -1
        self.alone_until = self.orphan_until = None
        self.hung_up = False
        if ledger.get(0, HEADER, "supervisor_pid") != parent:
            raise TooLate

    def begin(self, poller) -> None:
        self.poller = poller
        if not self._watch(self.parent) or os.getppid() != self.parent:
            self._forget()
            self._lose()

    def _watch(self, pid: int) -> bool:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return False  # it is dead, too
        self._forget()
        self.pid, self.fd = pid, fd
        self.poller.register(fd, select.POLLIN)
        return True

    def _forget(self) -> None:
        if self.fd >= 0:
            self.poller.unregister(self.fd)
            os.close(self.fd)
        self.pid, self.fd = 0, -1

    def _has_ended(self) -> bool:
        look = select.poll()
        look.register(self.fd, select.POLLIN)
        return bool(look.poll(0))

    def _lose(self) -> None:
        """On for as long as the ledger says, then to the end of what is on its way."""
        wait = struct.unpack("<q", struct.pack("<Q", self.ledger.load(HEADER["orphan_wait"][0])))[0]
        if wait > 0:
            self.alone_until = time.monotonic() + wait / 1e9
        else:
            self._become_orphan()

    def _become_orphan(self) -> None:
        self.alone_until = None
        self.orphan_until = self.orphan_until or time.monotonic() + ORPHAN_DEADLINE

    def taken_over(self, pid: int) -> None:
        """By a supervisor that may be the one we have. Who has begun to end as an orphan does not go back."""
        if pid > 0 and self.orphan_until is None and pid not in (os.getppid(), self.pid) and self._watch(pid):
            self.alone_until = None

    def turn(self) -> None:
        hung_up, self.hung_up = self.hung_up, False
        if self.fd >= 0 and self._has_ended():
            self._forget()
            if self.orphan_until is None:
                self._lose()
            self.hung_up = False  # of its threads the last one has told, too
        elif self.fd < 0 and hung_up or self.alone_until is not None and time.monotonic() >= self.alone_until:
            self._become_orphan()


class Worker:
    """One incarnation of a worker, from its environment to its exit code. A program is a class of its own that says
    what is its own, and whose main() is called."""

    # ---- what a program says of itself ----

    program = ""  # its name; "": the class's
    version = "1"
    rows: Iterable[Row] = ()  # of its config; their values are in self.config
    needs: Iterable[tuple] = ()  # what it does beside what all may: ("read-path", "/etc/names")
    counts = ""  # what count() counts, for `troupe ps`: "faces"
    takes, how = "view", "latest"  # in the place of a stock worker that looks; else its section says it

    def open(self) -> None:
        """Opens what is its own. It may take as long as it likes; an OSError ends the worker."""

    def look(self, frame: Frame) -> None:
        """One frame. What it is owed it has for good when this returns."""
        raise NotImplementedError

    def process(self, frame: Frame) -> None:
        """One frame of the queue: the view is to be made, and where there is none the JPEG."""
        raise NotImplementedError

    def tell(self) -> Iterable[str]:
        """Lines about itself, "key: value", for `troupe inspect`."""
        return ()

    def close(self) -> None:
        """The orderly end."""

    # ---- its beginning ----

    def __init__(self):
        environment = os.environ
        self.program = self.program or type(self).__name__.lower()
        self.name, self.pipeline = environment["TROUPE_WORKER"], environment["TROUPE_PIPELINE"]
        self.state_folder, self.seat = environment["TROUPE_STATE"], int(environment["TROUPE_SEAT"])
        self.takes = environment.get("TROUPE_TAKES") or self.takes
        self.how = "queue" if self.takes == "queue" else environment.get("TROUPE_HOW") or self.how
        part = "process" if self.how == "queue" else "look"
        if getattr(type(self), part) is getattr(Worker, part):
            raise Refused("its section, or the place it was put in, says that it has to %s frames, and it cannot" % part)
        self.frame = getattr(self, part)
        self.given = self._read_rows()
        self.config = troupe_rows.apply(self.rows, self.given)
        self.ledger = Ledger(FD_LEDGER)
        self.supervision = Supervision(self.ledger, int(environment["TROUPE_SUPERVISOR"]))
        self.row = self.ledger.head["seats_at"] + self.seat * SEAT_SIZE
        if not 0 < self.seat < SEATS_MAX or self.ledger.get(self.row, SEAT, "state") != SEAT_LIVE:
            raise Refused("seat %d is not mine" % self.seat)
        self.ledger.put(self.row, SEAT, "counts", self.counts.encode()[:31])
        self.tap = int(environment["TROUPE_TAP"]) if self.how == "lossless" else -1
        if self.tap >= self.ledger.head["n_taps"]:
            raise Refused("there is no tap %d" % self.tap)
        self.seen = [0] * len(self.ledger.streams)
        self.missed, self.ordinals = 0, {}  # lossless: frames that were written off, and the last taken
        self.draining = self.stop = self.prepared = self.ready = False
        self.drain_seen: Optional[list] = None
        self.bell = FD_BELLS + self.seat

    @staticmethod
    def _read_rows() -> Dict[str, str]:
        """What they came in is closed: it may hold a password."""
        with open(FD_CONFIG, closefd=False) as lines:
            given = dict(line.rstrip("\n").split("=", 1) for line in lines if "=" in line)
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(nothing, FD_CONFIG)
        os.close(nothing)
        return given

    # ---- life ----

    def _signal(self, number: int, _frame) -> None:
        if number == signal.SIGHUP:
            self.supervision.hung_up = True
        else:
            self.draining = True

    def _begin(self) -> None:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.wakened = reader
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signal)
        libc = ctypes.CDLL(None)
        libc.prctl(1, signal.SIGHUP, 0, 0, 0)  # PR_SET_PDEATHSIG
        self.poller = select.poll()
        self.supervision.begin(self.poller)
        self.alive = Alive(self.ledger.base + self.row + SEAT["alive"][0])
        context = zmq.Context()
        self.pipe, self.reports = context.socket(zmq.PAIR), context.socket(zmq.PUSH)
        for socket, path in (self.pipe, "TROUPE_PIPE"), (self.reports, "TROUPE_REPORTS"):
            socket.linger = 200
            socket.connect("ipc://" + os.environ[path])
        for fd in self.bell, self.wakened, self.pipe.getsockopt(zmq.FD):
            self.poller.register(fd, select.POLLIN)

    def send(self, message, socket=None) -> None:
        try:
            (socket or self.pipe).send(encode(message), zmq.DONTWAIT)
        except zmq.Again:
            pass  # a message only says "look"

    def report(self, text: str) -> None:
        """A notable event for the supervisor's journal."""
        self.send(reports.Report(worker=self.name, seat=self.seat, time=now(), text=text), self.reports)

    def _said(self) -> str:
        return {"queue": "queue", "lossless": "tap"}.get(self.how, self.how)

    def _hello(self) -> None:
        self.send(life.Hello(schema=SCHEMA, pid=os.getpid(), seat=self.seat, program=self.program,
                             version=self.version, takes=self._said(),
                             draining=self.draining or self.supervision.orphan_until is not None))
        if self.prepared:
            self.send(life.Prepared(pid=os.getpid(), seat=self.seat))
        if self.ready:
            self.send(life.Ready(pid=os.getpid(), seat=self.seat))

    def _obey(self, message) -> None:
        if isinstance(message, life.Drain):
            self.draining = True
        elif isinstance(message, life.Stop):
            self.stop = True
        elif isinstance(message, life.SayAgain):
            self.supervision.taken_over(message.supervisor)
            self._hello()
        elif isinstance(message, life.Dump):
            self._dump(message.id)

    def _dump(self, question: int) -> None:
        rows = [life.Row(name=row.name, value=self.given.get(row.name, row.fallback),
                         is_default=self.given.get(row.name, row.fallback) == row.fallback) for row in self.rows]
        takes = "takes: " + (self.how if self.how == "queue" else "%s, %s" % (self.takes, self.how))
        missed = ["missed: %d" % self.missed] if self.how == "lossless" else []
        self.send(life.Dumped(id=question, row=rows, line=[*self.tell(), takes, *missed]))

    def _read_mail(self) -> None:
        while self.pipe.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            self._obey(decode(self.pipe.recv(zmq.DONTWAIT)))

    def _take_charge(self) -> None:
        """A standby takes nothing before its seat row says so; a tap has one owner."""
        if self.ready or self.draining or self.ledger.load(self.row + SEAT["standby"][0], 4):
            return
        if self.tap >= 0 and not self.ledger.take_owner(self._tap_owner(), self.seat):
            return
        self.ready = True
        self.send(life.Ready(pid=os.getpid(), seat=self.seat))

    def _tap_owner(self) -> int:
        return self.ledger.head["taps_at"] + self.tap * TAP_SIZE + TAP["owner"][0]

    def progress(self) -> None:
        """Says that the worker gets on; to be called by whoever works on one frame for more than a second."""
        self.ledger.add(self.row + SEAT["progress"][0])

    def count(self, n: int = 1) -> None:
        """Counts n more of what it says that it counts."""
        self.ledger.add(self.row + SEAT["counted"][0], int(n))

    # ---- bells ----

    def _ring(self, seats: int) -> None:
        for seat in range(1, SEATS_MAX):
            if seats >> seat & 1:
                try:
                    os.eventfd_write(FD_BELLS + seat, 1)
                except OSError:
                    pass  # it has been ringing for long

    def _ring_set(self, key: str) -> None:
        at = HEADER[key][0]
        fence(SEQ_CST)
        if self.ledger.load(at):
            self._ring(self.ledger.exchange(at, 0))

    def _ring_done(self, w: Word) -> None:
        """A frame is done: whoever it is owed to, who asked, and, when its slot is free, who waits for one."""
        for tap in range(self.ledger.head["n_taps"]):
            if w.owed >> tap & 1:
                self._ring(1 << (self.ledger.load(self.ledger.head["taps_at"] + tap * TAP_SIZE + TAP["owner"][0]) & 63))
        self._ring_set("asked")
        if w.phase == FREE:
            self._ring_set("waiting")

    # ---- what each kind does with a frame; each returns how many it has done ----

    def _call(self, frame: Frame) -> None:
        self.frame(frame)
        self.ledger.add(self.row + SEAT["frames"][0])
        self.progress()

    def _next_queued(self):
        """The frame whose turn it is: the oldest; of a stream with more than are done, since it was served last."""
        best = None
        for stream in self.ledger.streams:
            served = self.ledger.get(stream.at, STREAM, "served")
            for slot, w in self.ledger.look(stream):
                if w.phase == QUEUED:
                    published = self.ledger.get(self.ledger.record(slot), RECORD, "published")
                    turn = (max(published, served), published, stream, slot, w)
                    best = turn if best is None or turn[:2] < best[:2] else best
        return best and best[2:]

    def _claim(self) -> Optional[Frame]:
        while True:
            found = self._next_queued()
            if not found:
                return None
            stream, slot, w = found
            held = w._replace(phase=HELD, seat=self.seat)
            if self.ledger.step(slot, pack(w), held):
                self.ledger.put(stream.at, STREAM, "served", now())
                return Frame(self.ledger, stream, slot, pack(held))

    def _let_go(self, frame: Frame, finished: bool) -> Word:
        """FINISH (or HAND_BACK), or LET_GO of what was bypassed meanwhile: the word as we left it."""
        while True:
            word = self.ledger.word(frame.slot)
            w = unpack(word)
            if w.seat != self.seat or w.phase not in (HELD, DONE):
                return w  # not ours any more
            free = w._replace(seat=0)
            wanted = free._replace(phase=QUEUED) if w.phase == HELD and not finished else enter_done(free)
            if self.ledger.step(frame.slot, word, wanted):
                return wanted

    def _queue_turn(self) -> int:
        frame = self._claim()
        if not frame:
            return 0
        frame.put("claimed", now())
        frame.put("processor", self.seat)
        for key in "model_version", "motion", "probability", "prediction":
            frame.put(key, 0)
        if frame.get("coded_at_source") == CODED_NOT:
            frame.put("coded_bytes", 0)
        self._ring_set("waiting")  # a source may wait for the queue to get shorter
        finished = False
        try:
            self._call(frame)
            frame.put("finished", now())
            frame.note_steps()
            finished = True
        finally:
            left = self._let_go(frame, finished)
            if finished:
                self._ring_done(left)
            else:
                self._ring(self.ledger.load(HEADER["idle"][0]))
        return 1

    def _peek(self, stream: Stream) -> Optional[Frame]:
        shown = [(w.seq, slot, w) for slot, w in self.ledger.look(stream)
                 if w.seq > self.seen[stream.number] and shows(w)]
        if not shown:
            return None
        _, slot, w = min(shown) if self.how == "each" else max(shown)
        fence(ACQUIRE)  # what lies in the areas is looked at after the word has said that it may be
        return Frame(self.ledger, stream, slot, pack(w))

    def _peek_turn(self) -> int:
        looked = 0
        for stream in self.ledger.streams:
            for _ in range(PER_TURN):
                frame = self._peek(stream)
                if not frame:
                    break
                self._call(frame)
                self.seen[stream.number] = frame.seq
                looked += 1
        return looked

    def _next_owed(self, stream: Stream) -> Optional[Frame]:
        """Exactly the lowest number that is owed to our tap; None: it is not done yet, or there is none. Only
        numbers up to the newest that was published before we look: see docs/slots.md."""
        newest = max(w.seq for _, w in self.ledger.look(stream))
        owed = [(w.seq, slot, w) for slot, w in self.ledger.look(stream)
                if self.seen[stream.number] < w.seq <= newest and w.owed >> self.tap & 1]
        if not owed or min(owed)[2].phase != DONE:
            return None
        _, slot, w = min(owed)
        fence(ACQUIRE)
        return Frame(self.ledger, stream, slot, pack(w))

    def _settle(self, frame: Frame) -> bool:
        """False: it was written off meanwhile, and what we saw may have been another frame's."""
        while True:
            word = self.ledger.word(frame.slot)
            w = unpack(word)
            if w.seq != frame.seq or w.phase != DONE or not w.owed >> self.tap & 1:
                return False
            left = enter_done(w._replace(owed=w.owed & ~(1 << self.tap)))
            if self.ledger.step(frame.slot, word, left):
                if left.phase == FREE:
                    self._ring_set("waiting")
                return True

    def _tap_turn(self) -> int:
        taken = 0
        for stream in self.ledger.streams:
            for _ in range(PER_TURN):
                frame = self._next_owed(stream)
                if not frame:
                    break
                ordinal, before = frame.get("ordinal")[self.tap], self.ordinals.get(stream.number)
                self._call(frame)
                if self._settle(frame):
                    self.missed += ordinal - before - 1 if before is not None and ordinal > before else 0
                    self.ordinals[stream.number] = ordinal
                self.seen[stream.number] = frame.seq
                taken += 1
        return taken

    def _turn(self) -> int:
        if not self.ready:
            return 0
        if self.how == "lossless":
            return self._tap_turn()
        if self.draining:
            return 0
        return self._queue_turn() if self.how == "queue" else self._peek_turn()

    # ---- the loop ----

    def _words(self) -> Iterator:
        return (w for stream in self.ledger.streams for _, w in self.ledger.look(stream))

    def _work_left(self) -> bool:
        """After our bit is set, the words once more: nothing that comes now can be overlooked."""
        if self.how == "queue":
            return any(w.phase == QUEUED for w in self._words())
        if self.how == "lossless":
            return False  # its bell rings whether it sleeps or not
        return any(self._peek(stream) for stream in self.ledger.streams)

    def _sleep(self) -> None:
        bit = {"queue": "idle", "lossless": None}.get(self.how, "asked") if self.ready and not self.draining else None
        if bit:
            self.ledger.set_bit(HEADER[bit][0], self.seat)
        if not bit or not self._work_left():
            self._read_mail()  # libzmq tells on its descriptor only of what came after the last look
            calm = self.ready and self.supervision.alone_until is None and all(
                w.phase in (FREE, ASIDE) for w in self._words())
            self.ledger.store(self.row + SEAT["due"][0], NEVER if calm else now() + int(GUARD * 1e9))
            if not self.stop and not (self.draining and self.how != "lossless"):
                self.poller.poll(None if calm and self.supervision.orphan_until is None else GUARD * 1000)
            self.ledger.store(self.row + SEAT["due"][0], now())
            self.ledger.add(self.row + SEAT["turns"][0])
            self.progress()
        if bit == "idle":
            self.ledger.clear_bit(HEADER["idle"][0], self.seat)

    def _drained(self) -> bool:
        """What was finished and owed when the drain began is still taken."""
        self.supervision.turn()
        orphan_until = self.supervision.orphan_until
        if orphan_until is not None and not self.draining:
            waits = {"queue": QUEUED, "lossless": DONE}.get(self.how)
            self.draining = time.monotonic() >= orphan_until or not any(w.phase == waits for w in self._words())
        if self.stop or not self.draining or not self.ready or self.how != "lossless":
            return self.stop or self.draining
        if self.drain_seen is None:
            self.drain_seen = [max(w.seq for _, w in self.ledger.look(s)) for s in self.ledger.streams]
        return all(self._next_owed(s) is None or self.seen[s.number] >= self.drain_seen[s.number]
                   for s in self.ledger.streams)

    def _live(self) -> None:
        while True:
            self._take_charge()
            done = self._turn()
            try:
                os.eventfd_read(self.bell)
                done += 1  # whatever it rang for since that turn is seen by the next one
            except BlockingIOError:
                pass
            self._read_mail()
            if self._drained():
                return
            if not done:
                self._sleep()
            while select.select([self.wakened], [], [], 0)[0]:
                os.read(self.wakened, 64)

    def _open(self) -> None:
        try:
            self.open()
        except OSError as why:
            raise Missing(why) from why

    def run(self) -> int:
        self._begin()
        self._hello()
        try:
            self._open()
            self.prepared = True
            self.send(life.Prepared(pid=os.getpid(), seat=self.seat))
            self._live()
            self.close()
        finally:
            if self.tap >= 0:
                self.ledger.swap(self._tap_owner(), self.seat, 0)
            self.alive.release()
        return EXIT_ASKED

    @classmethod
    def main(cls) -> None:
        """Plays the worker, or answers what the program is asked by hand."""
        name = cls.program or cls.__name__.lower()
        if "--version" in sys.argv:
            print(name, cls.version)
        elif "--rows" in sys.argv:
            print(troupe_rows.describe(cls.rows, cls.needs), end="")
        elif len(sys.argv) > 1 or "TROUPE_SEAT" not in os.environ:
            sys.exit("%s: a worker of a troupe pipeline: `troupe up` starts it" % name)
        else:
            code = cls._play(name)
            sys.stdout.flush()
            os._exit(code)  # the arrays of frames may still point into the memory

    @classmethod
    def _play(cls, name: str) -> int:
        try:
            return cls().run()
        except TooLate:
            why, code = "another supervisor has taken over before I began: ending", EXIT_ASKED
        except Refused as wrong:
            why, code = wrong, EXIT_CONFIG
        except Missing as missing:
            why, code = missing, EXIT_ENVIRONMENT
        print("%s: %s" % (name, why), file=sys.stderr)
        return code
