"""Workers that die together with the supervisor: whoever is left takes over from them."""

import mmap
import os
import signal
import struct

import harness
from harness import await_, check


STANDBY_AT = 44  # in a seat's row


def start(make):
    """Frames flow, and the storer has a spare, whose seat is returned."""
    p = make(frames=0, fps=100, size="160x120", slots=200, storer="spares = 1").up()
    lead = p.worker("storer")["pid"]
    spare = await_(lambda: next((s for s in p.ps().get("spare", []) if s["state"] == "spare"), None), "the spare")
    await_(lambda: p.ledger.last() > 30, "frames to flow")
    return p, lead, spare["seat"]


def freeze_supervisor(p):
    """It learns of nothing any more."""
    os.kill(p.process.pid, signal.SIGSTOP)
    harness.wait_stopped(p.process.pid)


def kill_supervisor(p):
    p.process.kill()
    p.process.wait()


def finish(p):
    await_(lambda: not p.pids(), "orphaned workers to end", 30)
    check(p.ledger.last() == len(p.frames()), "%d captured, %d stored" % (p.ledger.last(), len(p.frames())))
    check(not p.ledger.owed(), "frames are owed: %s" % p.ledger.owed())
    p.check_numbers(p.ledger.last())
    p.verify()


def storer_with_a_spare(make):
    """The spare finds the recording owned by a dead storer and no supervisor to give it back."""
    p, lead, _ = start(make)
    freeze_supervisor(p)
    os.kill(lead, signal.SIGKILL)
    kill_supervisor(p)
    finish(p)


def storer_with_a_spare_in_charge(make):
    """The supervisor dies between telling the spare to take charge and giving back what the dead one held."""
    p, lead, seat = start(make)
    freeze_supervisor(p)
    os.kill(lead, signal.SIGKILL)
    with open(os.path.join(p.runtime, "ledger"), "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        struct.pack_into("<I", memory, p.ledger.seats_at + seat * harness.SEAT_SIZE + STANDBY_AT, 0)
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + 20, "frames to be owed to nobody")
    kill_supervisor(p)
    finish(p)


def storer_that_dies_later(make):
    """The supervisor first, then the storer that still had to store: the spare takes what is owed."""
    p, lead, _ = start(make)
    os.kill(lead, signal.SIGSTOP)
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + 20 and p.ledger.owed(), "frames to be owed")
    kill_supervisor(p)
    await_(lambda: not [t for t in p.pids().values() if "capture" in t], "the source to end")
    os.kill(lead, signal.SIGKILL)
    finish(p)


harness.main({f.__name__: f for f in (storer_with_a_spare, storer_with_a_spare_in_charge, storer_that_dies_later)})
