"""Words of strangers on a terminal: whatever a worker writes, reports or is called, no command passes on a sequence that
a terminal would obey."""
import json
import os
import re
import shlex

from harness import BIN, await_, check, main

WILD = "\x1b]0;title\x07\x1b[2Jwild \x9b31m\u202e"  # also CSI as one character, and who turns the writing round
TAMED = "?]0;title??[2Jwild ?31m?"
HARMLESS = "gr\u00fc\u00dfe\tand more"
# What a terminal may get beside characters: nothing that these commands do not say themselves, for there is none.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]")


def wild_worker(p):
    """A stranger that says such things, and then is the one of the guide."""
    path = os.path.join(p.folder, "wild")
    lines = [HARMLESS, "zero \0 within", WILD]
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n[ \"$1\" = --rows ] && exit 0\n")
        for line in lines:
            text = "".join("\\%03o" % byte for byte in line.encode())
            file.write("printf '%s\\n' >&2\n" % text)
        file.write("printf 'no UTF-8: \\377\\n' >&2\nexec %s \"$@\"\n" % shlex.quote(os.path.join(BIN, "brightness")))
    os.chmod(path, 0o755)
    return 'worker "wild" { exec = "%s"  takes = "view" }\n' % path


def told(p, *args, code=0):
    done = p.troupe(*args, "-n", p.name, code=code)
    for text in (done.stdout, done.stderr):
        found = OBEYED.search(text)
        check(not found, "troupe %s lets through %r" % (" ".join(args), found and text[max(0, found.start() - 60):][:120]))
    return done.stdout + done.stderr


def whatever_a_worker_says(make):
    p = make(frames=0, sandbox="off")
    p.settings["extra"] = wild_worker(p)
    p.up()
    pid = p.worker("wild")["pid"]
    p.troupe("kill", "-s", "ABRT", "wild", "-n", p.name)
    p.back("wild", 1)
    await_(lambda: [e for e in p.journal("exit", "wild") if e["pid"] == pid], "the line of its end")
    logs = told(p, "logs", "wild")
    for line in (HARMLESS, "zero ? within", TAMED, "no UTF-8: ?"):
        check(line + "\n" in logs, "logs do not show %r: %s" % (line, logs))
    texts = [json.loads(line)["text"] for line in told(p, "logs", "wild", "--json").splitlines()]
    check(TAMED in texts and HARMLESS in texts and "no UTF-8: ?" in texts, "as JSON: %s" % texts)
    events = told(p, "events")
    check("died of SIGABRT" in events and "no UTF-8: ?" in events, events)
    told(p, "events", "--json")
    told(p, "history", "wild")
    told(p, "status")
    for command in ("ps", "ps --wide", "ps --json", "inspect wild", "inspect wild --json", "top --once --wide", "history"):
        check("wild" in told(p, *command.split()), "%s does not know it" % command)


def what_nobody_may_be_called(make):
    p = make(frames=0).up()
    said = told(p, "label", WILD, code=2)
    check("cannot be shown" in said, said)
    told(p, "inspect", WILD, code=2)
    told(p, "logs", WILD, code=2)
    told(p, "events", "--kind", WILD, code=2)
    told(p, "reload", "-c", WILD, code=2)
    told(p, "label", "gr\u00fcn")
    check("gr\u00fcn" in p.troupe("events", "-n", p.name).stdout, "the journal does not have the label")


if __name__ == "__main__":
    main({t.__name__: t for t in (whatever_a_worker_says, what_nobody_may_be_called)})
