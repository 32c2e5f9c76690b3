"""A terminal for tests: a pty whose other end is read all the time, and what a person would see on it."""

import codecs
import fcntl
import os
import pty
import re
import struct
import termios
import threading

CUBE = (0, 95, 135, 175, 215, 255)
HALF_BLOCK = "\u2580"
PIECE = re.compile(r"\033\[([?0-9;]*)([A-Za-z])|([^\033])", re.S)


def colour_of(code):
    """The red, green, blue of the end of an SGR sequence that sets a colour."""
    if code[0] == 2:
        return tuple(code[1:4])
    index = code[1]
    if index >= 232:
        return (8 + 10 * (index - 232),) * 3
    return CUBE[(index - 16) // 36], CUBE[(index - 16) // 6 % 6], CUBE[(index - 16) % 6]


class Screen:
    """What has been drawn by the sequences that troupe uses: cells of (character, above, below)."""

    def __init__(self):
        self.cells, self.row, self.column = {}, 0, 0
        self.front = self.back = None
        self.alternate, self.cursor = False, True
        self.alternates = 0
        self.rest = ""

    def take(self, text):
        text = self.rest + text
        cut = text.rfind("\033")
        whole = cut < 0 or re.match(r"\033\[[?0-9;]*[A-Za-z]", text[cut:])
        self.rest = "" if whole else text[cut:]
        for arguments, kind, character in PIECE.findall(text if whole else text[:cut]):
            if character:
                self.put(character)
            else:
                self.control(arguments, kind)

    def put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
        else:
            self.cells[self.row, self.column] = (character, self.front, self.back)
            self.column += 1

    def control(self, arguments, kind):
        if arguments.startswith("?"):
            self.mode(arguments[1:], kind == "h")
            return
        numbers = [int(n or 0) for n in arguments.split(";")]
        if kind == "H":
            self.row, self.column = numbers[0] - 1, numbers[1] - 1
        elif kind == "m" and numbers[0] == 38:
            self.front = colour_of(numbers[1:])
        elif kind == "m" and numbers[0] == 48:
            self.back = colour_of(numbers[1:])
        elif kind == "m":
            self.front = self.back = None
        elif kind == "J":
            self.cells = {}
        elif kind == "K":
            self.cells = {at: cell for at, cell in self.cells.items()
                          if at[0] != self.row or at[1] < self.column}

    def mode(self, mode, on):
        if mode == "1049":
            self.alternate, self.cells = on, {}
            self.alternates += on
        elif mode == "25":
            self.cursor = on

    def pixel(self, x, y):
        """The colour of a pixel, two a cell; None where there is no picture."""
        character, front, back = self.cells.get((y // 2, x), (" ", None, None))
        return (back if y % 2 else front) if character == HALF_BLOCK else None

    def line(self, row):
        columns = [column for r, column in self.cells if r == row]
        return "".join(self.cells.get((row, c), " ")[0] for c in range(max(columns, default=-1) + 1))


class Reader:
    """Shows on a screen whatever comes from a descriptor, until its end."""

    def __init__(self, fd):
        self.fd, self.screen, self.lock = fd, Screen(), threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        try:
            while chunk := os.read(self.fd, 65536):
                with self.lock:
                    self.screen.take(decode(chunk))
        except OSError:  # EIO: the other end is closed
            pass

    def see(self, look):
        """What look(screen) says between two chunks."""
        with self.lock:
            return look(self.screen)


class Terminal(Reader):
    def __init__(self, columns, lines):
        ours, self.theirs = pty.openpty()
        self.resize(columns, lines)
        super().__init__(ours)

    def resize(self, columns, lines):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def become_controlling(self):
        """In a child, before its program: a session of its own with this terminal."""
        os.setsid()
        fcntl.ioctl(self.theirs, termios.TIOCSCTTY, 0)
