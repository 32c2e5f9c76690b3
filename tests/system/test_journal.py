"""The journal, and that nothing disagrees with it: what ps, history and events say is compared with a fold of the
file that is written here, after real kills, hangs, swaps, scalings, full disks and killed supervisors."""

import glob
import json
import os
import select
import signal
import subprocess
import sys

import harness
import test_adopt
from harness import BIN, await_, check

TINY = dict(size="160x120", fps=100, frames=0)


def files(p):
    """Oldest first."""
    path = os.path.join(p.folder, "state", p.name, "journal.jsonl")
    old = sorted(glob.glob(path + ".*"), key=lambda name: -int(name.rsplit(".", 1)[1]))
    return old + [path]


def lines(p, run=None):
    """All lines that are whole; of one run."""
    found = []
    for name in files(p):
        with open(name, "rb") as file:
            for line in file:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if run is None or event["run"] == run:
                    found.append(event)
    return found


class Worker:
    def __init__(self):
        self.lives = self.restarts = self.exits = self.faults = self.swaps = self.swaps_failed = self.gave_up = 0
        self.repairs, self.ready, self.missed, self.turn, self.last = [], set(), 0, 0, None

    def leaves(self, pid, planned, t):
        if pid in self.ready:
            self.ready.discard(pid)
            if not self.ready:
                self.missed = 0 if planned else t
            return True
        return False


def fold(events):
    """What follows from all lines of one run; no line was lost."""
    workers, stopping = {}, False
    for e in events:
        kind, t, name = e["event"], e["t"], e.get("worker")
        if kind == "down":
            stopping = True
            for w in workers.values():
                w.missed = 0
        elif kind == "scale":
            for other, w in workers.items():
                pool, _, number = other.partition(".")
                if pool == name and int(number) > e["count"]:
                    w.missed = 0
        elif kind == "control":
            if e["request"] == "stop" and e["code"] == 0 and name in workers:
                workers[name].missed = 0
        elif kind in ("spawn", "ready", "dying", "exit", "restart", "gave-up", "swap"):
            take(workers.setdefault(name, Worker()), kind, e, t, stopping)
    return workers


def take(w, kind, e, t, stopping):
    if kind == "spawn":
        w.lives += 1
    elif kind == "restart":
        w.restarts += 1
    elif kind == "gave-up" and not e.get("spare"):
        w.gave_up += 1
    elif kind == "ready":
        w.repairs += [t - w.missed] if w.missed else []
        w.missed = 0
        w.ready.add(e["pid"])
    elif kind == "dying":
        w.leaves(e["pid"], e["asked"] or stopping, t)
    elif kind == "swap":
        w.swaps += e["outcome"] == "done"
        w.swaps_failed += e["outcome"] == "failed"
        if not e["outcome"] and e["stage"] == "on probation":
            w.ready = {e["pid"]}
    elif kind == "exit":
        w.exits += 1
        w.faults += e["fault"]
        if e["turn"] and e["turn"] >= w.turn:
            w.turn, w.last = e["turn"], e
        planned = e["asked"] or stopping or e["kind"] in ("finished", "device")
        if not w.leaves(e["pid"], planned, t) and planned and e["turn"] and not e["ready"]:
            w.missed = 0


def history(p, *args):
    return json.loads(p.troupe("history", *args, "--json", "-n", p.name).stdout)


def moment(p, ps=True):
    """The lines, what history and what ps say, with nothing that happened in between."""
    def looks():
        before = lines(p)
        found = history(p), p.ps()["worker"] if ps else []
        return (before, *found) if lines(p) == before else None
    return await_(looks, "a moment in which nothing happens")


def agree(p, ps=True):
    """ps, history and the fold here say the same of the last run; returns the fold."""
    all_lines, told, shown = moment(p, ps)
    mine = fold([e for e in all_lines if e["run"] == told["run"]])
    check({w["name"] for w in told["worker"]} == set(mine), "history knows %s" % [w["name"] for w in told["worker"]])
    for other in told["worker"]:
        same(other, mine[other["name"]])
    for other in shown:
        w = mine[other["name"]]
        check((other["restarts"], other["repairs"], other["repair_mean"]) == (
            w.restarts, len(w.repairs), mean(w)), "ps says %s, the journal %s" % (other, vars(w)))
        check(other["last_exit"].startswith(w.last["cause"]) if w.last else not other["last_exit"],
              "ps says %r of %s" % (other["last_exit"], w.last))
    return mine


def mean(w):
    return sum(w.repairs) // len(w.repairs) if w.repairs else 0


def same(told, w):
    mine = dict(lives=w.lives, restarts=w.restarts, exits=w.exits, faults=w.faults, swaps=w.swaps, gave_up=w.gave_up,
                swaps_failed=w.swaps_failed, repairs=len(w.repairs), repair_total=sum(w.repairs), repair_mean=mean(w),
                repair_last=w.repairs[-1] if w.repairs else 0, repair_longest=max(w.repairs, default=0))
    wrong = {key: (told[key], value) for key, value in mine.items() if told[key] != value}
    check(not wrong, "%s: history and the fold of the file: %s" % (told["name"], wrong))
    check(told.get("last_exit", {}).get("pid") == (w.last or {}).get("pid"), "the last exit: %s" % told)


def kill(p, name, sig=signal.SIGKILL):
    before = p.worker(name)
    os.kill(before["pid"], sig)
    p.back(name, before["incarnation"])
    return before["pid"]


def exit_of(p, pid):
    """Its line; the exit may be told a moment after its successor is ready."""
    return await_(lambda: next((e for e in lines(p) if e["event"] == "exit" and e["pid"] == pid), None),
                  "the end of %d to be told" % pid)


def settle(p):
    """Until each that was started and has no exit is one that ps shows."""
    def calm():
        alive = {w["pid"] for w in p.ps()["worker"] + p.ps().get("spare", [])}
        ended = {e["pid"] for e in lines(p) if e["event"] == "exit"}
        return {e["pid"] for e in lines(p) if e["event"] == "spawn"} - ended == alive - {0}
    await_(calm, "all ends to be told")


def all_say_the_same(make):
    p = make(hang_after="%dms" % (700 * harness.PATIENCE), processor='max_restarts = 100  backoff = "1ms"',
             display="spares = 1", **TINY).up()
    outside = kill(p, "processor.1")
    crash = kill(p, "storer", signal.SIGABRT)
    hung = kill(p, "trainer", signal.SIGSTOP)
    await_(lambda: any(w["state"] == "spare" for w in p.ps().get("spare", [])), "a spare of the display")
    spare = kill(p, "display")
    p.troupe("scale", "processor", "3", "-n", p.name)
    p.troupe("swap", "processor.2", "--exec", "troupe-processor-edges", "--probation", "10ms", "-n", p.name)
    p.troupe("swap", "processor.1", "--exec", "/bin/false", "-n", p.name, code=1)
    p.troupe("swap", "storer", "--exec", "troupe-storer", "--probation", "10ms", "-n", p.name)
    asked = p.worker("processor.3")["pid"]
    p.troupe("scale", "processor", "2", "-n", p.name)
    stopped = p.worker("trainer")["pid"]
    p.troupe("stop", "trainer", "-n", p.name)
    kinds = {pid: exit_of(p, pid) for pid in (outside, crash, hung, spare, asked, stopped)}
    check([kinds[pid]["kind"] for pid in (outside, crash, hung, spare, asked, stopped)] == [
        "killed", "signal", "hung", "killed", "asked", "asked"], "kinds: %s" % kinds)
    check(kinds[crash]["signal"] == signal.SIGABRT and kinds[crash]["fault"], "the crash: %s" % kinds[crash])
    check(kinds[outside]["excused"] and not kinds[outside]["fault"], "the kill: %s" % kinds[outside])
    check(any(e["event"] == "exit" and e["kind"] == "replaced" for e in lines(p)), "nobody was replaced")
    settle(p)
    mine = agree(p)
    for name in ("processor.1", "storer", "trainer", "display"):
        check(len(mine[name].repairs) >= 1, "%s was repaired %s times" % (name, mine[name].repairs))
    check(mine["processor.2"].swaps == 1 and mine["processor.1"].swaps_failed == 1, "swaps")
    told = json.loads(p.troupe("inspect", "storer", "--json", "-n", p.name).stdout)["inspection"]["exit"]
    check([(x["pid"], x["kind"]) for x in told] == [(e["pid"], e["kind"]) for e in lines(p) if e["event"] == "exit"
                                                    and e["worker"] == "storer"], "inspect tells of %s" % told)
    table = p.troupe("ps", "--wide", "-n", p.name).stdout
    check("REPAIR" in table.splitlines()[0], "ps --wide: " + table)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    agree(p, ps=False)
    told = history(p)
    check(told["ended"] and told["exit_code"] == 0 and not told["goes_on"] and not told["damaged"], "told: %s" % told)
    life = history(p, "storer")["worker"][0]["life"]
    check([x["pid"] for x in life] == [e["pid"] for e in lines(p) if e["event"] == "spawn" and e["worker"] == "storer"]
          and all("end" in x for x in life), "the lives of the storer: %s" % life)
    events_of_the_ended(p)


def events_of_the_ended(p):
    """Of an ended pipeline: each line as it is, and one for people for each."""
    whole = [e for e in lines(p) if e["event"] != "history"]
    shown = [json.loads(line) for line in p.troupe("events", "--json", "-n", p.name).stdout.splitlines()]
    check(shown == whole, "events --json shows %d lines of %d" % (len(shown), len(whole)))
    said = p.troupe("events", "-n", p.name).stdout.splitlines()
    check(len(said) == len(whole), "events says %d lines of %d" % (len(said), len(whole)))
    for text in ("died of SIGABRT", "hung", "scaled from 2 to 3", "has ended with exit code 0",
                 "takes the place of pid", "its spare"):
        check(any(text in line for line in said), "events do not say %r" % text)

    def some(*args):
        out = p.troupe("events", *args, "--json", "-n", p.name).stdout
        return [json.loads(line) for line in out.splitlines()]
    check(some("--worker", "processor") == [e for e in whole if e.get("worker", "").split(".")[0] == "processor"],
          "of a pool")
    check(some("--kind", "exit,ready") == [e for e in whole if e["event"] in ("exit", "ready")], "of two kinds")
    check(some("--limit", "3") == whole[-3:], "the last three")
    middle = whole[len(whole) // 2]["wall"]
    check(some("--since", middle) == [e for e in whole if e["wall"] >= middle], "since the middle")
    check(some("--run", str(whole[0]["run"])) == whole, "of its run")


def killed_supervisors(make):
    """The file survives them, the next supervisor goes on in it, and a run that broke off is told as such."""
    p = make(hang_after="60s", **TINY).up()
    kill(p, "processor.1")
    settle(p)
    first = history(p)
    p.process.kill()
    p.process.wait()
    broken = history(p)
    check(not broken["goes_on"] and not broken["ended"] and broken["run"] == first["run"], "broken off: %s" % broken)
    check("broke off" in p.troupe("history", "-n", p.name).stdout, "it does not say so")
    with open(files(p)[-1], "ab") as file:
        file.write(b'{"t":1,"wall":"2026')  # as a power cut leaves it
    check("1 damaged line" in p.troupe("history", "-n", p.name).stderr, "half a line is not said")
    p.up()
    kill(p, "storer")
    settle_run(p)
    mine = agree(p)
    check(mine["storer"].restarts == 1 and mine["processor.1"].restarts == 0, "the second run has what the first had")
    both = {w["name"]: w for w in history(p, "--run", "all")["worker"]}
    check(both["storer"]["repairs"] == 1 and both["processor.1"]["repairs"] == 1, "both runs: %s" % both)
    one = {w["name"]: w for w in history(p, "--run", str(first["run"]))["worker"]}
    check(one["processor.1"]["repairs"] == 1 and one["storer"]["repairs"] == 0, "the first run: %s" % one)
    check(history(p)["damaged"] == 1, "the half line is skipped and counted")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_nothing_left()


def settle_run(p):
    run = history(p)["run"]
    await_(lambda: any(e["event"] == "exit" for e in lines(p, run)), "the end to be told")


def followed_by_others(make):
    """A killed supervisor is followed by one that adopts, and that by another program: what is derived goes on, with
    what happened while nobody supervised."""
    p = test_adopt.flowing(make, hang_after="60s")
    kill(p, "processor.1")
    alone = p.worker("storer")
    p.kill_supervisor()
    os.kill(alone["pid"], signal.SIGKILL)
    p.adopt()
    p.back("storer", alone["incarnation"])
    settle(p)
    mine = agree(p)
    check(len(mine["processor.1"].repairs) == len(mine["storer"].repairs) == 1, "repairs: %s" % [
        (name, w.repairs) for name, w in mine.items()])
    p.troupe("upgrade", "-n", p.name)
    kill(p, "trainer")
    settle(p)
    mine = agree(p)
    check(len(mine["processor.1"].repairs) == len(mine["trainer"].repairs) == 1, "repairs: %s" % [
        (name, w.repairs) for name, w in mine.items()])
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    told = history(p)
    check(told["runs"] == 1 and told["ended"], "one run: %s" % told)
    agree(p, ps=False)


class Follower:
    """`troupe events -f --json`, read as it writes."""

    def __init__(self, p, *args):
        self.process = subprocess.Popen([os.path.join(BIN, "troupe"), "events", "-f", "--json", "-n", p.name, *args],
                                        env=p.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.text = b""

    def read(self):
        while select.select([self.process.stdout], [], [], 0)[0]:
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                break
            self.text += chunk
        return [json.loads(line) for line in self.text.split(b"\n")[:-1]]

    def end(self):
        self.process.terminate()
        self.process.wait()


def rotation(make):
    """Files of a few events each: who follows misses nothing, and who comes late knows all that is derived."""
    p = make(extra='journal_size = "8kB"', processors=1, hang_after="60s", processor="max_restarts = 1000", **TINY).up()
    follower = Follower(p)
    try:
        killed = []
        while len(files(p)) < 4:
            killed.append(kill(p, "processor.1"))
        await_(lambda: any(e["event"] == "spawn" for e in follower.read()), "the follower to tell of the start")
        p.troupe("down", "-n", p.name)
        p.wait_end(0)
        await_(lambda: any(e["event"] == "ended" for e in follower.read()), "the follower to tell of the end")
        told = follower.read()
        check([e["t"] for e in told] == sorted(e["t"] for e in told), "the follower is out of order")
        seen = {e["pid"] for e in told if e["event"] == "spawn"}
        check(seen > set(killed) and len(seen) == len(killed) + 5, "it saw %d starts after %d kills" % (
            len(seen), len(killed)))
        whole, mine = history(p), fold(told)
        for worker in whole["worker"]:
            same(worker, mine[worker["name"]])
        # Only the newest file: it begins with the fold.
        for name in files(p)[:-1]:
            os.unlink(name)
        check(history(p)["worker"] == whole["worker"], "the newest file alone tells something else")
        check({w["name"]: w["restarts"] for w in whole["worker"]}["processor.1"] == len(killed), "restarts")
        check(follower.process.poll() is None, "the follower has ended")
    finally:
        follower.end()


def reader_is_gone(make):
    """Who follows ends when nobody reads; and it works where no supervisor runs."""
    p = make(**TINY).up()
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    follower = Follower(p)
    await_(lambda: any(e["event"] == "ended" for e in follower.read()), "what was before to be told")
    follower.process.stdout.close()
    follower.process.wait(20 * harness.PATIENCE)


def drops_and_sources(make):
    """A flood: at most one line a second, and the counts add up to those of status."""
    p = make(fps=100, frames=0, size="160x120", stream="live = yes", slots=16, hang_after="1s",
             bypass_after="500ms").up()
    os.kill(p.worker("storer")["pid"], signal.SIGSTOP)
    await_(lambda: any(e["event"] == "drops" for e in lines(p)), "a line of drops")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    told = [e for e in lines(p) if e["event"] == "drops"]
    check(all(e["count"] == sum(e["reasons"].values()) for e in told), "reasons: %s" % told)
    check(sum(e["count"] for e in told) == told[-1]["total"] > 0, "they do not add up: %s" % told)
    check(all(b["t"] - a["t"] >= 10**9 for a, b in zip(told, told[1:-1])), "more than a line a second: %s" % told)


def full_disk(make):
    """The disk of the state folder is full: everything goes on, what was not written is counted and said, and what
    is derived lacks nothing."""
    p = make(processors=1, processor="max_restarts = 1000", **TINY)
    state = os.path.join(p.folder, "state")
    os.mkdir(state)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", state], capture_output=True, text=True)
    check(done.returncode == 0, "mount: " + done.stderr)
    p.up()
    kill(p, "processor.1")
    filler = os.path.join(state, "filler")
    with open(filler, "ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    await_(lambda: kill(p, "processor.1") and p.status()["pipeline"].get("journal_lost", 0), "lines to be lost")
    for _ in range(3):
        kill(p, "processor.1")
    os.unlink(filler)
    kill(p, "processor.1")
    await_(lambda: any(e["event"] == "lost" for e in lines(p)), "the lost lines to be said")
    events, told, shown = moment(p)
    lost = sum(e["count"] for e in events if e["event"] == "lost")
    check(told["lost"] == lost == p.status()["pipeline"]["journal_lost"] > 0, "lost: %s" % lost)
    both = {w["name"]: w for w in told["worker"]}
    for worker in shown:
        for key in ("restarts", "repairs", "repair_mean"):
            check(both[worker["name"]][key] == worker[key], "%s of %s: history %s, ps %s" % (
                key, worker["name"], both[worker["name"]][key], worker[key]))
    p.troupe("down", "-n", p.name)
    p.wait_end(0)


def wrong_words(make):
    p = make(**TINY).up()
    for args, word in (("events --kind nonsense", "valid: up, spawn"), ("events --since nonsense", "is no time"),
                       ("events --limit 0", "no number from 1"), ("events --run x", "no number of a run"),
                       ("history nobody", "valid: storer"), ("history --run 5", "no such run")):
        done = p.troupe(*args.split(), "-n", p.name, code=2)
        check(word in done.stderr and done.stderr.count("\n") == 1, "%s: %s" % (args, done.stderr))


if __name__ == "__main__":
    if "full_disk" in sys.argv or len(sys.argv) == 1:
        harness.own_mounts()
    harness.main({t.__name__: t for t in (
        all_say_the_same, killed_supervisors, followed_by_others, rotation, reader_is_gone, drops_and_sources, full_disk,
        wrong_words)})
