"""kill -9 and SIGSTOP of every worker while it holds a slot: nothing is lost, nothing leaks."""

import http.client
import os
import shutil
import signal
import threading
import urllib.request

import harness
from harness import await_, check


def watch(p):
    """A viewer, so that display peeks into slots; reads until the display dies."""
    url = p.status()["pipeline"]["url"].rstrip("/") + "/stream/cam1"
    try:
        stream = urllib.request.urlopen(url, timeout=10)
    except OSError:
        return None

    def read():
        try:
            while stream.read1(65536):
                pass
        except (OSError, ValueError, http.client.HTTPException):  # it is killed
            pass
    threading.Thread(target=read, daemon=True).start()
    return stream


def finish_and_compare(p, frames=0):
    """What `frames` frames must have become; 0: the source has no end, and it has been shown enough."""
    if not frames:
        p.troupe("down", "-n", p.name)
    p.wait_end(0)
    frames = p.settings["frames"] = frames or p.ledger.last()
    p.check_quiet()
    p.check_nothing_left()
    p.check_numbers(frames)
    p.verify()
    p.check_equals_reference()


def kill_one(make, name, owed=False):
    p = make("kill-" + name.split(".")[0], frames=0, fps=60, size="1280x720", processors=1).up()
    for _ in range(3):
        before = p.worker(name)["incarnation"]
        p.kill_holding(name, owed=owed)
        p.back(name, before)
        p.ended_by(name, "SIGKILL")
        start = p.ledger.last()
        await_(lambda: p.ledger.last() > start + 30, "frames to flow on")
    finish_and_compare(p)


def processor(make):
    kill_one(make, "processor.1")


def capture(make):
    kill_one(make, "capture.cam1")


def storer(make):
    kill_one(make, "storer", owed=True)


def peekers(make):
    p = make(frames=0, fps=100).up()
    for name in ("display", "trainer", "display", "trainer"):
        watch(p)
        start = p.worker(name)["frames"]
        await_(lambda: p.worker(name)["frames"] > start, "%s to peek" % name)
        p.back(name, p.hit(name)["incarnation"])
    finish_and_compare(p)


def all_at_once(make):
    p = make(frames=0, fps=100).up()
    for _ in range(3):
        await_(lambda: any(w.phase == "HELD" for w in p.ledger.words()), "a slot to be HELD")
        workers = p.ps()["worker"]
        for worker in workers:
            os.kill(worker["pid"], signal.SIGKILL)
        for worker in workers:
            p.back(worker["name"], worker["incarnation"])
    finish_and_compare(p)


def stopped_processor_is_bypassed(make):
    p = make(frames=0, fps=50, hang_after="4s", bypass_after="500ms", slots=300, processor='hold = "30:60s"').up()
    held = await_(lambda: [w for w in p.ledger.words() if w.phase == "HELD" and w.seq == 30], "frame 30 to be HELD")[0]
    holder = next(s for s in p.ledger.seats() if s.number == held.seat)
    os.kill(holder.pid, signal.SIGSTOP)
    await_(lambda: p.status()["pipeline"]["stream"][0]["stored"] > held.seq, "the recording to pass frame 30")
    p.back(holder.worker, holder.incarnation)
    p.ended_by(holder.worker, "hung")
    p.settings["processor"] = ""  # the reference need not hold it
    finish_and_compare(p)
    # It went on while the stopped one still held it; given back, it would have been processed by another.
    marked = [f["seq"] for f in p.frames() if f["bypassed"]]
    check(30 in marked, "frame 30 is marked bypassed: %s" % marked)


def stopped_is_found_and_replaced(make):
    p = make(frames=0, fps=50, hang_after="1s", bypass_after="500ms", slots=200).up()
    for name in ("storer", "capture.cam1", "trainer", "display"):
        p.back(name, p.hit(name, signal.SIGSTOP)["incarnation"])
        p.ended_by(name, "hung")
    finish_and_compare(p)


def stopped_while_it_drains(make):
    """Its hang is found all the same: the limit of a drain is longer than a frame may wait."""
    p = make(frames=0, fps=50, hang_after="1s", bypass_after="6s", slots=400, processor='hold = "30:900ms"').up()
    held = await_(lambda: [w for w in p.ledger.words() if w.phase == "HELD" and w.seq == 30],
                  "frame 30 to be HELD")[0]
    holder = next(w for w in p.ps()["worker"] if w["seat"] == held.seat)
    os.kill(holder["pid"], signal.SIGSTOP)
    p.troupe("stop", holder["name"], "-n", p.name)
    await_(lambda: p.status()["pipeline"]["stream"][0]["stored"] > held.seq, "the held frame to be stored")
    finish_and_compare(p)
    check(not [f for f in p.frames() if f["bypassed"]], "no frame was bypassed")
    causes = [e["cause"] for e in p.journal("exit") if e["pid"] == holder["pid"]]
    check(causes == ["hung while draining"], "the journal says %s" % causes)


def stopped_peekers_delay_nothing(make):
    p = make(frames=0, fps=50, hang_after="20s").up()
    watch(p)
    for name in ("display", "trainer"):
        pid = p.worker(name)["pid"]
        os.kill(pid, signal.SIGSTOP)
        harness.wait_stopped(pid)
    start = p.status()["pipeline"]["stream"][0]["stored"]
    await_(lambda: p.status()["pipeline"]["stream"][0]["stored"] > start + 100, "frames to be stored")
    for name in ("display", "trainer"):
        check(harness.process_state(p.worker(name)["pid"]) == "T", "%s is still stopped" % name)
        os.kill(p.worker(name)["pid"], signal.SIGCONT)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    check(not [f for f in p.frames() if f["bypassed"]], "no frame was bypassed for a peeker")
    p.verify()


def one_holds_the_other_goes_on(make):
    p = make(frames=0, fps=50, hang_after="20s", bypass_after="15s", slots=200,
             processor='hold = "30:%ds"' % (3 * harness.PATIENCE)).up()
    held = await_(lambda: [w for w in p.ledger.words() if w.phase == "HELD" and w.seq == 30],
                  "frame 30 to be HELD")[0]

    def others_while_it_holds():
        words = p.ledger.words()
        return [w for w in words if w.seq > 60 and w.phase == "DONE"] and [
            w for w in words if w.seq == 30 and w.phase == "HELD" and w.seat == held.seat]
    await_(others_while_it_holds, "frames after 30 to be DONE while that is HELD")
    await_(lambda: p.status()["pipeline"]["stream"][0]["stored"] > 60, "the held frame to be stored")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_numbers(p.ledger.last())
    p.verify()


def crashing_frame_is_quarantined(make):
    p = make(frames=120, fps=100, processor="crash_on = 40", extra="").up()
    p.wait_end(0)
    p.check_quiet()
    p.check_numbers(120)
    p.verify()
    marked = [f["seq"] for f in p.frames() if f["quarantined"]]
    check(marked == [40], "frame 40 alone is quarantined: %s" % marked)


def grandchild(make):
    """What a dead worker leaves of its process group does not live on."""
    p = make(frames=0, fps=100, size="160x120", processors=1)
    parent, child = os.path.join(p.folder, "parent"), os.path.join(p.folder, "child")
    os.symlink(shutil.which("sleep"), child)
    with open(parent, "w") as file:
        file.write("#!/bin/sh\n" + harness.needs("run " + child) + "[ -z \"$1\" ] && %s 60 &\nexec %s/troupe-processor \"$@\"\n" % (child, harness.BIN))
    os.chmod(parent, 0o755)
    p.settings["processor"] = 'exec = "%s"' % parent
    p.up()

    def children():
        return [pid for pid in filter(str.isdigit, os.listdir("/proc")) if command(pid).startswith(child)]

    def command(pid):
        try:
            with open("/proc/%s/cmdline" % pid) as file:
                return file.read()
        except OSError:
            return ""
    first, before = await_(children, "the child of the first"), p.worker("processor.1")
    os.kill(before["pid"], signal.SIGKILL)
    p.back("processor.1", before["incarnation"])
    await_(lambda: not set(first) & set(children()), "the child of the dead one to be gone")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    await_(lambda: not children(), "all children to be gone")
    p.check_quiet()
    p.check_nothing_left()


harness.main({f.__name__: f for f in (
    processor, capture, storer, peekers, all_at_once, stopped_processor_is_bypassed,
    stopped_is_found_and_replaced, stopped_while_it_drains, stopped_peekers_delay_nothing, one_holds_the_other_goes_on,
    crashing_frame_is_quarantined, grandchild)})
