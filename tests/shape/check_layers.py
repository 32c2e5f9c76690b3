"""Who may include whom: the table "Layers" of docs/architecture.md, as rules."""
import re

import shape

IPC = ("ipc/base/", "ipc/slots/", "ipc/links/", "ipc/worker/", "schemas/")

# The longest folder that fits decides: what its files may include beside their own folder.
LAYERS = {
    "ipc/base/": (),
    "ipc/slots/": ("ipc/base/",),
    "ipc/links/": ("ipc/base/", "schemas/"),
    "ipc/journal/": ("ipc/base/", "ipc/links/json.h"),
    "ipc/worker/": ("ipc/base/", "ipc/slots/", "ipc/links/", "schemas/"),
    # The contract is the header that supervisor and workers agree on; nothing else of a worker's is known to it.
    "supervisor/": ("ipc/base/", "ipc/slots/", "ipc/links/", "ipc/journal/", "schemas/", "ipc/worker/contract.h"),
    "workers/media/": ("ipc/base/", "ipc/slots/layout.h"),
    "workers/sequential/": IPC + ("workers/",),
    "workers/": IPC + ("workers/media/", "generated/"),
    "tools/": ("ipc/base/", "ipc/slots/", "ipc/links/", "ipc/journal/", "schemas/", "workers/media/", "workers/storer/recording.h",
               "workers/storer/frames.h",
               "workers/storer/verify.h", "workers/storer/repair.h", "workers/storer/backup.h"),
    # The bench measures: it links the recorder and makes catalogues, has a worker of its own, and may look into any tool.
    "tools/bench/": ("ipc/base/", "ipc/slots/", "ipc/links/", "ipc/journal/", "ipc/worker/worker.h", "workers/storer/", "tools/troupe/"),
    "tests/": IPC + ("ipc/journal/", "workers/", "supervisor/", "tools/", "generated/"),
}

# Headers of libraries, and the only folders that may include them.
LIBRARIES = {
    # What the bench compares with is written directly, without our own layers.
    r"zmq\.h": ("ipc/links/", "tools/bench/"),
    r"protobuf-c/.*": ("ipc/links/", "supervisor/", "tools/"),
    r"jansson\.h": ("ipc/links/json.h", "ipc/journal/", "supervisor/", "workers/display/", "tools/"),
    r"confuse\.h": ("supervisor/",),
    r"sqlite3\.h": ("workers/storer/", "tools/bench/"),
    r"microhttpd\.h": ("workers/display/",),
    r"wslay/.*": ("workers/display/",),
    r"turbojpeg\.h|libyuv.*": ("workers/media/", "workers/capture/"),
    r"libav.*": ("workers/capture/", "workers/media/"),
    r"cblas\.h": ("workers/trainer/", "workers/media/"),
    r"(n?curses|term)\.h": ("tools/top/",),
    r"argp\.h": ("tools/", "supervisor/", "workers/sequential/"),
    r"libv4l2\.h|linux/videodev2\.h": ("workers/capture/",),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(name):
    fitting = [folder for folder in LAYERS if name.startswith(folder)]
    return max(fitting, key=len) if fitting else None


def own_folder(name, layer):
    """A worker's own folder, or the layer."""
    return "/".join(name.split("/")[:2]) + "/" if layer == "workers/" else layer


def fault_of_ours(tree, name, layer, included):
    if "/" not in included and layer == "tests/":
        return None  # a test's helper beside it
    allowed = LAYERS[layer] + (own_folder(name, layer),)
    if not included.startswith(allowed):
        return f"{layer[:-1]} may not include {included}"
    made = included.startswith("generated/") or included.endswith(".pb-c.h")
    if not made and included not in tree.files:
        return f"{included} is no path from the top of the tree"
    return None


def fault_of_library(name, included):
    for pattern, allowed in LIBRARIES.items():
        if re.fullmatch(pattern, included) and not name.startswith(allowed + ("tests/",)):
            return f"only {', '.join(allowed)} may include <{included}>"
    return None


def check(tree):
    for name in tree.ending(".c", ".h"):
        layer = layer_of(name)
        if not layer:
            yield f"{name}:1: belongs to no layer"
            continue
        for number, line in tree.lines(name):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, included = match.groups()
            fault = fault_of_library(name, included) if kind == "<" else \
                fault_of_ours(tree, name, layer, included)
            if fault:
                yield f"{name}:{number}: {fault}"


if __name__ == "__main__":
    shape.run(check)
