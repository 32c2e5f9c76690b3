"""Alternative programs, swapped in and back while frames flow: each has an effect that can be seen, and none on
what is recorded."""

import os
import re
import signal
import struct
import subprocess
import urllib.request

import harness
import terminal
from harness import await_, check

WIDTH, HEIGHT = 320, 240
STREAM_SIDES, STREAM_SIZES = 40, 72  # in a stream row of ipc/slots/layout.h


class Areas:
    """The pixel areas of the only stream, through the ledger's memory."""

    def __init__(self, ledger):
        self.memory, self.words = ledger.memory, ledger.words
        header = struct.unpack_from("<QIIIIQQQQQQQQQ", self.memory)
        streams_at, self.areas_at = header[7], header[13]
        self.image_size, self.view_size, self.coded_size = struct.unpack_from(
            "<III", self.memory, streams_at + STREAM_SIZES)
        self.width, self.height = struct.unpack_from("<II", self.memory, streams_at + STREAM_SIDES)
        self.stride = up(up(self.image_size, 64) + up(self.view_size, 64) + up(self.coded_size, 64), 4096)

    def newest(self, after=0):
        """Slot and number of the newest finished frame, if it is newer."""
        seq, slot = max(((w.seq, i) for i, w in enumerate(self.words()) if shows(w)), default=(0, 0))
        return (slot, seq) if seq > after else None

    def copy(self, after=0):
        """Luma of the image and the view of one finished frame above `after`, whole."""
        while True:
            slot, seq = await_(lambda: self.newest(after), "a finished frame above %d" % after)
            at = self.areas_at + slot * self.stride
            luma = bytes(self.memory[at:at + self.width * self.height])
            view = bytes(self.memory[at + up(self.image_size, 64):][:self.view_size])
            word = self.words()[slot]
            if shows(word) and word.seq == seq:
                return luma, view


def up(value, to):
    return -(-value // to) * to


def shows(word):
    return word.seq > 0 and not word.marks and word.phase in ("DONE", "FREE")


def sobel(luma, x, y):
    """The strength of the edge at a pixel that is not on the border, 0 to 255."""
    at = lambda dx, dy: luma[(y + dy) * WIDTH + x + dx]
    gx = at(1, -1) + 2 * at(1, 0) + at(1, 1) - at(-1, -1) - 2 * at(-1, 0) - at(-1, 1)
    gy = at(-1, 1) + 2 * at(0, 1) + at(1, 1) - at(-1, -1) - 2 * at(0, -1) - at(1, -1)
    return min(255, (abs(gx) + abs(gy)) // 2)


def pixels(view):
    return [view[i:i + 3] for i in range(0, len(view), 3)]


def share(things, condition):
    return sum(1 for thing in things if condition(thing)) / len(things)


def swap(p, worker, program):
    """Swaps, and waits until the old program is gone."""
    p.troupe("swap", worker, *(["--exec", program] if program else []), "--probation", "100ms", "-n", p.name)
    got = p.worker(worker)["program"]
    wanted = os.path.join(harness.BIN, program or "troupe-" + worker.split(".")[0])
    check(os.path.realpath(got) == os.path.realpath(wanted), "%s is played by %s, not %s" % (worker, got, wanted))
    await_(lambda: sum(seat.worker == worker for seat in p.ledger.seats()) == 1, "the old %s to be gone" % worker)


def swap_processors(p, program):
    """Swaps the whole pool; returns a number above which every frame is the newcomers'."""
    for number in range(1, p.settings["processors"] + 1):
        swap(p, "processor.%d" % number, program)
    return p.ledger.last()


def finish(p):
    """Ends the flow, and compares everything with a run of the stock programs, one after another."""
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.settings["frames"] = p.ledger.last()
    p.check_quiet()
    p.check_numbers(p.settings["frames"], most=50)
    p.check_equals_reference()
    check(all(not f["bypassed"] and not f["quarantined"] for f in p.frames()), "a frame went on unprocessed")


def check_stock_view(luma, view):
    """The view is the picture itself: its luma is the image's."""
    off = sum(abs((77 * r + 150 * g + 29 * b >> 8) - y) for (r, g, b), y in zip(pixels(view), luma)) / len(luma)
    check(off < 3, "the stock view is %.1f off the image" % off)


def processor_that_finds_edges(make):
    p = make(frames=0, fps=100).up()
    areas = Areas(p.ledger)
    check_stock_view(*areas.copy())
    luma, view = areas.copy(after=swap_processors(p, "troupe-processor-edges"))
    inside = [(x, y) for y in range(1, HEIGHT - 1, 2) for x in range(1, WIDTH - 1)]
    edges = [(sobel(luma, x, y), view[3 * (y * WIDTH + x) + 1]) for x, y in inside]
    strong = [green for edge, green in edges if edge > 200]
    flat = [green for edge, green in edges if edge < 10]
    check(len(strong) > 100 and len(flat) > 1000, "%d pixels on edges, %d flat" % (len(strong), len(flat)))
    check(share(strong, lambda green: green >= 190) > 0.99, "edges are not lit: %s" % strong[:20])
    check(share(flat, lambda green: green <= 100) > 0.99, "what is flat is not dark: %s" % flat[:20])
    check_stock_view(*areas.copy(after=swap_processors(p, None)))
    finish(p)


def processor_that_paints_motion(make):
    p = make(frames=0, fps=100).up()
    areas = Areas(p.ledger)
    check_stock_view(*areas.copy())
    luma, view = areas.copy(after=swap_processors(p, "troupe-processor-motion"))
    grey = [(p_, y) for p_, y in zip(pixels(view), luma) if p_[0] == p_[1] == p_[2]]
    glow = [p_ for p_ in pixels(view) if p_[0] > p_[1] + 20]
    check(len(grey) > len(luma) // 4, "%d of %d pixels are grey" % (len(grey), len(luma)))
    check(share(grey, lambda of: abs(of[0][0] - of[1] // 2) < 4) > 0.99, "grey is not half the luma: %s" % grey[:9])
    check(len(glow) > 100, "the test card moves, but only %d pixels glow" % len(glow))
    check_stock_view(*areas.copy(after=swap_processors(p, None)))
    finish(p)


# ---- displays ----

BARS = ((235, 235, 235), (220, 220, 30), (30, 220, 220), (30, 210, 30), (210, 30, 210), (210, 30, 30), (30, 30, 210),
        (16, 16, 16))


def shows_the_card(screen, left, width, off, top=0):
    """Whether the eight bars of the test card are in the upper lines, `width` pixels wide."""
    for i, wanted in enumerate(BARS):
        got = screen.pixel(left + (2 * i + 1) * width // 16, top + 1)
        if got is None or any(abs(g - w) > off for g, w in zip(got, wanted)):
            return False
    return True


def number_shown(screen, line):
    words = screen.line(line).split()
    return int(words[1][1:]) if len(words) > 1 and words[1].startswith("#") else 0


def page(p, path=""):
    url = p.status()["pipeline"]["url"].rstrip("/") + "/" + path
    with urllib.request.urlopen(url, timeout=10 * harness.PATIENCE) as answer:
        return answer.read().decode()


def display_for_the_terminal(make):
    """`troupe up` on a terminal: the picture appears there, follows its size, and leaves no trace."""
    p = make(frames=0, fps=100)
    tty = terminal.Terminal(100, 32)
    command = [os.path.join(harness.BIN, "troupe"), "up", "-c", p.write_config()]
    p.errors = open(os.path.join(p.folder, "stderr"), "w+")
    p.process = subprocess.Popen(command, env=dict(p.env, COLORTERM="truecolor"), stdin=tty.theirs, stdout=tty.theirs,
                                 stderr=tty.theirs, preexec_fn=tty.become_controlling)
    await_(lambda: os.path.exists(os.path.join(p.runtime, "ledger")), "the pipeline to be up")
    p.ledger = harness.Ledger(os.path.join(p.runtime, "ledger"))
    await_(lambda: p.ledger.last() > 5, "frames to flow")
    swap(p, "display", "troupe-display-terminal")
    await_(lambda: tty.see(lambda s: shows_the_card(s, 10, 80, 8)), "the test card on the terminal")
    check("troupe-display-terminal" in page(p), "a browser is told who plays: %s" % page(p))
    first = await_(lambda: tty.see(lambda s: number_shown(s, 30)), "the frame's number below the picture")
    await_(lambda: tty.see(lambda s: number_shown(s, 30)) > first + 20, "the picture to move on")
    tty.resize(60, 20)
    await_(lambda: tty.see(lambda s: shows_the_card(s, 6, 48, 8) and number_shown(s, 18) > first), "the smaller picture")
    before = p.worker("display")
    os.kill(before["pid"], signal.SIGKILL)
    p.back("display", before["incarnation"])
    await_(lambda: tty.see(lambda s: s.alternates == 2 and shows_the_card(s, 6, 48, 8)), "the successor's picture")
    swap(p, "display", None)
    await_(lambda: tty.see(lambda s: not s.alternate and s.cursor), "the terminal to be as it was")
    check("<html" in page(p).lower(), "the page is not back")
    finish(p)


def display_for_a_fifo(make):
    """Without a terminal: any terminal can look through the FIFO, come and go."""
    p = make(frames=0, fps=100)
    p.prefix, p.env = ["setsid"], {k: v for k, v in p.env.items() if k != "COLORTERM"}
    p.up()
    swap(p, "display", "troupe-display-terminal")
    fifo = os.path.join(p.folder, "state", p.name, "terminal")
    await_(lambda: os.path.exists(fifo), "the FIFO")
    for _ in range(2):
        fd = os.open(fifo, os.O_RDONLY)
        reader = terminal.Reader(os.dup(fd))
        # 80 x 24 with two lines below: 58 x 44 pixels in the middle, in the nearest of 256 colours.
        await_(lambda: reader.see(lambda s: shows_the_card(s, 11, 58, 40)), "the test card in the FIFO")
        # Not by a kill: the next display may write before this reader has seen the end.
        p.troupe("stop", "display", "-n", p.name)
        reader.thread.join(20 * harness.PATIENCE)
        check(not reader.thread.is_alive(), "the FIFO does not end with its display")
        os.close(fd)
        p.troupe("start", "display", "-n", p.name)
        await_(lambda: p.worker("display")["state"] == "ready" and os.path.exists(fifo), "the display to be back")
    swap(p, "display", None)
    check(not os.path.exists(fifo), "the FIFO is still there")
    finish(p)


def streams_side_by_side(make):
    p = make(frames=0, fps=50, extra='stream "cam2" { source = "pattern:" pattern_size = "240x240" pattern_fps = 50 }',
             display='exec = "%s" colours = "24bit" columns = 81' % os.path.join(harness.BIN, "troupe-display-terminal"))
    p.prefix = ["setsid"]
    p.up()
    fifo = os.path.join(p.folder, "state", p.name, "terminal")
    reader = terminal.Reader(os.open(await_(lambda: os.path.exists(fifo) and fifo, "the FIFO"), os.O_RDONLY))
    # 40 columns for one, 41 for the other; 320 x 240 becomes 40 x 30, 7 pixels down, and 240 x 240 41 x 41.
    await_(lambda: reader.see(lambda s: shows_the_card(s, 0, 40, 8, 7)), "the first stream on the left")
    await_(lambda: reader.see(lambda s: shows_the_card(s, 40, 41, 8, 2)), "the second stream on the right")
    line = reader.see(lambda s: s.line(22))
    check(line.startswith("cam1 #") and line[40:].startswith("cam2 #"), "the line below says: %s" % line)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.verify()


def numbers_in(p, jpegs):
    """The number in the pixels of each, None where a JPEG is torn."""
    data = b"".join(struct.pack("<I", len(jpeg)) + jpeg for jpeg in jpegs)
    done = subprocess.run([os.path.join(harness.BIN, "read-numbers")], input=data, capture_output=True,
                          timeout=60 * harness.PATIENCE)
    return [None if line == b"-1" else int(line) for line in done.stdout.split()]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def display_of_snapshots(make):
    p = make(frames=0, fps=100).up()
    swap(p, "display", "troupe-display-snapshot")
    folder = os.path.join(p.folder, "state", p.name, "snapshots")
    path = os.path.join(folder, "cam1.jpg")
    first = read(await_(lambda: os.path.exists(path) and path, "the first snapshot"))
    check("troupe-display-snapshot" in page(p), "a browser is told who plays: %s" % page(p))
    await_(lambda: read(path) != first, "the next snapshot")
    early, late = numbers_in(p, [first, read(path)])
    check(early is not None and late is not None and late > early, "the snapshots show %s and %s" % (early, late))
    overlay = await_(lambda: read(os.path.join(folder, "cam1.overlay.jpg")), "the overlay")
    check(overlay.startswith(b"\xff\xd8") and overlay.endswith(b"\xff\xd9"), "the overlay is no JPEG")
    swap(p, "display", None)
    check("<html" in page(p).lower(), "the page is not back")
    check(sorted(os.listdir(folder)) == ["cam1.jpg", "cam1.overlay.jpg"], "left: %s" % os.listdir(folder))
    finish(p)


def snapshots_are_whole(make):
    """Killed again and again while it writes a hundred times a second: every picture that is ever seen is whole."""
    exec_ = os.path.join(harness.BIN, "troupe-display-snapshot")
    p = make(frames=0, fps=100, display='exec = "%s" every = "10ms" folder = "shots" max_restarts = 1000' % exec_).up()
    path = os.path.join(p.folder, "shots", "cam1.jpg")
    await_(lambda: os.path.exists(path), "the first snapshot")
    seen = []
    for _ in range(12):
        before, shown = p.worker("display"), read(path)
        await_(lambda: seen.append(read(path)) or seen[-1] != shown, "the next snapshot")
        os.kill(before["pid"], signal.SIGKILL)
        seen.append(read(path))
        p.back("display", before["incarnation"])
    numbers = numbers_in(p, seen)
    check(None not in numbers and len(numbers) == len(seen), "a torn snapshot was seen: %s" % numbers)
    check(numbers == sorted(numbers) and len(set(numbers)) > 12, "older ones came back: %s" % numbers)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.verify()


# ---- trainers ----

def with_live_model(p):
    """Processors predict with the trainer's newest model; the reference, which has none, is compared without."""
    write = p.write_config

    def write_live(path="pipeline.conf", **changes):
        path = write(path, **changes)
        if not path.endswith("reference.conf"):
            text = read(path).decode()
            check('model = "none"' in text, "the config has no model")
            with open(path, "w") as file:
                file.write(text.replace('model = "none"', 'model = "live"'))
        return path
    p.write_config = write_live
    return p


def model_version(p):
    model_at = struct.unpack_from("<QIIIIQQQQQQQQQ", p.ledger.memory)[12]
    return struct.unpack_from("<Q", p.ledger.memory, model_at)[0]


def inspected(p, worker):
    return p.troupe("inspect", worker, "-n", p.name).stdout


def trainer_of_centroids(make):
    p = with_live_model(make(frames=0, fps=100, trainer='publish_every = "50ms"')).up()
    await_(lambda: "learns by: softmax" in inspected(p, "trainer"), "the stock trainer")
    swap(p, "trainer", "troupe-trainer-centroids")
    await_(lambda: "learns by: nearest mean" in inspected(p, "trainer"), "inspect to tell the trainers apart")
    # A shape is shown for two seconds; two of them are enough to learn how to tell them apart.
    def well_seen():
        return [shape for shape, n in re.findall(r"label (.+): (\d+) samples seen", inspected(p, "trainer")) if int(n) >= 20]
    await_(lambda: len(well_seen()) >= 2, "two shapes to be seen often")
    known, learned = well_seen(), model_version(p)
    judged = lambda last=10**9: [f for f in p.frames() if f["label"] in known and learned + 2 <= f["model_version"] <= last]
    await_(lambda: len(judged()) > 50, "frames of these shapes by newer models")
    last = model_version(p)
    swap(p, "trainer", None)
    await_(lambda: "learns by: softmax" in inspected(p, "trainer"), "the stock trainer to be back")
    taken_back = model_version(p)
    await_(lambda: model_version(p) > taken_back, "the stock trainer's model")
    finish(p)
    right = share(judged(last), lambda f: f["prediction"] == f["label"])
    check(right > 0.8, "only %.0f %% of %d predictions are right" % (100 * right, len(judged(last))))
    check(os.path.exists(os.path.join(p.folder, "state", p.name, "trainer", "centroids.bin")), "no checkpoint")


if __name__ == "__main__":
    harness.main({test.__name__: test for test in (
        processor_that_finds_edges, processor_that_paints_motion, display_for_the_terminal, display_for_a_fifo,
        streams_side_by_side, display_of_snapshots, snapshots_are_whole, trainer_of_centroids)})
