"""Functions and files stay small: 95 % of functions within 50 lines, half within 15, none over 80; files within 600
lines; each file says in its first lines what it is for."""
import json
import subprocess

import shape

MOST, USUAL, MEDIAN, FILE_MOST = 80, 50, 15, 600


def functions(tree):
    """(file, line, name, length) of every function."""
    names = "\n".join(tree.path(name) for name in tree.ending(".c", ".h"))
    out = subprocess.run(["ctags", "-L", "-", "-f", "-", "--output-format=json", "--languages=C", "--map-C=+.h",
                          "--kinds-C=f", "--fields=+ne"], input=names, check=True, capture_output=True,
                         text=True).stdout
    for line in out.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield tag["path"][len(tree.root) + 1:], tag["line"], tag["name"], tag["end"] - tag["line"] + 1


def check(tree):
    found = sorted(functions(tree), key=lambda function: function[3])
    for file, line, name, length in found:
        if length > MOST:
            yield f"{file}:{line}: {name} has {length} lines, over {MOST}"
    if found:
        file, line, name, length = found[len(found) * 95 // 100]
        if length > USUAL:
            yield f"{file}:{line}: more than 5 % of {len(found)} functions have over {USUAL} lines, {name} has {length}"
        if found[len(found) // 2][3] > MEDIAN:
            yield f"the median function has {found[len(found) // 2][3]} lines, over {MEDIAN}"
    for name in tree.ending(".c", ".h", ".py", ".js"):
        lines = tree.read(name).splitlines()
        if len(lines) > FILE_MOST:
            yield f"{name}:{len(lines)}: the file has over {FILE_MOST} lines"
        first = lines[1] if lines and lines[0].startswith("#!") and len(lines) > 1 else (lines or [""])[0]
        if not first.startswith(("/*", "//", "#", '"""')):
            yield f"{name}:1: the first line does not say what the file is for"


if __name__ == "__main__":
    shape.run(check)
