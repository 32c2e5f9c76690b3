"""Workers that die together with the supervisor: whoever is left takes over from them."""

import os
import signal

import harness
from harness import await_, check


def storer_with_a_spare(make):
    """The spare finds the recording owned by a dead storer and no supervisor to give it back."""
    p = make(frames=0, fps=100, storer="spares = 1").up()
    await_(lambda: len([s for s in p.ledger.seats() if s.worker == "storer" and s.pid > 0]) == 2, "the spare")
    await_(lambda: p.ledger.last() > 30, "frames to flow")
    storer = p.worker("storer")["pid"]
    os.kill(p.process.pid, signal.SIGSTOP)  # it learns of nothing any more
    harness.wait_stopped(p.process.pid)
    os.kill(storer, signal.SIGKILL)
    os.kill(p.process.pid, signal.SIGKILL)
    p.process.wait()
    await_(lambda: not p.pids(), "orphaned workers to end", 30)
    check(p.ledger.last() == len(p.frames()), "%d captured, %d stored" % (p.ledger.last(), len(p.frames())))
    p.check_numbers(p.ledger.last())
    p.verify()


harness.main({f.__name__: f for f in (storer_with_a_spare,)})
