"""Bad disks, and workers that are away for good: what is owed waits in its slots, what can wait waits, nothing
else stops, and when the cause is gone everything goes on by itself with nothing lost."""

import os
import re
import signal
import sqlite3
import subprocess
import urllib.request

import harness
from harness import BIN, await_, check, needs

KEEP_ALL = 'keep_free = "0" '
REFUSED = "trying again each second"


class Disk:
    """A small file system of its own below the recording."""

    def __init__(self, p, size="1500k"):
        self.path = p.recording
        os.mkdir(self.path)
        mount("-t", "tmpfs", "-o", "size=" + size, "none", self.path)

    def fill(self, leave=0):
        """Takes what is free but `leave` bytes; tmpfs gives whole pages."""
        with open(os.path.join(self.path, "filler"), "ab", buffering=0) as file:
            space = os.statvfs(self.path)
            free = space.f_bavail * space.f_bsize - leave
            try:
                while free > 0:
                    free -= file.write(bytes(min(free, 65536)))
            except OSError:
                pass

    def clear(self):
        os.unlink(os.path.join(self.path, "filler"))

    def remount(self, option):
        mount("-o", "remount," + option, self.path)


def mount(*args):
    done = subprocess.run(["mount", *args], capture_output=True, text=True)
    check(done.returncode == 0, "mount %s: %s" % (" ".join(args), done.stderr))


def tries(p):
    """How often the storer has been refused since it began, 0: it is not."""
    told = p.troupe("inspect", "storer", "-n", p.name, code=None).stdout
    found = re.search(r"trouble: .* tried (\d+) times", told)
    return int(found.group(1)) if found else 0


def refused(p, *words):
    """Waits until the storer is refused, has tried again and still says so only once."""
    before = p.log("storer").count(REFUSED)
    await_(lambda: tries(p) >= 2, "the storer to try again")
    said = p.log("storer")
    check(said.count(REFUSED) <= max(before, 1), "it says so again and again: %s" % said[-1500:])
    told = [e["text"] for e in p.journal("report", "storer")][-1]
    for word in words:
        check(word in told, "%r is not in the report %r" % (word, told))
    check(told in p.said(), "the terminal does not say %r: %s" % (told, p.said()))
    check(p.worker("storer")["state"] == "ready", "the storer is %s" % p.worker("storer"))


def goes_on(p):
    await_(lambda: "goes on after" in p.journal("report", "storer")[-1]["text"], "the storer to go on")


def whole(p):
    """Frames flow again; then it is taken down, and the recording has what a run without trouble has."""
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + 20, "frames to flow again")
    p.troupe("down", "-n", p.name)
    p.wait_end(0, 90)
    p.check_quiet()
    p.check_nothing_left()
    p.check_numbers(p.ledger.last(), most=40)
    p.verify()
    p.settings["frames"] = p.ledger.last()
    p.check_equals_reference()


def pipeline(make, name, **settings):
    """Its source has no end, so that no machine is too slow for what is done to it meanwhile. Nothing recorded goes
    to make space, unless a test says so."""
    settings["storer"] = settings.get("storer", KEEP_ALL)
    p = make(name, **dict(dict(frames=0, fps=100, slots=24, bypass_after="60s"), **settings))
    p.options = ["--progress"]
    return p


def wrapped(p, program, script):
    """An `exec` that runs a line of shell first, but not when asked for its rows."""
    path = os.path.join(p.folder, "wrapped-" + program)
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + needs("run /bin/sleep", "read-path " + os.path.dirname(BIN)) +
                   "[ -n \"$1\" ] || { %s; }\nexec %s/troupe-%s \"$@\"\n" % (script, BIN, program))
    os.chmod(path, 0o755)
    return 'exec = "%s" backoff = "20ms" ' % path


def flag(p, name, there):
    path = os.path.join(p.folder, name)
    if there:
        open(path, "w").close()
    else:
        os.unlink(path)
    return path


# ---- full ----

def full(make):
    """It fills up by itself; the source waits; after more space everything is there."""
    p = pipeline(make, "full")
    disk = Disk(p)
    p.up()
    refused(p, "no space left")
    held = await_(lambda: len(p.ledger.owed()) >= 8 and p.ledger.owed(), "frames to be owed")
    last = p.ledger.last()
    settled = len(p.frames())
    check(settled < held[0].seq, "an owed frame counts as settled")
    check(p.worker("storer")["incarnation"] == 1, "the storer was restarted")
    again = tries(p)
    await_(lambda: tries(p) > again, "another try")
    check(p.ledger.last() <= last + 24, "the source does not wait")
    check(p.status()["pipeline"]["stream"][0]["drop"] in (None, [], {}), "a source that can wait drops")
    disk.remount("size=100m")
    goes_on(p)
    whole(p)


def full_again_and_again(make):
    """With a different rest each time: within a record, a page of the index, its log, or its checkpoint."""
    p = pipeline(make, "again", storer=KEEP_ALL + 'segment_bytes = "60kB"')
    disk = Disk(p, "100m")
    p.up()
    for leave in (0, 4096, 12288, 40960, 69632):
        stored = len(p.frames())
        await_(lambda: len(p.frames()) > stored, "a commit")
        disk.fill(leave)
        await_(lambda: tries(p) > 0, "the storer to be refused")
        disk.clear()
        goes_on(p)
    check(p.worker("storer")["incarnation"] == 1, "the storer was restarted")
    whole(p)


def full_and_killed(make):
    """A storer that starts on a full disk does not give up: frames are owed to it. In the end it finds no
    catalogue either, and no space to make it again from the segments."""
    p = pipeline(make, "killed")
    hold = os.path.join(p.folder, "hold")
    p.settings["storer"] += wrapped(p, "storer", "while [ -e %s ]; do sleep 0.02; done" % hold) + "max_restarts = 3"
    disk = Disk(p, "100m")
    p.up()
    await_(lambda: p.ledger.last() > 40, "frames to flow")
    disk.fill()
    await_(lambda: tries(p) > 0, "the storer to be refused")
    owed = [w.seq for w in p.ledger.owed()]
    for catalogue in ("kept", "kept", "lost"):
        worker = p.worker("storer")
        flag(p, "hold", True)
        os.kill(worker["pid"], signal.SIGKILL)
        await_(lambda: p.worker("storer")["incarnation"] > worker["incarnation"], "the next storer")
        for name in os.listdir(p.recording):
            if name.startswith("recording.sqlite") and catalogue == "lost":
                os.unlink(os.path.join(p.recording, name))
        disk.fill()
        flag(p, "hold", False)
        p.back("storer", worker["incarnation"])
        await_(lambda: tries(p) > 0, "the new one to be refused")
    check("not open" in p.troupe("inspect", "storer", "-n", p.name).stdout, "it could open the recording")
    now = [w.seq for w in p.ledger.owed()]
    check(all(seq in now for seq in owed), "of the owed %s there are only %s" % (owed, now))
    disk.clear()
    goes_on(p)
    whole(p)


def full_at_the_first_start(make):
    """Nothing is owed yet: `up` says what is wrong and does not begin."""
    p = pipeline(make, "first")
    Disk(p, "64k").fill()
    told = p.start()
    check(told != "ready", "up succeeded on a full disk")
    check(p.process.wait(30) != 0, "exit code 0 for a failure")
    text = (told + p.said()).lower()
    check("no space left" in text and (p.recording in text or "recording.sqlite" in text), "it says: %s" % text)
    p.check_nothing_left()


def flows_again_and_accounts_for_all(p):
    """Of a live source: what was not stored was dropped, and counted."""
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + 20, "frames to flow again")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    p.check_numbers(p.ledger.last())
    p.verify()
    frames = p.frames()
    dropped = sum(f["drops_no_slot"] for f in frames)
    check(dropped > 0 and frames[-1]["source_index"] + 1 == len(frames) + dropped, "captured = stored + dropped")


def live_source_on_a_full_disk(make):
    """Frames go by, each counted with its reason; the display goes on."""
    p = pipeline(make, "live", fps=50, stream="live = yes", slots=12, bypass_after="500ms")
    disk = Disk(p, "100m")
    p.up()
    await_(lambda: p.ledger.last() > 20, "frames to flow")
    disk.fill()
    await_(lambda: tries(p) > 0, "the storer to be refused")
    await_(lambda: p.status()["pipeline"]["stream"][0]["drop"], "a drop to be counted")
    url = p.status()["pipeline"]["url"].rstrip("/")
    with urllib.request.urlopen(url + "/api/workers", timeout=10) as answer:
        check(answer.status == 200, "the page does not answer")
    disk.clear()
    goes_on(p)
    flows_again_and_accounts_for_all(p)


# ---- the floor ----

BOUNDED = 'segment_bytes = "60kB" '


def kept_and_gone(p):
    """The numbers that are in the catalogue, and those that it says went, and why."""
    with sqlite3.connect("file:%s?mode=ro" % os.path.join(p.recording, "recording.sqlite"), uri=True) as catalogue:
        kept = [row[0] for row in catalogue.execute("SELECT seq FROM frames ORDER BY seq")]
        ranges = catalogue.execute("SELECT first_seq, last_seq, why FROM forgotten ORDER BY first_seq").fetchall()
        return kept, ranges


def goes_on_by_deleting(p, before):
    """Frames flow on; in the end every number is there or went for space, the oldest first, and nothing else did."""
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + 40, "frames to flow on")
    p.troupe("down", "-n", p.name)
    p.wait_end(0, 90)
    p.check_quiet()
    p.verify()
    kept, ranges = kept_and_gone(p)
    check(ranges and ranges[0][0] == 1 and {why for _, _, why in ranges} == {"space"}, "what went is %s" % ranges)
    check(len(ranges) == 1, "not the oldest went: %s" % ranges)
    check(kept == list(range(ranges[0][1] + 1, p.ledger.last() + 1)), "after %s there are %s" % (ranges, kept))
    check(ranges[0][1] > before, "nothing went")


def floor(make):
    """The recording itself fills the disk to its floor: it goes on, says why, and the floor stays free."""
    p = pipeline(make, "floor", storer=BOUNDED)
    Disk(p, "6m")
    p.up()
    stored = []

    def gone():
        stored.append(p.status()["pipeline"]["stream"][0]["stored"])
        return kept_and_gone(p)[1]
    await_(gone, "the oldest to go")
    check("so the oldest goes" in p.troupe("inspect", "storer", "-n", p.name).stdout, "inspect does not say so")
    await_(lambda: any("of the disk are free: the oldest goes" in e["text"] for e in p.journal("report", "storer")),
           "the storer to say so")
    check(stored == sorted(stored), "what is stored goes back: %s" % stored)
    goes_on_by_deleting(p, 0)


def filled_by_others(make):
    """Somebody else takes all that is free: the oldest goes until the floor is free again. The same when the storer
    dies just then, and the next one has to open the recording without any space."""
    p = pipeline(make, "filled", fps=200, storer=BOUNDED)
    disk = Disk(p, "24m")
    p.up()
    await_(lambda: len(p.frames()) > 600, "something to be recorded")
    floor = os.statvfs(disk.path).f_blocks // 10
    await_(lambda: os.path.exists(os.path.join(p.recording, "reserve")), "a reserve to be taken")
    disk.fill()
    await_(lambda: os.statvfs(disk.path).f_bavail >= floor, "the floor to be free again")
    await_(lambda: os.path.exists(os.path.join(p.recording, "reserve")), "a reserve to be taken again")
    disk.clear()
    stored = len(p.frames())
    await_(lambda: len(p.frames()) > stored + 600, "more to be recorded")
    worker = p.worker("storer")
    os.kill(worker["pid"], signal.SIGSTOP)
    disk.fill()
    os.kill(worker["pid"], signal.SIGKILL)
    p.back("storer", worker["incarnation"])
    await_(lambda: os.statvfs(disk.path).f_bavail >= floor, "the floor to be free once more")
    goes_on_by_deleting(p, 0)


# ---- read-only ----

def not_permitted(make):
    """The folder of the segments loses its mode in the middle: no new segment, until it is back."""
    p = pipeline(make, "mode", storer=KEEP_ALL + 'segment_bytes = "60kB"')
    p.bind_by_modes()
    p.up()
    await_(lambda: p.ledger.last() > 40, "frames to flow")
    segments = os.path.join(p.recording, "segments")
    os.chmod(segments, 0o555)
    refused(p, "not permitted")
    os.chmod(segments, 0o755)
    goes_on(p)
    whole(p)


def read_only(make):
    """A storer that finds the file system read-only waits until it can write."""
    p = pipeline(make, "ro")
    hold = os.path.join(p.folder, "hold")
    p.settings["storer"] += wrapped(p, "storer", "while [ -e %s ]; do sleep 0.02; done" % hold)
    disk = Disk(p, "100m")
    p.up()
    await_(lambda: p.ledger.last() > 40, "frames to flow")
    flag(p, "hold", True)
    worker = p.worker("storer")
    os.kill(worker["pid"], signal.SIGKILL)
    await_(lambda: p.worker("storer")["incarnation"] > worker["incarnation"], "the next storer")
    disk.remount("ro")
    flag(p, "hold", False)
    refused(p, "Read-only file system")
    disk.remount("rw")
    goes_on(p)
    whole(p)


# ---- broken ----

def failing_calls(make):
    """Writes and syncs of the storer fail at random, also in SQLite, and it is killed among them."""
    p = pipeline(make, "fails", storer=KEEP_ALL + 'segment_bytes = "200kB" ')
    bad = os.path.join(p.folder, "bad")
    p.settings["storer"] += wrapped(p, "storer", "export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 "
                                    "LD_PRELOAD=%s/failing-disk.so TROUPE_TEST_BAD=%s TROUPE_TEST_SEED=7"
                                    % (os.path.dirname(BIN), bad))
    p.up()
    for _ in range(3):
        stored = len(p.frames())
        await_(lambda: len(p.frames()) > stored + 20, "frames to be stored")
        flag(p, "bad", True)
        await_(lambda: tries(p) > 0, "the storer to be refused")
        worker = p.worker("storer")
        os.kill(worker["pid"], signal.SIGKILL)
        flag(p, "bad", False)
        p.back("storer", worker["incarnation"])
    whole(p)


# ---- away for good ----

def storer_away(make):
    """The source waits, the others go on; `troupe start` after the repair brings everything."""
    p = pipeline(make, "away")
    broken = os.path.join(p.folder, "broken")
    p.settings["storer"] += wrapped(p, "storer", "[ ! -e %s ] || { echo my last words >&2; exit 3; }" % broken)
    p.settings["storer"] += "max_restarts = 3"
    p.up()
    await_(lambda: p.ledger.last() > 40, "frames to flow")
    flag(p, "broken", True)
    os.kill(p.worker("storer")["pid"], signal.SIGABRT)
    await_(lambda: re.search("storer: gave up .*my last words", p.said()), "the supervisor to give up")
    await_(lambda: len(p.ledger.owed()) >= 8, "frames to be owed")
    others = {w["name"]: w for w in p.ps()["worker"]}
    check(others.pop("storer")["state"] == "gave up", "the storer has not given up")
    check(all(w["state"] == "ready" and w["restarts"] == 0 for w in others.values()), "others: %s" % others)
    url = p.status()["pipeline"]["url"].rstrip("/")
    with urllib.request.urlopen(url + "/api/workers", timeout=10) as answer:
        check(answer.status == 200, "the page does not answer")
    flag(p, "broken", False)
    p.troupe("start", "storer", "-n", p.name)
    whole(p)


def storer_away_from_a_live_source(make):
    p = pipeline(make, "gone", fps=50, stream="live = yes", slots=12, bypass_after="500ms")
    broken = os.path.join(p.folder, "broken")
    p.settings["storer"] += wrapped(p, "storer", "[ ! -e %s ] || { echo my last words >&2; exit 3; }" % broken)
    p.settings["storer"] += "max_restarts = 2"
    p.up()
    await_(lambda: p.ledger.last() > 20, "frames to flow")
    flag(p, "broken", True)
    os.kill(p.worker("storer")["pid"], signal.SIGABRT)
    await_(lambda: p.worker("storer")["state"] == "gave up", "the supervisor to give up")
    await_(lambda: p.status()["pipeline"]["stream"][0]["drop"], "a drop to be counted")
    flag(p, "broken", False)
    p.troupe("start", "storer", "-n", p.name)
    flows_again_and_accounts_for_all(p)


def processor_away(make):
    """It is tried again after longer and longer; its frames go on unprocessed, marked and counted."""
    p = pipeline(make, "idle", fps=50, processors=1, bypass_after="300ms")
    broken = os.path.join(p.folder, "broken")
    p.settings["processor"] = wrapped(p, "processor", "[ ! -e %s ] || { echo my last words >&2; exit 3; }" % broken)
    p.settings["processor"] += "max_restarts = 6"
    p.up()
    await_(lambda: p.ledger.last() > 20, "frames to flow")
    flag(p, "broken", True)
    os.kill(p.worker("processor.1")["pid"], signal.SIGABRT)
    await_(lambda: p.worker("processor.1")["state"] == "gave up", "the supervisor to give up")
    check(re.search("processor.1: gave up .*my last words", p.said()), "it is not said: %s" % p.said())
    spawned = [e["t"] for e in p.journal("spawn", "processor.1")][2:]
    waits = [later - earlier for earlier, later in zip(spawned, spawned[1:])]
    least = [30e6 * 2 ** n for n in range(4)]  # twice as long each time, less a quarter at most
    check(len(waits) == len(least) and all(w >= l for w, l in zip(waits, least)), "the waits do not grow: %s" % waits)
    stored = len(p.frames())
    await_(lambda: len(p.frames()) > stored + 5, "the recording to go on without a processor")
    counted = p.status()["pipeline"]["stream"][0]["bypassed"]
    check(counted >= 5, "%s frames are counted as unprocessed" % counted)
    flag(p, "broken", False)
    p.troupe("start", "processor.1", "-n", p.name)
    started = p.ledger.last()
    whole(p)
    marked = [f["seq"] for f in p.frames() if f["bypassed"]]
    check(len(marked) >= 5 and [f for f in p.frames() if f["seq"] > started and not f["bypassed"]],
          "frames %s of %d are marked" % (marked, p.ledger.last()))


harness.own_mounts()
harness.main({f.__name__: f for f in (
    full, full_again_and_again, full_and_killed, full_at_the_first_start, live_source_on_a_full_disk, floor,
    filled_by_others, not_permitted,
    read_only, failing_calls, storer_away, storer_away_from_a_live_source, processor_away)})
