"""The parts of the test machine: Debian's stock kernel, its drivers, what it starts with. Made once, kept in a cache.

The cache is $XDG_CACHE_HOME/troupe/v4l2, without that variable build/v4l2 below the source tree. It holds `vmlinux`,
`modules/` (what is used, with a modules.dep) and SHA256SUMS: what does not match its sums is made again, what does
needs no network. `initramfs.cpio` is made at every start."""

import bz2
import fcntl
import glob
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
import zlib

import packages
from packages import Missing

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUSYBOX = "/bin/busybox"
# What they depend on comes by itself.
MODULES = ["virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "ext4", "crc32c_generic", "overlay", "vivid", "v4l2loopback"]


def prepare():
    """Makes the cache if it is not there or not whole; returns its folder."""
    need(BUSYBOX)
    home = os.environ.get("XDG_CACHE_HOME")
    folder = os.path.join(home, "troupe/v4l2") if home else os.path.join(SOURCE, "build/v4l2")
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in glob.glob(folder + "/new-*"):  # of a run that was killed
            shutil.rmtree(left)
        if not whole(folder):
            with tempfile.TemporaryDirectory(prefix="new-", dir=folder) as work:
                make(work)
                replace(work, folder)
        make_initramfs(folder)
    return folder


def need(program):
    if not shutil.which(program):
        raise Missing("there is no %s (tools/setup v4l2 installs it)" % program)


# ---- the cache: what is in it is what its sums say ----

def sums(folder):
    names = ["vmlinux"] + sorted(os.path.relpath(path, folder) for path in glob.glob(folder + "/modules/*"))
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            yield "%s  %s\n" % (hashlib.sha256(file.read()).hexdigest(), name)


def whole(folder):
    try:
        with open(folder + "/SHA256SUMS") as file:
            told = file.read()
        return told == "".join(sums(folder)) and all(
            "modules/%s.ko\n" % module in told for module in MODULES)
    except OSError:
        return False


def make(work):
    need("make")
    print("vm: fetching Debian's kernel and its drivers, once", flush=True)
    packages.unpack_kernel(work)
    with open(the(work + "/root/boot/vmlinuz-*"), "rb") as file:
        image = file.read()
    with open(work + "/vmlinux", "wb") as file:
        file.write(unpack(image))
    build_loopback(work + "/root")
    os.mkdir(work + "/modules")
    choose_modules(work + "/root", work + "/modules")
    with open(work + "/SHA256SUMS", "w") as file:
        file.writelines(sums(work))


def replace(work, folder):
    """The sums go first and come last: a cache that is half replaced does not match them."""
    for name in ("SHA256SUMS", "vmlinux"):
        if os.path.exists(os.path.join(folder, name)):
            os.unlink(os.path.join(folder, name))
    shutil.rmtree(folder + "/modules", ignore_errors=True)
    for name in ("vmlinux", "modules", "SHA256SUMS"):
        os.rename(os.path.join(work, name), os.path.join(folder, name))


def the(pattern):
    found = glob.glob(pattern)
    if len(found) != 1:
        raise Missing("Debian's kernel package has no %s" % os.path.basename(pattern))
    return found[0]


# ---- the kernel ----

OPENERS = {b"\xfd7zXZ\0": lambda data: lzma.LZMADecompressor().decompress(data),
           b"\x5d\0\0": lambda data: lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(data),
           b"\x1f\x8b\x08": lambda data: zlib.decompressobj(31).decompress(data),
           b"BZh": lambda data: bz2.BZ2Decompressor().decompress(data),
           b"\x28\xb5\x2f\xfd": lambda data: subprocess.run(
               ["zstd", "-dc"], input=data[:-4], stdout=subprocess.PIPE, check=True).stdout}


def unpack(image):
    """The ELF file in a bzImage, from the place that its header names (Documentation/x86/boot.rst): QEMU boots it by
    PVH, straight into 32-bit code."""
    if image[0x202:0x206] != b"HdrS":
        raise Missing("the kernel of Debian's package is no bzImage")
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(image[0x1F1] + 1) * 512 + offset:][:length]
    for magic, opened in OPENERS.items():
        if payload.startswith(magic):
            return opened(payload)
    raise Missing("the kernel is packed in a way not known here: it begins with %s" % payload[:6].hex())


def build_loopback(root):
    """The headers' makefiles name /usr/src: made to name where they are."""
    headers = the(root + "/usr/src/linux-headers-*-amd64")
    with open(headers + "/Makefile", "r+") as file:
        text = file.read().replace("/usr/src", root + "/usr/src")
        file.seek(0)
        file.write(text)
    built = subprocess.run(["make", "-C", headers, "M=" + the(root + "/usr/src/v4l2loopback-*"), "modules"],
                           capture_output=True, text=True)
    if built.returncode:
        raise Missing("v4l2loopback cannot be built: %s" % packages.last_line(built.stderr))


# ---- the drivers ----

def choose_modules(root, to):
    """Copies the modules and all they depend on, and writes their modules.dep, which the package has not."""
    tree = the(root + "/lib/modules/*/kernel")
    paths = {os.path.basename(path)[:-3].replace("-", "_"): path
             for path in glob.glob(tree + "/**/*.ko", recursive=True) + glob.glob(root + "/usr/src/v4l2loopback-*/*.ko")}
    needs = {}

    def add(name):
        if name not in needs:
            direct = [other for other in depends(paths[name]) if other in paths]
            needs[name] = sum(([other, *add(other)] for other in direct), [])
            shutil.copy(paths[name], "%s/%s.ko" % (to, name))
        return needs[name]
    for name in MODULES:
        if name not in paths:
            raise Missing("Debian's kernel has no driver %s" % name)
        add(name)
    with open(to + "/modules.dep", "w") as file:
        for name, others in needs.items():
            in_order = list(dict.fromkeys(reversed(others)))  # the last of a line is loaded first
            file.write("%s.ko: %s\n" % (name, " ".join(other + ".ko" for other in reversed(in_order))))
    with open(to + "/version", "w") as file:
        file.write(os.path.basename(os.path.dirname(tree)))


def depends(path):
    with open(path, "rb") as file:
        named = re.search(rb"\0depends=([^\0]*)\0", file.read())
    return [name.replace("-", "_") for name in named[1].decode().split(",") if name]


# ---- what the kernel starts with ----

def make_initramfs(folder):
    """busybox, init and the modules, as a cpio archive of the kind "newc"."""
    with open(folder + "/modules/version") as file:
        modules = "lib/modules/" + file.read()
    folders = ["bin", "dev", "proc", "sys", "host", "layer", "root", "talk", "lib", "lib/modules", modules]
    files = [("bin/busybox", BUSYBOX), ("init", HERE + "/init"), ("links", HERE + "/links"),
             ("services", HERE + "/services")]
    files += [("%s/%s" % (modules, os.path.basename(path)), path) for path in sorted(glob.glob(folder + "/modules/*"))]
    made = [cpio_entry(name, 0o40755) for name in folders]
    for name, path in files:
        with open(path, "rb") as file:
            made.append(cpio_entry(name, 0o100755, file.read()))
    with open(folder + "/initramfs.new", "wb") as file:
        file.write(b"".join(made) + cpio_entry("TRAILER!!!", 0))
    os.rename(folder + "/initramfs.new", folder + "/initramfs.cpio")


def cpio_entry(name, mode, data=b""):
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
