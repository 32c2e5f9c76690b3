"""clang-tidy finds nothing (.clang-tidy says what it looks for). `check_lint.py [--deep] ROOT BUILD [FILE…]`.

The analyser follows a function through so many states at most, in tests through few; --deep lets it have its own
limit, for ten times the time. A file whose preprocessed text was clean before is not looked at again: that is
remembered in BUILD/lint/."""
import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys

import shape

STATES = 15_000  # of the analyser; its own limit is 225,000
STATES_IN_TESTS = 4_000


class Lint:
    def __init__(self, tree, build, deep):
        self.tree, self.build, self.deep = tree, build, deep
        self.memory = os.path.join(build, "lint")
        os.makedirs(self.memory, exist_ok=True)
        version = subprocess.run(["clang-tidy", "--version"], check=True, capture_output=True, text=True).stdout
        self.rules = tree.read(".clang-tidy") + version

    def commands(self):
        """file in the tree -> its compile command"""
        with open(os.path.join(self.build, "compile_commands.json"), encoding="utf-8") as file:
            rows = json.load(file)
        inside = {os.path.relpath(row["file"], self.tree.root): row for row in rows}
        return {name: row for name, row in inside.items() if name in self.tree.files}

    def words(self, name):
        """What the analyser is told."""
        states = STATES_IN_TESTS if name.startswith("tests/") else STATES
        return () if self.deep else ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=%d" % states)

    def stamp(self, name, row):
        """The name of what is remembered about this very text; None: it does not compile."""
        words = shlex.split(row["command"])
        out = words.index("-o")
        del words[out:out + 2]
        text = subprocess.run([*words, "-E", "-P"], cwd=row["directory"], capture_output=True, check=False)
        if text.returncode:
            return None
        with open(row["file"], "rb") as file:  # comments are lost in the preprocessed text; NOLINT is one
            content = file.read()
        rules = self.rules + " ".join(self.words(name)) + row["command"]
        return hashlib.sha256(rules.encode() + content + text.stdout).hexdigest()

    def faults(self, name, row):
        stamp = self.stamp(name, row)
        known = os.path.join(self.memory, stamp) if stamp else None
        if known and os.path.exists(known):
            return []
        words = ("--extra-arg=" + word for word in self.words(name))
        command = ["clang-tidy", "-p", self.build, "--quiet", *words, row["file"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = [line.replace(self.tree.root + "/", "") for line in done.stdout.splitlines()
                 if ": error: " in line or ": warning: " in line]
        if done.returncode and not found:
            found = [f"{name}:1: clang-tidy failed: {done.stderr.strip()[-400:]}"]
        if not found and known:
            with open(known, "w", encoding="utf-8"):
                pass
        return found


def check(tree, build, only, deep):
    lint = Lint(tree, os.path.abspath(build), deep)
    rows = {name: row for name, row in lint.commands().items() if not only or name in only}
    if not rows:
        yield "no file to look at: is the build folder configured?"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda item: lint.faults(*item), sorted(rows.items())):
            yield from found


if __name__ == "__main__":
    DEEP = "--deep" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--deep"]
    if len(sys.argv) < 3:
        sys.exit("usage: check_lint.py [--deep] ROOT BUILD [FILE…]")
    shape.run(lambda tree: check(tree, sys.argv[2], sys.argv[3:], DEEP))
