"""All tests that need a camera, in one boot: runs inside the machine that `vm` starts. Names on the command line choose.

Each test gets a maker of pipelines (tests/system/harness.py), prints one line, and leaves vivid loaded as it found it:
one camera with all inputs, and nobody holding it."""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]

import harness
import test_capture
import test_driver

harness.main({**test_driver.TESTS, **test_capture.TESTS})
