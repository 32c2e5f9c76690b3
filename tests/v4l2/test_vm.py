"""The test machine itself: what it says when it cannot run, and that nothing is left of it, however it ends."""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

import harness
from harness import await_, check


class Vm:
    """Calls of vm with temp folders of their own, so that what is left can be told from others' runs."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="trp-")
        self.temp, self.build = self.folder + "/temp", self.folder + "/bu,ild"
        os.mkdir(self.temp)
        os.mkdir(self.build)
        self.env = dict(os.environ, TMPDIR=self.temp)
        self.env.pop("CI", None)

    def start(self, *args):
        return subprocess.Popen([sys.executable, HERE + "/vm", *args], env=self.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *args, code):
        process = self.start(*args)
        out, err = process.communicate()
        if process.returncode == 77 and code != 77:
            print(out, end="")
            sys.exit(1 if os.environ.get("CI") == "true" else 77)
        check(process.returncode == code, "vm %s: exit %d, not %d: %s%s" % (args, process.returncode, code, out, err))
        return out, err

    def processes(self):
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path) as file:
                    if self.temp in file.read() and path.split("/")[2] != str(os.getpid()):
                        found.append(path)
            except OSError:
                pass
        return found


def alone(test):
    """The test with a Vm of its own, of which nothing may be left."""
    def run(_make):
        vm = Vm()
        try:
            test(vm)
            await_(lambda: not vm.processes(), "qemu to be gone")
            check(not os.listdir(vm.temp), "left: %s" % os.listdir(vm.temp))
        finally:
            shutil.rmtree(vm.folder)
    return run


def wrong_words(vm):
    check("there is no COMMAND" in vm.run(vm.build, code=2)[1], "no word about the command")
    check("there is no folder" in vm.run(vm.build + "/x", "true", code=2)[1], "no word about the folder")
    check("cannot be written" in vm.run("--console", "/", vm.build, "true", code=2)[1], "no word about the console")
    check("there is no image" in vm.run("--disk", vm.build + "/x", vm.build, "true", code=2)[1], "no word about the disk")
    check("--limit SECONDS" in vm.run("--help", code=0)[0], "no help")


def skips_and_says_why(vm):
    vm.env["PATH"] = vm.folder
    out, _ = vm.run(vm.build, "true", code=77)
    check(out == "skipped: there is no qemu-system-x86_64 (tools/setup v4l2 installs it)\n", out)
    os.symlink("/bin/true", vm.folder + "/qemu-system-x86_64")
    os.symlink("/bin/true", vm.folder + "/make")
    vm.env["XDG_CACHE_HOME"] = vm.folder + "/cache"
    out, _ = vm.run(vm.build, "true", code=77)
    check("this machine has no apt-get" in out, out)
    vm.env["CI"] = "true"
    _, err = vm.run(vm.build, "true", code=1)
    check("under CI=true nothing may be skipped" in err, err)


def runs_and_tells(vm):
    """Everything that leaves a trace, in one boot: output, exit code, the folder that may be written to, the rest not."""
    script = "echo out; echo err >&2; pwd; echo kept >file; touch /etc/forgotten; ls /dev/video0; exit 7"
    out, _ = vm.run("--limit", "600", vm.build, "sh", "-c", script, code=7)
    check(out.endswith("out\nerr\n%s\n/dev/video0\n" % vm.build), out)
    with open(vm.build + "/file") as file:
        check(file.read() == "kept\n", "the file does not say what was written")
    check(not os.path.exists("/etc/forgotten"), "the machine writes to the files of this one")


def late(vm):
    _, err = vm.run("--limit", "2", vm.build, "sleep", "1000", code=124)
    check("not done within 2 s (--limit SECONDS allows more)" in err, err)


def killed(vm):
    """By SIGTERM it cleans up; after SIGKILL the machine is gone as well, and the next run removes the folder."""
    for number, left in ((signal.SIGTERM, 0), (signal.SIGKILL, 1)):
        process = vm.start(vm.build, "sleep", "1000")
        await_(lambda: len(vm.processes()) > 0 or process.poll() is not None, "qemu to start")
        process.send_signal(number)
        process.communicate()
        await_(lambda: not vm.processes(), "qemu to be gone")
        check(len(os.listdir(vm.temp)) == left, "after %s: %s" % (number.name, os.listdir(vm.temp)))
    vm.run("--limit", "0.1", vm.build, "true", code=124)


harness.main({f.__name__: alone(f) for f in (wrong_words, skips_and_says_why, runs_and_tells, late, killed)})
