"""What the shells offer at a press of the tab key, asked of the real ones, and what the manual says of every command
and option: both are made of the tables that parse."""

import glob
import gzip
import os
import pty
import re
import select
import shutil
import subprocess
import sys

from harness import BIN, Failed, await_, check, main

SKIPPED = 77
MANUAL = os.path.join(os.path.dirname(BIN), "manual")


def need(program):
    if not shutil.which(program):
        print("skipped: there is no %s" % program)
        sys.exit(SKIPPED)


def env_of(p):
    """troupe is found by its name, and nothing of the user's own comes in."""
    keep = {name: p.env[name] for name in p.env if name.startswith("TROUPE_")}
    return dict(keep, PATH="%s:/usr/bin:/bin" % BIN, HOME=p.folder, LC_ALL="C.UTF-8", TERM="dumb")


# What is typed, and all that is offered then; None: too much to say it all, but these are among it.
OFFERS = (
    ("troupe quar", ["quarantine"], []),
    ("troupe kill --sig", ["--signal"], []),
    ("troupe kill -s US", ["USR1", "USR2"], []),
    ("troupe kill --signal = KI", ["KILL"], []),
    ("troupe record o", ["off", "on"], []),
    ("troupe scale p", ["processor"], []),
    ("troupe down --f", [], []),
    ("troupe up -c FOLDER/pipe", ["FOLDER/pipeline.conf"], []),
    ("troupe -n NAM", ["NAME"], []),
    ("troupe ps --name = NAM", ["NAME"], []),
    ("troupe -n NAME kill sto", ["storer"], []),
    ("troupe restart -n NAME proc", ["processor.1", "processor.2"], []),
    ("troupe -n nobody kill sto", [], []),
    ("troupe label person --stream ca", ["cam1"], []),
    ("troupe -n NAME logs s", ["storer", "supervisor"], []),
    ("troupe events --kind rel", ["reload"], []),
    ("troupe find --kind mo", ["motion"], []),
    ("troupe bench re", ["restart"], []),
    ("troupe ", None, ["ps", "up", "events"]),
    ("troupe find --", None, ["--from", "--label", "--json"]),
)


def again_and_again(is_right, typed, offered):
    """Nothing is offered where the pipeline does not answer at once, as on a busy machine."""
    try:
        await_(is_right, typed, 5)
    except Failed:
        raise Failed("%s: %s" % (typed, offered[-1])) from None


def in_bash(make):
    need("bash")
    p = make(frames=0).up()
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _troupe; printf "%s\\n" "${COMPREPLY[@]}"'
    for typed, all_of_it, among in OFFERS:
        words, offered = fill(p, typed).split(" "), []

        def is_offered():
            done = subprocess.run(["bash", "--norc", "-c", script, "bash", os.path.join(MANUAL, "troupe.bash"), *words],
                                  env=env_of(p), capture_output=True, text=True)
            check(done.stderr == "", "%s: %s" % (typed, done.stderr))
            offered.append(sorted(done.stdout.split()))
            exact = all_of_it is None or offered[-1] == [fill(p, word) for word in all_of_it]
            return exact and set(among) <= set(offered[-1])
        again_and_again(is_offered, typed, offered)
    p.troupe("down", "-n", p.name)
    p.wait_end()


def fill(p, text):
    return text.replace("FOLDER", p.folder).replace("NAME", p.name).replace("NAM", p.name[:-1])


# What is typed before the tab, and what the line is then.
LINES = (
    ("troupe quar", "troupe quarantine "),
    ("troupe kill --sig", "troupe kill --signal="),
    ("troupe kill --signal=KI", "troupe kill --signal=KILL "),
    ("troupe record of", "troupe record off "),
    ("troupe up -c FOLDER/pipe", "troupe up -c FOLDER/pipeline.conf "),
    ("troupe -n NAME kill sto", "troupe -n NAME kill storer "),
    ("troupe restart -n NAME processor.2", "troupe restart -n NAME processor.2 "),
    ("troupe label person --stream=ca", "troupe label person --stream=cam1 "),
    ("troupe complete wo", "troupe complete wo"),
)

ZSHRC = """
PS1= PS2= ; setopt no_beep no_list_beep ; fpath=($MANUAL $fpath)
autoload -Uz compinit && compinit -u -D
told() { print -r -- "$BUFFER" >> $LINES_FILE; BUFFER= }
zle -N told ; bindkey '^I' complete-word ; bindkey '^]' told
print ready >> $LINES_FILE
"""


class Zsh:
    """An interactive one on a terminal of its own, whose line is written into a file at a key."""

    def __init__(self, p):
        self.file = os.path.join(p.folder, "lines")
        with open(os.path.join(p.folder, ".zshrc"), "w") as file:
            file.write(ZSHRC)
        env = dict(env_of(p), MANUAL=MANUAL, LINES_FILE=self.file, ZDOTDIR=p.folder)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe("zsh", ["zsh", "-d", "-i"], env)
        self.wait_lines(1)

    def lines(self):
        """What was written so far; what it shows is thrown away, or it would wait for a reader."""
        while select.select([self.terminal], [], [], 0)[0]:
            os.read(self.terminal, 65536)
        if not os.path.exists(self.file):
            return []
        with open(self.file) as file:
            return file.read().split("\n")[:-1]

    def wait_lines(self, count):
        return await_(lambda: len(self.lines()) >= count and self.lines(), "%d lines of zsh" % count)

    def complete(self, typed):
        before = len(self.lines())
        os.write(self.terminal, typed.encode() + b"\t\x1d")
        return self.wait_lines(before + 1)[-1]

    def end(self):
        os.write(self.terminal, b"exit\n")
        await_(lambda: (self.gone(), os.waitpid(self.pid, os.WNOHANG)[0])[1], "zsh to end")
        os.close(self.terminal)

    def gone(self):
        try:
            self.lines()
        except OSError:  # the other side of the terminal is closed
            pass


def in_zsh(make):
    need("zsh")
    p = make(frames=0).up()
    zsh = Zsh(p)
    for typed, line in LINES:
        got = []
        again_and_again(lambda: got.append(zsh.complete(fill(p, typed))) or got[-1] == fill(p, line), typed, got)
    zsh.end()
    p.troupe("down", "-n", p.name)
    p.wait_end()


# ---- the manual ----

def pages():
    return {os.path.basename(path)[:-3]: path for path in glob.glob(MANUAL + "/man?/*.gz")}


def check_lint(p, all_pages):
    for name, path in all_pages.items():
        with gzip.open(path) as page, open(os.path.join(p.folder, name), "wb") as plain:
            shutil.copyfileobj(page, plain)
    said = subprocess.run(["mandoc", "-T", "lint", *all_pages], capture_output=True, text=True, cwd=p.folder).stdout
    for line in said.splitlines():
        name = re.search(r"referenced manual not found: Xr (\S+) (\d)", line)
        known = name and ("%s.%s" % name.groups() in all_pages or name.group(1) in ("systemctl", "journalctl"))
        check(known or line.startswith("mandoc: outdated mandoc.db"), "mandoc: " + line)


def manual(make):
    need("mandoc")
    all_pages = pages()
    check_lint(make(), all_pages)
    if shutil.which("man"):  # it is slow: one page of each kind
        kinds = [all_pages[name] for name in ("troupe.1", "troupe-find.1", "troupe.conf.5", "troupe@.service.8")]
        done = subprocess.run(["man", "--warnings", "-l", "-Tutf8", "-Z", *kinds], capture_output=True,
                              text=True, env=dict(os.environ, LC_ALL="C.UTF-8"))
        check(done.returncode == 0 and done.stderr == "", "man: " + done.stderr[:500])
    text = subprocess.run([os.path.join(BIN, "troupe"), "--help"], capture_output=True, text=True).stdout
    names = re.findall(r"^  ([a-z]+) ", text.split("Commands:\n")[1], re.M)
    check(len(names) > 20, "the help has %d commands" % len(names))
    for name in names:
        page = gzip.open(all_pages["troupe-%s.1" % name], "rt").read()
        said = subprocess.run([os.path.join(BIN, "troupe"), name, "--help"], capture_output=True, text=True).stdout
        for option in re.findall(r"^ +(?:-., )?--([a-z-]+)", said, re.M):
            check("Fl -%s" % option in page, "the page of %s does not know --%s" % (name, option))
    rows = subprocess.run([os.path.join(BIN, "troupe-supervisor"), "--rows"], capture_output=True, text=True).stdout
    page = gzip.open(all_pages["troupe.conf.5"], "rt").read()
    for row in re.findall(r"^([a-z_0-9]+)\t", rows, re.M):
        check(".It Ic %s\n" % row in page, "troupe.conf(5) does not know %s" % row)


if __name__ == "__main__":
    main({f.__name__: f for f in (in_bash, in_zsh, manual)})
