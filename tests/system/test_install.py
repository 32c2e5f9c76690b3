"""What `cmake --install` puts into an empty root: exactly that, and it works from there. The unit's own command line
runs a pipeline, a stranger's worker is built by pkg-config, and when all is removed, nothing is left.

The build is there; nothing is built again but that worker."""

import configparser
import glob
import json
import os
import re
import shlex
import subprocess

from harness import BIN, await_, check, main
from test_notify import Manager

BUILD = os.path.dirname(BIN)

PROGRAMS = """troupe troupe-archive troupe-bench troupe-capture troupe-capture-media.so troupe-display
troupe-display-snapshot troupe-display-terminal troupe-first-instruction troupe-h264.so troupe-hop-processor
troupe-movie.so troupe-processor troupe-processor-edges troupe-processor-motion troupe-sequential troupe-storer
troupe-supervisor troupe-top troupe-trainer troupe-trainer-centroids""".split()

# Beside programs, pages and headers.
OTHERS = """etc/troupe/example.conf usr/bin/troupe usr/lib/LIB/libtroupe.a usr/lib/LIB/pkgconfig/troupe.pc
usr/lib/systemd/system/troupe@.service usr/lib/systemd/user/troupe@.service usr/lib/sysusers.d/troupe.conf
usr/share/bash-completion/completions/troupe usr/share/zsh/vendor-completions/_troupe
usr/share/lintian/overrides/troupe""".split()

# Folders with whatever of a kind the source has.
KINDS = """usr/include/troupe/ipc/(base|slots|worker|links)/[a-z0-9_]+[.]h
usr/include/troupe/schemas/[a-z]+[.]pb-c[.]h usr/share/troupe/schemas/[a-z]+[.]proto
usr/share/doc/(troupe|libtroupe-dev|python3-troupe)/(copyright|changelog[.]Debian[.]gz|[A-Za-z-]+[.]md)
usr/share/doc/(libtroupe-dev|python3-troupe)/examples/[a-z_]+[.](c|py|conf)
usr/lib/python3/dist-packages/troupe[a-z0-9_]*[.]py""".split()

NEEDED = """usr/include/troupe/ipc/worker/worker.h usr/include/troupe/ipc/slots/ledger.h
usr/include/troupe/schemas/playback.pb-c.h usr/share/troupe/schemas/life.proto""".split()


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, **options)
    check(done.returncode == 0, "%s: exit %d: %s%s" % (" ".join(words), done.returncode, done.stdout[-1000:],
                                                     done.stderr[-2000:]))
    return done.stdout


def commands():
    """The names of all commands, from the help."""
    text = run(os.path.join(BIN, "troupe"), "--help").split("Commands:\n")[1]
    return re.findall(r"^  ([a-z]+) ", text, re.M)


def install(p):
    """Installs everything stripped; returns the root and what was noted as installed."""
    root = os.path.join(p.folder, "root")
    said = run("cmake", "--install", BUILD, "--prefix", "/usr", "--strip", env=dict(os.environ, DESTDIR=root))
    placed = re.findall(r"^-- (?:Installing|Up-to-date): (.*)$", said, re.M)
    return root, [path for path in placed if not os.path.isdir(path) or os.path.islink(path)]


def files_below(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root)
                  for folder, _, names in os.walk(root) for name in names)


def check_tree(root):
    here = files_below(root)
    library = next(path.split("/")[2] for path in here if path.endswith("/libtroupe.a"))
    wanted = {path.replace("LIB", library) for path in OTHERS}
    wanted |= {"usr/libexec/troupe/" + name for name in PROGRAMS}
    wanted |= {"usr/share/man/man1/troupe-%s.1.gz" % name for name in commands()}
    wanted |= {"usr/share/man/man1/troupe.1.gz", "usr/share/man/man5/troupe.conf.5.gz",
               "usr/share/man/man8/troupe@.service.8.gz"}
    missing = (wanted | set(NEEDED)) - set(here)
    check(not missing, "not installed: %s" % sorted(missing))
    more = [path for path in here if path not in wanted and not any(re.fullmatch(kind, path) for kind in KINDS)]
    check(not more, "installed, and nobody expects it: %s" % more)
    check(os.listdir(os.path.join(root, "usr/bin")) == ["troupe"], "more than troupe in bin")
    check(os.path.realpath(os.path.join(root, "usr/bin/troupe")) == os.path.join(os.path.realpath(root),
                                                                                 "usr/libexec/troupe/troupe"),
          "the link in bin leads elsewhere")


def check_no_folders_of_the_build(root):
    """Neither where it was built, nor a search path for libraries."""
    for path in files_below(root):
        with open(os.path.join(root, path), "rb") as file:
            content = file.read()
        check(BUILD.encode() not in content, "%s knows the build folder" % path)
    for name in PROGRAMS:
        said = run("readelf", "--dynamic", "--section-headers", os.path.join(root, "usr/libexec/troupe", name))
        check("RPATH" not in said and "RUNPATH" not in said, "%s has a search path" % name)
        check(".debug_info" not in said, "%s is not stripped" % name)


WORKER = """
#include "ipc/base/log.h"
#include "ipc/worker/worker.h"

struct counter { uint64_t seen; };

static int counter_open(struct worker *w, void **self)
{
	static struct counter counter;
	(void)w;
	*self = &counter;
	return 0;
}

static int counter_frame(struct worker *w, void *self, struct frame *frame)
{
	struct counter *counter = self;
	counter->seen += worker_still(w, frame);
	return 0;
}

static void counter_close(struct worker *w, void *self)
{
	struct counter *counter = self;
	log_info("%s has seen %s frames", worker_name(w), counter->seen ? "some" : "no");
}

int main(int argc, char **argv)
{
	static const struct worker_table table = {.name = "trainer", .version = "7", .summary = "counts frames",
		.takes = WORKER_TAKES_EACH, .open = counter_open, .frame = counter_frame, .close = counter_close};
	return worker_main(argc, argv, &table);
}
"""


def build_worker(p, root):
    """A stranger's worker, of what is installed alone."""
    source, program = os.path.join(p.folder, "counter.c"), os.path.join(p.folder, "counter")
    headers = glob.glob(os.path.join(root, "usr/include/troupe/**/*.h"), recursive=True)
    with open(source, "w") as file:
        file.write(WORKER)
        # Each header stands for itself.
        file.writelines('#include "%s"\n' % os.path.relpath(h, os.path.join(root, "usr/include/troupe"))
                        for h in headers)
    found = glob.glob(os.path.join(root, "usr/lib/*/pkgconfig"))
    env = dict(os.environ, PKG_CONFIG_PATH=found[0])
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "troupe", env=env))
    check(not any("/i6" in flag or BUILD in flag for flag in flags), "the flags are %s" % flags)
    version = run("pkg-config", "--modversion", "troupe", env=env).strip()
    check(run(os.path.join(root, "usr/bin/troupe"), "--version").split() == ["troupe", version],
          "troupe.pc says %s" % version)
    run("cc", "-std=c17", "-D_GNU_SOURCE", "-Wall", "-Werror", source, "-o", program, *flags, cwd=p.folder)
    return program


def remove(root, placed):
    for path in placed:
        os.unlink(path)
    left = files_below(root)
    check(not left, "left when all that was noted as installed is removed: %s" % left)


def tree(make):
    p = make()
    root, placed = install(p)
    check_tree(root)
    check_no_folders_of_the_build(root)
    remove(root, placed + [os.path.join(root, "usr/bin/troupe")])


# ---- as a service ----

def read_unit(root):
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(os.path.join(root, "usr/lib/systemd/system/troupe@.service"))
    return unit["Service"]


def command_line(text, root, name):
    """A command of the unit as the manager would run it, in the root."""
    words = shlex.split(text.replace("%i", name))
    check(words[0] == "/usr/bin/troupe", "the unit starts %s" % words[0])
    return [root + word if word.startswith("/") else word for word in words]


def write_example(p, root):
    """The example config under the pipeline's name, with nothing changed but where it writes and listens."""
    with open(os.path.join(root, "etc/troupe/example.conf")) as file:
        text = file.read()
    check("/var/lib/troupe/example/recording" in text, "the example records elsewhere")
    text = text.replace("/var/lib/troupe/example", p.folder)
    text, ports = re.subn(r'# (listen = "127.0.0.1):[0-9]+"', r'\1:0"', text)
    check(ports == 1, "the example listens at %d addresses" % ports)
    with open(os.path.join(root, "etc/troupe", p.name + ".conf"), "w") as file:
        file.write(text)


def service(make):
    p = make()
    root, _ = install(p)
    write_example(p, root)
    worker = build_worker(p, root)
    unit = read_unit(root)
    check(unit["Type"] == "notify" and unit["NotifyAccess"] == "main", "nobody waits until it is ready")
    manager = Manager(p)
    env = dict(p.env, **p.for_supervisor, WATCHDOG_USEC="2000000")
    with open(os.path.join(p.folder, "stderr"), "w") as out:
        p.process = subprocess.Popen(command_line(unit["ExecStart"], root, p.name), env=env, stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=out)
    await_(lambda: manager.times("READY") or p.process.poll() is not None, "the service to be ready", 30)
    check(p.process.poll() is None, "the service has ended: " + p.said())
    check({m["pid"] for m in manager.heard} == {p.process.pid}, "it is not the main process that speaks")

    def troupe(*words):
        return run(os.path.join(root, "usr/bin/troupe"), "-n", p.name, *words, env=p.env)
    for process in json.loads(troupe("ps", "--json"))["worker"]:
        check(process["state"] == "ready", "%s is %s" % (process["name"], process["state"]))
        program = os.readlink("/proc/%d/exe" % process["pid"])
        check(program.startswith(os.path.realpath(root)), "%s runs %s" % (process["name"], program))
    check("ready" in troupe("events"), "the journal does not know who is ready")
    check("storer" in troupe("top", "--once"), "top does not show who there is")
    run(*command_line(unit["ExecReload"], root, p.name), env=p.env)
    troupe("swap", "trainer", "--exec", worker, "--probation", "100ms")
    troupe("down")
    manager.hear_until_end(p)
    check("has seen some frames" in p.log("trainer"), "the stranger's worker has seen no frame")
    p.check_nothing_left()
    check(p.frames(), "nothing is recorded")


if __name__ == "__main__":
    main({f.__name__: f for f in (tree, service)})
