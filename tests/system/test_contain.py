"""What a worker may not: the stock ones, built so that they try it when they come to be in charge, say what came of it.
Each attempt is real: without a sandbox it succeeds."""

import json
import os
import shutil
import socket
import subprocess
import sys

from harness import BIN, PATIENCE, await_, check, main, needs

ROLES = {"stream": "capture.cam1", "processor": "processor.1", "storer": "storer", "trainer": "trainer",
         "display": "display"}
PROGRAMS = {"stream": "prying-capture"}

# What root can do here without a sandbox, so that it is the sandbox that keeps a worker from it.
REAL = {"read_recording", "write_recording", "change_recording", "write_journal", "write_home", "read_secret",
        "read_supervisor", "remove_control", "make_udp", "make_tcp6", "make_netlink", "connect_tcp", "listen_tcp",
        "connect_abstract", "signal_supervisor", "trace_supervisor", "nice_supervisor", "limit_supervisor",
        "look_into_supervisor", "start_process", "run_shell", "become_other", "leave_namespace", "reboot_machine"}
# What a sanitizer does in any process, so that a sanitized worker may.
SANITIZERS = {"sanitized", "read_supervisor", "trace_supervisor", "look_into_supervisor", "start_process"}
# What only some may, because they need it.
OWN = {"storer": {"read_recording", "write_recording", "start_process"}}


class Surroundings:
    """What there is to be reached from a worker: files, sockets, all of this test."""

    def __init__(self, p):
        self.p = p
        self.secret = os.path.join(p.folder, "secret")
        with open(self.secret, "w"):
            pass
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.name = "troupe-test-%d" % os.getpid()
        self.abstract.bind("\0" + self.name)
        self.abstract.listen()
        state = os.path.join(p.folder, "state", p.name)
        self.socket = os.path.join(p.runtime, "precious")
        p.for_supervisor = {
            "TROUPE_TEST_RECORDING": os.path.join(p.recording, "recording.sqlite"),
            "TROUPE_TEST_JOURNAL": os.path.join(state, "journal.jsonl"),
            "TROUPE_TEST_HOME": os.path.join(p.folder, "home"),
            "TROUPE_TEST_SECRET": self.secret,
            "TROUPE_TEST_SOCKET": self.socket,
            "TROUPE_TEST_PORT": str(self.tcp.getsockname()[1]),
            "TROUPE_TEST_ABSTRACT": self.name}

    def end(self):
        self.tcp.close()
        self.abstract.close()


def prying(make, sandbox, roles=ROLES, programs={}):
    """A pipeline of those workers, and what each has tried: {worker: {attempt: errno}}."""
    p = make(sandbox=sandbox, frames=0, processors=1, pattern="")
    for role in roles:
        program = programs.get(role, PROGRAMS.get(role, "prying-" + role))
        p.settings[role] += ' exec = "%s"' % program
    around = Surroundings(p)
    try:
        p.up()
        for role in roles:
            await_(lambda: "tried all" in p.log(ROLES[role]), "%s to have tried all" % role)
        told = {}
        for role in roles:
            lines = [line.split("tried ", 1)[1] for line in p.log(ROLES[role]).split("\n") if "tried " in line]
            told[role] = {name: int(why) for name, why in (line.split(": ") for line in lines if ": " in line)}
        p.troupe("down", "-n", p.name)
        p.wait_end(0)
    finally:
        around.end()
    return p, told


def holes(told):
    """What a worker could do and should not."""
    return {"%s: %s" % (role, name) for role, tries in told.items() for name, why in tries.items()
            if why == 0 and name not in OWN.get(role, ()) and not ("sanitized" in tries and name in SANITIZERS)}


def prying_test(make):
    """Each is refused what it does not need, and does what it does need; its frames are recorded all the same."""
    p, told = prying(make, "on")
    check(all(len(tries) > 25 for tries in told.values()), "tried: %s" % told)
    check(not holes(told), "holes: %s" % holes(told))
    refused = {name for name in OWN["storer"] if told["storer"][name] != 0}
    check(not refused, "the storer may not: %s" % refused)
    check(not os.path.exists(os.path.join(p.folder, "home")), "something was written")
    p.check_numbers(p.ledger.last(), most=20)


def without_a_sandbox(make):
    """The same attempts succeed: it is not for other reasons that they are refused."""
    if os.geteuid() != 0:
        print("skipped: only root can do all of it")
        sys.exit(77)
    p, told = prying(make, "off")
    for role, tries in told.items():
        refused = {name: tries[name] for name in REAL if tries[name] != 0}
        refused.pop("remove_control", None)  # there is none
        if role != "storer":
            refused = {name: why for name, why in refused.items() if not name.endswith("_recording") or why != 2}
        check(not refused, "%s could not: %s" % (role, refused))
    check(len(holes(told)) > 100, "what finds holes finds these: %s" % holes(told))


def a_planted_hole(make):
    """A display that says it needs the recording may read it: this test would see it in one that should not."""
    p = make()
    wrapper = os.path.join(p.folder, "curious")
    with open(wrapper, "w") as file:
        file.write("#!/bin/sh\n" + needs("read-path " + p.folder.rsplit("/", 1)[0], "run %s/prying-display" % BIN) +
                   "exec %s/prying-display \"$@\"\n" % BIN)
    os.chmod(wrapper, 0o755)
    p, told = prying(make, "on", {"display": "display"}, {"display": wrapper})
    check("display: read_secret" in holes(told), "found: %s" % holes(told))
    check(told["display"]["write_recording"] != 0, "it may read, not write")


def strict(make):
    """Who makes a forbidden system call dies of it, and its cause names the call."""
    for attempt, call in (("load_program", "bpf"), ("mount_something", "mount"), ("make_udp", "socket"),
                          ("answer_for_itself", "ioctl"), ("type_for_others", "ioctl")):
        p = make(sandbox="strict", frames=0, processors=1,
                 processor='exec = "prying-processor" max_restarts = 1 backoff = "1ms" '
                           'environment = "PRYING_TRY=%s"' % attempt)
        told = p.start()
        check("forbidden system call: " + call in told, "up says: " + told)
        p.wait_end(1)
        ends = p.journal("exit", "processor.1")
        check(ends and all(e["kind"] == "forbidden" and e["fault"] for e in ends), "the journal says: %s" % ends)
    p = make(sandbox="strict", frames=0, processors=1, processor='exec = "prying-processor" '
             'environment = "PRYING_TRY=write_home"')
    p.for_supervisor = {"TROUPE_TEST_HOME": os.path.join(p.folder, "home")}
    p.up()
    await_(lambda: "tried write_home: 13\n" in p.log("processor.1"), "a file to be refused, and nobody dies of it")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)


def inspect_says_it(make):
    p = make(sandbox="on", frames=0).up()
    may = {role: "\n".join(json.loads(p.troupe("inspect", worker, "--json", "-n", p.name).stdout)
                           ["inspection"]["worker"].get("may", [])) for role, worker in ROLES.items()}
    check("reads and writes " + p.recording in may["storer"], "the storer: " + may["storer"])
    check("troupe-archive" in may["storer"], "the storer: " + may["storer"])
    check(p.recording not in may["display"] and "no network" in may["display"], "the display: " + may["display"])
    check("What it may" in p.troupe("inspect", "trainer", "-n", p.name).stdout, "people are told, too")
    check("sandbox    on\n" in p.troupe("status", "-n", p.name).stdout, "status says that it is on")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)


# Runs a program on a kernel that has no landlock_create_ruleset: a filter of its own says ENOSYS.
NO_LANDLOCK = """
import ctypes, os, struct, sys
code = struct.pack("<" + "HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 444, 0x06, 0, 0, 0x00050000 | 38, 0x06, 0, 0, 0x7fff0000)
held = ctypes.create_string_buffer(code, len(code))
program = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(held)), 16)
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit("no filter: %s" % os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""


def no_landlock(make):
    """It is said, once at the start and by status; what the kernel has holds."""
    p = make(sandbox="on", frames=0, processors=1, processor='exec = "prying-processor"')
    p.prefix = [sys.executable, "-c", NO_LANDLOCK]
    around = Surroundings(p)
    try:
        p.up()
        await_(lambda: "tried all" in p.log("processor.1"), "all to be tried")
    finally:
        around.end()
    said = "this kernel cannot keep workers from files"
    check(said in p.said(), "up says: " + p.said())
    check("on: " + said in p.status()["pipeline"]["sandbox"], "status says: %s" % p.status()["pipeline"]["sandbox"])
    check("tried read_secret: 0" in p.log("processor.1"), "nothing keeps it from files")
    check("tried make_udp: 1\n" in p.log("processor.1"), "system calls are refused as ever")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)


def greeting(path, *prefix):
    """What whoever connects hears first: ZeroMQ's greeting, or nothing, because the connection is closed."""
    hear = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(%f); s.connect(sys.argv[1]);"
            "print(len(s.recv(1)))" % (20 * PATIENCE))
    done = subprocess.run([*prefix, "/usr/bin/python3", "-c", hear, path], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr.strip().split("\n")[-1]


def belongs_to_another(make):
    """The control socket answers its owner alone, root included, and the command says whose it is."""
    if os.geteuid() != 0:
        print("skipped: only root can be somebody else")
        sys.exit(77)
    p = make(frames=0).up()
    nobody = ["setpriv", "--reuid=nobody", "--clear-groups"]
    asked = subprocess.run([*nobody, os.path.join(BIN, "troupe"), "ps", "-n", p.name], env=p.env,
                           capture_output=True, text=True)
    check(asked.returncode == 1 and 'pipeline "%s" belongs to user root' % p.name in asked.stderr,
          "nobody is told: %s%s" % (asked.stdout, asked.stderr))
    control = os.path.join(p.runtime, "control")
    for path in (p.folder.rsplit("/", 1)[0], p.folder, os.path.dirname(p.runtime), p.runtime):
        os.chmod(path, 0o755)
    os.chmod(control, 0o777)
    check(greeting(control) == "1", "its owner is greeted: " + greeting(control))
    heard = greeting(control, *nobody)
    check(heard == "0" or "reset" in heard, "nobody hears: " + heard)
    os.chmod(p.runtime, 0o700)
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    os.makedirs(p.runtime)
    shutil.chown(p.runtime, "nobody")
    asked = p.troupe("status", "-n", p.name, code=1)
    check('belongs to user nobody' in asked.stderr, "root is told: " + asked.stderr)


if __name__ == "__main__":
    main({"prying": prying_test, "a_planted_hole": a_planted_hole, "without_a_sandbox": without_a_sandbox,
          "strict": strict, "inspect_says_it": inspect_says_it, "no_landlock": no_landlock,
          "belongs_to_another": belongs_to_another})
