"""A recording that can be trusted: whatever happens to it, verify says so, repair makes it whole without deleting, a backup
of it is a recording, and a reader that was written from docs/recording.md alone reads all of them."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading

import harness
import reader
from harness import BIN, Failed, await_, check, main

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION_1 = os.path.join(HERE, "..", "unit", "recording_version_1.sql")
SMALL = 'segment_bytes = "100kB"  commit_interval = "20ms"'


def read(folder):
    """By the reader in Python; whatever it does not like fails the test."""
    try:
        return reader.read_recording(folder)
    except reader.Damaged as fault:
        raise Failed("the reader in Python says of %s: %s" % (folder, fault))


def segment(folder, n):
    """The path of the n-th segment."""
    names = sorted(f for f in os.listdir(os.path.join(folder, "segments")) if f.endswith(".seg"))
    return os.path.join(folder, "segments", names[n])


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def verify(p, folder, code=0):
    return json.loads(p.troupe("verify", folder, "--json", code=code).stdout)


def repair(p, folder, *more):
    return json.loads(p.troupe("repair", folder, "--json", *more).stdout)


def backup(p, folder, *more, code=0, limit=30):
    done = p.troupe("backup", folder, "--json", *(more or ("--from", p.recording)), code=code, limit=limit)
    return json.loads(done.stdout)


def whole(p, folder):
    """By every means there is. Returns what the reader in Python has read."""
    report = verify(p, folder)
    check(not report["faults"] and not report["notes"] and not report["uncommitted"],
          "verify is not content with %s: %s" % (folder, report))
    found = read(folder)
    check(len(found.frames) == report["rows"], "verify counts %d frames, the reader %d" % (
        report["rows"], len(found.frames)))
    return found


def recorded(make, **settings):
    """A small recording that has ended; its pipeline is gone."""
    p = make(pace="max", frames=120, **dict(dict(storer=SMALL, processors=1), **settings)).up()
    p.wait_end()
    return p


def goes_on(make, folder, frames=30):
    """A storer goes on in it, in a run of its own; afterwards it is whole."""
    p = make(pace="max", frames=frames, storer=SMALL, processors=1)
    p.recording = folder
    p.up()
    p.wait_end()
    return p, whole(p, folder)


def show_numbers(p, found):
    """The pictures of these frames show the numbers that their records say."""
    jpegs = [f for f in found.frames.values() if f.record.coding == reader.JPEG]
    data = b"".join(len(f.coded).to_bytes(4, "little") + f.coded for f in jpegs)
    done = subprocess.run([os.path.join(BIN, "read-numbers")], input=data, capture_output=True,
                          timeout=60 * harness.PATIENCE)
    check(done.returncode == 0, "read-numbers failed")
    for frame, number in zip(jpegs, map(int, done.stdout.split())):
        check(number == frame.record.source_index, "%s frame %d shows %d" % (frame.stream, frame.record.seq, number))
    return len(jpegs)


# ---- the reader ----

def read_by_the_page_alone(make):
    """Two streams; every frame is in the segments, in the catalogue, and shows its number."""
    p = recorded(make, extra='stream "cam2" { source = "pattern:"  pattern_size = "160x120"  pattern_frames = 80 '
                             ' pace = "max"  slots = 16 }')
    found = whole(p, p.recording)
    check(len(found.frames) == 200, "%d frames" % len(found.frames))
    check({h.stream for h in found.segments} == {"cam1", "cam2"}, "whose segments? %s" % (found.segments,))
    check(show_numbers(p, found) == 200, "not all are JPEGs")
    check(set(reader.read_segments_alone(p.recording)) == set(found.frames), "segments and catalogue differ")
    flip(segment(p.recording, 1), 1000)
    try:
        reader.read_recording(p.recording)
    except reader.Damaged:
        return
    raise Failed("the reader in Python believes a damaged segment")


# ---- repair ----

def damaged_in_every_way(make):
    """One recording, copied for each thing that happens to one."""
    p = recorded(make)
    count = len(p.frames())

    def copy(name):
        folder = os.path.join(p.folder, name)
        shutil.copytree(p.recording, folder)
        return folder

    # The catalogue is deleted.
    folder = copy("deleted")
    os.unlink(os.path.join(folder, "recording.sqlite"))
    p.troupe("verify", folder, code=2)
    check(repair(p, folder)["frames"] == count, "not all frames are back")
    check(len(whole(p, folder).frames) == count, "not all frames are there")

    # A segment in the middle is damaged: found, said where, and repaired with what is whole.
    folder = copy("middle")
    path = segment(folder, 1)
    name = os.path.basename(path)
    flip(path, os.path.getsize(path) // 2)
    report = verify(p, folder, code=1)
    check(any(name[:6] in fault for fault in report["faults"]), "verify does not name it: %s" % report["faults"])
    planned = repair(p, folder, "--dry-run")
    check(planned["damaged"] == 1 and not os.path.exists(os.path.join(folder, "damaged")), "a dry run: %s" % planned)
    report = repair(p, folder)
    check(os.path.exists(os.path.join(folder, "damaged", name)), "what is damaged was not set aside")
    check(os.path.exists(os.path.join(folder, report["catalogue"])), "the old catalogue is gone")
    found = whole(p, folder)
    check(len(found.frames) == count - 1 and len(found.forgotten) == 1 and found.forgotten[0]["why"] == "damaged",
          "%d frames, forgotten %s" % (len(found.frames), found.forgotten))
    _, found = goes_on(make, folder)
    check(len(found.frames) == count - 1 + 30, "a storer does not go on in it: %d frames" % len(found.frames))

    # The folder is moved elsewhere.
    folder = copy("here")
    os.rename(folder, folder + "-and-there")
    check(len(whole(p, folder + "-and-there").frames) == count, "a moved recording has lost frames")
    _, found = goes_on(make, folder + "-and-there")
    check(len(found.frames) == count + 30, "a storer does not go on where it was moved to")


def previous_version(make):
    """A recording of version 1: a storer brings it up to date by itself, and repair can do without its catalogue."""
    p = make(pace="max", frames=30, processors=1)
    for name in ("start", "repair"):
        folder = os.path.join(p.folder, name)
        os.makedirs(os.path.join(folder, "segments"))
        catalogue = sqlite3.connect(os.path.join(folder, "recording.sqlite"))
        with open(VERSION_1) as script:
            catalogue.executescript(script.read())
        for file_name, at, data in catalogue.execute("SELECT * FROM files ORDER BY 1, 2").fetchall():
            with open(os.path.join(folder, "segments", file_name), "r+b" if at else "wb") as file:
                file.seek(at)
                file.write(data)
        catalogue.executescript("DROP TABLE files")
        catalogue.close()
    check("start" in p.troupe("verify", os.path.join(p.folder, "start"), code=1).stderr, "verify believes version 1")
    _, started = goes_on(make, os.path.join(p.folder, "start"))
    folder = os.path.join(p.folder, "repair")
    report = repair(p, folder)
    check(report["adopted"] and report["frames"] == len(started.frames) - 30, "not all frames: %s" % report)
    found = whole(p, folder)
    check(set(found.frames) == {k for k in started.frames if k in found.frames}, "other frames")
    with sqlite3.connect(os.path.join(folder, "recording.sqlite")) as catalogue:
        names = [n for n, in catalogue.execute("SELECT pipeline FROM runs")]
    check(all(names), "the names of the pipelines are lost: %s" % names)


def repair_in_use(make):
    """Not while a storer runs; and it says whose it is."""
    p = make(frames=0, processors=1, storer=SMALL).up()
    await_(lambda: p.frames(), "frames")
    done = p.troupe("repair", p.recording, code=1)
    check("process %d" % p.worker("storer")["pid"] in done.stderr, "who has it? %s" % done.stderr)
    p.troupe("repair", os.path.join(p.folder, "nothing"), code=2)
    check(not os.path.exists(os.path.join(p.folder, "nothing")), "repair has made a folder")


# ---- backup ----

def backup_twice(make):
    """While it is recorded: the second adds what is new; a storer goes on in the copy."""
    p = make(frames=0, fps=100, processors=1, storer=SMALL).up()
    await_(lambda: len(os.listdir(os.path.join(p.recording, "segments"))) >= 3, "three segments")
    folder = os.path.join(p.folder, "backup")
    first = backup(p, folder, "-n", p.name)
    check(first["copied_bytes"] == first["bytes"] > 0, "the first copies all: %s" % first)
    frames = len(whole(p, folder).frames)
    await_(lambda: len(p.frames()) > frames + 50, "more frames")
    second = backup(p, folder, "-n", p.name)
    check(0 < second["copied_bytes"] == second["bytes"] - first["bytes"], "only what is new: %s %s" % (first, second))
    check(len(whole(p, folder).frames) >= frames + 50, "the new frames are not in it")
    p.troupe("down", "-n", p.name)
    backup(p, folder)
    again = backup(p, folder)
    check(again["copied_bytes"] == 0, "nothing is new: %s" % again)
    found = whole(p, folder)
    check(set(found.frames) == {(f["run"], f["stream"], f["seq"]) for f in p.frames()}, "not the same frames")
    # Over something else, or into itself: no.
    backup(p, p.folder, code=2)
    backup(p, os.path.join(p.recording, "backup"), code=2)
    other, found = goes_on(make, folder)
    check("recorded into" in backup(p, folder, code=2)["error"], "a copy that was recorded into is written over")
    check(len(whole(other, folder).frames) == len(found.frames), "the refused backup has changed something")


def backup_while_the_storer_dies(make):
    """Each of the backups is whole, whenever the storer is killed; so is the recording."""
    p = make(frames=0, fps=100, processors=1, storer=SMALL + '  restart_window = "1s"  max_restarts = 1000').up()
    await_(lambda: p.frames(), "frames")
    for i in range(4):
        done = []
        thread = threading.Thread(target=lambda: done.append(backup(p, os.path.join(p.folder, "b%d" % (i % 2)))))
        thread.start()
        incarnation = p.worker("storer")["incarnation"]
        p.kill_holding("storer", owed=True)
        thread.join()
        check(done, "the backup failed")
        read(os.path.join(p.folder, "b%d" % (i % 2)))
        check(not verify(p, os.path.join(p.folder, "b%d" % (i % 2)))["faults"], "the copy is not whole")
        p.back("storer", incarnation)
    p.troupe("down", "-n", p.name)
    whole(p, p.recording)


def backup_on_a_full_disk(make):
    """The disk fills up half-way: it says so, the backup before stays valid, and the next one goes on."""
    p = recorded(make)
    size = sum(os.path.getsize(segment(p.recording, n)) for n in range(2))
    folder = os.path.join(p.folder, "disk", "backup")
    os.makedirs(os.path.dirname(folder))
    mount("-t", "tmpfs", "-o", "size=64M", "none", os.path.dirname(folder))
    first = backup(p, folder)
    _, after = goes_on(make, p.recording, frames=120)
    filler = os.path.join(os.path.dirname(folder), "filler")
    space = os.statvfs(folder)
    with open(filler, "wb") as file:
        file.write(bytes(space.f_bavail * space.f_frsize - size))
    refused = backup(p, folder, code=1)
    check("space" in refused["error"], "it does not say why: %s" % refused)
    check(verify(p, folder)["rows"] == 120 and not verify(p, folder)["faults"], "the backup before is not valid")
    os.unlink(filler)
    again = backup(p, folder)
    check(again["bytes"] > first["bytes"] and len(whole(p, folder).frames) == len(after.frames), "%s" % again)


def ask(p, question):
    with sqlite3.connect("file:%s/recording.sqlite?mode=ro" % p.recording, uri=True) as catalogue:
        return catalogue.execute(question).fetchone()[0]


def kept_within_bounds(make):
    """Segments go while it is backed up: the copies are whole, and what is gone is known."""
    p = make(frames=0, fps=100, processors=1, storer=SMALL + '  keep = "1MB"').up()
    folder = os.path.join(p.folder, "backup")
    await_(lambda: ask(p, "SELECT count(*) FROM forgotten"), "frames to be forgotten")
    for _ in range(3):
        backup(p, folder, "-n", p.name)
        copy = read(folder)
        check(copy.forgotten and not verify(p, folder)["faults"], "the copy is not whole")
    p.troupe("down", "-n", p.name)
    found = whole(p, p.recording)
    check([r["why"] for r in found.forgotten] == ["keep"], "forgotten: %s" % found.forgotten)
    check(show_numbers(p, found) == len(found.frames), "no JPEGs")
    repair(p, p.recording)
    check(whole(p, p.recording).forgotten == found.forgotten, "what was forgotten is not known any more")


def archived(make):
    """Frames are coded anew while it is backed up; then H.264 is damaged."""
    p = make(frames=0, fps=50, size="160x120", processors=1, storer='segment_bytes = "40kB"  commit_interval = "40ms"'
             '  archive = "h264"  archive_after = "1s"').up()
    folder = os.path.join(p.folder, "backup")
    await_(lambda: ask(p, "SELECT count(*) FROM segments WHERE coding = 1 AND state = 'closed'") >= 2,
           "segments to be coded anew", 40)
    for _ in range(2):
        backup(p, folder, "-n", p.name)
        read(folder)
        check(not verify(p, folder)["faults"], "the copy is not whole")
    p.troupe("down", "-n", p.name, limit=60)
    found = whole(p, p.recording)
    check({f.record.coding for f in found.frames.values()} >= {1, 2}, "not all kinds of frames")
    show_numbers(p, found)
    report = json.loads(p.troupe("verify", p.recording, "--decode", "--json").stdout)
    check(report["decoded"] == report["rows"] == len(found.frames), "not every frame is decoded: %s" % report)
    check(show_numbers(p, found) > 0, "no JPEGs")
    # In the middle of a group: what needs the lost frame goes with it, and no more than that group.
    frames = sorted((f for f in found.frames.values() if f.record.coding), key=lambda f: (f.segment, f.offset))
    first = next(f for f in frames if f.record.coding == reader.H264)
    flip(os.path.join(p.recording, "segments", "%06d.seg" % first.segment), first.offset + 300)
    check(verify(p, p.recording, code=1)["faults"], "damage is not found")
    repair(p, p.recording)
    after = whole(p, p.recording)
    lost = sorted(k[2] for k in set(found.frames) - set(after.frames))
    behind = [f for f in frames if f.segment == first.segment and f.offset >= first.offset]
    end = next((n for n, f in enumerate(behind) if f.record.coding == reader.H264_KEY), len(behind))
    check(lost == sorted(f.record.seq for f in behind[:end]), "lost are %s" % lost)
    report = json.loads(p.troupe("verify", p.recording, "--decode", "--json").stdout)
    check(report["decoded"] == report["rows"] == len(after.frames), "not every frame is decoded: %s" % report)


def mount(*args):
    done = subprocess.run(["mount", *args], capture_output=True, text=True)
    check(done.returncode == 0, "mount %s: %s" % (" ".join(args), done.stderr))


if not sys.argv[1:] or "backup_on_a_full_disk" in sys.argv:
    harness.own_mounts()
main({f.__name__: f for f in (read_by_the_page_alone, damaged_in_every_way, previous_version, repair_in_use,
                              backup_twice, backup_while_the_storer_dies, kept_within_bounds, archived,
                              backup_on_a_full_disk)})
