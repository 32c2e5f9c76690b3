"""What a supervisor knew and had not passed on yet, and what only it held, when it was killed or became another program."""

import ctypes
import os
import select
import signal
import sqlite3
import urllib.request

import harness
from harness import await_, check
from test_adopt import Adopted, check_no_drop, end_well, flowing, flows_on
from test_strangers import IN_PYTHON, worker

PIDFD_GETFD = 438  # the system call


def killed(p):
    """Who died of a kill, says the recording."""
    with sqlite3.connect("file:%s/recording.sqlite?mode=ro" % p.recording, uri=True) as catalogue:
        return [what.split(":")[0] for what, in catalogue.execute("SELECT what FROM events WHERE kind = 'died'")]


def kill(p, name):
    """Returns when its successor is ready, so that its death is in the journal."""
    pid, number = p.players()[name]
    os.kill(pid, signal.SIGKILL)
    p.back(name, number)


def deaths_not_told(make):
    """Who goes on tells the storer of the deaths that the journal has: those that nobody told it, and none twice."""
    p = flowing(make)
    kill(p, "trainer")
    await_(lambda: killed(p) == ["trainer"], "the recording to have the first death")
    for name, change in (("processor.1", "upgrade"), ("processor.2", "adopt"), ("display", "twice")):
        before = killed(p)
        p.troupe("stop", "storer", "-n", p.name)
        await_(lambda: p.worker("storer")["state"] == "stopped", "the storer to be stopped")
        kill(p, name)
        if change == "upgrade":
            p.troupe("upgrade", "-n", p.name)
        for _ in range(dict(upgrade=0, adopt=1, twice=2)[change]):
            p.kill_supervisor()
            p.adopt()
        p.troupe("start", "storer", "-n", p.name)
        await_(lambda: len(killed(p)) > len(before), "the recording to have the death of " + name)
        check(sorted(killed(p)) == sorted([*before, name]), "died: %s, then %s" % (before, killed(p)))
    flows_on(p)
    kill(p, "storer")
    p.kill_supervisor()
    p.adopt()
    await_(lambda: len(killed(p)) > 4, "the recording to have the storer's death")
    died = ["display", "processor.1", "processor.2", "storer", "trainer"]
    check(sorted(killed(p)) == died, "died: %s" % killed(p))
    end_well(p)


# ---- what was handed to workers ----

def copy_of(pid, fd):
    """A descriptor of another process."""
    libc = ctypes.CDLL(None, use_errno=True)
    copy = libc.syscall(PIDFD_GETFD, os.pidfd_open(pid), fd, 0)
    check(copy >= 0, "descriptor %d of %d: %s" % (fd, pid, os.strerror(ctypes.get_errno())))
    return copy


def address_in_use(make):
    """What the display listens at is held by somebody a while longer, as by a worker that came too late for the adopter:
    it is opened as soon as it is free, by whoever supervises then."""
    p = flowing(make, display='backoff = "20ms" max_restarts = 1000')
    url, display = p.status()["pipeline"]["url"], p.players()["display"][0]
    held = copy_of(display, 5)
    p.kill_supervisor()
    os.kill(display, signal.SIGKILL)
    for _ in range(2):
        before = p.log("supervisor").count("cannot listen there")
        p.adopt()
        await_(lambda: p.log("supervisor").count("cannot listen there") > before, "the address to be in use")
        check(p.worker("display")["state"] != "ready", "it listens somewhere else")
        p.kill_supervisor()
    os.close(held)
    p.adopt()
    await_(lambda: p.worker("display")["state"] == "ready", "the display to be back")
    check(p.status()["pipeline"]["url"] == url, "the address has changed")
    with urllib.request.urlopen(url, timeout=20) as page:
        check(page.status == 200, "it does not answer")
    end_well(p)


# ---- strangers ----

def strange(make, wait):
    """Nobody of ours processes: a stranger in Python does."""
    p = make(extra='on_orphan = "wait %s"\n' % wait + worker("py", IN_PYTHON, "queue"), frames=0, fps=30, size="160x120",
             processors=0, bypass_after="60s", hang_after="30s")
    p.__class__ = Adopted
    p.up()
    await_(lambda: p.ledger.last() > 10, "frames to flow")
    return p


def python_goes_on(make):
    """A processor in Python stays who it is over an upgrade and two adoptions, and draws like any."""
    p = strange(make, "60s")
    before = p.players()
    p.troupe("upgrade", "-n", p.name)
    flows_on(p, 20)
    for _ in range(2):
        p.kill_supervisor()
        flows_on(p, 20)
        p.adopt()
        flows_on(p, 20)
    check(p.players() == before, "other workers: %s, not %s" % (p.players(), before))
    check_no_drop(p)
    end_well(p)
    p.settings.update(frames=p.ledger.last(), pace="max")
    p.check_equals_reference()


def python_ends_alone(make):
    """When nobody follows the one that took it over, it waits as the config says then and ends, with what was on its
    way."""
    p = strange(make, "60s")
    pid = p.players()["py"][0]
    end = os.pidfd_open(pid)
    p.kill_supervisor()
    p.adopt()
    check(p.players()["py"][0] == pid, "another process plays")
    p.settings["extra"] = p.settings["extra"].replace("60s", "300ms")
    p.write_config()
    p.troupe("reload", "-n", p.name)
    flows_on(p, 20)
    p.kill_supervisor()
    await_(lambda: select.select([end], [], [], 0)[0] and not p.pids(), "the orphans to end")
    os.close(end)
    check("Traceback" not in p.log("py"), "it says: " + p.log("py"))
    p.check_quiet()
    check(p.ledger.last() == len(p.frames()), "%d captured, %d stored" % (p.ledger.last(), len(p.frames())))
    p.troupe("down", "-n", p.name)


# ---- what hears of forbidden system calls ----

def prying(make):
    return flowing(make, processors=1, processor='exec = "prying-processor" environment = "PRYING_LATER=mount_something"')


def dies_of_it(p):
    """It makes the call as it ends; returns what the journal says of that."""
    pid, number = p.players()["processor.1"]
    p.troupe("restart", "processor.1", "-n", p.name)
    p.back("processor.1", number)
    return next(e for e in p.journal("exit", "processor.1") if e["pid"] == pid)


def strict_goes_on(make):
    """Who was there before dies of a forbidden call as ever, whoever supervises by then, and the cause names the call."""
    p = prying(make)
    for change in ("upgrade", "adopt", "both"):
        if change != "adopt":
            p.troupe("upgrade", "-n", p.name)
        if change != "upgrade":
            p.kill_supervisor()
            p.adopt()
        end = dies_of_it(p)
        check(end["kind"] == "forbidden" and end["cause"] == "forbidden system call: mount", "%s: %s" % (change, end))
    flows_on(p)
    end_well(p)


if __name__ == "__main__":
    harness.main({f.__name__: f for f in (deaths_not_told, address_in_use, python_goes_on, python_ends_alone,
                                          strict_goes_on)})
