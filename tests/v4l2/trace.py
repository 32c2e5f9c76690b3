"""The kernel's own record of a camera's buffers, by its trace points: which frames its driver finished, how many empty
buffers it had left then, and which of them it handed out. Of one camera that streams once."""

import os
import re
import subprocess

ROOT = "/sys/kernel/tracing"
EVENTS = ("vb2/vb2_buf_done", "v4l2/v4l2_dqbuf")
KEPT_KB = 8192  # a CPU: some ten thousand frames


class Trace:
    """Records from its making on."""

    def __init__(self):
        if not os.path.exists(ROOT + "/trace"):
            subprocess.run(["/bin/busybox", "mount", "-t", "tracefs", "trace", ROOT], check=True)
        self._write("buffer_size_kb", str(KEPT_KB))
        self._write("trace", "")
        self._enable("1")

    @staticmethod
    def _write(name, text):
        with open(os.path.join(ROOT, name), "w") as file:
            file.write(text)

    def _enable(self, on):
        for event in EVENTS:
            self._write("events/%s/enable" % event, on)

    def end(self):
        """Stops; keeps the numbers of the frames handed out, and (lost, buffers that were empty) of each gap."""
        self._enable("0")
        with open(ROOT + "/trace") as file:
            lines = file.read()
        self._write("trace", "")
        empty = [int(n) for n in re.findall(r"vb2_buf_done: .*owned_by_drv = (\d+)", lines)]
        self._count(int(n) for n in re.findall(r"v4l2_dqbuf: .*sequence = (\d+)", lines))
        # A camera hands frames out in the order in which it finished them.
        self.gaps = [(b - a - 1, left) for a, b, left in zip(self.taken, self.taken[1:], empty) if b != a + 1]

    def _count(self, numbers):
        """vivid's thread, when it is kept from running for half a frame's time, gives two frames the same number:
        the second one counts as the next, as in capture."""
        self.taken, self.repeated, more = [], 0, 0
        for number in numbers:
            if self.taken and number + more <= self.taken[-1]:
                more = self.taken[-1] + 1 - number
                self.repeated += 1
            self.taken.append(number + more)

    def lost(self, starved):
        """Frames that the driver lost for want of an empty buffer, or although it had one."""
        return sum(lost for lost, left in self.gaps if (left == 0) == starved)

    def __str__(self):
        return "of %d frames the driver lost %d for want of a buffer and %d without; %d had another one's number" % (
            self.taken[-1] + 1, self.lost(True), self.lost(False), self.repeated)
