"""H.264 that is stored as it comes: the very access units, and each frame can be shown, whatever happens in between."""

import os
import random
import signal

import harness
from cameras import RtspCamera
from h264 import GOP, H264, H264_KEY, JPEG, check_shown, clip, numbers_in, read_units, stored_as_it_came, units_of
from harness import await_, check

PASS = 'store = "passthrough" '
FRAMES = 100


def stream(p):
    return p.status()["pipeline"]["stream"][0]


def playing(make, folder, b_frames=3, **settings):
    """A file that goes round, so that there is time for something to happen."""
    return make(source=clip(folder, FRAMES, 100, b_frames), stream=PASS + "loop = yes ", **settings).up()


def finish(p, every=True):
    """Ends; all frames are there and can be shown. Returns them."""
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    p.verify()
    frames = p.frames()
    if every:
        check([f["seq"] for f in frames] == list(range(1, len(frames) + 1)), "not every frame is there")
    check_shown(p, frames, FRAMES)
    return frames


def more_frames(p, count):
    start = p.ledger.last()
    await_(lambda: p.ledger.last() >= start + count, "%d more frames" % count)


def file_as_it_is(make):
    """The file's access units bit by bit, decoded to the pictures that were processed; the reference stores the same."""
    for b_frames in 0, 3:
        p = make()
        path = clip(p.folder, FRAMES, 50, b_frames)
        p.settings.update(source=path, stream=PASS, pace="max")
        p.up().wait_end(0)
        p.check_quiet()
        p.verify()
        p.check_equals_reference()
        frames = read_units(p, p.frames())
        check(stored_as_it_came(frames) == list(range(1, FRAMES + 1)), "not every frame is stored as it came: %s" % [
            f["seq"] for f in frames if f["coding"] == JPEG])
        check([f["seq"] for f in frames if f["coding"] == H264_KEY] == list(range(1, FRAMES + 1, GOP)), "the key frames")
        check([f["unit"] for f in sorted(frames, key=lambda f: f["dts"])] == units_of(path), "other bytes")
        check(any(f["lacks"] for f in frames) == bool(b_frames), "B-frames need what comes later")
        check_shown(p, frames, FRAMES)
        check_exported(p, frames)
        check(all(f["motion"] > 0 for f in frames[1:]), "frames are processed as ever")
    as_jpeg = make(source=path)
    as_jpeg = sum(f["coded_bytes"] for f in as_jpeg.frames(as_jpeg.reference()))
    check(5 * sum(f["coded_bytes"] for f in frames) < as_jpeg, "it saves little")


def check_exported(p, frames):
    """troupe's own readers show the same."""
    folder = os.path.join(p.folder, "pictures")
    p.troupe("export", p.recording, "--format", "frames", folder)
    pictures = sorted(name for name in os.listdir(folder) if name.endswith(".jpg"))
    check(numbers_in([os.path.join(folder, name) for name in pictures]) == [f["source_index"] for f in frames],
          "the pictures that are exported are other ones")


def recording_off_and_on(make):
    p = make()
    p = playing(make, p.folder)
    for _ in range(3):
        more_frames(p, random.randint(5, 20))
        p.troupe("record", "off", "-n", p.name)
        more_frames(p, random.randint(1, 5))
        p.troupe("record", "on", "-n", p.name)
    more_frames(p, 2 * GOP)
    frames = finish(p, every=False)
    gaps = [b["seq"] for a, b in zip(frames, frames[1:]) if b["seq"] != a["seq"] + 1]
    check(len(gaps) >= 1, "there were gaps")
    check(all(f["coding"] != H264 for f in frames if f["seq"] in gaps), "a gap breaks the chain")
    check(len(stored_as_it_came(frames)) > GOP, "frames are stored as they came")


def every_other_frame(make):
    p = make()
    p = make(source=clip(p.folder, FRAMES, 50), stream=PASS + "record_fps = 25", pace="max").up()
    p.wait_end(0)
    p.verify()
    frames = p.frames()
    check([f["seq"] for f in frames] == list(range(1, FRAMES + 1, 2)), "every other frame is stored")
    check_shown(p, frames, FRAMES)
    p.check_equals_reference()


def killed_and_swapped(make):
    """Nobody's death costs a frame or its access unit: a successor goes on in the middle of a group. With B-frames one
    may come too late, on a busy machine: then the few that waited for it are JPEGs."""
    for b_frames in 0, 3:
        kill_and_swap(make, b_frames)


def kill_and_swap(make, b_frames):
    p = make()
    p = playing(make, p.folder, b_frames)
    for worker in "capture.cam1", "processor.1", "storer", "capture.cam1", "storer":
        more_frames(p, random.randint(3, 15))
        p.back(worker, p.hit(worker)["incarnation"])
    for worker in "storer", "capture.cam1":
        more_frames(p, random.randint(3, 15))
        p.troupe("swap", worker, "--probation", "1ms", "-n", p.name)
    more_frames(p, GOP)
    frames = finish(p)
    other = [f["seq"] for f in frames if f["coding"] == JPEG]
    check(b_frames or not other, "frames that are not stored as they came: %s" % other)


def killed_supervisor(make):
    """Nobody will start another capture: what waits for frames that it would have sent is stored all the same."""
    p = make()
    p = playing(make, p.folder)
    more_frames(p, 20)
    p.process.kill()
    p.process.wait()
    await_(lambda: not p.pids(), "the workers to end")
    p.verify()
    frames = p.frames()
    check([f["seq"] for f in frames] == list(range(1, p.ledger.last() + 1)), "not every frame is there")
    check_shown(p, frames, FRAMES)


def all_killed_at_once(make):
    """As by a power failure, but for what the disk still has of its cache: the slots are gone."""
    p = make()
    p = playing(make, p.folder, storer='commit_interval = "20ms"')
    for _ in range(3):
        enough = random.randint(10, 30)
        await_(lambda: stream(p)["stored"] > enough, "frames to be stored")
        p.process.kill()
        for pid in list(p.pids()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it noticed that its supervisor is dead
        p.process.wait()
        await_(lambda: not p.pids(), "all to be dead")
        p.up()
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.verify()
    frames = p.frames()
    for run in {f["run"] for f in frames}:
        check_shown(p, [f for f in frames if f["run"] == run], FRAMES)


def bypassed_frames_keep_theirs(make):
    p = make()
    p = make(source=clip(p.folder, FRAMES, 50, 3), stream=PASS, bypass_after="200ms", processors=1,
             processor='hold = "20:1s"').up()
    p.wait_end(0)
    p.verify()
    frames = p.frames()
    check(any(f["bypassed"] for f in frames), "frames were bypassed")
    check(stored_as_it_came(frames) == list(range(1, FRAMES + 1)), "a bypassed frame has lost its access unit")
    check_shown(p, frames, FRAMES)


def segments_begin_with_key_frames(make):
    p = make()
    p = make(source=clip(p.folder, FRAMES, 50, 3), stream=PASS, pace="max",
             storer='segment_bytes = 4096 commit_bytes = 1').up()
    p.wait_end(0)
    p.verify()
    frames = p.frames()
    check(stored_as_it_came(frames) == list(range(1, FRAMES + 1)), "as it came")
    firsts = [f for a, f in zip([None] + frames, frames) if not a or a["segment"] != f["segment"]]
    check(len(firsts) > 2 and all(f["coding"] == H264_KEY for f in firsts), "segments begin with %s" % [
        (f["seq"], f["coding"]) for f in firsts])
    check_shown(p, frames, FRAMES)


def camera(make):
    """Drops, a camera that comes back, a capture that is killed and swapped: all that is stored can be shown."""
    p = make()
    with RtspCamera(p) as cam:
        limits = 'open_timeout = "60s" read_timeout = "%ds"' % (2 + harness.PATIENCE)
        p = make(source=cam.url(), slots=12, hang_after="60s", stream=PASS + limits).up()
        more_frames(p, 10)
        sent = set(units_of(cam.url(), 20))  # to another viewer
        await_(lambda: {H264, H264_KEY} == {
            f["coding"] for f in read_units(p, p.frames()) if f["coding"] != JPEG and f["unit"] in sent},
               "access units to be stored that the other viewer got")
        storer = p.worker("storer")["pid"]
        os.kill(storer, signal.SIGSTOP)
        await_(lambda: {d["reason"] for d in stream(p).get("drop", [])}, "frames to be dropped")
        os.kill(storer, signal.SIGCONT)
        more_frames(p, 15)
        back = stream(p)["reconnects"]
        cam.kill()
        cam.start()
        await_(lambda: stream(p)["reconnects"] > back, "the camera to be back", 60)
        more_frames(p, 15)
        before = p.worker("capture.cam1")
        os.kill(before["pid"], signal.SIGKILL)
        p.back("capture.cam1", before["incarnation"])
        more_frames(p, 15)
        p.troupe("swap", "capture.cam1", "--probation", "100ms", "-n", p.name)
        more_frames(p, 15)
        p.troupe("down", "-n", p.name)
        p.wait_end(0)
        p.verify()
        frames = p.frames()
        check_shown(p, frames)
        for a, b in zip(frames, frames[1:]):
            lost = b["drops_no_slot"] + b["drops_device"] + b["drops_damaged"]
            check(not lost or b["coding"] != H264, "frame %d needs one that was dropped" % b["seq"])


def no_h264(make):
    for source in "pattern:", clip(make().folder, 10, 25, codec="mpeg4", ending="avi"):
        p = make(source=source, stream=PASS)
        told = p.start()
        check(told != "ready", "it starts")
        words = told + p.said()
        check("stream cam1: " in words and 'set store = "jpeg"' in words and "H.264" in words, words)
        check(source == "pattern:" or "its video is mpeg4" in words, words)
        p.process.wait()


harness.main({test.__name__: test for test in (
    file_as_it_is, recording_off_and_on, every_other_frame, killed_and_swapped, killed_supervisor, all_killed_at_once,
    bypassed_frames_keep_theirs, segments_begin_with_key_frames, camera, no_h264)})
