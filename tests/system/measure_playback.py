#!/usr/bin/env python3
"""Whether playback delays what is recorded: the time from capture to the disk, frame by frame from the catalogue, in
spans with nobody playing and in spans in which players go through the recording at 16 times, by turns in one run.

A measurement, not a test: `TROUPE_BIN=BUILD/bin python3 tests/system/measure_playback.py [--seconds N] [--players N]
[--archived]`. Nice players ask for a frame each 1/60 s, as the page does; --archived: what they look at is H.264.
"""

import argparse
import http.client
import os
import shutil
import tempfile
import threading
import time

import harness
from harness import await_

WARM_UP = 20  # seconds of recording to play
SPAN = 5


class Player(threading.Thread):
    """Goes through the first seconds of the recording at 16 times, again and again, while it may."""

    def __init__(self, address, playing, over):
        super().__init__(daemon=True)
        self.address, self.playing, self.over, self.frames = address, playing, over, 0
        self.start()

    def run(self):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        line = http.client.HTTPConnection(self.address)
        while not self.over.is_set():
            if not self.playing.wait(0.1):
                continue
            begun, first = time.monotonic(), self.ask(line, "first=1")
            while self.playing.is_set():
                at = first + 16 * (time.monotonic() - begun)
                if at > first + WARM_UP:
                    break
                self.ask(line, "at=%.6f" % at)
                self.frames += 1
                time.sleep(1 / 60)

    @staticmethod
    def ask(line, words):
        line.request("GET", "/recorded/cam1/frame?" + words)
        answer = line.getresponse()
        body, record = answer.read(), answer.getheader("X-Frame")
        assert answer.status == 200, body
        return float(record.split('"captured_wall":')[1].split(",")[0]) / 1e9


def quantile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] / 1e6


def tell(name, times, frames=None):
    print("%-22s %6d frames   p50 %6.1f ms   p99 %6.1f ms   longest %6.1f ms%s" % (
        name, len(times), quantile(times, 0.5), quantile(times, 0.99), max(times) / 1e6,
        "" if frames is None else "   %.0f frames/s played" % frames))


def measure(p, args):
    p.up()
    address = p.status()["pipeline"]["url"].split("/")[2]
    time.sleep(WARM_UP + 1)
    if args.archived:
        await_(lambda: any(f["coding"] for f in p.frames()), "something to be archived", 300)
    playing, over = threading.Event(), threading.Event()
    players = [Player(address, playing, over) for _ in range(args.players)]
    spans = []
    for turn in range(max(2, int(args.seconds / SPAN) // 2 * 2)):
        (playing.set if turn % 2 else playing.clear)()
        time.sleep(0.5)  # what was begun before is over
        begun = time.monotonic_ns()
        time.sleep(SPAN)
        spans.append((turn % 2, begun, time.monotonic_ns()))
    over.set()
    playing.clear()
    for player in players:
        player.join()
    time.sleep(1)
    rows = p.frames()
    p.troupe("down", "-n", p.name)
    times = [[row["stored"] - row["captured"] for played, begun, ended in spans if played == wanted
              for row in rows if begun <= row["captured"] < ended] for wanted in (0, 1)]
    tell("nobody plays", times[0])
    tell("%d at 16 times" % args.players, times[1], sum(player.frames for player in players) / (len(spans) / 2 * (SPAN + 0.5)))
    print("ratio: p50 %.2f, p99 %.2f; dropped or bypassed: %d" % (
        quantile(times[1], 0.5) / quantile(times[0], 0.5), quantile(times[1], 0.99) / quantile(times[0], 0.99),
        sum(row["bypassed"] + row["drops_no_slot"] for row in rows)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--players", type=int, default=2)
    parser.add_argument("--archived", action="store_true")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="trp-")
    storer = 'archive = "h264" archive_after = "5s" segment_seconds = "5s"' if args.archived else ""
    p = harness.Pipeline(folder, "play%d" % (os.getpid() % 10000), frames=0, fps=30, size="1280x720", slots=64, storer=storer)
    try:
        measure(p, args)
    finally:
        p.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
