"""`troupe export`: films, pictures and tables hold exactly the frames that were asked for, at their true times, and
appear whole or not at all. Looked at with ffprobe and ffmpeg, which are not ours."""

import csv
import json
import os
import signal
import subprocess
import sys

import harness
from h264 import clip, read_units
from harness import BIN, await_, check

TICK = 1 / 90000


def recorded(make, **settings):
    p = make(**dict(dict(frames=60, fps=50, processors=1), **settings))
    p.up()
    p.wait_end()
    return p


def export(p, out, *words, code=0):
    out = os.path.join(p.folder, out)
    return out, p.troupe("export", p.recording, out, *words, code=code, limit=60)


def probe(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", "-show_frames",
                           path], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60 * harness.PATIENCE)
    check(done.returncode == 0 and not done.stderr, "ffprobe %s: %s" % (path, done.stderr))
    return json.loads(done.stdout)


def numbers_in(path, width, height):
    """The number in the pixels of each frame of a film (workers/media/barcode.h), decoded by ffmpeg."""
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo",
                           "-pix_fmt", "gray", "-"], capture_output=True, stdin=subprocess.DEVNULL, timeout=60 * harness.PATIENCE)
    check(done.returncode == 0, "ffmpeg %s: %s" % (path, done.stderr.decode()))
    found, size = [], width * height
    for at in range(0, len(done.stdout), size):
        bits = 0
        for i in range(48):
            x, y = int((i % 24 + 0.5) * width / 24), int((22 + i // 24 + 0.5) * height / 24)
            bits = bits << 1 | (done.stdout[at + y * width + x] > 128)
        found.append(bits >> 8)
    return found, done.stdout


def check_times(film, frames, tick):
    """The film's frames are as far apart as they were captured."""
    shown = [float(f["pts_time"]) for f in film["frames"]]
    check(len(shown) == len(frames), "%d frames, not %d" % (len(shown), len(frames)))
    for at, frame in zip(shown, frames):
        true = (frame["captured"] - frames[0]["captured"]) / 1e9
        check(abs(at - true) <= tick * 1.01, "frame %d at %.6f, not %.6f" % (frame["seq"], at, true))


def film(make):
    p = recorded(make)
    frames = p.frames()
    out, done = export(p, "all.mp4", "--json")
    told, seen = json.loads(done.stdout), probe(out)
    video = seen["streams"][0]
    check(told["frames"] == 60 and told["left_out"] == 0 and told["bytes"] == os.path.getsize(out), "told: %s" % told)
    wanted = dict(codec_name="h264", codec_tag_string="avc1", pix_fmt="yuv420p", width=320, height=240, color_range="tv",
                  color_space="smpte170m", nb_frames="60")
    check(all(video[key] == value for key, value in wanted.items()), "the stream: %s" % video)
    check(video["profile"] in ("High", "Main"), "profile %s" % video["profile"])
    check(len(seen["streams"]) == 1 and seen["format"]["tags"]["creation_time"], "the file: %s" % seen["format"])
    check_times(seen, frames, TICK)
    span = (frames[-1]["captured"] - frames[0]["captured"]) / 1e9
    check(span < float(video["duration"]) < span * 61 / 59 + 0.001, "%s s, captured in %.3f" % (video["duration"], span))
    with open(out, "rb") as file:
        whole = file.read()
    check(0 < whole.find(b"moov") < whole.find(b"mdat"), "the index is not in front")
    numbers, plain = numbers_in(out, 320, 240)
    check(numbers == [f["source_index"] for f in frames], "numbers in the pixels: %s" % numbers)
    # What is known of each frame, drawn on it: a dark line with light letters above.
    out, _ = export(p, "drawn.mp4", "--annotate", "--seq", "11-20")
    numbers, drawn = numbers_in(out, 320, 240)
    check(len(drawn) == 10 * 320 * 240, "%d bytes of 10 frames" % len(drawn))
    for i in range(10):
        line = drawn[i * 76800:i * 76800 + 11 * 320]
        check(sum(v < 60 for v in line) > len(line) * 0.6 and sum(v > 180 for v in line) > 100, "no words on %d" % i)
        check(plain[(i + 10) * 76800:(i + 10) * 76800 + 11 * 320] != line, "the same without")
    check(export(p, "all.mp4", code=1)[1].stderr.count("--force") == 1, "it writes over what is there")
    export(p, "all.mp4", "--force", "--seq", "1-5")
    check(len(probe(os.path.join(p.folder, "all.mp4"))["frames"]) == 5, "not written anew")


def times_and_gaps(make):
    """Stretches of time by the clock on the wall, and a pause that is left out."""
    p = recorded(make)
    p.settings["frames"] = 20
    p.up()
    p.wait_end()
    frames = p.frames()
    runs = sorted({f["run"] for f in frames})
    check(len(runs) == 2 and len(frames) == 80, "%d runs, %d frames" % (len(runs), len(frames)))
    wall = [f["captured_wall"] for f in frames]
    out, _ = export(p, "part.mp4", "--from", "@%d.%09d" % divmod(wall[10], 10**9), "--to",
                    "@%d.%09d" % divmod(wall[29], 10**9))
    check_times(probe(out), frames[10:30], TICK)
    shown = [float(f["pts_time"]) for f in probe(export(p, "both.mp4")[0])["frames"]]
    gap = (wall[60] - wall[59]) / 1e9
    check(len(shown) == 80 and abs(shown[60] - shown[59] - gap) < 1e-3, "a pause of %.3f s: %s" % (gap, shown[58:62]))
    out, _ = export(p, "cut.mp4", "--cut-gaps", "50ms")
    shown = [float(f["pts_time"]) for f in probe(out)["frames"]]
    check(len(shown) == 80 and abs(shown[60] - shown[59] - 0.05) < 1e-3, "the pause is %s" % shown[58:62])
    out, _ = export(p, "run.csv", "--run", "%d" % runs[0])
    with open(out) as file:
        check(len(file.readlines()) == 61, "not the first run")
    told = export(p, "none.mp4", "--to", "yesterday 10:00", code=1)[1].stderr
    check("no such frame" in told and "run %d" % runs[1] in told, "it does not say what there is: %s" % told)
    check(not os.path.exists(os.path.join(p.folder, "none.mp4")), "a film of nothing")


def as_recorded(make):
    """Pictures, the film of them, and the table are what is in segments and catalogue, byte by byte."""
    p = recorded(make, frames=30)
    frames = p.frames()
    jpegs = []
    for f in frames:
        with open(os.path.join(p.recording, "segments", "%06d.seg" % f["segment"]), "rb") as file:
            file.seek(f["coded_at"])
            jpegs.append(file.read(f["coded_bytes"]))
    folder, _ = export(p, "pictures/")
    names = sorted(os.listdir(folder))
    check(names == ["cam1-%d-%08d.jpg" % (f["run"], f["seq"]) for f in frames], "names: %s" % names[:3])
    for name, jpeg in zip(names, jpegs):
        with open(folder + name, "rb") as file:
            check(file.read() == jpeg, "%s is not as it was recorded" % name)
    check("not empty" in export(p, "pictures/", "--force", code=1)[1].stderr, "it writes into what is there")
    out, _ = export(p, "pictures.mkv")
    seen = probe(out)
    check(seen["streams"][0]["codec_name"] == "mjpeg", "the stream: %s" % seen["streams"][0])
    check_times(seen, frames, 0.0005)
    with open(out, "rb") as file:
        whole = file.read()
    check(all(jpeg in whole for jpeg in jpegs), "JPEGs are not as they were recorded")
    out, _ = export(p, "table.csv")
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    check(len(rows) == len(frames), "%d rows" % len(rows))
    for row, frame in zip(rows, frames):
        check(set(row) == set(frame) | {"time"}, "columns: %s" % (set(row) ^ set(frame)))
        for key, value in frame.items():
            same = abs(float(row[key]) - value) < 1e-6 if isinstance(value, float) else row[key] == str(
                "" if value is None else value)
            check(same, "%s is %s, not %s" % (key, row[key], value))
    check(p.troupe("export", p.recording, "-", "--seq", "7").stdout.splitlines()[1].split(",")[2] == "7", "not seq 7")


def h264_as_it_came(make):
    """What was recorded as H.264 goes into the film as it is, B-frames too; where that cannot be, it is coded anew."""
    for b_frames in 0, 3:
        p = make()
        p.settings.update(source=clip(p.folder, 60, 50, b_frames), stream='store = "passthrough"')
        p.up()
        p.wait_end()
        frames = read_units(p, p.frames())
        out, done = export(p, "copied.mp4", "--json")
        check(json.loads(done.stdout)["coded"] == "copied", "it is coded anew: %s" % done.stdout)
        check_times(probe(out), frames, TICK)
        numbers, pictures = numbers_in(out, 320, 240)
        check(numbers == list(range(60)), "numbers in the pixels: %s" % numbers)
        with open(out, "rb") as file:
            whole = file.read()
        slices = [f["unit"][f["unit"].rindex(b"\0\0\1") + 3:] for f in frames]
        check(all(piece in whole for piece in slices), "they are not the same access units")
        if not b_frames:
            continue
        # From within what belongs to a key picture, and with other settings.
        for said in ["--seq", "20-40"], ["--quality", "30"], ["--annotate", "--seq", "1-30"]:
            out, done = export(p, "coded.mp4", "--force", "--json", *said)
            check(json.loads(done.stdout)["coded"] == "h264", "%s: it is copied" % said)
            wanted = frames[19:40] if said[-1] == "20-40" else frames[:30] if said[-1] == "1-30" else frames
            check_times(probe(out), wanted, TICK)
            if "--annotate" not in said:
                check(numbers_in(out, 320, 240)[0] == [f["seq"] - 1 for f in wanted], "%s: other frames" % said)
        out, done = export(p, "cut.mp4", "--json", "--seq", "1-23")
        check(numbers_in(out, 320, 240)[0] == list(range(23)), "%s: frames of a film that ends in between" % done.stdout)
        export(p, "pictures/")
        check(len(os.listdir(os.path.join(p.folder, "pictures"))) == 60, "not 60 pictures")


def damaged_and_gone(make):
    """What cannot be shown is left out and said; what can be is there."""
    p = recorded(make, frames=20)
    frame = p.frames()[6]
    with open(os.path.join(p.recording, "segments", "%06d.seg" % frame["segment"]), "r+b") as file:
        file.seek(frame["coded_at"] + frame["coded_bytes"] // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 16]))
    for name in ["a.mp4", "a.mkv", "a/"]:
        out, done = export(p, name, code=1)
        check("1 frames are gone or damaged" in done.stderr, "%s: %s" % (name, done.stderr))
    check(len(os.listdir(out)) == 19 and len(probe(os.path.join(p.folder, "a.mp4"))["frames"]) == 19, "not the others")


def parts(p):
    return [os.path.join(p.folder, n) for n in os.listdir(p.folder) if n.endswith(".part")]


def half_done(p):
    """There is a part with something in it; libavformat keeps the beginning of an MP4 to itself for a while."""
    for part in parts(p):
        return os.listdir(part) if os.path.isdir(part) else ".mp4." in part or os.path.getsize(part)


def interrupted(make):
    """Whenever a signal comes, there is no half file; what was there stays. The last segment is something that is
    waited for, so that no export is done before its signal."""
    p = recorded(make, frames=60, size="640x480", storer='segment_bytes = "300kB"')
    segments = os.path.join(p.recording, "segments")
    last = os.path.join(segments, sorted(os.listdir(segments))[-1])
    check(not last.endswith("000001.seg"), "there is only one segment")
    os.rename(last, last + ".aside")
    os.mkfifo(last)
    left = sorted(os.listdir(p.folder))
    for name, how in [("a.mp4", signal.SIGINT), ("a.mkv", signal.SIGTERM), ("a/", signal.SIGHUP)]:
        process = subprocess.Popen([os.path.join(BIN, "troupe"), "export", p.recording, os.path.join(p.folder, name)],
                                   env=p.env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        await_(lambda: half_done(p), "a part of %s" % name)
        while process.poll() is None:  # again, for one that came just before the wait
            process.send_signal(how)
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                pass
        errors = process.communicate()[1]
        check(process.returncode == -how and "interrupted" in errors, "%s: exit %d: %s" % (
            name, process.returncode, errors))
        check(sorted(os.listdir(p.folder)) == left, "left: %s" % os.listdir(p.folder))


def disk_full(make):
    p = recorded(make, frames=60)
    small = os.path.join(p.folder, "small")
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], check=True)
    try:
        with open(os.path.join(small, "filler"), "wb") as file:
            file.write(bytes(56 * 1024))
        for name in ["small/a.mp4", "small/a.mkv", "small/a/", "small/a.csv"]:
            told = export(p, name, code=1)[1].stderr
            check("no space left" in told.lower() and name in told, "%s: %s" % (name, told))
            check(os.listdir(small) == ["filler"], "left: %s" % os.listdir(small))
    finally:
        subprocess.run(["umount", small], check=True)


def own_mounts():
    """In a mount namespace, so that nothing that is mounted here is seen elsewhere or stays behind."""
    if os.environ.get("TROUPE_OWN_MOUNTS"):
        return
    flags = "-m" if os.geteuid() == 0 else "-Urm"
    if subprocess.run(["unshare", flags, "true"], capture_output=True).returncode != 0:
        print("skipped: this user may not make a mount namespace")
        sys.exit(77)
    os.environ["TROUPE_OWN_MOUNTS"] = "yes"
    os.execvp("unshare", ["unshare", flags, sys.executable, os.path.abspath(__file__), *sys.argv[1:]])


def words(make):
    p = recorded(make, frames=3)
    for said, told in [(["a.avi"], "--format"), (["a.mp4", "--format", "gif"], "mjpeg"), (["a.mp4", "--stream", "b"], "cam1"),
                       (["a.mp4", "--seq", "5-2"], "FIRST-LAST"), (["a.mp4", "--from", "x"], "--from"),
                       (["a.mp4", "--run", "7"], "no run 7"), (["a.mp4", "--quality", "99"], "--quality"),
                       (["a.mp4", "--from", "-1min", "--to", "-2min"], "later than")]:
        done = export(p, *said, code=2)[1]
        check(told in done.stderr and done.stderr.count("\n") == 1, "%s: %s" % (said, done.stderr))
    done = p.troupe("export", os.path.join(p.folder, "nowhere"), "a.mp4", code=2)
    check("no recording in" in done.stderr, done.stderr)
    done = export(p, "no/such/a.mp4", code=1)[1]
    check("no/such/a.mp4: No such file" in done.stderr, done.stderr)
    check(parts(p) == [], "left: %s" % os.listdir(p.folder))


if "disk_full" in (sys.argv[1:] or ["disk_full"]):
    own_mounts()
harness.main({f.__name__: f for f in [film, times_and_gaps, as_recorded, h264_as_it_came, damaged_and_gone, interrupted,
                                      disk_full, words]})
