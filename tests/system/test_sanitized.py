"""The sanitizers watch every worker of every system test; here a planted mistake must turn them red."""

import os

import harness
from harness import BIN, check


def planted_error_is_reported(make):
    p = make(frames=60, fps=100, processor='exec = "%s"' % os.path.join(BIN, "broken-processor")).up()
    p.wait_end(0)
    told = p.sanitizer_reports()
    check("heap-buffer-overflow" in told or "insufficient space" in told,
          "the planted mistake was not reported: %s" % told)
    p.expect_reports = True


harness.main({"planted_error_is_reported": planted_error_is_reported})
