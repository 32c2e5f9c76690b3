# Sources and the capture worker. clip.c writes small videos by libavcodec.
troupe_unit_test(test_capture_file SOURCES test_capture_file.c clip.c LINK worker_capture TIMEOUT 120)
