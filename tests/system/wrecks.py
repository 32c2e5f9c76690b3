"""Pipelines with a wreck in them (tests/system/wreck.c), one a kind of damage and a seed, and what must hold however the
seed falls: nobody else dies, hangs or is killed, no frame in the recording is wrong, and the pipeline goes on and can
be ended. The system tests play the seeds of SEEDS, `tools/chaos --wrecks N` as many as are wanted."""

import os
import shutil
import sqlite3
import subprocess
from typing import NamedTuple

import harness
from harness import Failed, await_, check

WORKER = ('worker "wreck" {{ exec = "{program}"  takes = "view"  tap = "{tap}"  mode = "{mode}"  seed = {seed}  '
          'count = {count}  max_restarts = 1000  backoff = "10ms"  backoff_max = "20ms" }}\n')
SETTINGS = dict(fps=50, frames=100000, slots=64, processors=2)


class Kind(NamedTuple):
    """What a wreck of one mode does, and what still holds."""
    count: int             # so often
    whole: bool = True     # the recording has every frame
    goes_on: bool = True   # frames come to the recording behind the damage
    settings: dict = {}
    tap: str = "each"


KINDS = {
    "messages": Kind(15),
    "claims": Kind(3, settings=dict(hang_after="500ms", bypass_after="300ms", processors=0)),
    "seats": Kind(60),
    "head": Kind(60),
    "slow": Kind(1, tap="lossless"),
    "board": Kind(60),
    "playback": Kind(60),
    "areas": Kind(60, whole=False),     # other pixels are believed
    "words": Kind(12, whole=False),     # a slot that is set aside takes its frame with it
    "records": Kind(12, whole=False),
    "rows": Kind(25, whole=False, goes_on=False),  # "ended", or "not recorded", is believed
}

# What the system tests play: the first seed of each is theirs, those behind it have shown a fault once.
SEEDS = {"messages": [1], "claims": [1], "slow": [1], "seats": [3, 128], "head": [3], "board": [5], "playback": [5], "areas": [5],
         "words": [7], "records": [11], "rows": [11]}


def wrecked(make, mode, seed, **settings):
    """A pipeline with a wreck in it that has done its damage, and goes on behind it."""
    kind = KINDS[mode]
    extra = WORKER.format(program=os.path.join(harness.BIN, "wreck"), mode=mode, seed=seed, count=kind.count,
                          tap=kind.tap)
    p = make(**dict(SETTINGS, **dict(kind.settings, extra=extra, **settings)))
    p.up()
    await_(lambda: any("damage done" in e.get("text", "") for e in p.journal("report")), "the damage to be done")
    return p


def goes_on(p):
    """Frames are numbered, and stored, behind what was when this was asked."""
    stored = p.status()["pipeline"]["stream"][0]["stored"]
    await_(lambda: p.status()["pipeline"]["stream"][0]["stored"] > stored + 20, "the recording to go on")


def nobody_else_died(p):
    ends = [e for e in p.journal("exit") if e.get("worker") != "wreck" and e.get("fault")]
    check(not ends, "somebody else died: %s" % ends)


def finish(p, code=0):
    """Down in good order, whatever the exit (None)."""
    p.troupe("down", "-n", p.name, code=None)
    if code is None:
        await_(lambda: p.process.poll() is not None, "the pipeline to end", 60)
        check(p.process.returncode in (0, 1), "the supervisor ended with %d" % p.process.returncode)
    else:
        p.wait_end(code)
    nobody_else_died(p)
    p.check_nothing_left()


def complete(p):
    """What a wreck of this kind cannot touch: the recording, whole and right."""
    p.check_numbers(len(p.frames()), most=20)
    p.verify()


def none_is_wrong(p):
    """Frames may be missing, and none is another one."""
    seqs = [f["seq"] for f in p.frames()]
    check(seqs and len(seqs) == len(set(seqs)), "%d frames, of which %d differ" % (len(seqs), len(set(seqs))))


def play(make, mode, seed, restarts=()):
    """One wreck from up to down, and all that holds for it. Who is restarted behind the damage comes back."""
    kind = KINDS[mode]
    p = wrecked(make, mode, seed)
    if mode == "claims":  # it has all the frames to itself, until it is found out
        await_(lambda: any("held a frame" in e["cause"] for e in p.journal("exit")), "it to be found out")
        p.troupe("scale", "processor", "2", "-n", p.name)
    for name in restarts:
        before = p.worker(name)["incarnation"]
        p.troupe("restart", name, "-n", p.name)
        p.back(name, before)
    if kind.goes_on:
        goes_on(p)
    finish(p, 0 if kind.goes_on else None)
    complete(p) if kind.whole else none_is_wrong(p)
    return p


def many(make, seeds, first, show):
    """Each kind with so many seeds; returns figures. What is wrong is said with kind and seed, by which it can be
    played again."""
    figures = dict(wrecks=0, slots_set_aside=0, heads_mended=0, wrecks_ended=0, frames_written_off=0, frames=0)
    for mode in KINDS:
        for seed in range(first, first + seeds):
            show("%s, seed %d, %d of %d wrecks" % (mode, seed, figures["wrecks"] + 1, seeds * len(KINDS)))
            try:
                p = play(make, mode, seed)
                check(not p.sanitizer_reports(), "a sanitizer reported: " + p.sanitizer_reports())
            except (Failed, subprocess.TimeoutExpired, OSError, sqlite3.Error, ValueError, KeyError) as fault:
                raise Failed("wreck %s, seed %d: %s" % (mode, seed, fault if isinstance(fault, Failed) else repr(fault)))
            note(figures, p)
            shutil.rmtree(p.folder)
    return figures


def note(figures, p):
    told = p.journal("set-aside")
    figures["wrecks"] += 1
    figures["slots_set_aside"] += len([e for e in told if "slot" in e])
    figures["heads_mended"] += len([e for e in told if "slot" not in e])
    figures["wrecks_ended"] += len([e for e in p.journal("exit", "wreck") if e["fault"]])
    figures["frames_written_off"] += max([e["frames"] for e in p.journal("written-off")], default=0)
    figures["frames"] += len(p.frames())
