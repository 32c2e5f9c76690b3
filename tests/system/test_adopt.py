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


def exits(p, worker):
    """What inspect tells of the ends of a worker; the last may be told a moment after its successor is ready."""
    return json.loads(p.troupe("inspect", worker, "--json", "-n", p.name).stdout)["inspection"].get("exit", [])


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


def deaths_alone(make):
    """Who dies while nobody supervises is followed when somebody does; what it held comes back, its log goes on."""
    p = flowing(make)
    before = p.players()
    p.kill_supervisor()
    for name in ("processor.1", "storer", "display"):
        os.kill(before[name][0], signal.SIGKILL)
    p.adopt()
    await_(lambda: all(w["state"] == "ready" for w in p.ps()["worker"]), "all to be ready")
    after = p.players()
    for name, (pid, number) in before.items():
        died = name in ("processor.1", "storer", "display")
        check(after[name][1] == number + died, "%s: incarnation %d after %d" % (name, after[name][1], number))
        check((after[name][0] != pid) == died, "%s: pid %d after %d" % (name, after[name][0], pid))
    told = await_(lambda: exits(p, "storer"), "its end to be told")
    check(told[-1]["cause"] == "ended while nobody supervised" and not told[-1].get("fault"), "told: %s" % told)
    flows_on(p)
    check("taken over by supervisor %d" % p.process.pid in p.log("trainer"), "its log: %s" % p.log("trainer"))
    end_well(p)


def status_of_strangers(make):
    """How one ended who is no child is told as of any child."""
    p = flowing(make)
    p.kill_supervisor()
    p.adopt()
    pid, number = p.players()["processor.2"]
    os.kill(pid, signal.SIGABRT)
    p.back("processor.2", number)
    told = await_(lambda: exits(p, "processor.2"), "its end to be told")[-1]
    known = "died of SIGABRT" in told["cause"] or told["cause"] == "ended while adopted, status unknown"
    check(known and told["pid"] == pid, "told: %s" % told)
    end_well(p)


def again_and_again(make):
    """The one that took over is killed, too, and becomes another program; the socket and the address stay."""
    p = flowing(make)
    before, url = p.players(), p.status()["pipeline"]["url"]
    for generation in (1, 2, 3):
        p.kill_supervisor()
        p.adopt()
    p.troupe("upgrade", "-n", p.name)
    status = p.status()["pipeline"]
    check(p.players() == before, "other workers: %s, not %s" % (p.players(), before))
    check(status["generation"] == 4 and status["url"] == url, "status: %s" % status)
    p.kill_supervisor()
    os.kill(before["display"][0], signal.SIGKILL)  # and with it the socket
    p.adopt()
    check(p.status()["pipeline"]["url"] == url, "the address has changed")
    flows_on(p)
    end_well(p)


def spare_taken_over(make):
    """A standby stays one; when the lead dies while nobody supervises, the spare follows it."""
    p = flowing(make, storer="spares = 1")
    await_(lambda: any(w["state"] == "spare" for w in p.ps().get("spare", [])), "the spare")
    spare = p.ps()["spare"][0]["pid"]
    lead = p.players()["storer"][0]
    p.kill_supervisor()
    p.adopt()
    check([w["pid"] for w in p.ps()["spare"]] == [spare] and p.players()["storer"][0] == lead, "others: %s" % p.ps())
    p.kill_supervisor()
    os.kill(lead, signal.SIGKILL)
    p.adopt()
    await_(lambda: p.worker("storer")["state"] == "ready" and p.worker("storer")["pid"] == spare, "the spare to play")
    flows_on(p)
    end_well(p)


def up_is_refused(make):
    """Without --adopt nobody is disturbed: what is there is said, and what to do. `down` ends the orphans in order."""
    p = flowing(make)
    before = p.seen()
    p.kill_supervisor()
    told = p.start()
    check("--adopt" in told and "down" in told and p.process.wait() == 1, "up said: %s" % told)
    check(p.seen() == before and set(pid for pid, _ in before.values()) <= set(p.pids()), "somebody was disturbed")
    check("orphaned" in p.troupe("list").stdout, "list: %s" % p.troupe("list").stdout)
    check("--adopt" in p.troupe("ps", "-n", p.name, code=2).stderr, "ps")
    p.troupe("down", "-n", p.name)
    p.check_nothing_left()
    p.check_quiet()
    p.check_numbers(p.ledger.last(), most=20)


def nobody_to_adopt(make):
    """With a config `up --adopt` starts what is not there; without, it says so."""
    p = make(extra=WAIT, frames=0, fps=100)
    p.__class__ = Adopted
    os.makedirs(p.recording)
    p.write_config()
    told = p.adopt(ready=None)
    check("nobody to be taken over" in told + p.said(), "adopt: %s" % told)
    p.process.wait()
    p.adopt(config=True)
    p.ledger = harness.Ledger(os.path.join(p.runtime, "ledger"))
    await_(lambda: p.ledger.last() > 20, "frames to flow")
    end_well(p)


def drained_instead(make):
    """Workers of a config that says nothing of waiting drain as ever; then the pipeline starts anew."""
    p = make(frames=0, fps=100)
    p.__class__ = Adopted
    p.up()
    await_(lambda: p.ledger.last() > 30, "frames to flow")
    first = p.ledger
    p.kill_supervisor()
    p.adopt(config=True)
    p.ledger = harness.Ledger(os.path.join(p.runtime, "ledger"))
    check(p.ledger.run != first.run and p.status()["pipeline"].get("generation", 0) == 0, "it was taken over")
    await_(lambda: p.ledger.last() > 20, "frames to flow")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    check(len(p.frames()) == first.last() + p.ledger.last(), "a run is not stored whole")


def waited_in_vain(make):
    """When nobody comes in time, orphans drain by themselves, and all that was numbered is stored."""
    p = make(extra='on_orphan = "wait 300ms"', frames=0, fps=100)
    p.__class__ = Adopted
    p.up()
    await_(lambda: p.ledger.last() > 30, "frames to flow")
    p.kill_supervisor()
    await_(lambda: not p.pids(), "the orphans to end")
    p.check_quiet()
    check(p.ledger.last() == len(p.frames()), "%d captured, %d stored" % (p.ledger.last(), len(p.frames())))
    p.troupe("down", "-n", p.name)


def upgrade_refused(make):
    """A program that cannot go on, or is none, changes nothing; nor does an exec that fails."""
    p = flowing(make)
    before = p.players()
    told = p.troupe("upgrade", "--exec", "/bin/false", "-n", p.name, code=1).stderr
    check("/bin/false" in told, "told: %s" % told)
    p.troupe("upgrade", "--exec", os.path.join(p.folder, "none"), "-n", p.name, code=2)
    mean = os.path.join(p.folder, "mean")  # says that it can, and then is gone
    with open(mean, "w") as file:
        file.write("#!/bin/sh\nrm -f %s\n" % mean)
    os.chmod(mean, 0o700)
    told = p.troupe("upgrade", "--exec", mean, "-n", p.name, code=1).stderr
    check("all goes on as it was" in told, "told: %s" % told)
    check(p.players() == before and p.status()["pipeline"].get("generation", 0) == 0, "something has changed")
    flows_on(p)
    p.troupe("restart", "processor.1", "-n", p.name)
    p.troupe("upgrade", "-n", p.name)
    check(p.status()["pipeline"]["generation"] == 1, "no upgrade any more")
    flows_on(p)
    check_no_drop(p)
    end_well(p)


def upgrade_takes_its_time(make):
    """While the program is asked, which may take as long as it likes, the supervisor does what it always does."""
    p = flowing(make)
    slow, asked = os.path.join(p.folder, "slow"), os.path.join(p.folder, "asked")
    with open(slow, "w") as file:
        file.write('#!/bin/sh\necho $$ >%s.new\nmv %s.new %s\nexec sleep 1000\n' % (asked, asked, asked))
    os.chmod(slow, 0o700)
    upgrade = subprocess.Popen([os.path.join(harness.BIN, "troupe"), "upgrade", "--exec", slow, "-n", p.name], env=p.env,
                               stderr=subprocess.PIPE, text=True)
    await_(lambda: os.path.exists(asked), "it to be asked")
    pid, incarnation = p.players()["processor.1"]
    os.kill(pid, signal.SIGKILL)
    p.back("processor.1", incarnation)
    check("under way" in p.troupe("upgrade", "-n", p.name, code=1).stderr, "two at once")
    check(upgrade.poll() is None, "it has not been asked for long: %s" % upgrade.stderr)
    with open(asked) as file:
        os.kill(int(file.read()), signal.SIGKILL)
    told = upgrade.communicate(timeout=30 * harness.PATIENCE)[1]
    check(upgrade.returncode == 1 and "all goes on as it was" in told, "told: %s" % told)
    p.troupe("upgrade", "-n", p.name)
    flows_on(p)
    end_well(p)


def reloaded(make):
    """Who goes on, goes on with the config that runs, wherever its file has gone."""
    p = flowing(make)
    p.settings["hang_after"] = "5s"
    path = p.write_config()
    p.troupe("reload", "-n", p.name)
    os.remove(path)
    before = p.players()
    p.troupe("upgrade", "-n", p.name)
    p.kill_supervisor()
    p.adopt()
    check(p.players() == before, "other workers: %s, not %s" % (p.players(), before))
    with open(os.path.join(p.runtime, "image")) as file:
        check('hang_after = "5s"' in file.read(), "it has another config")
    os.kill(before["processor.1"][0], signal.SIGKILL)
    p.back("processor.1", before["processor.1"][1])
    end_well(p)


def late_worker(make):
    """Who begins after another supervisor has come ends before it has touched anything."""
    p = flowing(make)
    seat = p.ledger.seats()[0]
    with open("/proc/%d/environ" % seat.pid, "rb") as file:
        env = dict(e.split(b"=", 1) for e in file.read().split(b"\0") if b"=" in e)
    env[b"TROUPE_SUPERVISOR"] = b"1"  # of whom we come is not who supervises
    ledger = os.open("/proc/%d/fd/3" % seat.pid, os.O_RDWR)
    words = p.ledger.seats()
    program = os.readlink("/proc/%d/exe" % seat.pid)
    late = subprocess.run([program], env=env, preexec_fn=lambda: os.dup2(ledger, 3), pass_fds=[3],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30 * harness.PATIENCE)
    os.close(ledger)
    check(late.returncode == 0 and "has taken over" in late.stderr, "exit %d: %s" % (late.returncode, late.stderr))
    check(p.ledger.seats() == words, "seats have changed")
    end_well(p)


if __name__ == "__main__":
    harness.main({f.__name__: f for f in (
        adopted, upgraded, deaths_alone, status_of_strangers, again_and_again, spare_taken_over, up_is_refused,
        nobody_to_adopt, drained_instead, waited_in_vain, upgrade_refused, upgrade_takes_its_time,
        reloaded, late_worker)})
