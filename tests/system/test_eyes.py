"""What a careful stranger tries with `troupe reload` and what is told of a pipeline: limits that add up, signals that
come at the wrong moment, files that are no files."""
import json
import os

from harness import BIN, await_, check, main

SMALL = dict(frames=0, fps=50, size="160x120")


def strangers(first, count):
    """So many that end at once, and are tried again and again."""
    return "".join('worker "w%d" { exec = "/bin/true"  takes = "view"  max_restarts = 1000  backoff = "20s"  backoff_max = "20s" }\n' % number
                   for number in range(first, first + count))


def reload(p, code=0, **changes):
    p.write_config(**changes)
    return p.troupe("reload", "-n", p.name, code=code)


def refused(p, words, **changes):
    before = set(p.names())
    said = reload(p, code=1, **changes).stderr
    check(words in said and said.count("\n") == 1, "refused with: %s" % said)
    check(set(p.names()) == before, "there are others now: %s" % set(p.names()).symmetric_difference(before))


def more_than_there_can_be(make):
    """Whoever has been in a run counts, for it may come back."""
    p = make(processors=1, **SMALL).up()
    reload(p, extra=strangers(0, 50))
    check(len([n for n in p.names() if n.startswith("w")]) == 50, "not all are there: %s" % p.names())
    reload(p, extra=strangers(100, 50))
    refused(p, "names that were there", extra=strangers(200, 50))
    reload(p, extra=strangers(0, 50))
    reload(p, extra="")
    await_(lambda: not [n for n in p.names() if n.startswith("w")], "all strangers to be gone")


def what_is_no_file(make):
    """A pipe that nobody writes would keep all other orders waiting, too."""
    p = make(**SMALL).up()
    pipe = os.path.join(p.folder, "pipe")
    os.mkfifo(pipe)
    for path in (pipe, p.folder, "/dev/null"):
        for command in ("check", "up", "reload"):
            said = p.troupe(command, *(("-n", p.name) if command == "reload" else ()), "-c", path, code=2).stderr
            check("it is no file" in said and path in said and said.count("\n") == 1, "%s: %s" % (command, said))
    said = p.troupe("reload", "-n", p.name).stdout
    check("nothing differs" in said, said)


def row_that_is_to_blame(make):
    p = make(**SMALL).up()
    p.write_config(size="320x240", pace="max")
    said = p.troupe("reload", "--dry-run", "-n", p.name, code=2)
    check("stream.cam1: pattern_size: from \"160x120\" to \"320x240\"" in said.stderr, said.stderr)


def pools_and_what_has_ended(make):
    """A pool is as good as a worker's name, and one that has ended and left all is found without its own."""
    p = make(frames=20, fps=100, size="160x120").up()
    p.wait_end()
    for command in ("logs", "history"):
        said = p.troupe(command, "processor").stdout
        check("processor.1 " in said and "processor.2 " in said and "storer" not in said, "%s: %s" % (command, said))
    told = json.loads(p.troupe("history", "processor", "--json").stdout)["worker"]
    check([w["name"] for w in told] == ["processor.1", "processor.2"], "history has %s" % told)
    events = p.troupe("events", "-l", "2").stdout.splitlines()
    check(len(events) == 2 and events[1].endswith("has ended with exit code 0"), "events shows %s" % events)
    os.mkdir(os.path.join(p.folder, "state", "another"))
    said = p.troupe("events", code=2).stderr
    check("another" in said and p.name in said and said.count("\n") == 1, said)


# Says of each frame more than anybody reads.
CHATTY = """#!/usr/bin/python3
import sys
sys.path.insert(0, {0!r})
import troupe


class Chatty(troupe.Worker):
    needs = [("read-path", {0!r})]

    def look(self, frame):
        for number in range(300):
            self.report("frame %d, %d" % (frame.seq, number))


Chatty.main()
"""


def reports_without_end(make):
    """They would push all else out of the journal; they are counted."""
    p = make(frames=0, fps=10, size="160x120")
    program = os.path.join(p.folder, "chatty")
    with open(program, "w") as file:
        file.write(CHATTY.format(os.path.join(os.path.dirname(BIN), "python")))
    os.chmod(program, 0o755)
    p.settings["extra"] = 'worker "chatty" { exec = "./chatty"  takes = "view"  tap = "each" }\n'
    p.up()

    def counted():
        return [e for e in p.journal("report") if "passed over" in e["text"]]
    await_(lambda: len(counted()) > 1, "reports to be counted")
    first, second = counted()[:2]
    between = [e for e in p.journal("report", "chatty") if first["t"] <= e["t"] < second["t"]]
    seconds = (second["t"] - first["t"]) / 1e9
    check(0 < len(between) <= 100 * (seconds + 1), "%d reports in %.1f s" % (len(between), seconds))
    said = p.troupe("events", "--kind", "report", "-l", "1", "-n", p.name).stdout
    check("frame " in said or "passed over" in said, said)


if __name__ == "__main__":
    main({t.__name__: t for t in (more_than_there_can_be, what_is_no_file, row_that_is_to_blame, pools_and_what_has_ended, reports_without_end)})
