"""The Debian packages of this build: lintian has nothing to say, dpkg installs them into a root that is thrown away,
the service's user runs the example there, and when they are purged, nothing is left."""

import glob
import os
import subprocess
import sys

from harness import BIN, PATIENCE, check, main
from test_install import run
from test_complete import need

SKIPPED = 77
BUILD = os.path.dirname(BIN)


def make_packages(folder):
    """Quickly compressed, else as anybody would make them."""
    run("cpack", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-G", "DEB", "-B", folder,
        "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=gzip", cwd=BUILD)
    found = sorted(glob.glob(folder + "/*.deb"))
    names = [os.path.basename(path).split("_")[0] for path in found]
    check(names == ["libtroupe-dev", "python3-troupe", "troupe"], "the packages are %s" % names)
    return found


def fields(package):
    """The control file, by field."""
    text = run("dpkg-deb", "--field", package)
    return dict(line.split(": ", 1) for line in text.split("\n") if ": " in line and line[0] != " ")


def check_fields(packages):
    depends = fields(packages[2])["Depends"]
    check("libc6 (>=" in depends and "libavcodec" in depends, "troupe depends on %s" % depends)
    check("libzmq3-dev" in fields(packages[0])["Depends"], "what a worker links is not installed with its library")


def start_lintian(packages):
    as_root = ["--allow-root"] if os.geteuid() == 0 else []
    return subprocess.Popen(["lintian", "--pedantic", *as_root, *packages], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


# ---- in a root that is thrown away ----

# Runs in mount and process namespaces of its own, which end with it: this test never sees what is mounted there, and
# nothing of the machine's is bound into that root. What is written goes into a file system in memory; what has changed
# by the end, and is ours, is printed.
OUTSIDE = """
set -e
top=$1; shift
mount -t tmpfs none "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay none -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
root=$top/root
mount -t proc none "$root/proc"
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/urandom" c 1 9
mkdir "$root/run/packages" "$root/dev/shm"
echo mounted
cp "$@" "$root/run/packages"
echo "$INSIDE" | chroot "$root" sh -ex 2>&1
cd "$top/upper"
find . -name '*troupe*' ! -type c -printf 'left: %p\\n'
"""

# What is done there. The triggers of others (man-db's) may wait for ever.
INSIDE = """
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
dpkg --no-triggers --install /run/packages/*.deb
[ "$(readlink -f /usr/bin/troupe)" = /usr/libexec/troupe/troupe ]
dpkg-query --show --showformat='${Conffiles}' troupe | grep -q /etc/troupe/example.conf
dpkg --verify troupe libtroupe-dev python3-troupe
if command -v systemd-analyze; then
  systemd-analyze verify --man=no troupe@.service
  XDG_RUNTIME_DIR=/run systemd-analyze verify --man=no --user troupe@.service
fi
# As systemd would, by the unit.
install -d -o troupe -g troupe -m 0700 /run/troupe
install -d -o troupe -g troupe -m 0750 /var/lib/troupe
service() {
  setpriv --reuid troupe --regid troupe --init-groups --inh-caps=-all --no-new-privs env -i PATH=/usr/bin HOME=/ "$@"
}
service troupe up -d -n example -c /etc/troupe/example.conf --set display.listen=127.0.0.1:0
troupe ps 2>&1 | grep -q 'sudo -u troupe troupe'
service troupe ps -n example
service troupe ps -n example | grep -q '^storer  *ready'
service troupe down -n example
[ -s /var/lib/troupe/example/recording/recording.sqlite ]
rm -r /var/lib/troupe /run/troupe
dpkg --no-triggers --purge troupe libtroupe-dev python3-troupe
! getent passwd troupe
! getent group troupe
echo purged
"""


def skip(why):
    print("skipped: %s (lintian has nothing to say)" % why)
    sys.exit(SKIPPED)


def install_and_purge(p, packages):
    """Why it cannot be done here, or nothing."""
    if os.geteuid() != 0:
        return "only root can install packages"
    top = os.path.join(p.folder, "top")
    os.mkdir(top)
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", OUTSIDE, "sh", top,
                           *packages], capture_output=True, text=True, timeout=200 * PATIENCE,
                          env=dict(os.environ, INSIDE=INSIDE))
    if "mounted\n" not in done.stdout:
        return "no root can be made: " + done.stderr.strip()
    said = done.stdout[-3000:] + done.stderr[-1000:]
    check(done.returncode == 0 and "\npurged\n" in done.stdout, "exit %d: %s" % (done.returncode, said))
    left = [line for line in done.stdout.split("\n") if line.startswith("left: ")]
    check(not left, "purged, and left: %s" % left)
    return None


def made_installed_and_purged(make):
    for program in ("lintian", "dpkg-deb", "dpkg-shlibdeps", "file"):
        need(program)
    p = make()
    packages = make_packages(os.path.join(p.folder, "packages"))
    check_fields(packages)
    lintian = start_lintian(packages)
    try:
        why_not = install_and_purge(p, packages)
        said, _ = lintian.communicate(timeout=200 * PATIENCE)
    finally:
        lintian.kill()
    check(said == "" and lintian.returncode == 0, "lintian: " + said)
    if why_not:
        skip(why_not)


if __name__ == "__main__":
    main({f.__name__: f for f in (made_installed_and_purged,)})
