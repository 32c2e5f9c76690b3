"""A camera whose capture is killed, has a spare, is swapped, while the stream runs: no frame of the driver's is lost.

What the driver handed out is known from the kernel's own trace, so however slow this machine is: what was handed out is
stored, once, in order. What it did not make, it did not hand out: that is counted as the device's."""

import json
import os
import re
import shutil
import signal

from harness import BIN, await_, catch, check
from rig import capture, caught_up, check_recording, grown, pipeline
from trace import Trace


def check_complete(p, trace):
    """Ends the pipeline. Each frame that the driver handed out is stored, but what was counted."""
    frames = check_recording(p)
    trace.end()
    last = frames[-1]["source_index"]
    stored, taken = {f["source_index"] for f in frames}, {n for n in trace.taken if n <= last}
    ours = sum(f["drops_no_slot"] + f["drops_damaged"] for f in frames)
    check(stored <= taken, "stored, and not the driver's: %s" % sorted(stored - taken))
    check(len(taken - stored) == ours, "%s of the driver's are not stored, %d are counted" % (
        sorted(taken - stored)[:20], ours))
    return stored


def check_salvaged(p, stored):
    salvaged = [int(n) for n in re.findall(r"frame (\d+) was out and is salvaged", p.log("capture.cam1"))]
    check(len(set(salvaged)) == len(salvaged), "a frame was salvaged twice")
    check(stored.issuperset(salvaged), "salvaged and not stored: %s" % sorted(set(salvaged) - stored))
    return len(salvaged)


def strike(p, filling):
    """Kills capture, if `filling` while a buffer is out, as it is while a slot is filled from it."""
    seat = capture(p)
    if filling:
        await_(lambda: catch(seat.pid, lambda: [w for w in p.ledger.held_by(seat.number) if w.phase == "FILLING"]),
               "a slot to be filled", 60)
    os.kill(seat.pid, signal.SIGKILL)
    return seat


def spare(p):
    """The pid of capture's spare, once it is prepared."""
    return await_(lambda: next((s["pid"] for s in p.ps().get("spare", []) if s["state"] == "spare"), None),
                  "a spare", 60)


def swap(p, *program):
    done = p.troupe("swap", "capture.cam1", *program, "--probation", "0s", "--json", "-n", p.name, limit=60)
    return json.loads(done.stdout)


def adoptions(p):
    """How many buffers were full, each time that a capture went on with the stream."""
    return [int(n) for n in re.findall(r"(\d+) of its 32 buffers are full", p.log("capture.cam1"))]


def kills_lose_nothing(make):
    kills = int(os.environ.get("TROUPE_KILLS", "10"))
    trace = Trace()
    p = pipeline(make).up()
    for i in range(kills):
        grown(p, 1)
        caught_up(p)
        seat = strike(p, i % 2)
        await_(lambda: capture(p).number != seat.number, "the next capture", 60)
    grown(p, 5)
    salvaged = check_salvaged(p, check_complete(p, trace))
    full = adoptions(p)
    check(len(full) == kills, "%d captures went on with the stream after %d kills" % (len(full), kills))
    check(salvaged >= kills // 3, "only %d frames were out" % salvaged)
    print("     %d kills, %d frames salvaged, at most %d of 32 buffers full; %s" % (kills, salvaged, max(full), trace))


def spares_and_swaps_lose_nothing(make):
    trace = Trace()
    p = pipeline(make, "spares = 1  ").up()
    for filling in (False, True):
        waiting = spare(p)
        grown(p)
        strike(p, filling)
        await_(lambda: p.worker("capture.cam1")["pid"] == waiting, "the spare to play", 60)
    other = shutil.copy(os.path.join(BIN, "troupe-capture"), os.path.join(p.folder, "other"))
    lost = []
    for program in (("--exec", other), ()):
        grown(p)
        report = swap(p, *program)
        check(report["ok"], "the report says %s" % report)
        lost.append(report["frames_lost"])
    check(p.worker("capture.cam1")["restarts"] == 2, "it was restarted after a swap")
    grown(p, 5)
    stored = check_complete(p, trace)
    check_salvaged(p, stored)
    check(len(adoptions(p)) == 4, "4 successors, and the stream was gone on with %d times" % len(adoptions(p)))
    check(sum(lost) <= max(stored) + 1 - len(stored), "the swaps lost %s frames; %s" % (lost, trace))
    print("     2 spares, 2 swaps, which lost %s frames; %s" % (lost, trace))


TESTS = {f.__name__: f for f in (kills_lose_nothing, spares_and_swaps_lose_nothing)}
