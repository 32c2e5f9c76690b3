"""Debian packages, downloaded and unpacked without being installed."""

import glob
import os
import re
import shutil
import subprocess


class Missing(Exception):
    """What this machine lacks, in one line that names the way out."""


def unpack_kernel(work):
    """Unpacks below `work`/root the kernel behind linux-image-amd64 (the "cloud" flavour has no cameras), its headers
    and the source of v4l2loopback. With the system's package lists, or newer ones of our own if those do not do."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Missing("this machine has no apt-get and dpkg to fetch Debian's kernel with")
    here = ["-o", "APT::Sandbox::User="]  # as who we are, into folders of ours
    said = download(work, here)
    if said:
        own = [*here, "-o", "Dir::State::lists=%s/lists" % work, "-o", "Dir::Cache=%s/apt" % work]
        os.makedirs(work + "/lists/partial")
        os.makedirs(work + "/apt/archives/partial")
        updated = run(["apt-get", *own, "update"], work).stderr.strip().splitlines()
        said = download(work, own) and (updated or [said])[0]
    if said:
        raise Missing("Debian's kernel cannot be downloaded, which takes the network once: %s" % said)
    for package in glob.glob(work + "/*.deb"):
        subprocess.run(["dpkg", "-x", package, work + "/root"], check=True)


def download(work, options):
    """Returns what apt complains of, None when the packages are there."""
    image = depends(options, "linux-image-amd64", r"linux-image-\S+")
    if not image:
        return "the package lists do not know linux-image-amd64"
    headers = image[0].replace("image", "headers")
    wanted = [*image, headers, *depends(options, headers, r"linux-(?:headers|kbuild)-\S+"), "v4l2loopback-dkms"]
    got = run(["apt-get", *options, "-qq", "download", *wanted], work)
    return last_line(got.stderr) if got.returncode else None


def depends(options, package, pattern):
    said = run(["apt-cache", *options, "depends", package], None).stdout
    return re.findall(r"^ *Depends: (%s)$" % pattern, said, re.MULTILINE)


def run(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=dict(os.environ, LC_ALL="C"))


def last_line(text):
    return (text.strip().splitlines() or ["no word of why"])[-1]
