"""The documents say what the code says: the table of docs/slots.md is WORD_CAUSES, the README's dependencies are
tools/packages, and no link leads nowhere."""
import re

import shape

# Table of the code: header, macro, the enum behind it, and how the table in docs/slots.md begins.
STEPS = (("ipc/slots/word.h", "WORD_CAUSES", "enum word_cause", "cause"),
         ("ipc/slots/playback.h", "PLAYBACK_CAUSES", "enum playback_cause", "playback cause"))
CAUSE = re.compile(r"X\((?P<name>\w+),\s*(?P<rest>(?:\"[^\"]*\"[,\s]*){4})\)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
# `path/in/the/tree.c` in prose is as good as a link.
MENTION = re.compile(r"`((?:ipc|supervisor|workers|tools|tests|docs|schemas)/[\w./-]*[\w])`")


def causes_of_code(tree, file, macro, behind):
    header = tree.read(file).replace("\\\n", "\n")
    table = header[header.index(f"#define {macro}(X)"):]
    table = table[:table.index(behind)]
    for match in CAUSE.finditer(table):
        yield (match["name"], *re.findall(r'"([^"]*)"', match["rest"]))


def rows_of(text, heading):
    """The cells of the Markdown table whose heading row begins so."""
    rows, inside = [], False
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[:len(heading)] == heading:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not set(line) <= set("|-: "):
            rows.append(tuple(cells))
    return rows


def differences(what, there, here):
    for row in here:
        if row not in there:
            yield f"{what}: lacks {' | '.join(row)}"
    for row in there:
        if row not in here:
            yield f"{what}: the code has no {' | '.join(row)}"


def check_slots(tree):
    for file, macro, behind, heading in STEPS:
        here = list(causes_of_code(tree, file, macro, behind))
        if len(here) < 5:
            yield f"{file}:1: {macro} cannot be read"
        there = rows_of(tree.read("docs/slots.md"), [heading, "who", "from", "to", "why"])
        yield from differences("docs/slots.md:1", there, here)


def packages(tree):
    """Pairs (package, purpose)."""
    for line in tree.read("tools/packages").splitlines():
        if line and not line.startswith("#"):
            _, package, purpose = line.split(None, 2)
            yield package.split("=")[0], purpose


def check_readme(tree):
    there = [row[:2] for row in rows_of(tree.read("README.md"), ["package", "what for"])]
    yield from differences("README.md:1", there, list(packages(tree)))


def check_links(tree):
    for name in tree.ending(".md"):
        folder = name.rpartition("/")[0]
        for number, line in tree.lines(name):
            for target in LINK.findall(line):
                path = target.split("#")[0]
                if path and ":" not in path and not exists(tree, f"{folder}/{path}" if folder else path):
                    yield f"{name}:{number}: the link to {target} leads nowhere"
            for path in MENTION.findall(line):
                if not exists(tree, path):
                    yield f"{name}:{number}: there is no {path}"


def exists(tree, path):
    parts = []
    for part in path.rstrip("/").split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    clean = "/".join(parts)
    return clean in tree.files or any(file.startswith(clean + "/") for file in tree.files) or \
        any(file.startswith(clean + ".") for file in tree.files)


NEEDED = ("README.md", "docs/slots.md", "ipc/slots/word.h", "ipc/slots/playback.h", "tools/packages")


def check(tree):
    missing = [name for name in NEEDED if name not in tree.files]
    yield from (f"{name}:1: is missing" for name in missing)
    if missing:
        return
    yield from check_slots(tree)
    yield from check_readme(tree)
    yield from check_links(tree)


if __name__ == "__main__":
    shape.run(check)
