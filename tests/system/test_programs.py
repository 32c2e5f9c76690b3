"""Alternative programs, swapped in and back while frames flow: each has an effect that can be seen, and none on
what is recorded."""

import os
import struct

import harness
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
    p.troupe("swap", worker, *(["--exec", program] if program else []), "--probation", "1s", "-n", p.name)
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
    """Ends the source's flow and compares everything with a run of the stock programs, one after another."""
    p.wait_end(0)
    p.check_quiet()
    p.check_numbers(p.settings["frames"], most=50)
    p.check_equals_reference()
    check(all(not f["bypassed"] and not f["quarantined"] for f in p.frames()), "a frame went on unprocessed")


def check_stock_view(luma, view):
    """The view is the picture itself: its luma is the image's."""
    off = sum(abs((77 * r + 150 * g + 29 * b >> 8) - y) for (r, g, b), y in zip(pixels(view), luma)) / len(luma)
    check(off < 3, "the stock view is %.1f off the image" % off)


def processor_that_finds_edges(make):
    p = make(frames=500, fps=100).up()
    areas = Areas(p.ledger)
    check_stock_view(*areas.copy())
    luma, view = areas.copy(after=swap_processors(p, "troupe-processor-edges"))
    inside = [(x, y) for y in range(1, HEIGHT - 1) for x in range(1, WIDTH - 1)]
    edges = [(sobel(luma, x, y), view[3 * (y * WIDTH + x) + 1]) for x, y in inside]
    strong = [green for edge, green in edges if edge > 200]
    flat = [green for edge, green in edges if edge < 10]
    check(len(strong) > 100 and len(flat) > 1000, "%d pixels on edges, %d flat" % (len(strong), len(flat)))
    check(share(strong, lambda green: green >= 190) > 0.99, "edges are not lit: %s" % strong[:20])
    check(share(flat, lambda green: green <= 100) > 0.99, "what is flat is not dark: %s" % flat[:20])
    check_stock_view(*areas.copy(after=swap_processors(p, None)))
    finish(p)


def processor_that_paints_motion(make):
    p = make(frames=500, fps=100).up()
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


if __name__ == "__main__":
    harness.main({test.__name__: test for test in (
        processor_that_finds_edges, processor_that_paints_motion)})
