"""What tests/service/run does in the machine: `inside.py first|second`, as root, in a folder with the packages."""

import glob
import json
import os
import pwd
import signal
import subprocess
import sys
import time

PATIENCE = 240  # s; nothing here is a measurement
UNIT, CONFIG, STATE = "troupe@yard", "/etc/troupe/yard.conf", "/var/lib/troupe/yard"
# An administrative folder of its own: dpkg need not read what the machine has, nor wake up the triggers of others.
ADMIN = "/var/lib/packages-of-the-test"
DPKG = ["dpkg", "--admindir=" + ADMIN, "--force-depends", "--no-triggers"]
YARD = """on_orphan = "wait 2min" # until the new supervisor has begun, on a machine that is emulated
stream "cam1" { source = "pattern:320x240@10" }
storer { folder = "/var/lib/troupe/yard/recording" }
display { listen = "127.0.0.1:0" }
"""


class Wrong(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Wrong(text)


def seen(text):
    print("  %-62s %4.0f s" % (text, time.monotonic()), flush=True)


def run(*words, code=0, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    check(code is None or done.returncode == code, "%s: exit %d: %s" % (" ".join(words), done.returncode, done.stdout))
    return done.stdout


def await_(condition, what):
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, "waited in vain for %s: %s" % (what, run("journalctl", "-n", "40", "-o", "cat")))
        time.sleep(0.2)


def show(key, unit=UNIT):
    return run("systemctl", "show", "--value", "-p", key, unit).strip()


def troupe(*words, code=0):
    return run("runuser", "-u", "troupe", "--", "troupe", *words, code=code)


def workers():
    """{name: pid} of those that are ready."""
    return {w["name"]: w["pid"] for w in json.loads(troupe("ps", "--json"))["worker"] if w["state"] == "ready"}


def processes():
    """Everything in the control group of the unit."""
    with open("/sys/fs/cgroup/%s/cgroup.procs" % show("ControlGroup")) as file:
        return sorted(int(pid) for pid in file)


def stored():
    return sum(int(s["stored"]) for s in json.loads(troupe("status", "--json"))["pipeline"]["stream"])


def check_flows():
    before = stored()
    await_(lambda: stored() > before, "more frames to be stored")


def check_one_set(count):
    """A supervisor, and no worker twice."""
    pids = processes()
    check(len(pids) == count + 1, "%d workers, and the processes %s" % (count, run("ps", "-o", "pid,args", "-u", "troupe")))
    check(int(show("MainPID")) in pids, "the main process is elsewhere")


# ---- the first boot ----

def first():
    install()
    start()
    reload()
    taken_over("killed", signal.SIGKILL)
    taken_over("stopped by a signal, found by the watchdog", signal.SIGSTOP)
    restart()
    check_flows()


def install():
    for folder in ("info", "updates"):
        os.makedirs("%s/%s" % (ADMIN, folder))
    open(ADMIN + "/status", "w").close()
    run(*DPKG, "--install", *glob.glob("*.deb"))
    with open(CONFIG, "w") as file:
        file.write(YARD)
    os.makedirs("/etc/systemd/system/troupe@.service.d")
    with open("/etc/systemd/system/troupe@.service.d/soon.conf", "w") as file:
        file.write("[Service]\nWatchdogSec=12s\n")  # 30 s are long to wait for
    run("systemctl", "daemon-reload")
    seen("installed")


def start():
    run("systemctl", "enable", "--now", UNIT)
    check(show("SubState") == "running", "started, and %s" % show("SubState"))
    check(show("StatusText").startswith("running: "), "its status is '%s'" % show("StatusText"))
    ready = workers()
    check({"storer", "capture.cam1", "processor.1", "display"} <= set(ready), "ready are %s" % ready)
    check_one_set(len(ready))
    check("sudo -u troupe troupe" in run("troupe", "ps", code=1), "root is not told whom to ask")
    seen("systemctl enable --now: ready, notified, one of each")


def reload():
    before = workers()
    with open(CONFIG, "a") as file:
        file.write("processor { count = 3 }\n")
    run("systemctl", "reload", UNIT)
    after = await_(lambda: "processor.3" in workers() and workers(), "the third processor")
    check(before.items() <= after.items(), "reload has touched others: %s, %s" % (before, after))
    with open(CONFIG, "a") as file:
        file.write("nonsense = 1\n")
    run("systemctl", "reload", UNIT, code=1)
    check("yard.conf:6: " in run("journalctl", "-u", UNIT, "-o", "cat"), "nobody says which line is wrong")
    check(show("ActiveState") == "active" and workers() == after, "a reload that was refused has changed something")
    with open(CONFIG, "w") as file:
        file.write(YARD + "processor { count = 3 }\n")
    seen("systemctl reload: done, and refused, with nobody restarted")


def taken_over(what, number):
    before, pid, restarts = workers(), int(show("MainPID")), int(show("NRestarts"))
    os.kill(pid, number)
    await_(lambda: int(show("NRestarts")) > restarts and show("ActiveState") == "active", "a new supervisor")
    check(int(show("MainPID")) != pid, "it is the old one")
    check(workers() == before, "not the same workers: %s, %s" % (before, workers()))
    check_one_set(len(before))
    check_flows()
    pid = show("MainPID")
    lines = run("journalctl", "-o", "json", "TROUPE_PIPELINE=yard", "TROUPE_WORKER=storer")
    told = [entry["MESSAGE"] for entry in map(json.loads, lines.splitlines()) if entry["_PID"] == pid]
    check(any("taken over by supervisor " + pid in text for text in told), "in the system's journal: %s" % told)
    seen("supervisor %s: its workers are taken over" % what)


def restart():
    before = workers()
    run("systemctl", "stop", UNIT)
    check(show("ActiveState") == "inactive" and show("Result") == "success", "it is %s" % show("ActiveState"))
    check(not run("pgrep", "-u", "troupe", code=None), "stopped, and somebody is left")
    run("systemctl", "start", UNIT)
    check(not set(workers().values()) & set(before.values()), "the old ones")
    seen("systemctl stop, start: nobody left, then anew")


# ---- the second boot ----

def second():
    check(show("ActiveState") == "active", "it has not come up by itself, it is " + show("ActiveState"))
    check_flows()
    check("whole" in troupe("verify", STATE + "/recording"), "the recording is not whole")
    seen("up by itself, goes on with the recording")
    of_a_user()
    run(*DPKG, "--remove", "troupe")
    check(not run("pgrep", "-u", "troupe", code=None), "removed, and somebody is left")
    check(os.path.exists(STATE + "/recording/recording.sqlite"), "the recording went with the package")
    seen("removed while frames flow: ended in order, the recording stays")
    purge()


def of_a_user():
    run("useradd", "--create-home", "bob")
    bob = pwd.getpwnam("bob")
    folder, runtime = "/home/bob/.config/troupe", "/run/user/%d" % bob.pw_uid
    os.makedirs(folder)
    with open(folder + "/test.conf", "w") as file:
        file.write(YARD.replace(STATE, "/home/bob"))
    run("systemctl", "start", "user@%d" % bob.pw_uid)
    as_bob = ["setpriv", "--reuid=bob", "--regid=bob", "--init-groups", "env", "-i", "PATH=/usr/bin", "HOME=/home/bob",
              "XDG_RUNTIME_DIR=" + runtime]
    run("chown", "-R", "bob:", "/home/bob")
    run(*as_bob, "systemctl", "--user", "start", "troupe@test")
    check("capture.cam1" in run(*as_bob, "troupe", "ps"), "the user's pipeline does not run")
    run(*as_bob, "systemctl", "--user", "stop", "troupe@test")
    check(os.path.exists("/home/bob/recording/recording.sqlite"), "the user's pipeline has recorded nothing")
    seen("systemctl --user start, stop")


def purge():
    run("rm", "-r", "/var/lib/troupe", CONFIG, "/etc/systemd/system/troupe@.service.d")
    run(*DPKG, "--purge", "troupe", "python3-troupe", "libtroupe-dev")
    # The files of the package are what test_package looks at; here it is what comes while it runs. What the manager
    # knows of units, and what is a user's own, is not the package's.
    places = ["/etc", "/run", "/var/lib", "/var/log", "/usr/lib/systemd", "/usr/libexec"]
    others = ["/run/talk", "/run/systemd/units", "/run/user", "/var/lib/dpkg", ADMIN]
    pruned = [word for path in others for word in ("-path", path, "-prune", "-o")]
    left = run("find", *places, *pruned, "-name", "*troupe*", "-print")
    check(not left, "purged, and left: " + left)
    check("troupe" not in [user.pw_name for user in pwd.getpwall()], "its user is left")
    seen("purged: nothing left")


if __name__ == "__main__":
    try:
        {"first": first, "second": second}[sys.argv[1]]()
    except Wrong as fault:
        print("FAILED: %s" % fault)
        sys.exit(1)
