# Sources and the capture worker. clip.c writes small videos by libavcodec; capture_rig.c is a ledger and
# workers on it without processes.
troupe_unit_test(test_capture_file SOURCES test_capture_file.c clip.c LINK worker_capture TIMEOUT 120)
troupe_unit_test(test_capture SOURCES test_capture.c clip.c capture_rig.c LINK worker_capture)
