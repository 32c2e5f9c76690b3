"""Several streams: a capture each, shared processors, slots of their own; what one does costs no other its frames."""

import os
import random
import re
import signal
import time

import harness
from harness import await_, check, main

QUIET, FLOOD = 0, 1  # numbers in the ledger: cam1 is always the first


def stream(name, **rows):
    text = "".join(" %s = %s" % (key, value if str(value).isdigit() else '"%s"' % value) for key, value in rows.items())
    return 'stream "%s" { source = "pattern:"%s }\n' % (name, text)


def small(**rows):
    return dict(dict(pattern_size="160x120", pattern_fps=50, pattern_frames=100, slots=32), **rows)


def by_stream(p):
    found = {}
    for frame in p.frames():
        found.setdefault(frame["stream"], []).append(frame)
    return found


def status(p, name):
    return [s for s in p.status()["pipeline"]["stream"] if s["name"] == name][0]


def waiting(p, first, count, phase="QUEUED"):
    """How many slots of `count` from `first` on are in that phase."""
    return sum(w.phase == phase for w in p.ledger.words()[first:first + count])


def check_whole(p, counts):
    """Each stream's frames are all there, once, in order, and equal to the reference."""
    got = by_stream(p)
    for name, count in counts.items():
        seqs = [f["seq"] for f in got.get(name, [])]
        check(seqs == list(range(1, count + 1)), "%s: %s" % (name, harness.describe(seqs, count)))
    check(set(got) == set(counts), "streams: %s" % set(got))
    p.check_equals_reference()


def rows_of_their_own(make):
    p = make(frames=0, size="160x120", extra=stream("front", **small(pattern_frames=0)) + stream(
        "back", **small(pattern_frames=0, slots=16))).up()
    names = {"cam1", "front", "back"}
    check({"capture." + n for n in names} <= set(p.names()), "ps: %s" % p.names())
    await_(lambda: all(s["stored"] > 5 for s in p.status()["pipeline"]["stream"]), "frames of each to be stored")
    streams = {s["name"]: s for s in p.status()["pipeline"]["stream"]}
    check(set(streams) == names, "status: %s" % set(streams))
    check([streams[n]["slots"] for n in ("cam1", "front", "back")] == [32, 32, 16], "slots: %s" % streams)
    text = p.troupe("status", "-n", p.name).stdout
    check(all(n in text for n in names), "status prints: " + text)
    p.troupe("down", "-n", p.name)
    p.wait_end()
    p.check_quiet()
    check(set(by_stream(p)) == names, "recorded: %s" % set(by_stream(p)))


def flood_and_stall_and_kill(make):
    """One source as fast as it can, one that is stopped in the middle, three with a pace, and any worker killed."""
    more = {"flood": small(pace="max", pattern_frames=400), "stalled": small(pattern_frames=60),
            "slow": small(pattern_fps=20, pattern_frames=40)}
    p = make(frames=100, size="160x120", slots=32, hang_after="10min", bypass_after="10min",
             extra="".join(stream(n, **rows) for n, rows in more.items())).up()
    stalled = p.worker("capture.stalled")["pid"]
    os.kill(stalled, signal.SIGSTOP)
    at = status(p, "stalled")["captured"]
    dice = random.Random(7)
    victims = ["capture.cam1", "capture.flood", "capture.slow", "processor.1", "processor.2", "storer"]
    for worker in dice.sample(victims, len(victims)) + dice.choices(victims, k=6):
        before = p.worker(worker)
        if before["pid"] > 0:
            p.troupe("kill", worker, "-n", p.name, code=None)
            await_(lambda: p.worker(worker)["incarnation"] > before["incarnation"] or p.worker(worker)["state"] ==
                   "finished", "%s to be back" % worker)
    for name in ("capture.cam1", "capture.flood", "capture.slow"):
        await_(lambda: p.worker(name)["state"] == "finished", "%s to finish beside one that is stopped" % name)
    check(status(p, "stalled")["captured"] <= at + 1, "it was not stopped")
    check(p.worker("capture.stalled")["pid"] == stalled, "the stopped one was replaced")
    os.kill(stalled, signal.SIGCONT)
    p.wait_end()
    p.check_quiet()
    check_whole(p, dict({n: rows["pattern_frames"] for n, rows in more.items()}, cam1=100))
    check(not any(f["bypassed"] for f in p.frames()), "frames went on unprocessed")


def flood_waits_for_itself(make):
    """Behind a backlog of a live flood, a quiet stream's frames have their turn one for one. Under the plain order of
    time five of the flood would come before each of them."""
    flood = small(live="yes", pattern_fps=240, pattern_frames=0, slots=200)
    p = make(frames=0, fps=50, size="160x120", slots=64, processors=1, hang_after="10min", bypass_after="10min",
             extra=stream("flood", **flood)).up()
    processor = p.worker("processor.1")["pid"]
    await_(lambda: status(p, "cam1")["captured"] > 2 and status(p, "flood")["captured"] > 2, "both to flow")
    os.kill(processor, signal.SIGSTOP)
    await_(lambda: waiting(p, 0, 64) >= 8 and waiting(p, 64, 200) >= 60, "a backlog of both")
    quiet, flooding = waiting(p, 0, 64), waiting(p, 64, 200)
    begun, last = time.clock_gettime_ns(time.CLOCK_MONOTONIC), p.ledger.last()
    os.kill(processor, signal.SIGCONT)
    await_(lambda: status(p, "flood")["stored"] > last, "the backlog to be stored")
    p.troupe("down", "-n", p.name)
    p.wait_end()
    p.check_quiet()
    after = sorted((f for f in p.frames() if f["claimed"] >= begun), key=lambda f: f["claimed"])
    places = [i for i, f in enumerate(after) if f["stream"] == "cam1"][:quiet]
    before = places[-1] + 1 - len(places)
    check(before <= 2 * quiet, "%d of a flood of %d came before %d quiet ones" % (before, flooding, quiet))
    got = by_stream(p)
    check([f["seq"] for f in got["cam1"]] == list(range(1, len(got["cam1"]) + 1)), "cam1 has not all")
    check(not any(f["bypassed"] for f in got["cam1"]), "quiet frames went on unprocessed")
    # Every frame of the flood is accounted for.
    dropped = sum(f[k] for f in got["flood"] for k in ("drops_no_slot", "drops_device"))
    check(got["flood"][-1]["source_index"] + 1 == len(got["flood"]) + dropped, "flood: %d and %d dropped of %d" % (
        len(got["flood"]), dropped, got["flood"][-1]["source_index"] + 1))
    p.verify()


def one_ends_and_others_go_on(make):
    p = make(frames=20, size="160x120", extra=stream("long", **small(pattern_frames=0))).up()
    await_(lambda: p.worker("capture.cam1")["state"] == "finished", "cam1 to finish")
    at = status(p, "long")["stored"]
    await_(lambda: status(p, "long")["stored"] > at + 30, "the other to go on")
    check(status(p, "cam1")["ended"] and not status(p, "long")["ended"], "status says who has ended")
    await_(lambda: status(p, "cam1")["stored"] == 20, "all of cam1 to be stored")
    p.troupe("down", "-n", p.name)
    p.wait_end()
    p.check_quiet()
    check(len(by_stream(p)["cam1"]) == 20, "cam1 has %d frames" % len(by_stream(p)["cam1"]))
    p.verify()


def one_cannot_start(make):
    p = make(frames=0, extra='stream "gone" { source = "nowhere.avi" }\n')
    told = p.start()
    check(told.startswith("error: ") and "gone" in told and "nowhere.avi" in told, told)
    p.process.wait(60 * harness.PATIENCE)
    check(p.process.returncode == 1, "exit code %d" % p.process.returncode)
    p.check_nothing_left()


def frail(p):
    """Rows of a capture that dies at every start while the file `broken` is there."""
    path = os.path.join(p.folder, "frail-capture")
    with open(path, "w") as file:
        file.write("#!/bin/sh\n[ -n \"$1\" ] || [ ! -e %s/broken ] && exec %s/troupe-capture \"$@\"\n"
                   "echo my last words >&2\nexit 3\n" % (p.folder, harness.BIN))
    os.chmod(path, 0o755)
    return dict(exec=path, max_restarts=1, backoff="10ms")


def break_it(p, worker):
    with open(os.path.join(p.folder, "broken"), "w"):
        pass
    os.kill(p.worker(worker)["pid"], signal.SIGKILL)


def one_fails_for_good(make):
    """A capture that keeps dying is given up; the others neither stop nor lose a frame. When they have ended, the
    pipeline does, and says what is not whole."""
    p = make(frames=150, size="160x120")
    p.settings["extra"] = stream("frail", **small(pattern_frames=0), **frail(p))
    p.up()
    break_it(p, "capture.frail")
    p.wait_end(1)
    p.check_quiet()
    check("capture.frail: was given up before its source had ended" in p.said(), "it says: " + p.said())
    check([f["seq"] for f in by_stream(p)["cam1"]] == list(range(1, 151)), "cam1 has not all")
    p.verify()


def none_is_left(make):
    """Where all sources are given up, nothing ends: who watches is told, and what to do."""
    p = make(frames=0, size="160x120")
    p.settings["stream"] = " ".join('%s = "%s"' % row for row in frail(p).items() if row[0] != "max_restarts")
    p.settings["stream"] += " max_restarts = 1"
    p.options = ["--progress"]
    p.up()
    break_it(p, "capture.cam1")
    await_(lambda: "nothing comes: cam1 gave up" in p.said(), "the live output to say so")
    way = "gave up: exit 3: my last words; `troupe -n %s start capture.cam1` tries again" % p.name
    said = p.troupe("status", "-n", p.name).stdout
    check("cam1: " + way in said, "status says: " + said)
    check("exit 3: my last words" == status(p, "cam1")["gave_up"], "status --json says: %s" % status(p, "cam1"))
    last = p.ledger.last()
    os.unlink(os.path.join(p.folder, "broken"))
    p.troupe("start", "capture.cam1", "-n", p.name)
    await_(lambda: p.ledger.last() > last, "frames")
    check(not status(p, "cam1")["gave_up"], "it is not given up any more")
    p.troupe("down", "-n", p.name)
    p.wait_end()


def too_much_is_said_with_figures(make):
    many = "".join(stream("s%d" % i, **small()) for i in range(15))
    p = make(frames=0, size="160x120", processors=32, processor="spares = 1", extra=many)
    told = p.start()
    check("51 workers and 32 spares need 83 seats, 63 are there" in told, told)
    p.process.wait(60 * harness.PATIENCE)
    check(p.process.returncode == 2, "exit code %d" % p.process.returncode)
    p.check_nothing_left()
    p = make(frames=0, size="160x120", extra=many + stream("one_more", **small()))
    told = p.start()
    check("17 streams, wanted 1 to 16" in told, told)
    p.process.wait(60 * harness.PATIENCE)
    p = make(frames=0, size="160x120", slots=100, extra='memory = "8MB"\n' + stream("cam2", **small(slots=28)))
    told = p.start()
    check("128 slots of" in told and "8.0 MB is allowed" in told, told)
    p.process.wait(60 * harness.PATIENCE)
    p = make(frames=0, size="160x120", slots=8, processor="spares = 1", extra=stream("cam2", **small())).up()
    done = p.troupe("scale", "processor", "32", "-n", p.name, code=1)
    check("need 69 seats, 63 are there" in done.stdout + done.stderr, done.stdout + done.stderr)
    check(len([n for n in p.names() if n.startswith("processor")]) == 2, "it was scaled: %s" % p.names())
    p.troupe("down", "-n", p.name)
    p.wait_end()


def limit_is_named(make):
    """Who is stopped is the limit, unless other programs have all of the cores; that is said then."""
    p = make(frames=0, size="160x120", slots=16, processors=1, hang_after="10min", bypass_after="10min",
             stream="live = yes").up()
    first = p.status()["pipeline"]
    check(not first["limit"] or first["stream"][0].get("drop"), "there is a limit before anything is lost")

    def named(worker, what):
        pid, limit = p.worker(worker)["pid"], "(cores|%s) (is|are) the limit: .*[0-9]" % what
        os.kill(pid, signal.SIGSTOP)
        await_(lambda: re.search(limit, p.status()["pipeline"]["limit"]), "the limit to be named")
        # Its figure is another one each second.
        await_(lambda: re.search(limit, p.troupe("status", "-n", p.name).stdout), "status to print it")
        os.kill(pid, signal.SIGCONT)
    named("storer", "recording")
    named("processor.1", "processors|slots|recording")
    p.troupe("down", "-n", p.name)
    p.wait_end()
    p.check_quiet()


main({f.__name__: f for f in (rows_of_their_own, flood_and_stall_and_kill, flood_waits_for_itself,
                              one_ends_and_others_go_on, one_cannot_start, one_fails_for_good, none_is_left,
                              too_much_is_said_with_figures, limit_is_named)})
