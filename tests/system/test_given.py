"""What a worker is given of the machine, as the kernel says, and who is started anew with one that died."""

import json
import os
import shutil
import signal

import harness
from harness import await_, check, main

SMALL = dict(frames=0, fps=100, size="160x120")
NOBODY = 65534


def proc(pid, name):
    with open("/proc/%d/%s" % (pid, name)) as file:
        return file.read()


def limit(pid, what):
    line = [l for l in proc(pid, "limits").split("\n") if l.startswith(what)][0]
    return line[len(what):].split()[0]


def status(pid, key):
    return [l for l in proc(pid, "status").split("\n") if l.startswith(key + ":")][0].split("\t", 1)[1].strip()


def pids(p):
    return {w["name"]: w["pid"] for w in p.ps()["worker"]}


def finish(p):
    def stored():
        return p.status()["pipeline"]["stream"][0]["stored"]
    start = stored()
    await_(lambda: stored() > start + 10, "frames to be stored")
    p.troupe("down", "-n", p.name)
    p.wait_end(0)
    p.check_quiet()
    p.check_nothing_left()
    p.check_numbers(p.ledger.last(), most=20)
    p.verify()


def seen_by_the_kernel(make):
    p = make(processor="nice = 4  cpus = \"0\"  limit_memory = 300MB  limit_files = 400  limit_core = \"0\"  "
             "environment = \"A=1 B=x=y\"  oom_score_adj = \"700\"", **SMALL).up()
    found = pids(p)
    supervisor, worker = p.process.pid, found["processor.2"]
    nice = min(19, os.getpriority(os.PRIO_PROCESS, supervisor) + 4)
    for task in os.listdir("/proc/%d/task" % worker):
        check(os.getpriority(os.PRIO_PROCESS, int(task)) == nice, "a thread is not as nice")
    check(status(worker, "Cpus_allowed_list") == "0", "it may run on %s" % status(worker, "Cpus_allowed_list"))
    check(limit(worker, "Max data size") == "300000000", "its memory: %s" % limit(worker, "Max data size"))
    check(limit(worker, "Max open files") == "400", "its files: %s" % limit(worker, "Max open files"))
    check(limit(worker, "Max core file size") == "0", "its core: %s" % limit(worker, "Max core file size"))
    variables = proc(worker, "environ").split("\0")
    check("A=1" in variables and "B=x=y" in variables, "its environment is %s" % variables)
    # Who goes first when memory runs out: the storer last of the workers, the supervisor after it.
    score = {name: int(proc(pid, "oom_score_adj")) for name, pid in found.items()}
    check(score["processor.1"] == 700, "the row says 700: %s" % score)
    check(all(score["storer"] < score[n] for n in score if n != "storer"), "the storer is not the last: %s" % score)
    check(int(proc(supervisor, "oom_score_adj")) < score["storer"], "the supervisor is not later than %s" % score)
    given = {row["name"]: row["value"] for row in
             json.loads(p.troupe("inspect", "processor.2", "--json", "-n", p.name).stdout)["inspection"]["given"]}
    check(given["nice"] == str(nice) and given["cpus"] == "0" and given["limit_memory"] == "300000000" and
          given["limit_files"] == "400" and given["oom_score_adj"] == "700", "inspect says %s" % given)
    finish(p)


def memory_runs_out(make):
    """A limit that is really hit ends one worker only, and the cause names it."""
    p = make(**SMALL).up()
    p.write_config(processors=1, trainer="limit_memory = 64MB", processor="limit_memory = 64MB  ballast = 500MB")
    answer = p.troupe("reload", "--probation", "0s", "-n", p.name, code=1).stderr
    check("out of memory (limit_memory = 64MB)" in answer, "the cause is not named: %s" % answer)
    finish(p)


def other_user(make):
    """Workers of another user work, in folders that this one and nobody else can use."""
    if os.geteuid() != 0:
        return
    p = make(**SMALL)
    programs = os.path.join(p.folder, "programs")
    os.mkdir(programs)
    for folder in (os.path.dirname(p.folder), p.folder, programs):
        os.chmod(folder, 0o711)
    for setting, name in (("stream", "capture"), ("processor", "processor"), ("storer", "storer"),
                          ("trainer", "trainer"), ("display", "display")):
        # A build may lie where nobody else can go.
        program = shutil.copy2(os.path.join(harness.BIN, "troupe-" + name), programs)
        p.settings[setting] = "user = \"nobody\"  exec = \"%s\"" % program
    os.mkdir(p.recording)
    os.chown(p.recording, NOBODY, NOBODY)
    p.up()
    for name, pid in pids(p).items():
        check(status(pid, "Uid").split() == [str(NOBODY)] * 4, "%s has the uid %s" % (name, status(pid, "Uid")))
        check(status(pid, "CapEff") == "0" * 16, "%s has rights" % name)
    for folder in (p.runtime, os.path.join(p.folder, "state", p.name)):
        found = os.stat(folder)
        check(found.st_gid == NOBODY and found.st_mode & 0o7777 == 0o3770, "%s: %o" % (folder, found.st_mode))
        for name in os.listdir(folder):
            found = os.lstat(os.path.join(folder, name))
            mine = found.st_uid == 0 and not os.path.islink(os.path.join(folder, name))
            socket = found.st_mode & 0o170000 == 0o140000
            check(not mine or socket or found.st_mode & 0o077 == 0, "%s: %o" % (name, found.st_mode))
    p.write_config(trainer="user = \"daemon:nogroup\"")
    check("answer no such user" in p.troupe("reload", "-n", p.name, code=2).stderr, "a new user is let in")
    p.back("storer", p.hit("storer")["incarnation"])
    finish(p)


def refused_by_check(make):
    p = make(**SMALL)
    for row, what in (("cpus = \"1000\"", "valid: 0"), ("environment = \"TROUPE_RUNTIME=/x\"", "supervisor's"),
                      ("user = \"nobody-at-all\"", "no such user"), ("limit_memory = 1MB", "too little"),
                      ("oom_score_adj = \"2000\"", "-1000 to 1000"), ("hang_after = 5ms", "too short"),
                      ("strategy = \"all\"", "rest-for-one")):
        path = p.write_config(trainer=row)
        told = p.troupe("check", "-c", path, code=2).stderr
        line = [i for i, text in enumerate(open(path), 1) if row in text][0]
        check("%s:%d: trainer" % (path, line) in told and what in told, "%s: %s" % (row, told))
    if os.geteuid() == 0:
        os.chmod(os.path.dirname(p.folder), 0o711)
        path = p.write_config(trainer="user = \"nobody\"", storer="user = \"nobody:daemon\"")
        check("one in common" in p.troupe("check", "-c", path, code=2).stderr, "two groups are right")


def hangs_for_itself(make):
    p = make(hang_after="50min", bypass_after="1h", display="hang_after = \"300ms\"", **SMALL).up()
    p.back("display", p.hit("display", signal.SIGSTOP)["incarnation"])
    p.ended_by("display", "hung")
    finish(p)


def rest_for_one(make):
    """Killed is a processor: what is behind it in the frames' way is new, what is before or beside it is not."""
    p = make(extra="strategy = \"rest-for-one\"", stream="strategy = \"one-for-one\"", **SMALL).up()
    for victim, rest in (("processor.1", {"storer", "trainer", "display"}), ("storer", {"trainer", "display"}),
                         ("capture.cam1", set())):
        before = p.ps()["worker"]
        old = {w["name"]: w["pid"] for w in before}
        os.kill(old[victim], signal.SIGKILL)
        incarnations = {w["name"]: w["incarnation"] for w in before}
        for name in {victim} | rest:
            p.back(name, incarnations[name])
        now = pids(p)
        new = {name for name in now if now[name] != old[name]}
        check(new == {victim} | rest, "after the death of %s these are new: %s" % (victim, new))
    finish(p)


if __name__ == "__main__":
    main({f.__name__: f for f in (
        seen_by_the_kernel, memory_runs_out, other_user, refused_by_check, hangs_for_itself, rest_for_one)})
