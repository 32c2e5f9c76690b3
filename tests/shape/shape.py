"""What the checks of shape share: the files of the source tree, and how faults are told.

Each check is a program `check_X.py [ROOT]` that prints one line a fault, "FILE:LINE: what is wrong", and ends
with 1 when there was any."""
import os
import subprocess
import sys

NOT_OURS = {".git", ".cache", "build", "node_modules", "__pycache__"}


class Tree:
    """The files that are, or are about to be, in git; in a tree without git all that are not made by a build."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.files = self._of_git() if os.path.isdir(os.path.join(self.root, ".git")) else self._of_folder()

    def _of_git(self):
        listed = subprocess.run(["git", "-C", self.root, "ls-files", "-z", "--cached", "--others",
                                 "--exclude-standard"], check=True, capture_output=True, text=True).stdout
        return sorted(path for path in listed.split("\0") if path and os.path.isfile(self.path(path)))

    def _of_folder(self):
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in NOT_OURS]
            found += [os.path.relpath(os.path.join(folder, name), self.root) for name in names]
        return sorted(found)

    def path(self, name):
        return os.path.join(self.root, name)

    def ending(self, *ends):
        return [name for name in self.files if name.endswith(ends)]

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def lines(self, name):
        """Pairs (number from 1, line)."""
        return enumerate(self.read(name).splitlines(), 1)


def run(check):
    """Runs `check(tree)`, which yields faults, as a program."""
    tree = Tree(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))
    faults = list(check(tree))
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{len(tree.files)} files, no fault")
    sys.exit(1 if faults else 0)
