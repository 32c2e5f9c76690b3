"""A storm over a pipeline with spares everywhere: kills, stops, aborts, swaps, restarts, stops, starts and scaling by a
seed, several at once, while somebody looks from outside all the time whether the rules of succession hold.

TROUPE_STORM=400 TROUPE_SEED=7 TROUPE_BIN=build/dev/bin python3 tests/system/test_storm.py makes it longer and another
one. A seed decides what is done; when it strikes is up to the machine."""

import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time

import harness
import test_journal
from harness import await_, check

ORDERS = int(os.environ.get("TROUPE_STORM", "40"))
SEED = os.environ.get("TROUPE_SEED", "1")
SINGLE = ("storer", "trainer", "display", "capture.cam1")
ALONE = ("trainer",)  # has no owner word: not even beside one that dies
PROGRAMS = {"storer": ("shaky-storer-crashes", "shaky-storer-never-ready", "shaky-storer-never-prepared"),
            "processor": ("shaky-processor-crashes", "shaky-processor-never-ready", "troupe-processor-edges")}
MOST = 3  # parts of a member: lead, next, last
# Descriptors that libzmq may have more than before, and mappings that malloc may have for its threads.
LEAK_FDS, LEAK_MAPS = 8, 60
SEAT_EMPTY, STANDBY_AT, ALIVE_AT = 0, 44, 192
STREAM_SIZE, STREAM_OWNER_AT, TAP_SIZE, TAP_OWNER_AT = 8192, 4096, 48, 32
# The kernel's part of a robust futex: the thread that holds it, and a bit once that has died.
FUTEX_TID, FUTEX_OWNER_DIED = 0x3FFFFFFF, 0x40000000


def runs(pid):
    try:
        return harness.process_state(pid) not in "ZX"
    except FileNotFoundError:
        return False


def zombies(parent):
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as file:
                state, ppid = file.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if state == "Z" and int(ppid) == parent:
            found.add(int(pid))
    return found


class Look(threading.Thread):
    """Looks at words, seats and processes until it is told to stop; remembers what it should not have seen."""

    def __init__(self, p):
        super().__init__(daemon=True)
        self.p, self.faults, self.longest, self.looks, self.told = p, set(), 0.0, 0, set()
        self.dead = {}  # zombies, and since when
        self.end = threading.Event()
        self.memory = p.ledger.memory
        self.streams_at, _, self.taps_at = struct.unpack_from("<QQQ", self.memory, 40)

    def row(self, number):
        return self.p.ledger.seats_at + number * harness.SEAT_SIZE

    def in_charge(self):
        """Who has been told to take charge, or was never told to wait, and whose main thread lives."""
        found = set()
        for seat in self.p.ledger.seats():
            standby, = struct.unpack_from("<I", self.memory, self.row(seat.number) + STANDBY_AT)
            alive, = struct.unpack_from("<I", self.memory, self.row(seat.number) + ALIVE_AT)
            if not standby and seat.pid > 0 and alive & FUTEX_TID == seat.pid and not alive & FUTEX_OWNER_DIED:
                found.add(seat)
        return found

    def two_in_charge(self):
        """None begins to live or is told to wait again: whoever is in both looks was so all the time between."""
        both = self.in_charge() & self.in_charge()
        for name in SINGLE:
            there = [seat for seat in both if seat.worker == name]
            if len(there) > 1:
                self.faults.add("%s is played by %s at once" % (name, there))

    def seat_is_empty(self, number):
        state, incarnation = struct.unpack_from("<II", self.memory, self.row(number) + 32)
        return state == SEAT_EMPTY and ("empty since", incarnation)

    def held_by_nobody(self):
        """A seat is empty only after all it held was given back: no word names one that was empty before and after."""
        for number in range(1, harness.SEATS):
            before = self.seat_is_empty(number)
            if not before:
                continue
            held = self.p.ledger.held_by(number)
            owned = [i for i in range(self.p.ledger.n_streams) if number == struct.unpack_from(
                "<Q", self.memory, self.streams_at + i * STREAM_SIZE + STREAM_OWNER_AT)[0]]
            tap, = struct.unpack_from("<Q", self.memory, self.taps_at + TAP_OWNER_AT)
            if (held or owned or tap == number) and self.seat_is_empty(number) == before:
                self.faults.add("the empty seat %d holds %s, streams %s, tap %s" % (number, held, owned, tap == number))

    def too_many(self):
        count = {}
        for title in self.p.pids().values():
            count[title] = count.get(title, 0) + 1
        self.faults |= {"%d processes of %s" % (n, title) for title, n in count.items() if n > MOST}

    def buried(self):
        now, there = time.monotonic(), zombies(self.p.process.pid)
        self.dead = {pid: self.dead.get(pid, now) for pid in there}
        self.faults |= {"pid %d is not buried" % pid for pid, since in self.dead.items()
                        if now - since > 10 * harness.PATIENCE}

    def answers(self):
        begun = time.monotonic()
        told = self.p.ps()
        self.longest = max(self.longest, time.monotonic() - begun)
        self.told |= {(w["name"], w["incarnation"], w["pid"]) for w in told["worker"] + told.get("spare", []) if w["pid"]}

    def run(self):
        try:
            while not self.end.wait(0.05):
                self.looks += 1
                for _ in range(10):
                    self.two_in_charge()
                self.held_by_nobody()
                if self.looks % 4 == 0:
                    self.too_many()
                    self.buried()
                    self.answers()
        except Exception as fault:  # a thread's own would be lost
            self.faults.add("cannot look: %r" % fault)


class Storm:
    def __init__(self, p, seed):
        self.p, self.dice, self.swaps = p, random.Random(seed), []

    def name(self):
        return self.dice.choice(SINGLE + ("processor.1", "processor.2", "storer"))

    def pids(self, name):
        title = "troupe: %s %s" % (self.p.name, name)
        return sorted(pid for pid, t in self.p.pids().items() if t == title)

    def signal(self, pid, number):
        """Only to what still belongs to this pipeline."""
        if pid in self.p.pids() and pid != self.p.process.pid:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def any_process(self, number, name=None):
        pids = self.pids(name or self.name())
        if pids:
            self.signal(self.dice.choice(pids), number)

    def kill(self):
        self.any_process(signal.SIGKILL)

    def kill_all_of_one(self):
        for pid in self.pids(self.name()):
            self.signal(pid, signal.SIGKILL)

    def stop_process(self):
        self.any_process(signal.SIGSTOP)

    def abort(self):
        self.any_process(signal.SIGABRT)

    def order(self, *args):
        self.p.troupe(*args, "-n", self.p.name, code=None)

    def kill_lead(self):
        self.order("kill", self.name())

    def restart(self):
        self.order("restart", self.name())

    def stop_and_start(self):
        name = self.name()
        self.order("stop", name)
        if self.dice.random() < 0.5:
            time.sleep(self.dice.random() / 5)
        self.order("start", name)

    def scale(self):
        self.order("scale", "processor", str(self.dice.randint(1, 3)))

    def order_at_a_death(self):
        """While its spare takes over."""
        name = self.name()
        self.any_process(signal.SIGKILL, name)
        self.order(self.dice.choice(("inspect", "kill", "restart", "stop")), name)
        self.order("start", name)

    def swap(self):
        name = self.name()
        role = name.split(".")[0]
        program = self.dice.choice(("other-" + role, "other-" + role, None) + PROGRAMS.get(role, ()))
        if program and not program.startswith("troupe-"):
            program = os.path.join(self.p.folder, program)
        self.swaps.append(subprocess.Popen(
            [os.path.join(harness.BIN, "troupe"), "swap", name, *(["--exec", program] if program else []),
             "--probation", self.dice.choice(("0s", "300ms", "1s")), "--json", "-n", self.p.name],
            env=self.p.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))

    def blow(self, orders):
        what = (self.kill, self.kill, self.kill_lead, self.kill_all_of_one, self.stop_process, self.abort,
                self.restart, self.stop_and_start, self.scale, self.order_at_a_death, self.swap, self.swap, self.swap)
        for _ in range(orders):
            self.dice.choice(what)()
            check(self.p.process.poll() is None, "the supervisor ended: %s" % self.p.said())
            time.sleep(self.dice.choice((0, 0, 0.02, 0.1, 0.2)))

    def pass_by(self):
        """Each swap is answered, whatever became of it."""
        for process in self.swaps:
            try:
                process.communicate(timeout=30 * harness.PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise harness.Failed("a swap that nobody answers: %s" % process.args)


def copy_programs(p):
    names = {"other-" + role: "troupe-" + role for role in ("capture", "processor", "storer", "trainer", "display")}
    names.update({fault: "-".join(fault.split("-")[:2]) for role in PROGRAMS for fault in PROGRAMS[role]
                  if fault.startswith("shaky")})
    for name, program in names.items():
        os.link(os.path.join(harness.BIN, program), os.path.join(p.folder, name))


def await_calm(p):
    """Whoever was given up or stopped plays again, each with its spare, and nobody is on the way out. Who crashes, and
    came through a swap without probation, is swapped for the program of the config."""
    def at_rest():
        told = p.ps()
        for worker in told["worker"]:
            if "shaky" in worker["program"]:
                p.troupe("swap", worker["name"], "--probation", "0s", "-n", p.name, code=None)
            elif worker["state"] not in ("ready", "starting"):
                p.troupe("start", worker["name"], "-n", p.name, code=None)
        spares = [s["name"] for s in told.get("spare", []) if s["state"] == "spare"]
        return (all(w["state"] == "ready" for w in told["worker"]) and len(p.pids()) == 1 + 2 * len(told["worker"])
                and sorted(spares) == sorted(w["name"] for w in told["worker"]))
    p.troupe("scale", "processor", "2", "-n", p.name)
    await_(at_rest, "everybody to play again, and a spare of each", 30)


def used(p):
    """Threads, descriptors and mappings (a thread that nobody has joined has left its stack) of the supervisor."""
    with open("/proc/%d/maps" % p.process.pid) as maps:
        return (*(len(os.listdir("/proc/%d/%s" % (p.process.pid, what))) for what in ("task", "fd")), len(list(maps)))


def check_used(p, before):
    most = before[0], before[1] + LEAK_FDS, before[2] + LEAK_MAPS
    await_(lambda: all(now <= limit for now, limit in zip(used(p), most)),
           "the supervisor to use as many threads, descriptors and mappings as before: %s, now %s" % (before, used(p)), 5)


def check_journal(events, told):
    """Each process that was spawned has ended once, and what it held was given back once, before its seat was
    another's. Of what there is one of, the next is ready only after the one before has begun to end, or has ended."""
    def who(kind):
        return sorted((e["worker"], e["incarnation"], e["pid"]) for e in events if e["event"] == kind)
    check(who("spawn") == who("exit"), "spawned and not ended, or the other way round: %s" % (
        sorted(set(who("spawn")) ^ set(who("exit")))))
    check(told <= set(who("spawn")), "ps told of %s, who never were" % (told - set(who("spawn"))))
    seats, ready = {}, {}
    for e in events:
        kind, worker = e["event"], e.get("worker")
        if kind == "spawn":
            check(not seats.get(e["seat"]), "seat %s was given out twice" % e)
            seats[e["seat"]] = "spawned"
        elif kind == "exit":
            seats[e["seat"]] = "ended"
        elif kind == "reclaim":
            check(seats.get(e["seat"]) == "ended", "given back in between: %s" % e)
            seats[e["seat"]] = None
        elif kind == "ready" and worker in SINGLE:
            check(not ready.get(worker), "%s: pid %d is ready, pid %s still played" % (worker, e["pid"], ready.get(worker)))
            ready[worker] = e["pid"]
        over = ("exit",) if worker in ALONE else ("dying", "exit")
        if kind in over and ready.get(worker) == e["pid"]:
            ready[worker] = None
    check(not any(seats.values()), "not given back: %s" % seats)


def storm(make):
    keys = 'spares = 1  ready_timeout = "%ds"  max_restarts = 100  backoff = "20ms"  backoff_max = "100ms"' % harness.PATIENCE
    p = make(fps=100, frames=0, hang_after="%dms" % (700 * harness.PATIENCE), bypass_after="60s", slots=400, size="160x120",
             processor=keys, storer=keys, trainer=keys, display=keys, stream=keys,
             extra='drain_timeout = "1s"  low_water = 0  quarantine_keep = 1')
    copy_programs(p)
    p.up()
    await_calm(p)
    look, wind, before = Look(p), Storm(p, SEED), used(p)
    look.start()
    try:
        wind.blow(ORDERS)
        wind.pass_by()
        await_calm(p)
        check_used(p, before)
    finally:
        look.end.set()
        look.join()
        for process in wind.swaps:
            process.kill()
    check(not look.faults, "; ".join(sorted(look.faults)[:10]))
    test_journal.agree(p)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    test_journal.agree(p, ps=False)
    events = p.journal()
    check_journal(events, look.told)
    p.check_quiet()
    p.check_nothing_left()
    p.check_numbers(p.ledger.last(), most=500)
    p.verify()
    count = {kind: sum(e["event"] == kind for e in events) for kind in ("exit", "succeed", "swap")}
    print("seed %s: %d orders, %d looks, %d frames, %d ends, %d successions of spares, longest ps %.2f s" % (
        SEED, ORDERS, look.looks, p.ledger.last(), count["exit"], count["succeed"], look.longest), file=sys.stderr)


harness.main({f.__name__: f for f in (storm,)})
