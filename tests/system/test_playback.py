"""Recorded frames for whoever asks, while recording goes on: the page's API against the recording itself, read by
Python's own SQLite and from the segments' bytes, and what deaths leave behind."""

import http.client
import json
import os
import signal
import struct
import threading
import urllib.parse

from harness import PATIENCE, await_, check, main, wait_stopped

PLAYBACK_SLOTS, PHASES = 8, ["FREE", "FILLING", "OWED"]


class PlaybackWord:
    def __init__(self, raw):
        self.uses, self.asker, self.filler = raw >> 24, raw >> 16 & 0xFF, raw >> 8 & 0xFF
        self.phase = PHASES[raw & 0xF]

    def __repr__(self):
        return "use %d %s by %d for %d" % (self.uses, self.phase, self.filler, self.asker)


def playback_words(ledger):
    at, = struct.unpack_from("<Q", ledger.memory, 96)
    return [PlaybackWord(w) for w in struct.unpack_from("<%dQ" % PLAYBACK_SLOTS, ledger.memory, at)]


class Site:
    """The page's server, as a script sees it. One connection an answer: the display may have died in between."""

    def __init__(self, p):
        self.address = p.status()["pipeline"]["url"].split("/")[2]

    def get(self, path, **arguments):
        line = http.client.HTTPConnection(self.address, timeout=40 * PATIENCE)
        try:
            line.request("GET", path + ("?" + urllib.parse.urlencode(arguments) if arguments else ""))
            answer = line.getresponse()
            record = answer.getheader("X-Frame")
            return answer.status, answer.read(), json.loads(record) if record else None
        finally:
            line.close()

    def frame(self, stream="cam1", **arguments):
        status, body, record = self.get("/recorded/%s/frame" % stream, **arguments)
        check(status == 200, "frame %s: %d %s" % (arguments, status, body[:300]))
        return body, record

    def refused(self, status, *words, stream="cam1", **arguments):
        got, body, record = self.get("/recorded/%s/frame" % stream, **arguments)
        text = body.decode()
        check(got == status and all(word in text for word in words) and text.endswith("\n"),
              "frame %s: %d %s, expected %d and %s" % (arguments, got, text, status, words))
        return record

    def timeline(self, since, until, stream="cam1"):
        status, body, _ = self.get("/recorded/%s/timeline" % stream, **{"from": seconds(since), "to": seconds(until)})
        check(status == 200, "timeline: %d %s" % (status, body[:300]))
        return json.loads(body)


def seconds(ns):
    return "%d.%09d" % divmod(ns, 10 ** 9)


def jpeg_of(p, row):
    with open(os.path.join(p.recording, "segments", "%06d.seg" % row["segment"]), "rb") as file:
        file.seek(row["offset"] + 240)
        return file.read(row["coded_bytes"])


def check_frame(p, got, row):
    body, record = got
    check((record["run"], record["seq"]) == (row["run"], row["seq"]),
          "frame %d/%d came, not %d/%d" % (record["run"], record["seq"], row["run"], row["seq"]))
    check(body == jpeg_of(p, row), "frame %d is not the recorded one, bit by bit" % row["seq"])
    for key in ("captured_wall", "stream", "width", "height"):
        check(record[key] == row[key], "%s: %s, not %s" % (key, record[key], row[key]))
    check(record["label"] == (row["label"] or ""), "label: %s" % record["label"])
    check(record["prediction"] == (row["prediction"] or ""), "prediction: %s" % record["prediction"])


def stored(p, count):
    """Waits until so many frames are in the catalogue, and returns its rows."""
    def enough():
        path = os.path.join(p.recording, "recording.sqlite")
        rows = p.frames() if os.path.exists(path) else []
        return rows if len(rows) >= count else None
    return await_(enough, "%d frames in the recording" % count)


def check_given_back(p):
    await_(lambda: all(w.phase == "FREE" for w in playback_words(p.ledger)),
           "all playback slots to be free: %s" % playback_words(p.ledger))


def frames_by_any_way(make):
    p = make(frames=0, trainer="publish_every = \"100ms\"", processors=1).up()
    rows = stored(p, 30)
    site, run, first = Site(p), p.ledger.run, rows[0]
    check_frame(p, site.frame(first=1), first)
    for row, after in ((rows[4], rows[5]), (rows[17], rows[18])):
        wall = row["captured_wall"]
        check_frame(p, site.frame(seq=row["seq"]), row)
        check_frame(p, site.frame(seq=row["seq"], run=run), row)
        check_frame(p, site.frame(at=seconds(wall)), row)
        check_frame(p, site.frame(at=seconds((wall + after["captured_wall"]) // 2)), row)
        check_frame(p, site.frame(after=row["seq"]), after)
        check_frame(p, site.frame(before=after["seq"], run=run), row)
    check_frame(p, site.frame(at="1.5"), first)
    last = site.frame(last=1)
    check(last[1]["seq"] >= rows[-1]["seq"], "the last frame is %d" % last[1]["seq"])
    check_frame(p, last, p.frames()[last[1]["seq"] - 1])
    p.troupe("down", "-n", p.name)
    check_given_back(p)
    p.check_quiet()


def what_is_not_there(make):
    p = make(frames=0).up()
    site, rows = Site(p), stored(p, 40)
    p.troupe("record", "off", "-n", p.name)
    await_(lambda: p.status()["pipeline"]["stream"][0]["owed"] == 0, "nothing to be owed")
    rows = p.frames()
    site.refused(404, "Frame 4711 of cam1", "not in the recording", seq=4711)
    site.refused(404, "no later frame", after=rows[-1]["seq"])
    site.refused(404, "no earlier frame", before=1)
    site.refused(404, "no frame of cam7", stream="cam7")
    site.refused(404, stream="x" * 60)
    for name, value in (("seq", "x"), ("at", "10:00"), ("after", "-1"), ("run", "1e9"), ("at", "")):
        site.refused(400, name, **{name: value})
    check(site.get("/recorded/cam1/timeline")[0] == 400, "a timeline without from and to")
    # A frame whose bytes have rotted is not shown, and is named, so that a player can go past it.
    row = rows[20]
    with open(os.path.join(p.recording, "segments", "%06d.seg" % row["segment"]), "r+b") as file:
        file.seek(row["offset"] + 300)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))
    named = site.refused(500, "Frame %d" % row["seq"], "damaged", after=rows[19]["seq"])
    check(named == {"run": row["run"], "seq": row["seq"]}, "X-Frame names %s" % named)
    check_frame(p, site.frame(after=row["seq"]), rows[21])
    check_given_back(p)
    p.troupe("down", "-n", p.name)


def timeline_tells_spans(make):
    p = make(frames=0).up()
    site = Site(p)
    stored(p, 20)
    p.troupe("record", "off", "-n", p.name)
    await_(lambda: p.status()["pipeline"]["stream"][0]["owed"] == 0, "nothing to be owed")
    before = p.frames()
    hole = before[-1]["captured_wall"]
    await_(lambda: p.ledger.last() > before[-1]["seq"] + 110, "two seconds without recording")
    p.troupe("record", "on", "-n", p.name)
    rows = stored(p, len(before) + 20)
    first, later = rows[0]["captured_wall"], rows[len(before)]["captured_wall"]
    told = site.timeline(first - 10 ** 9, rows[-1]["captured_wall"] + 10 ** 9)
    check(int(told["first"]) == first and int(told["last"]) >= rows[-1]["captured_wall"], "ends: %s" % told)
    spans = [(int(s["begun"]), int(s["ended"])) for s in told["span"]]
    check(len(spans) == 2 and spans[0] == (first, hole) and spans[1][0] == later, "spans: %s, not %s" % (
        spans, [(first, hole), (later, None)]))
    # From far away the hole cannot be seen.
    far = site.timeline(first - 10 ** 13, first + 10 ** 13)
    check(len(far["span"]) == 1, "spans from far away: %s" % far["span"])
    p.troupe("down", "-n", p.name)


class Player(threading.Thread):
    """Plays from the first frame on, one after another, and keeps what came."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site, self.frames, self.fault, self.over = site, [], None, threading.Event()
        self.start()

    def run(self):
        arguments = {"first": 1}
        while not self.over.is_set():
            try:
                status, body, record = self.site.get("/recorded/cam1/frame", **arguments)
            except (OSError, http.client.HTTPException):
                continue  # the display has died: ask its successor
            if status == 200:
                self.frames.append((body, record))
                arguments = {"after": record["seq"], "run": record["run"]}
            elif status == 404:
                self.over.wait(0.01)  # at the end; recording goes on
            elif status not in (503, 504):
                self.fault = "%d %s" % (status, body)
                return

    def stop(self):
        self.over.set()
        self.join(60 * PATIENCE)
        check(not self.is_alive(), "the player does not end")
        check(not self.fault, "the player got %s" % self.fault)


def killed_storer(make):
    p = make(frames=0, storer='backoff = "10ms"').up()
    stored(p, 20)
    player = Player(Site(p))
    for _ in range(3):
        came = len(player.frames)
        await_(lambda: len(player.frames) > came + 5, "frames to be played")
        worker = p.worker("storer")
        os.kill(worker["pid"], signal.SIGKILL)
        p.back("storer", worker["incarnation"])
    came, seen = len(player.frames), p.status()["pipeline"]["stream"][0]["stored"]
    await_(lambda: len(player.frames) > came + 20, "the player to go on")
    await_(lambda: p.status()["pipeline"]["stream"][0]["stored"] > seen, "recording to go on")
    player.stop()
    rows = p.frames()
    for got, row in zip(player.frames, rows):  # each once, in order, none left out
        check_frame(p, got, row)
    check(len({record["storer"] for _, record in player.frames}) > 1, "all frames came of one storer")
    check_given_back(p)
    p.troupe("down", "-n", p.name)
    p.check_quiet()
    p.check_nothing_left()


def killed_display(make):
    p = make(frames=0, display='backoff = "10ms"').up()
    stored(p, 20)
    site, worker, storer = Site(p), p.worker("display"), p.worker("storer")
    player = Player(site)
    await_(lambda: len(player.frames) > 5, "frames to be played")
    # While the storer stands still the player's next question is asked, and not answered.
    os.kill(storer["pid"], signal.SIGSTOP)
    wait_stopped(storer["pid"])
    await_(lambda: "1 open, 1 of them asked" in p.troupe("inspect", "display", "-n", p.name).stdout,
           "the display to have asked the stopped storer")
    came = len(player.frames)
    os.kill(worker["pid"], signal.SIGSTOP)
    wait_stopped(worker["pid"])
    os.kill(storer["pid"], signal.SIGCONT)
    await_(lambda: any(w.phase == "OWED" and w.asker == worker["seat"] for w in playback_words(p.ledger)),
           "a frame to be owed to the stopped display")
    os.kill(worker["pid"], signal.SIGKILL)
    p.back("display", worker["incarnation"])
    await_(lambda: len(player.frames) > came + 5, "the player to go on")
    player.stop()
    for got, row in zip(player.frames, p.frames()):
        check_frame(p, got, row)
    check_given_back(p)
    check(any(e.get("playback", 0) > 0 for e in p.journal()), "no playback slot was given back")
    p.troupe("down", "-n", p.name)


def storer_away(make):
    """With nobody to answer, the question waits; a stopped storer's answer comes too late and harms nothing."""
    p = make(frames=0, hang_after="30s").up()
    rows = stored(p, 20)
    site, storer = Site(p), p.worker("storer")
    site.frame(seq=1)
    os.kill(storer["pid"], signal.SIGSTOP)
    try:
        site.refused(504, "did not answer in time", seq=2, wait=0.3)
    finally:
        os.kill(storer["pid"], signal.SIGCONT)
    check_frame(p, site.frame(seq=3), rows[2])
    check_given_back(p)
    p.troupe("down", "-n", p.name)


if __name__ == "__main__":
    main(dict(frames_by_any_way=frames_by_any_way, what_is_not_there=what_is_not_there,
              timeline_tells_spans=timeline_tells_spans, killed_storer=killed_storer, killed_display=killed_display,
              storer_away=storer_away))
