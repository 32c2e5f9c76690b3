"""A stranger that is broken in every way harms nobody else: no other process dies, what can be put right is, what
cannot is set aside and said, and the pipeline goes on."""
import json
import os

from harness import BIN, await_, check, main
from test_strangers import worker

WRECK = os.path.join(BIN, "wreck")


def wrecked(make, mode, count, seed=1, **settings):
    """A pipeline with a wreck in it that has done its damage, and goes on behind it."""
    p = make(**dict(dict(fps=50, frames=100000, slots=64, processors=2), **settings))
    p.settings["extra"] = worker("wreck", WRECK, tap="each", more='mode = "%s"  seed = %d  count = %d  %s' % (
        mode, seed, count, "max_restarts = 1000  backoff = \"10ms\"  backoff_max = \"20ms\""))
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
    """Down in good order, with a recording in which every frame is what it says."""
    p.troupe("down", "-n", p.name, code=None)
    if code is None:
        await_(lambda: p.process.poll() is not None, "the pipeline to end")
    else:
        p.wait_end(code)
    nobody_else_died(p)
    p.check_nothing_left()


def complete(p):
    """What a wreck of this kind cannot touch: the recording, whole and right."""
    frames = p.frames()
    p.check_numbers(len(frames), most=20)
    p.verify()


def messages(make):
    p = wrecked(make, "messages", 15)
    goes_on(p)
    finish(p)
    complete(p)


def claims(make):
    """It claims and never finishes, and is otherwise alive: its frames go on unprocessed, and it is ended."""
    p = wrecked(make, "claims", 3, hang_after="500ms", bypass_after="300ms", processors=0)
    await_(lambda: any("held a frame" in e["cause"] for e in p.journal("exit")), "it to be found out")
    p.troupe("scale", "processor", "2", "-n", p.name)
    goes_on(p)
    finish(p)
    p.check_numbers(len(p.frames()), most=20)


def seats_and_head(make):
    """What the supervisor knows better is put right; whoever starts afterwards starts."""
    for mode in "seats", "head":
        p = wrecked(make, mode, 60, seed=3)
        for name in "processor.1", "storer", "display":
            before = p.worker(name)["incarnation"]
            p.troupe("restart", name, "-n", p.name)
            p.back(name, before)
        goes_on(p)
        finish(p)
        complete(p)
        check(mode == "seats" or p.journal("set-aside"), "nothing was said of the head")


def board_playback_and_areas(make):
    for mode in "board", "playback", "areas":
        p = wrecked(make, mode, 60, seed=5)
        goes_on(p)
        finish(p)
        check(p.frames(), "nothing was recorded")


def words(make):
    """Slots whose words cannot be right are set aside, and the stream goes on with the rest."""
    p = wrecked(make, "words", 12, seed=7)
    await_(lambda: p.journal("set-aside"), "a slot to be set aside")
    goes_on(p)
    aside = [w for w in p.ledger.words() if w.phase == "ASIDE"]
    check(0 < len(aside) <= 12, "%d slots are set aside" % len(aside))
    told = json.loads(p.troupe("slots", "--json", "-n", p.name).stdout)
    check(any(slot["phase"] == "ASIDE" for slot in told), "slots does not show them")
    finish(p)
    p.verify(code=None)


def records_and_rows(make):
    """Nothing of these can be promised, but that everybody lives and that the pipeline can be ended."""
    for mode, count in ("records", 12), ("rows", 25):
        p = wrecked(make, mode, count, seed=11)
        finish(p, code=None)


if __name__ == "__main__":
    main({t.__name__: t for t in (messages, claims, seats_and_head, board_playback_and_areas, words,
                                  records_and_rows)})
