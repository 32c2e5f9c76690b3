"""The whole pipeline on a short source: what comes out, and that nothing is left behind."""

import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import termios
import urllib.request

import harness
from harness import await_, check


def runs_to_its_end(make):
    p = make(frames=150, pace="max").up()
    p.wait_end(0)
    p.check_quiet()
    p.check_nothing_left()
    p.check_numbers(150)
    p.verify()
    p.check_equals_reference()


def two_streams_share_the_pool(make):
    extra = """stream "cam2" { source = "pattern:" pattern_size = "160x120" pattern_fps = 50
               pattern_frames = 80 pace = "max" slots = 16 }"""
    p = make(frames=100, pace="max", extra=extra).up()
    check("capture.cam2" in p.names(), "ps has no capture.cam2: %s" % p.names())
    p.wait_end(0)
    p.check_quiet()
    counts = {}
    for frame in p.frames():
        counts.setdefault(frame["stream"], []).append(frame["seq"])
    check(sorted(len(c) for c in counts.values()) == [80, 100], "frames a stream: %s" % {
        k: len(c) for k, c in counts.items()})
    check(all(c == list(range(1, len(c) + 1)) for c in counts.values()), "numbers have gaps")
    p.check_equals_reference()


def names_titles_and_json(make):
    p = make(frames=0).up()
    check(p.names() and set(p.names()) == {"capture.cam1", "processor.1", "processor.2", "storer",
                                           "trainer", "display"}, "ps names %s" % p.names())
    titles = set(p.pids().values())
    for name in p.names():
        check("troupe: %s %s" % (p.name, name) in titles, "no process is titled %s: %s" % (name, titles))
    for worker in p.ps()["worker"]:
        check(worker["state"] == "ready" and worker["pid"] in p.pids(), "ps says %s" % worker)
    seen = json.loads(p.troupe("inspect", "processor.1", "--json", "-n", p.name).stdout)
    text = json.dumps(seen)
    check("troupe: %s processor.1" % p.name in text, "inspect has no command line: %s" % text)
    check(any(r["name"] == "model" and r["value"] == "none" for r in seen["inspection"]["row"]),
          "inspect does not show the row model: %s" % text)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_nothing_left()


def answers_http(make):
    p = make(frames=0, listen="127.0.0.1:0").up()
    url = p.status()["pipeline"]["url"].rstrip("/")
    with urllib.request.urlopen(url + "/healthz", timeout=20 * harness.PATIENCE) as answer:
        check(answer.status == 200, "healthz says %d" % answer.status)
    with urllib.request.urlopen(url + "/api/workers", timeout=20 * harness.PATIENCE) as answer:
        names = [w["name"] for w in json.load(answer)["worker"]]
    check("storer" in names, "api/workers says %s" % names)
    with urllib.request.urlopen(url + "/stream/cam1", timeout=20 * harness.PATIENCE) as stream:
        data = b""
        while data.count(b"\xff\xd8\xff") < 3:
            data += stream.read1(65536)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)


def recording_off_and_on(make):
    p = make(frames=0, fps=100).up()
    await_(lambda: p.status()["pipeline"]["stream"][0]["stored"] > 10, "frames to be stored")
    p.troupe("record", "off", "-n", p.name)
    start = p.ledger.last()
    await_(lambda: p.ledger.last() > start + 50, "frames to flow with the recording off")
    p.troupe("record", "on", "-n", p.name)
    start = p.ledger.last()
    await_(lambda: p.ledger.last() > start + 50, "frames to flow with the recording on again")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    seqs = [f["seq"] for f in p.frames()]
    gaps = [b - a for a, b in zip(seqs, seqs[1:]) if b - a != 1]
    # When it is told to go on, the storer may be as many frames behind as there are slots.
    check(len(gaps) == 1 and gaps[0] > 50 - p.settings["slots"], "one gap where recording was off: %s" % gaps)
    p.verify()


def recording_every_other_frame(make):
    p = make(frames=100, fps=50, pace="max", stream="record_fps = 25").up()
    p.wait_end(0)
    seqs = [f["seq"] for f in p.frames()]
    check(seqs == list(range(1, 101, 2)), "every other frame is stored: %s" % seqs[:10])
    p.verify()
    p.check_equals_reference()


def scale_swap_and_label(make):
    p = make(frames=0, fps=100).up()
    p.troupe("scale", "processor", "3", "-n", p.name)
    await_(lambda: "processor.3" in p.names() and p.worker("processor.3")["state"] == "ready",
           "processor.3 to be ready")
    p.troupe("scale", "processor", "1", "-n", p.name)
    await_(lambda: "processor.2" not in [w["name"] for w in p.ps()["worker"] if w["pid"]],
           "processor.2 to be gone")
    other = os.path.join(p.folder, "other-processor")
    shutil.copy(os.path.join(harness.BIN, "troupe-processor"), other)
    before = p.worker("processor.1")
    p.troupe("swap", "processor.1", "--exec", other, "--probation", "1s", "-n", p.name)
    after = p.worker("processor.1")
    check(after["program"] == other and after["pid"] != before["pid"], "swapped: %s" % after)
    p.troupe("swap", "storer", "--exec", os.path.join(harness.BIN, "troupe-storer"), "--probation", "1s", "-n", p.name)
    # A program that is no worker never gets prepared, one that dies neither: nothing was touched.
    none = p.troupe("swap", "processor.1", "--exec", "/bin/false", "-n", p.name, code=1)
    check("false" in none.stderr, "a program that is no worker is named: %s" % none.stderr)
    dies = os.path.join(p.folder, "dies")
    with open(dies, "w") as file:
        file.write("#!/bin/sh\n[ -n \"$1\" ] && exec %s/troupe-processor \"$@\"\nexit 3\n" % harness.BIN)
    os.chmod(dies, 0o755)
    wrong = p.troupe("swap", "processor.1", "--exec", dies, "-n", p.name, code=1)
    check(dies in wrong.stderr + wrong.stdout, "a swap that fails names the program: %s" % wrong.stderr)
    await_(lambda: p.worker("processor.1")["state"] == "ready", "the old program to be back")
    check(p.worker("processor.1")["program"] == other, "the old program is back")
    p.troupe("label", "person", "-n", p.name)
    start = p.ledger.last()
    await_(lambda: p.ledger.last() > start + 20, "labelled frames")
    p.troupe("label", "--none", "-n", p.name)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    p.check_numbers(p.ledger.last())
    p.verify()
    check(any("person" in (str(v) for v in f.values()) for f in p.frames()) or
          any(f.get("label") for f in p.frames()), "no stored frame has the label")


def live_source_drops_and_counts(make):
    """A source that cannot wait, with the storer stopped: frames go by, each of them accounted for."""
    p = make(frames=0, fps=100, stream="live = yes", slots=16, hang_after="1s", bypass_after="500ms").up()
    await_(lambda: p.ledger.last() > 20, "frames to flow")
    os.kill(p.worker("storer")["pid"], signal.SIGSTOP)
    await_(lambda: p.status()["pipeline"]["stream"][0]["drop"], "a drop to be counted")
    after = p.ledger.last()
    await_(lambda: p.ledger.last() > after + 20, "frames to flow again")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    last = p.ledger.last()
    p.check_numbers(last)
    frames = p.frames()
    for before, frame in zip(frames, frames[1:]):
        skipped = frame["source_index"] - before["source_index"] - 1
        check(frame["drops_no_slot"] == skipped, "frame %d counts %d drops, its source skipped %d" % (
            frame["seq"], frame["drops_no_slot"], skipped))
    dropped = sum(f["drops_no_slot"] for f in frames)
    check(dropped > 0, "nothing was dropped")
    check(frames[-1]["source_index"] + 1 == last + dropped, "captured = stored + dropped")
    p.verify()


def live_line_fits_the_terminal(make):
    """The line is written over itself, which works only while it does not reach the terminal's edge."""
    p = make(frames=0)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    p.process = subprocess.Popen([os.path.join(harness.BIN, "troupe"), "up", "-c", p.write_config()],
                                 env=p.env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    told = ""
    while told.count("\rrunning: ") < 3:
        told += os.read(ours, 4096).decode()
    os.kill(p.process.pid, signal.SIGINT)
    try:
        while chunk := os.read(ours, 4096):
            told += chunk.decode()
    except OSError:  # EIO: the other end is closed
        pass
    os.close(ours)
    with open(os.path.join(p.folder, "stderr"), "w") as file:
        file.write(told)
    p.wait_end(0)
    p.check_nothing_left()
    lines = [line.split("\033")[0] for line in told.split("\r") if "\033[K" in line]
    check(max(map(len, lines)) == 59, "wider or narrower than 60 columns allow: %s" % lines)
    check("has ended after" in told and "0 restarts" in told, "no summary: %s" % told)


harness.main({f.__name__: f for f in (
    runs_to_its_end, two_streams_share_the_pool, names_titles_and_json, answers_http,
    recording_off_and_on, recording_every_other_frame, scale_swap_and_label,
    live_source_drops_and_counts, live_line_fits_the_terminal)})
