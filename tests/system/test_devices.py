"""Devices that the supervisor holds: handed on from incarnation to incarnation, gone, and back.

The device is the end of a terminal pair: it hangs up when its other end is closed, and never comes back under the
same number. Its path is a link, as udev makes them, that the test moves.
"""

import os
import pty
import re
import shutil
import signal
import subprocess
import tty

from harness import BIN, await_, check, main, needs, process_state


class Device:
    def __init__(self, folder):
        self.path = self.link = os.path.join(folder, "camera")
        self.ends, self.in_the_way, self.names = [], [], set()

    def plug(self):
        """Another device of the same path, under a number that it has not had before: others take and free numbers,
        too, so those it has had are kept in the way."""
        while True:
            self.ends = pty.openpty()
            self.name = os.ttyname(self.ends[1])
            if self.name not in self.names:
                break
            self.in_the_way.append(self.ends)
        self.names.add(self.name)
        tty.setraw(self.ends[1])
        self.appear()
        return self

    def appear(self):
        os.symlink(self.name, self.link + ".new")
        os.rename(self.link + ".new", self.link)

    def vanish(self):
        os.unlink(self.link)

    def unplug(self):
        self.vanish()
        for end in self.ends:
            os.close(end)
        self.ends = []


class DeviceOfSysfs(Device):
    """Named by a folder as sysfs has it, in which nobody is told of what appears there."""

    def __init__(self, folder):
        super().__init__(folder)
        self.nodes = os.path.join(folder, "device", "video4linux")
        os.makedirs(self.nodes)
        self.path = os.path.join(folder, "device") + "#1"

    def appear(self):
        for index in "0", "1":
            node = os.path.join(self.nodes, "node" + index)
            os.mkdir(node)
            with open(os.path.join(node, "uevent"), "w") as file:
                file.write("MAJOR=136\nDEVNAME=%s\n" % (self.name[len("/dev/"):] if index == "1" else "null"))
            with open(os.path.join(node, "index"), "w") as file:
                file.write(index + "\n")

    def vanish(self):
        for node in os.listdir(self.nodes):
            shutil.rmtree(os.path.join(self.nodes, node))


def camera(make, kind=Device, **settings):
    stream = settings.pop("stream", "")
    p = make(stream='exec = "%s"  %s' % (os.path.join(BIN, "device-capture"), stream), **settings)
    device = kind(p.folder)
    p.for_supervisor = {"TROUPE_TEST_DEVICE": device.path}
    p.env["TROUPE_TEST_DEVICE"] = device.path
    return p, device


def held(pid):
    """The devices that a process has open."""
    found = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
        except FileNotFoundError:
            continue
        if target.startswith("/dev/pts/"):
            found.append((int(fd), target))
    return found


def gone(p):
    return await_(lambda: (lambda w: w["state"] == "no device" and w)(p.worker("capture.cam1")), "no device")


def unplug(p, device):
    device.unplug()
    return gone(p)


def finish(p):
    """Ends a source that would go on for ever; what there is of it equals the reference."""
    await_(lambda: p.ledger.last() > 0, "a frame")
    p.troupe("down", "-n", p.name)
    p.wait_end()
    p.check_quiet()
    p.settings["frames"] = len(p.frames())
    p.check_equals_reference()
    p.check_nothing_left()


def handed_to_each_incarnation(make):
    p, device = camera(make, frames=0)
    device.plug()
    p.up()
    check([t for _, t in held(p.process.pid)] == [device.name], "the supervisor holds %s" % held(p.process.pid))
    for n in range(1, 4):
        worker = p.back("capture.cam1", n - 1)
        check(held(worker["pid"]) == [(5, device.name)], "it has %s" % held(worker["pid"]))
        os.kill(worker["pid"], signal.SIGKILL)
    p.back("capture.cam1", 3)
    finish(p)


def gone_and_back(make):
    p, device = camera(make, frames=0, storer="max_restarts = 1")
    device.plug()
    p.up()
    for n in range(3):
        first = device.name
        before = p.back("capture.cam1", n)
        worker = unplug(p, device)
        check(worker["pid"] == 0 and worker["device"] == device.path and worker["missing"], "ps says %s" % worker)
        check("device gone" in worker["last_exit"], "its last exit: %s" % worker["last_exit"])
        check(not held(p.process.pid), "the supervisor still holds %s" % held(p.process.pid))
        stream = p.status()["pipeline"]["stream"][0]
        check(stream["missing"] == device.path, "status says %s" % stream)
        check("no device: " + device.path in p.troupe("status", "-n", p.name).stdout, "status does not say so")
        check("no device: " + device.path in p.troupe("ps", "-n", p.name).stdout, "ps does not say so")
        check("no device" in p.troupe("inspect", "-n", p.name, "capture.cam1").stdout, "inspect does not say so")
        device.plug()
        check(device.name != first, "it has the same number again")
        worker = p.back("capture.cam1", before["incarnation"])
        check(held(worker["pid"]) == [(5, device.name)], "it has %s, not %s" % (held(worker["pid"]), device.name))
    finish(p)
    check(not any(e["fault"] for e in p.journal("exit") if e["worker"] == "capture.cam1"), "a fault was counted")


def never_given_up(make):
    """Far oftener gone than a worker may die by its own fault."""
    p, device = camera(make, frames=0, stream="max_restarts = 1")
    device.plug()
    p.up()
    for n in range(4):
        p.back("capture.cam1", n)
        unplug(p, device)
        device.plug()
    p.back("capture.cam1", 4)
    check(not p.journal("gave-up"), "it was given up")
    p.troupe("down", "-n", p.name)
    p.wait_end()


def killed_when_it_is_gone(make):
    """Whoever notices first: a kill from outside while the device is gone is no reason to start again."""
    p, device = camera(make, frames=0)
    device.plug()
    p.up()
    pid = p.worker("capture.cam1")["pid"]
    os.kill(pid, signal.SIGSTOP)
    device.unplug()
    os.kill(pid, signal.SIGKILL)
    worker = gone(p)
    check(worker["incarnation"] == 1, "there was another incarnation: %s" % worker)
    device.plug()
    p.back("capture.cam1", 1)
    p.troupe("down", "-n", p.name)
    p.wait_end()


def orders(make):
    p, device = camera(make, frames=0)
    device.plug()
    p.up()
    unplug(p, device)

    def order(*words, code=1):
        done = p.troupe(*words, "-n", p.name, code=code)
        return done.stdout + done.stderr
    for words in (("kill", "capture.cam1"), ("start", "capture.cam1"), ("restart", "capture.cam1"),
                  ("swap", "capture.cam1")):
        said = order(*words)
        check("no device: " + device.path in said and "back" in said, "%s: %s" % (words, said))
    check(p.worker("capture.cam1")["state"] == "no device", "it is in another state now")
    check("not waited for" in order("stop", "capture.cam1", code=0), "stop does not say what it does")
    device.plug()
    check(p.worker("capture.cam1")["state"] == "stopped", "it did not stay stopped")
    order("start", "capture.cam1", code=0)
    p.back("capture.cam1", 1)
    check([t for _, t in held(p.process.pid)] == [device.name], "the supervisor holds %s" % held(p.process.pid))
    # Who stops a capture wants the device for something else.
    order("stop", "capture.cam1", code=0)
    await_(lambda: not held(p.process.pid), "the device to be let go")
    order("start", "capture.cam1", code=0)
    p.back("capture.cam1", 2)
    unplug(p, device)
    p.troupe("down", "-n", p.name)
    p.wait_end()
    p.check_quiet()
    p.check_nothing_left()


def spare(make):
    """A spare has the old descriptor: it goes with the device, and another one comes with the new."""
    p, device = camera(make, frames=0, stream="spares = 1")
    device.plug()
    p.up()

    def prepared():
        spares = [s for s in p.ps().get("spare", []) if s["state"] == "spare"]
        return spares and spares[0]["pid"]
    old = await_(prepared, "a spare")
    check(held(old) == [(5, device.name)], "the spare has %s" % held(old))
    unplug(p, device)
    await_(lambda: not os.path.exists("/proc/%d" % old), "the spare to be gone")
    check(p.worker("capture.cam1")["state"] == "no device", "somebody plays")
    device.plug()
    await_(lambda: p.worker("capture.cam1")["state"] == "ready", "it to be back")
    new = await_(prepared, "another spare")
    for pid in (new, p.worker("capture.cam1")["pid"]):
        check(held(pid) == [(5, device.name)], "%d has %s" % (pid, held(pid)))
    p.troupe("down", "-n", p.name)
    p.wait_end()
    p.check_nothing_left()


def swap(make):
    p, device = camera(make, frames=0)
    device.plug()
    p.up()
    p.troupe("swap", "capture.cam1", "--probation", "0s", "-n", p.name)
    worker = p.worker("capture.cam1")
    check(worker["incarnation"] == 2 and held(worker["pid"]) == [(5, device.name)], "%s has %s" % (
        worker, held(worker["pid"])))
    unplug(p, device)
    device.plug()
    p.back("capture.cam1", 2)
    p.troupe("down", "-n", p.name)
    p.wait_end()


def gone_in_a_swap(make):
    p, device = camera(make, frames=0)
    device.plug()
    p.up()
    command = [os.path.join(BIN, "troupe"), "swap", "capture.cam1", "-n", p.name]

    def begin(*more):
        return subprocess.Popen([*command, *more], env=p.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def newcomer():
        spares = p.ps()["spare"]
        return spares and spares[0]["pid"]
    # While the newcomer prepares, which this one does for ever: it has the old descriptor and must go.
    slow = os.path.join(p.folder, "slow")
    with open(slow, "w") as file:
        file.write("#!/bin/sh\n" + needs("run /bin/sleep") +
                   "[ -n \"$1\" ] && exec %s/device-capture \"$@\"\nexec sleep 60\n" % BIN)
    os.chmod(slow, 0o755)
    swap = begin("--exec", slow)
    pid = await_(newcomer, "the newcomer")
    unplug(p, device)
    said = swap.communicate(timeout=30)[0]
    check(swap.returncode == 1 and "its device is gone" in said, "swap says: " + said)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the supervisor has lost its patience before
    await_(lambda: not newcomer(), "the newcomer to be gone")
    device.plug()
    p.back("capture.cam1", 2)
    # On probation: that the device goes is not the newcomer's fault.
    swap = begin("--probation", "30s")
    await_(lambda: (lambda w: w["incarnation"] == 4 and w["state"] == "ready")(p.worker("capture.cam1")), "the newcomer")
    unplug(p, device)
    said = swap.communicate(timeout=30)[0]
    check(swap.returncode == 0 and "probation was cut short" in said, "swap says: " + said)
    device.plug()
    p.back("capture.cam1", 4)
    p.troupe("down", "-n", p.name)
    p.wait_end()
    p.check_quiet()


def found_by_a_look(make):
    """The bell is not the only cause of progress: nothing tells of this device."""
    p, device = camera(make, DeviceOfSysfs, frames=0)
    device.plug()
    p.up()
    check([t for _, t in held(p.process.pid)] == [device.name], "the supervisor holds %s" % held(p.process.pid))
    unplug(p, device)
    device.plug()
    worker = p.back("capture.cam1", 1)
    check(held(worker["pid"]) == [(5, device.name)], "it has %s, not %s" % (held(worker["pid"]), device.name))
    p.troupe("down", "-n", p.name)
    p.wait_end()


def missing_at_the_start(make):
    p, device = camera(make, frames=0)
    told = p.start()
    check(re.match("error: capture.cam1: no device: %s: No such file or directory$" % device.path, told), told)
    p.process.wait(10)
    check(p.process.returncode == 1, "exit code %d" % p.process.returncode)
    p.check_nothing_left()


def never_a_terminal_of_ours(make):
    """What is opened must not become the supervisor's controlling terminal: its hang-up would end everything."""
    p, device = camera(make, frames=0)
    p.prefix = ["setsid", "-w"]
    device.plug()
    p.up()
    for pid in [int(pid) for pid in p.pids()]:
        with open("/proc/%d/stat" % pid) as file:
            check(file.read().rsplit(")", 1)[1].split()[4] == "0", "%d has a controlling terminal" % pid)
    unplug(p, device)
    check(process_state(p.process.pid) in "SR", "the supervisor is gone")
    p.troupe("down", "-n", p.name)
    p.wait_end()


main({f.__name__: f for f in (handed_to_each_incarnation, gone_and_back, never_given_up, killed_when_it_is_gone, orders,
                              spare, swap, gone_in_a_swap, found_by_a_look, missing_at_the_start,
                              never_a_terminal_of_ours)})
