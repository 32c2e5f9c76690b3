"""What happened is in the recording's catalogue: spans of frames as a second reckoning finds them, whoever was killed
meanwhile, cameras that were lost, workers that died; and `troupe find` lists them."""

import json
import os
import signal
import sqlite3
import struct
import threading

import harness
from cameras import HttpCamera, jpegs
from harness import await_, check

GAP = 2 * 10 ** 9


def single(value):
    """A number as a float has it."""
    return struct.unpack("f", struct.pack("f", value))[0]


def find(p, *args, code=0, folder=None):
    where = [folder] if folder else ["-n", p.name]
    return json.loads(p.troupe("find", "--json", *where, *args, code=code).stdout)["spans"]


def killed(p):
    """Who died of a kill, says the recording."""
    died = find(p, "--kind", "died", folder=p.recording)
    return [s["what"].split(":")[0] for s in died if s["what"].endswith("killed from outside (SIGKILL)")]


def events(p):
    with sqlite3.connect("file:%s/recording.sqlite?mode=ro" % p.recording, uri=True) as catalogue:
        catalogue.row_factory = sqlite3.Row
        return [dict(r) for r in catalogue.execute(
            "SELECT * FROM events WHERE first_seq > 0 ORDER BY stream, kind, what, begun")]


def forget(p, first, last):
    """As if so many frames were kept no longer."""
    with sqlite3.connect(os.path.join(p.recording, "recording.sqlite")) as catalogue:
        catalogue.execute("INSERT INTO forgotten SELECT run, stream, min(seq), max(seq), min(ordinal), max(ordinal), "
                          "'keep', 0 FROM frames WHERE seq BETWEEN ? AND ? GROUP BY run, stream", (first, last))
        catalogue.execute("DELETE FROM frames WHERE seq BETWEEN ? AND ?", (first, last))


def reckon(frames, gap):
    """The events of these frames, written from docs/recording.md alone. No piece is as long as an hour here."""
    found, last = [], {}
    for f in frames:
        is_so = {("recorded", ""): 0.0}
        if f["seq"] > 1 and not f["bypassed"] and f["motion"] >= single(0.002):
            is_so["motion", ""] = f["motion"]
        if f["label"]:
            is_so["label", f["label"]] = 1.0
        if f["prediction"] and f["probability"] >= 0.5:
            is_so["prediction", f["prediction"]] = f["probability"]
        for key, best in is_so.items():
            event = last.get((f["stream"], *key))
            if event and f["captured"] - event["ended"] <= gap:
                event.update(last_seq=f["seq"], ended=f["captured"], ended_wall=f["captured_wall"],
                             frames=event["frames"] + 1, best=max(best, event["best"]))
                continue
            event = dict(run=f["run"], stream=f["stream"], kind=key[0], what=key[1], first_seq=f["seq"],
                         last_seq=f["seq"], begun=f["captured"], ended=f["captured"], begun_wall=f["captured_wall"],
                         ended_wall=f["captured_wall"], frames=1, best=best)
            last[(f["stream"], *key)] = event
            found.append(event)
    return sorted(found, key=lambda e: (e["stream"], e["kind"], e["what"], e["begun"]))


def check_events(p, gap=GAP):
    got = [{k: v for k, v in e.items() if k not in ("event", "open")} for e in events(p)]
    wanted = reckon(p.frames(), gap)
    check(len(got) == len(wanted), "events: %d, not %d: %s" % (len(got), len(wanted), got))
    for a, b in zip(got, wanted):
        check(a == b, "an event is %s, its frames say %s" % (a, b))


def labels_motion_and_deaths(make):
    """The pattern shows a shape for two seconds of its time; the storer and a processor are killed in between."""
    p = make(frames=0, fps=200, processors=1, slots=64, storer='event_gap = "100ms"')
    p.options = ["--set", "processor.model=live"]  # predictions, too, if there is time to learn
    p.up()
    for worker in ("storer", "processor.1", "storer"):
        before = p.worker(worker)["incarnation"]
        p.kill_holding(worker, owed=worker == "storer")
        p.back(worker, before)
    await_(lambda: p.ledger.last() >= 450, "two shapes")
    p.troupe("down", "-n", p.name)
    p.wait_end()
    p.verify()
    check_events(p, gap=10 ** 8)
    folder = p.recording
    frames = p.frames()
    recorded = find(p, folder=folder)
    check(sum(s["frames"] for s in recorded) == len(frames), "recorded: %s" % recorded)
    labels = {f["label"] for f in frames if f["label"]}
    check(len(labels) > 1, "labels: %s" % labels)
    for label in labels:
        seqs = [f["seq"] for f in frames if f["label"] == label]
        spans = find(p, "--label", label, "--stream", "cam1", folder=folder)
        check((spans[0]["first_seq"], spans[-1]["last_seq"]) == (seqs[0], seqs[-1]), "%s: %s" % (label, spans))
        both = find(p, "--label", label, "--motion", folder=folder)
        check(both and all(s["what"] == label + ", motion" and s["first_seq"] >= seqs[0] and s["last_seq"] <= seqs[-1]
                           for s in both), "%s with motion: %s" % (label, both))
    cut = frames[99]["captured_wall"], frames[199]["captured_wall"]
    spans = find(p, "--from", "@%d.%09d" % divmod(cut[0], 10 ** 9), "--to", "@%d.%09d" % divmod(cut[1], 10 ** 9),
                 folder=folder)
    check((spans[0]["first_seq"], spans[-1]["last_seq"]) == (100, 200), "cut to a time: %s" % spans)
    died = killed(p)
    check(sorted(died) == ["processor.1", "storer", "storer"], "died: %s" % died)
    check(find(p, "--label", "nobody", folder=folder) == [], "nobody is found")
    text = p.troupe("find", folder, "--label", "nobody").stdout
    check("nothing found" in text and "label " in text, "what there is instead is not said: " + text)
    forget(p, 150, 250)
    spans = find(p, folder=folder)
    check(spans[0]["first_seq"] == 1 and spans[-1]["last_seq"] == len(frames), "what is left: %s" % spans)
    check(any(s["last_seq"] == 149 for s in spans) and any(s["first_seq"] == 251 for s in spans),
          "what is forgotten is still recorded: %s" % spans)
    check(sum(s["frames"] for s in spans) == len(frames) - 101, "what is left: %s" % spans)
    text = p.troupe("find", folder, "--motion", "--explain").stdout
    check("events_by_stream (stream=? AND kind=? AND what=? AND begun_wall>?" in text, "no plan: " + text)


def camera_lost_and_back(make):
    """A storer that is killed while a camera is lost knows it all the same, once."""
    pictures = jpegs(320, 240, 0, 40)
    leave, back = threading.Event(), threading.Event()

    def first(viewer):  # and when `up` asks for the size
        viewer.begin()
        viewer.pictures(pictures[:10])
        leave.wait()

    def later(viewer):
        if back.is_set():
            viewer.begin()
            viewer.pictures(pictures[10:])
            viewer.silence()

    with HttpCamera(first, first, later) as camera:
        p = make(source=camera.url(), stream='open_timeout = "60s" read_timeout = "60s"').up()
        await_(lambda: p.ledger.last() >= 10, "the first pictures")
        check(find(p, "--kind", "lost") == [], "nothing is lost yet")
        leave.set()
        lost = await_(lambda: find(p, "--kind", "lost"), "the loss to be in the recording")
        check(len(lost) == 1 and lost[0]["open"] and lost[0]["stream"] == "cam1", "lost: %s" % lost)
        before = p.worker("storer")["incarnation"]
        os.kill(p.worker("storer")["pid"], signal.SIGKILL)
        p.back("storer", before)
        await_(lambda: find(p, "--kind", "died"), "the death to be in the recording")
        back.set()
        await_(lambda: p.ledger.last() >= 40, "the other pictures")
        lost = await_(lambda: [s for s in find(p, "--kind", "lost") if not s["open"]], "the camera to be back")
        p.troupe("down", "-n", p.name)
        p.wait_end()
    frames = p.frames()
    lost = find(p, "--kind", "lost", folder=p.recording)
    check(len(lost) == 1 and lost[0]["what"], "lost once, and why; not: %s" % lost)
    check(frames[9]["captured"] <= lost[0]["from_monotonic"] < lost[0]["to_monotonic"],
          "lost after frame 10: %s, %s" % (frames[9]["captured"], lost))
    check(killed(p) == ["storer"], "one death, not %s" % killed(p))
    check_events(p)


def words_that_are_wrong(make):
    p = make(frames=20, pace="max").up()
    p.wait_end()
    for args, words in ((["--from", "25:00"], "is no time"), (["--to", "soon"], "is no time"),
                        (["--from", "@9000000000"], "still to come"), (["--from", "-1h", "--to", "-2h"], "is before"),
                        (["--kind", "moved"], "valid: recorded"), (["--kind", "lost", "--motion"], "stands alone"),
                        (["--min-prob", "2"], "0 to 1"), (["--limit", "0"], "from 1"), (["--run", "7"], "no run 7")):
        said = p.troupe("find", p.recording, *args, code=2).stderr
        check(words in said and said.count("\n") == 1, "%s: %s" % (args, said))
    check("no recording" in p.troupe("find", os.path.join(p.folder, "nowhere"), code=2).stderr, "no recording there")
    check(len(find(p, "--limit", "1", folder=p.recording)) == 1, "only the last one")


harness.main({f.__name__: f for f in (labels_motion_and_deaths, camera_lost_and_back, words_that_are_wrong)})
