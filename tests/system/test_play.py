"""`troupe play` in a real terminal: what is on the screen is the frame it says, keys go where they should, it goes on
with a recording that goes on, and whatever ends it, the terminal is as it was."""

import json
import os
import re
import signal
import subprocess
import termios

import harness
from harness import BIN, await_, check
from terminal import Terminal

HOME, END, LEFT, RIGHT = b"\033[H", b"\033OF", b"\033[D", b"\033[C"


class Player:
    """`troupe play` on a terminal of its own."""

    def __init__(self, p, *args, columns=96, lines=50):
        self.lines = lines
        self.terminal = Terminal(columns, lines)
        self.before = termios.tcgetattr(self.terminal.theirs)
        self.process = subprocess.Popen([os.path.join(BIN, "troupe"), "play", p.recording, *args],
                                        env=dict(p.env, COLORTERM="truecolor"), stdin=self.terminal.theirs,
                                        stdout=self.terminal.theirs, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=self.terminal.become_controlling)

    def press(self, *keys):
        for key in keys:
            os.write(self.terminal.fd, key)

    def see(self):
        """Number, status and the line below it, as they are on the screen."""
        status = self.terminal.see(lambda s: s.line(self.lines - 2))
        found = re.search(r"#(\d+)", status)
        return int(found.group(1)) if found else 0, status, self.terminal.see(lambda s: s.line(self.lines - 1))

    def await_it(self, condition, what):
        try:
            await_(condition, what)
        except harness.Failed as fault:
            raise harness.Failed("%s; on the screen: %s" % (fault, self.see())) from None

    def await_number(self, number, what):
        self.await_it(lambda: self.see()[0] == number, "%s: frame %d" % (what, number))

    def await_status(self, *words):
        self.await_it(lambda: all(w in self.see()[1] for w in words), "%s" % (words,))

    def number_in_picture(self):
        """What the barcode says, 320 x 240 in the middle of the screen; None while it is half drawn."""
        def read(screen):
            bits, left, top = 0, 0, (2 * (self.lines - 2) - 72) // 2
            for i in range(48):
                x, y = int((i % 24 + 0.5) * 96 / 24), int((22 + i // 24 + 0.5) * 72 / 24)
                pixel = screen.pixel(left + x, top + y)
                if not pixel:
                    return None
                bits = bits << 1 | (pixel[1] > 128)
            return bits >> 8
        return self.terminal.see(read)

    def end(self, code):
        """Waits for its end; the terminal must be what it was."""
        self.process.wait(20 * harness.PATIENCE)
        check(self.process.returncode == code, "exit %d, not %d: %s" % (
            self.process.returncode, code, self.process.stderr.read()))
        check(termios.tcgetattr(self.terminal.theirs) == self.before, "the terminal's modes are not as they were")
        await_(lambda: self.terminal.see(lambda s: s.alternates == 1 and not s.alternate and s.cursor),
               "the terminal's own screen and its cursor")


def recorded(make, frames=40):
    p = make(frames=frames, fps=50, processors=1)
    p.up()
    p.wait_end()
    return p


def keys(make):
    p = recorded(make)
    player = Player(p, "--stream", "cam1", "--speed", "0.25")
    await_(lambda: player.see()[0] > 0, "a first frame")
    player.press(b" ")
    player.await_status("||", "0.25x", "cam1")
    for key, number, what in [(HOME, 1, "Home"), (b".", 2, "a step"), (RIGHT, 3, "a step"), (b",", 2, "a step back"),
                              (LEFT, 1, "a step back"), (LEFT, 1, "nothing before it"), (END, 40, "End"),
                              (b"g#25\r", 25, "to a number"), (b"gx\033", 25, "thought better of it")]:
        player.press(key)
        player.await_number(number, what)
        await_(lambda: player.number_in_picture() == number - 1, "the picture of frame %d" % number)
    time = next(f["captured_wall"] for f in p.frames() if f["seq"] == 7)
    player.press(b"g@%d.%09d\r" % (time // 10**9, time % 10**9))
    player.await_number(7, "to a time")
    player.press(b"gnonsense\r")
    await_(lambda: "nonsense" in player.see()[2], "what is wrong with a time")
    player.press(b"]]")
    player.await_status("1x")
    player.press(b"r")
    player.await_status("<", "the beginning", "#1 ")
    player.press(b"r" + b"]" * 9)
    player.await_status(">", "16x", "waiting for more", "#40 ")
    player.lines = 20
    player.terminal.resize(60, 20)
    player.await_status("#40 ")
    player.press(b"q")
    player.end(0)


def events(make):
    """The test card's shapes have labels, so where a label begins an event does."""
    p = recorded(make, frames=120)
    frames = p.frames()
    changes = [f["seq"] for last, f in zip(frames, frames[1:]) if f["label"] != last["label"]]
    check(changes, "the labels do not change")
    player = Player(p, "--seq", "%d" % (changes[0] - 5), "--speed", "0.25")
    player.press(b" ")
    player.await_status("||")
    player.press(b"g#%d\r" % (changes[0] - 1))
    player.await_number(changes[0] - 1, "before a label begins")
    player.press(b"e")
    player.await_number(changes[0], "where it begins")
    check("label" in player.see()[2] or "motion" in player.see()[2], "it does not say what: %s" % player.see()[2])
    player.press(b"q")
    player.end(0)


def signals(make):
    p = recorded(make, frames=10)
    for how in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]:
        player = Player(p)
        await_(lambda: player.see()[0] > 0, "a frame")
        player.process.send_signal(how)
        player.end(-how)
    player = Player(p)
    await_(lambda: player.see()[0] > 0, "a frame")
    player.press(b"\x03")
    player.end(-signal.SIGINT)


def goes_on_with_the_recording(make):
    p = make(frames=0, fps=25, processors=1).up()
    await_(lambda: os.path.exists(p.recording + "/recording.sqlite") and len(p.frames()) > 5, "some frames")
    player = Player(p)
    player.press(END)
    begun = await_(lambda: player.see()[0], "a frame")
    await_(lambda: player.see()[0] > begun + 10, "later frames")
    storer = p.worker("storer")
    os.kill(storer["pid"], signal.SIGKILL)
    p.back("storer", storer["incarnation"])
    now = p.ledger.last()
    await_(lambda: player.see()[0] > now, "frames that another storer stored")
    player.press(b"q")
    player.end(0)
    p.troupe("down", "-n", p.name)
    p.wait_end()


def without_a_terminal(make):
    p = recorded(make, frames=20)
    lines = p.troupe("play", p.recording, "--speed", "16").stdout.splitlines()
    check([re.search(r"#(\d+)", l).group(1) for l in lines] == ["%d" % n for n in range(1, 21)], "lines: %s" % lines)
    lines = [json.loads(l) for l in p.troupe("play", p.recording, "--json", "--seq", "18").stdout.splitlines()]
    check([l["seq"] for l in lines] == [18, 19, 20], "objects: %s" % lines)
    walls = {f["seq"]: f["captured_wall"] for f in p.frames()}
    check(all(l["captured_wall"] == walls[l["seq"]] for l in lines), "other times: %s" % lines)
    for words, told in [(["--speed", "17"], "--speed"), (["--seq", "x"], "--seq"), (["--from", "noon-ish"], "noon-ish"),
                        (["--stream", "cam2"], "cam1"), (["--run", "5"], "no run 5")]:
        done = p.troupe("play", p.recording, *words, code=2)
        check(told in done.stderr and done.stderr.count("\n") == 1, "%s: %s" % (words, done.stderr))
    done = p.troupe("play", p.folder, code=2)
    check("no recording" in done.stderr, done.stderr)


harness.main({f.__name__: f for f in [keys, events, signals, goes_on_with_the_recording, without_a_terminal]})
