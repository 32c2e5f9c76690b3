"""Workers that troupe does not come with: those of docs/writing-a-worker.md, in C and in Python, in every place that a
config can give them. They are killed at any moment, and nothing that is promised suffers."""
import json
import os
import re
import signal
import subprocess

from harness import BIN, await_, check, main

PYTHON = os.path.join(os.path.dirname(BIN), "python")
GUIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "writing-a-worker.md")
IN_C, IN_PYTHON = os.path.join(BIN, "brightness"), os.path.join(PYTHON, "brightness.py")

# Writes each number that it has for good: what is owed, and how often, is seen in its log.
TAKER = """#!/usr/bin/python3
\"\"\"Says the number of each frame that it takes.\"\"\"
import sys
sys.path.insert(0, {0!r})
import troupe


class Taker(troupe.Worker):
    needs = [("read-path", {0!r})]

    def look(self, frame):
        print("took", frame.seq, flush=True)


Taker.main()
"""


def script(p, name, text):
    path = os.path.join(p.folder, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return "./" + name


def worker(name, program, takes="view", tap="latest", more=""):
    return 'worker "%s" { exec = "%s"  takes = "%s"  tap = "%s"  %s }\n' % (name, program, takes, tap, more)


def taken(p, name):
    return [int(line.split()[1]) for line in p.log(name).split("\n") if line.startswith("took")]


def ended_by_us(p):
    """Ends a pipeline whose source has no end, so that no test has to be done before it; then all of it is there."""
    p.troupe("down", "-n", p.name)
    p.wait_end()
    count = p.ledger.last()
    p.check_numbers(count, most=20)
    p.settings["frames"] = count  # as many as the reference shall have
    p.check_equals_reference()
    p.check_nothing_left()
    return count


# As JSON: where the library in Python believes that everything lies.
SAY_LAYOUT = """
import json, re, struct, troupe, troupe_ledger as l
from troupe_messages import KINDS
tables = dict(ledger_header=l.HEADER, stream_row=l.STREAM, seat_row=l.SEAT, tap_row=l.TAP, slot_record=l.RECORD)
told = {}
for table, fields in tables.items():
    for field, (at, kind) in fields.items():
        told["%s %s" % (table, field)], told["width %s.%s" % (table, field)] = at, struct.calcsize("<" + kind)
told.update({"size stream_row": l.STREAM_SIZE, "size seat_row": l.SEAT_SIZE, "size tap_row": l.TAP_SIZE,
             "size slot_record": l.RECORD_SIZE, "size station_row": l.STATIONS_SIZE, "magic ledger": l.MAGIC,
             "version ledger": l.VERSION, "crc32c troupe": troupe.crc32c(b"troupe")})
told.update(("message %s" % re.sub("(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper(), number)
            for number, kind in KINDS.items())
told.update(("phase " + name, getattr(l, name)) for name in ("FREE", "FILLING", "QUEUED", "HELD", "DONE", "ASIDE"))
told.update(("mark " + name, getattr(l, name)) for name in ("BYPASSED", "QUARANTINED", "SPOILED"))
told.update({"descriptor CONFIG": troupe.FD_CONFIG, "descriptor LEDGER": troupe.FD_LEDGER,
             "descriptor BELLS": troupe.FD_BELLS, "exit ASKED": troupe.EXIT_ASKED, "exit CONFIG": troupe.EXIT_CONFIG,
             "exit BUG": troupe.EXIT_BUG, "exit ENVIRONMENT": troupe.EXIT_ENVIRONMENT})
begins = [quarter << shift for shift in range(42) for quarter in range(4, 8)]
told.update(("bucket %d" % took, l.station_bucket(took)) for begin in begins for took in (begin - 1, begin))
print(json.dumps(told))
"""


def numbers():
    """The contract's numbers as the C code has them."""
    told = subprocess.run([os.path.join(BIN, "print-layout")], capture_output=True, text=True, check=True).stdout
    return {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in told.splitlines()}


def differences(ours, theirs):
    return sorted(set(ours.items()) ^ set(theirs.items()))


def layout(make):
    """The library in Python has the ledger, and messages, as the C code has them, where it knows of them at all."""
    done = subprocess.run(["/usr/bin/python3", "-c", SAY_LAYOUT], capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=PYTHON))
    check(done.returncode == 0, done.stderr)
    theirs, others = json.loads(done.stdout), ("message ", "descriptor ")
    ours = {key: n for key, n in numbers().items() if key in theirs or not key.startswith(others)}
    check(ours == theirs, "they differ: %s" % differences(ours, theirs))


WIDTHS = {"u8": 1, "u32": 4, "i32": 4, "f32": 4, "u64": 8, "i64": 8, "text32": 32}


def width(kind):
    base, times = re.fullmatch(r"(text32|\w\d+)(?:x(\d+))?", kind).groups()
    return WIDTHS[base] * int(times or 1)


def told_by(page):
    """Each number in the tables of the contract: those of fields with their widths, others by themselves."""
    told = {}
    for table in re.findall(r"(?:^\|.*\|\n)+", page, re.M):
        head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
        for at in range(0, len(head) - 1, 2):
            for row in rows:
                names, places = row[at].split(", "), row[at + 1].split(", ")
                if head[at + 1] == "at":
                    kinds = row[2].split(", ")
                    for i, (name, place) in enumerate(zip(names, places, strict=True)):
                        told["%s %s" % (head[at], name)] = int(place)
                        told["width %s.%s" % (head[at], name)] = width(kinds[i if len(kinds) > 1 else 0])
                elif head[at + 1] == "is" and row[at]:
                    told["%s %s" % (head[at], row[at])] = int(row[at + 1])
    for name, size in re.findall(r"^\| (\w+) \| at \| is \| ([\d,]+) bytes each", page, re.M):
        told["size " + name] = int(size.replace(",", ""))
    told["size station_row"] = int(re.search(r"`stations_at` ([\d,]+) bytes a stream", page)[1].replace(",", ""))
    magic, version = re.search(r"\| magic .*(0x\w+)", page)[1], re.search(r"\| version .* (\d+): another", page)[1]
    return dict(told, **{"magic ledger": int(magic, 16), "version ledger": int(version)})


def page(make):
    """The tables of docs/writing-a-worker.md have the numbers of the C code, and all that the library in Python needs."""
    with open(GUIDE) as file:
        theirs = told_by(file.read().split("## The contract")[1])
    others = ("bucket ", "crc32c ", "message ")  # rules, and what is not for strangers
    ours = {key: n for key, n in numbers().items() if key in theirs or not key.startswith(others)}
    check(ours == theirs, "they differ: %s" % differences(ours, theirs))
    page_of_messages()


def page_of_messages():
    """The fields of the messages' bodies are those of the schemas."""
    schemas = "".join(open(os.path.join(os.path.dirname(GUIDE), "..", "schemas", name + ".proto")).read()
                      for name in ("life", "report"))
    with open(GUIDE) as file:
        rows = re.findall(r"^\| ([A-Z_]+) \| \d+ \| (?:worker|supervisor) \| (.*?) \|", file.read(), re.M)
    check(len(rows) == 9, "messages on the page: %s" % rows)
    for name, fields in rows:
        body = re.search(r"message %s \{(.*?)\}" % name.title().replace("_", ""), schemas, re.S)[1]
        known = set(re.findall(r"(\w+ = \d+);", body))
        check(set(fields.split(", ")) <= known, "%s has %s, the page says %s" % (name, sorted(known), fields))


def check_counted(p, names):
    """What they count of their own is shown, beside what troupe counts of everybody."""
    await_(lambda: all(p.worker(n)["counted"] > 0 for n in names), "all of them to count")
    for asked in ["ps"], ["ps", "--wide"], ["top", "--wide"]:
        told = p.troupe(*asked, "-n", p.name).stdout
        check(" COUNT " in told and len(re.findall(r" \d+ bright frames", told)) == len(names), told)
    top = json.loads(p.troupe("top", "--json", "-n", p.name).stdout)["workers"]
    counts = {w["name"]: w["counts"] for w in top if w["counted"]}
    check(counts == dict.fromkeys(names, "bright frames"), "top --json: %s" % counts)
    for name in "c-owed", "py-owed":
        told = p.troupe("inspect", name, "-n", p.name).stdout
        for line in r"counted +\d+ bright frames", r"brightness: \d", r"every +10 *$", r"bright +0 *$":
            check(re.search(line, told, re.M), "inspect %s lacks %s: %s" % (name, line, told))


def every_way_of_looking(make):
    """Both examples in all their ways at once, killed in the middle: all come back, the recording is the reference's."""
    names = {"%s-%s" % (language, tap): (program, tap) for language, program in (("c", IN_C), ("py", IN_PYTHON))
             for tap in ("latest", "each")}
    names["c-owed"], names["py-owed"] = (IN_C, "lossless"), (IN_PYTHON, "lossless")
    p = make(fps=50, frames=0, slots=64, extra="".join(
        worker(n, program, "image", tap, "every = 10  bright = 0") for n, (program, tap) in names.items())).up()
    check(set(names) <= set(p.names()), "ps does not name them: %s" % p.names())
    pids = {n: p.worker(n)["pid"] for n in names}
    await_(lambda: all(p.worker(n)["frames"] > 5 for n in names), "all of them to see frames")
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for n in names:
        p.back(n, 1)
    check_counted(p, names)
    await_(lambda: {e["worker"] for e in p.journal("report") if "bright" in e.get("text", "")} == set(names),
           "all of them to say how bright it is")
    ended_by_us(p)


def in_a_processors_place(make):
    """Swapped in for processors and out again, killed while they hold frames."""
    p = make(fps=30, frames=0, slots=64, size="640x480", processors=2).up()
    p.troupe("swap", "processor.1", "--exec", IN_C, "--probation", "0", "-n", p.name)
    p.troupe("swap", "processor.2", "--exec", IN_PYTHON, "--probation", "0", "-n", p.name)
    for name in "processor.1", "processor.2":
        before = p.worker(name)["incarnation"]
        p.kill_holding(name)
        p.back(name, before)
    for name in "processor.2", "processor.1":
        p.troupe("swap", name, "--probation", "0", "-n", p.name)
    check(all(p.worker("processor.%d" % n)["program"].endswith("/troupe-processor") for n in (1, 2)), "not back")
    ended_by_us(p)


def only_strangers_in_the_queue(make):
    """Nobody of ours processes, but strangers do, in turns and together."""
    p = make(fps=30, frames=0, slots=64, size="640x480", processors=0, extra=worker("c", IN_C, "queue") + worker(
        "py", IN_PYTHON, "queue")).up()
    p.troupe("stop", "c", "-n", p.name)
    p.kill_holding("py")
    p.back("py", 1)
    await_(lambda: p.worker("py")["frames"] > 5, "it to process frames alone")
    steps = json.loads(p.troupe("top", "--json", "-n", p.name).stdout)["streams"][0]["steps"]
    check(all(s["frames"] > 0 and 0 < s["p50"] <= s["p99"] for s in steps.values()), "steps: %s" % steps)
    check(abs(steps["claimed"]["frames"] - steps["finished"]["frames"]) <= 2, "not counted together: %s" % steps)
    p.troupe("start", "c", "-n", p.name)
    p.troupe("stop", "py", "-n", p.name)
    p.kill_holding("c")
    ended_by_us(p)


def owed_every_frame(make):
    """What is owed is taken once each, and in order; over a drain too."""
    # Its share is a quarter of the slots: 25 s of frames, however slowly it starts.
    p = make(fps=10, frames=0, slots=1000, size="160x120", stream="view_width = 64")
    p.settings["extra"] = worker("taker", script(p, "taker", TAKER.format(PYTHON)), "view", "lossless")
    p.up()
    await_(lambda: taken(p, "taker"), "a frame to be taken")
    p.troupe("restart", "taker", "-n", p.name)
    p.back("taker", 1)
    had = len(taken(p, "taker"))
    await_(lambda: len(taken(p, "taker")) > had, "its successor to take frames")
    count = ended_by_us(p)
    check(taken(p, "taker") == list(range(1, count + 1)), "taken: %s" % taken(p, "taker"))
    check(not p.journal("written-off"), "something was written off: %s" % p.journal("written-off"))


def never_in_the_way(make):
    """One that is owed every frame and is stopped (by a signal, then by a person) costs nobody else anything."""
    p = make(fps=50, frames=0, slots=32, hang_after="20s")
    p.settings["extra"] = worker("taker", script(p, "taker", TAKER.format(PYTHON)), "view", "lossless")
    p.up()
    await_(lambda: taken(p, "taker"), "a frame to be taken")
    pid = p.worker("taker")["pid"]
    os.kill(pid, signal.SIGSTOP)
    last = p.ledger.last()
    await_(lambda: p.ledger.last() > last + 40, "the pipeline to go on")
    await_(lambda: p.journal("written-off"), "it to be said what is written off")
    os.kill(pid, signal.SIGCONT)
    had = len(taken(p, "taker"))
    await_(lambda: len(taken(p, "taker")) > had, "it to go on")
    p.troupe("stop", "taker", "-n", p.name)
    await_(lambda: p.worker("taker")["state"] == "stopped", "it to be stopped")
    count = ended_by_us(p)
    got = taken(p, "taker")
    check(got == sorted(set(got)) and len(got) < count, "taken: %s" % got)
    check(not any(f["drops_before"] for f in p.frames() if "drops_before" in f), "frames were dropped")


def refused(make):
    """What a config says of strangers is checked, with file and line."""
    p = make()
    p.write_config()
    empty = script(p, "silent", "#!/bin/sh\nexit 3\n")
    for extra, wanted in (
            (worker("storer", empty), 'worker "storer": there is one of that name already'),
            (worker("a.b", empty), "a name has letters"),
            (worker("x", empty) + worker("x", empty), "found duplicate title 'x'"),
            ('worker "x" { takes = "view" }\n', 'worker "x": which program?'),
            (worker("x", empty, "pixels"), "takes"),
            (worker("x", empty, more="colour = 1"), 'unknown key "colour"'),
            (worker("x", IN_PYTHON, more="every = 0"), "every"),
            ("".join(worker("x%d" % n, empty, tap="lossless") for n in range(4)), "there are 3 such taps"),
            (worker("x", "./nothing"), "not found")):
        path = p.write_config(extra=extra)
        told = p.troupe("check", "-c", path, code=2)
        check(wanted in told.stderr and told.stderr.count("\n") == 1, "%s: %s" % (wanted, told.stderr))
    p.troupe("check", "-c", p.write_config(extra=worker("x", empty)))


def takes_what_it_should_not(make):
    """A program that takes something else than its section says is ended, with a reason; so is one that cannot."""
    p = make(fps=50, frames=100000)
    p.settings["extra"] = worker("taker", script(p, "taker", TAKER.format(PYTHON)), "queue", more="max_restarts = 0")
    told = p.start()
    check("has to process frames, and it cannot" in told, "up: %s" % told)
    text = TAKER.format(PYTHON).replace("import sys", "import os, sys; os.environ['TROUPE_TAKES'] = 'view'")
    p = make(fps=50, frames=100000)
    p.settings["extra"] = worker("taker", script(p, "taker", text), "queue", more="max_restarts = 0")
    told = p.start()
    check("takes something else than its section says" in told, "up: %s" % told)


if __name__ == "__main__":
    main({t.__name__: t for t in (layout, page, every_way_of_looking, in_a_processors_place, only_strangers_in_the_queue,
                                  owed_every_frame, never_in_the_way, refused, takes_what_it_should_not)})
