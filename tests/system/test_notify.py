"""What a service manager hears of a pipeline: sd_notify(3)'s protocol on a socket of this test."""

import os
import select
import signal
import socket
import struct

from harness import await_, check, main, wait_stopped


class Manager:
    """A socket as the service manager has one: it knows who sent what."""

    def __init__(self, p, address=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        name = address or os.path.join(p.folder, "notify")
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.heard = []
        p.for_supervisor["NOTIFY_SOCKET"] = self.name = name

    def hear(self, limit=0.0):
        """Takes in what has come; returns all that was heard so far, as dictionaries."""
        while select.select([self.socket], [], [], limit)[0]:
            limit = 0
            data, ancillary, _, _ = self.socket.recvmsg(4096, 256)
            pids = [struct.unpack("iII", d)[0] for _, kind, d in ancillary if kind == socket.SCM_CREDENTIALS]
            lines = dict(line.split("=", 1) for line in data.decode().strip().split("\n"))
            self.heard.append(dict(lines, pid=pids[0]))
        return self.heard

    def times(self, key):
        return len([m for m in self.hear() if key in m])

    def hear_until_end(self, p):
        await_(lambda: (self.hear(), p.process.poll() is not None)[1], "the pipeline's end")
        p.wait_end()
        return self.hear()


def tells_in_order(make):
    p = make(frames=0)
    manager = Manager(p)
    p.for_supervisor["WATCHDOG_USEC"] = "200000"
    p.up()
    await_(lambda: manager.times("WATCHDOG") >= 2, "signs of life")
    for pid in p.pids():
        with open("/proc/%d/environ" % pid, "rb") as file:
            inherits = b"NOTIFY_SOCKET=" in file.read()
        check(inherits == (pid == p.process.pid), "process %d %s the manager's socket" % (
            pid, "knows" if inherits else "does not know"))
    p.troupe("down", "-n", p.name)
    heard = manager.hear_until_end(p)
    states = [key for m in heard for key in ("READY", "STOPPING") if key in m]
    check(states == ["READY", "STOPPING"], "the states are %s" % states)
    check({m["pid"] for m in heard} == {p.process.pid}, "somebody else spoke: %s" % heard)
    ready = next(m for m in heard if "READY" in m)
    check(ready["STATUS"].startswith("running: "), "the status is %s" % ready["STATUS"])
    last = next(m for m in heard if "STOPPING" in m)
    check(int(last["EXTEND_TIMEOUT_USEC"]) >= 60e6, "stopping may take %s µs" % last["EXTEND_TIMEOUT_USEC"])


def sources_that_end_at_once(make):
    p = make(frames=1, pace="max")
    manager = Manager(p)
    p.up()
    states = [key for m in manager.hear_until_end(p) for key in ("READY", "STOPPING") if key in m]
    check(states == ["READY", "STOPPING"], "the states are %s" % states)


def says_nothing_while_it_hangs(make):
    p = make(frames=0)
    manager = Manager(p, "@troupe-test-%d" % os.getpid())  # the other kind of name
    p.for_supervisor["WATCHDOG_USEC"] = "100000"
    p.up()
    await_(lambda: manager.times("WATCHDOG") >= 3, "signs of life")
    os.kill(p.process.pid, signal.SIGSTOP)
    wait_stopped(p.process.pid)
    before = manager.times("WATCHDOG")
    # A sign would come every 50 ms.
    manager.hear(0.3)
    check(manager.times("WATCHDOG") == before, "a process that is stopped gave a sign of life")
    os.kill(p.process.pid, signal.SIGCONT)
    await_(lambda: manager.times("WATCHDOG") > before, "signs of life again")
    p.troupe("down", "-n", p.name)
    p.wait_end()


def waits_for_nobody(make):
    """The manager takes nothing for a while: no worker waits for that, and in the end it knows the state."""
    p = make(frames=0)
    manager = Manager(p)
    noise = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    noise.setblocking(False)
    sent = 0
    try:
        while sent < 100000:
            noise.sendto(b"STATUS=noise\n", manager.name)
            sent += 1
    except BlockingIOError:
        pass
    p.up()
    p.troupe("ps", "-n", p.name)
    await_(lambda: manager.times("READY") == 1, "the state to be told")
    check(manager.times("WATCHDOG") == 0, "a watchdog was fed that nobody asked for")
    p.troupe("down", "-n", p.name)
    p.wait_end()
    check(manager.times("STOPPING") == 1, "the end was told %d times" % manager.times("STOPPING"))


def tells_of_a_reload(make):
    p = make(frames=0)
    manager = Manager(p)
    p.up()
    p.settings["display"] = "viewers = 7"  # a row of the display's: it starts anew
    p.troupe("reload", "-n", p.name, "-c", p.write_config())
    p.troupe("down", "-n", p.name)
    heard = [m for m in manager.hear_until_end(p) if {"READY", "RELOADING", "STOPPING"} & set(m)]
    states = [key for m in heard for key in ("READY", "RELOADING", "STOPPING") if key in m]
    check(states == ["READY", "RELOADING", "READY", "STOPPING"], "the states are %s" % states)
    check(int(heard[1]["MONOTONIC_USEC"]) > 0, "it is not said when the reload began")


def another_process_is_watched(make):
    """WATCHDOG_PID names somebody else: the signs are not ours to give."""
    p = make(frames=20)
    manager = Manager(p)
    p.for_supervisor.update(WATCHDOG_USEC="20000", WATCHDOG_PID="1")
    p.up()
    p.wait_end()
    check(manager.times("READY") == 1 and manager.times("WATCHDOG") == 0, "heard %s" % manager.hear())


if __name__ == "__main__":
    main({f.__name__: f for f in (tells_in_order, sources_that_end_at_once, says_nothing_while_it_hangs,
                                  waits_for_nobody, tells_of_a_reload, another_process_is_watched)})
