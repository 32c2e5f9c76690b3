"""Bad input gets one clear line that names the thing; nothing crashes, hangs or is lost."""

import os
import resource
import socket
import struct
import subprocess

import harness
from harness import BIN, await_, check


def refused(p, *words):
    told = p.start()
    text = told + "\n" + p.said()
    check(told != "ready", "up succeeded")
    check(p.process.wait(30) != 0, "exit code 0 for a failure")
    for word in words:
        check(word in text, "the error does not name %r: %s" % (word, text))
    p.check_nothing_left()


def missing_source(make):
    p = make(stream='source = "/nowhere/clip.avi"')
    harness_config_without_pattern(p)
    refused(p, "/nowhere/clip.avi", "cam1")


def harness_config_without_pattern(p):
    write = p.write_config

    def patched(*args, **kwargs):
        path = write(*args, **kwargs)
        with open(path) as file:
            text = file.read().replace('source = "pattern:"', "")
        with open(path, "w") as file:
            file.write(text)
        return path
    p.write_config = patched


def garbage_source(make):
    p = make()
    clip = os.path.join(p.folder, "clip.avi")
    with open(clip, "wb") as file:
        file.write(os.urandom(4096))
    p.settings["stream"] = 'source = "%s"' % clip
    harness_config_without_pattern(p)
    refused(p, "clip.avi")


def port_taken(make):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        refused(make(listen=address), address, "in use")


def recording_not_a_folder(make):
    p = make()
    with open(p.recording, "w") as file:
        file.write("a file where the folder should be")
    refused(p, p.recording)


def unreadable_source(make):
    p = make()
    clip = os.path.join(p.folder, "clip.avi")
    with open(clip, "wb") as file:
        file.write(os.urandom(4096))
    os.chmod(clip, 0)
    p.settings["stream"] = 'source = "%s"' % clip
    harness_config_without_pattern(p)
    p.bind_by_modes()
    refused(p, clip, "Permission denied")


def recording_folder_not_writable(make):
    p = make()
    parent = os.path.join(p.folder, "locked")
    os.mkdir(parent, 0o555)
    p.recording = os.path.join(parent, "recording")
    p.bind_by_modes()
    refused(p, p.recording, "Permission denied")


def second_up(make):
    p = make(frames=0).up()
    again = subprocess.run([os.path.join(BIN, "troupe"), "up", "-c", p.write_config(), "-n", p.name],
                           env=p.env, text=True, capture_output=True, timeout=30)
    check(again.returncode == 1, "a second up exits with %d" % again.returncode)
    check(p.name in again.stderr and str(p.process.pid) in again.stderr,
          "it does not say who runs: %s" % again.stderr)
    check(p.process.poll() is None, "the first one was harmed")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)


def memory_too_small(make):
    refused(make(size="1920x1080", slots=1000, extra='memory = "200MB"'), "memory", "200.0 MB is allowed")


def memory_limit_of_the_system(make):
    p = make(size="1920x1080", slots=1000)
    limit = 64 << 20
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        refused(p, "memory")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def unknown_keys_and_values(make):
    for line, words in ((' processor { cuont = 2 } ', ("cuont", "count")),
                        (' procesor { count = 2 } ', ("procesor", "processor")),
                        (' hang_afterr = "3s" ', ("hang_afterr", "\"hang_after\"?")),
                        (' storer { foldr = "x" } ', ("\"folder\"?", "storer", ", …: `troupe config` shows all")),
                        (' storer { commit_interval = "soon" } ', ("commit_interval", "soon"))):
        p = make(extra=line)
        path = p.write_config()
        number = 1 + [i for i, l in enumerate(open(path).read().split("\n")) if line.strip() in l][0]
        done = p.troupe("check", "-c", path, code=2)
        for word in words + ("pipeline.conf:%d" % number,):
            check(word in done.stderr, "%r is not named: %s" % (word, done.stderr))
        check(done.stderr.count("\n") == 1, "more than one line: %s" % done.stderr)


def unknown_names(make):
    p = make(frames=0).up()
    for args, words in ((("inspect", "procesor.1"), ("procesor.1", "processor.1")),
                        (("kill", "storer", "-s", "SIGNOPE"), ("SIGNOPE",)),
                        (("frobnicate",), ("frobnicate",)),
                        (("scale", "storer", "3"), ("storer",))):
        tail = () if args[0] == "frobnicate" else ("-n", p.name)
        done = p.troupe(*args, *tail, code=2)
        for word in words:
            check(word in done.stderr, "%s: %r is not named: %s" % (args, word, done.stderr))
    p.troupe("ps", "-n", "nobody-here", code=None)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)


def garbage_on_every_socket(make):
    """Random, truncated, oversized and foreign messages into control, reports, pipes and inboxes."""
    p = make(frames=0, fps=50).up()
    sockets = [f for f in os.listdir(p.runtime) if f in ("control", "reports") or
               f.endswith((".in", ".pipe"))]
    check("control" in sockets and any(s.endswith(".in") for s in sockets), "sockets: %s" % sockets)
    throwers = [subprocess.Popen([os.path.join(BIN, "throw-garbage"), os.path.join(p.runtime, name), "40"])
                for name in sockets]
    for thrower in throwers:
        check(thrower.wait(60 * harness.PATIENCE) == 0, "garbage is thrown")
    for name in sockets:
        with socket.socket(socket.AF_UNIX) as raw:  # not even ZeroMQ
            raw.connect(os.path.join(p.runtime, name))
            raw.sendall(struct.pack("<Q", 0xFFFFFFFFFFFFFFFF) * 8 + os.urandom(4096))
    start = p.ledger.last()
    await_(lambda: p.ledger.last() > start + 30, "frames to flow on")
    for worker in p.ps()["worker"]:
        check(worker["incarnation"] == 1 and worker["restarts"] == 0, "harmed: %s" % worker)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_numbers(p.ledger.last())
    p.verify()


def planted_faults_turn_checks_red(make):
    """The checks themselves: a frame stored twice, skipped or changed must be found."""
    import shutil
    import sqlite3
    p = make(frames=60, pace="max").up()
    p.wait_end(0)
    p.check_equals_reference()
    clean = p.recording
    for fault in ("twice", "skipped", "changed", "pixels", "label"):
        p.recording = clean + "-" + fault
        shutil.copytree(clean, p.recording)
        catalogue = sqlite3.connect(os.path.join(p.recording, "recording.sqlite"))
        with catalogue:
            if fault == "skipped":
                catalogue.execute("DELETE FROM frames WHERE seq = 30")
            elif fault == "twice":
                columns = [r[1] for r in catalogue.execute("PRAGMA table_info(frames)")]
                other = {"seq": "61", "offset": "offset + 1"}
                picked = ", ".join(other.get(c, c) for c in columns)
                catalogue.execute("INSERT INTO frames SELECT %s FROM frames WHERE seq = 30" % picked)
        catalogue.close()
        if fault in ("changed", "pixels", "label"):
            segments = os.path.join(p.recording, "segments")
            path = os.path.join(segments, sorted(os.listdir(segments))[0])
            with open(path, "r+b") as file:
                data = bytearray(file.read())
                at = len(data) // 2 if fault == "changed" else 64 + (300 if fault == "label" else 900)
                data[at] ^= 0x40
                file.seek(0)
                file.write(data)
        red = p.verify(code=None)
        check(red.returncode == 1, "verify does not see: %s (%s)" % (fault, red.stdout))
        if fault in ("twice", "skipped"):
            try:
                p.check_numbers(60)
            except harness.Failed:
                continue
            raise harness.Failed("check_numbers does not see: " + fault)


harness.main({f.__name__: f for f in (
    missing_source, garbage_source, port_taken, recording_not_a_folder, unreadable_source,
    recording_folder_not_writable, second_up, memory_too_small,
    memory_limit_of_the_system, unknown_keys_and_values, unknown_names, garbage_on_every_socket,
    planted_faults_turn_checks_red)})
