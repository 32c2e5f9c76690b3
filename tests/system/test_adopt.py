"""The supervisor is killed, or becomes another program, and the workers go on."""

import json
import os
import select
import signal
import subprocess

import harness
from harness import await_, check

WAIT = 'on_orphan = "wait 60s"'


class Adopted(harness.Pipeline):
    """A pipeline whose supervisor may be killed and followed by another."""

    def kill_supervisor(self):
        self.process.kill()
        self.process.wait()

    def adopt(self, config=False, ready="ready"):
        """Starts another supervisor that takes over; returns what it says when it is through."""
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        self.errors = open(os.path.join(self.folder, "stderr"), "a+")
        args = ["-c", os.path.join(self.folder, "pipeline.conf")] if config else []
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", os.path.join(harness.BIN, "troupe-supervisor"), "--adopt", "-n", self.name,
             "--ready-fd", str(writer), *args], env=dict(self.env, **self.for_supervisor), stdin=subprocess.DEVNULL,
            stdout=self.errors, stderr=self.errors, close_fds=True, pass_fds=[writer])
        os.close(writer)
        told = b""
        while not told.endswith(b"\n"):
            check(select.select([reader], [], [], 30 * harness.PATIENCE)[0], "the adopter does not say anything: %s" % self.said())
            chunk = os.read(reader, 4096)
            if not chunk:
                break
            told += chunk
        os.close(reader)
        told = told.decode().strip()
        check(ready is None or told == ready, "adopt: %s %s" % (told, self.said()))
        return told

    def players(self):
        """Name -> (pid, incarnation) of all workers."""
        return {w["name"]: (w["pid"], w["incarnation"]) for w in self.ps()["worker"]}

    def seen(self):
        """The same by the ledger, with nobody to ask."""
        return {s.worker: (s.pid, s.incarnation) for s in self.ledger.seats()}


def flowing(make, **settings):
    p = make(extra=WAIT, **dict(dict(frames=0, fps=100), **settings))
    p.__class__ = Adopted
    p.up()
    await_(lambda: p.ledger.last() > 30, "frames to flow")
    return p


def flows_on(p, more=50):
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + more, "frames to go on flowing")


def end_well(p, reference=True):
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_nothing_left()
    p.check_quiet()
    p.check_numbers(p.ledger.last(), most=50)
    p.verify()


def check_no_drop(p):
    status = p.status()["pipeline"]
    for stream in status["stream"]:
        check(not stream.get("drop") and not stream.get("bypassed"), "lost: %s" % stream)


def adopted(make):
    """A killed supervisor is followed by one that takes over the very same processes."""
    p = flowing(make)
    before = p.players()
    p.kill_supervisor()
    flows_on(p)  # nobody supervises
    p.adopt()
    check(p.players() == before, "other workers: %s, not %s" % (p.players(), before))
    status = p.status()["pipeline"]
    check(status["pid"] == p.process.pid and status["generation"] == 1, "status: %s" % status)
    flows_on(p)
    check_no_drop(p)
    end_well(p)


def upgraded(make):
    """Another program goes on in the same process; nothing else changes."""
    p = flowing(make)
    before, pid = p.players(), p.process.pid
    p.troupe("upgrade", "-n", p.name)
    status = p.status()["pipeline"]
    check(status["pid"] == pid and status["generation"] == 1, "status: %s" % status)
    check(p.players() == before, "other workers: %s, not %s" % (p.players(), before))
    flows_on(p)
    check_no_drop(p)
    end_well(p)


if __name__ == "__main__":
    harness.main({f.__name__: f for f in (adopted, upgraded)})
