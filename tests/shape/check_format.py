"""clang-format would change nothing."""
import subprocess

import shape


def check(tree):
    names = tree.ending(".c", ".h")
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *names], cwd=tree.root, capture_output=True,
                          text=True)
    for line in done.stderr.splitlines():
        if ": error: " in line:
            yield line
    if done.returncode and ": error: " not in done.stderr:
        yield f"clang-format: {done.stderr.strip()}"


if __name__ == "__main__":
    shape.run(check)
