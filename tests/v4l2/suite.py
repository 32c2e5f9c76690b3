"""All tests that need a camera, in one boot: runs inside the machine that `vm` starts. Names on the command line choose.

Each test gets a maker of pipelines (tests/system/harness.py), prints one line, and leaves vivid loaded as it found it:
one camera with all inputs, and nobody holding it. The programs are started from a copy in this machine's memory, which
is faster here than the files of the host."""

import glob
import os
import shutil
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]

COPY = "/tmp/bin"


def copy_programs():
    """What a pipeline starts, and what tests ask."""
    os.mkdir(COPY)
    for pattern in ("troupe*", "numbered-jpegs", "read-numbers"):
        for path in glob.glob(os.path.join(os.environ["TROUPE_BIN"], pattern)):
            shutil.copy(path, COPY)
    os.environ["TROUPE_BIN"] = COPY


copy_programs()
import harness
import test_capture
import test_driver
import test_several
import test_succession

harness.main({**test_driver.TESTS, **test_capture.TESTS, **test_succession.TESTS, **test_several.TESTS})
