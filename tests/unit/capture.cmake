# Sources and the capture worker. clip.c writes small videos by libavcodec; capture_rig.c is a ledger and
# workers on it without processes.
troupe_unit_test(test_capture_file SOURCES test_capture_file.c clip.c LINK worker_capture_whole TIMEOUT 120)
troupe_unit_test(test_units SOURCES test_units.c net_camera.c clip.c LINK worker_capture_whole)
troupe_unit_test(test_capture SOURCES test_capture.c clip.c capture_rig.c LINK worker_capture_whole)
troupe_unit_test(test_receiver SOURCES test_receiver.c net_camera.c clip.c LINK worker_capture_whole)
troupe_unit_test(test_network SOURCES test_network.c net_camera.c LINK worker_capture_whole)
# A camera without a device: libv4l2's functions are a driver of the test's own.
troupe_unit_test(test_v4l2 SOURCES test_v4l2.c fake_camera.c capture_rig.c LINK worker_capture worker_processor
  LINK_OPTIONS -Wl,--wrap=v4l2_fd_open -Wl,--wrap=v4l2_close -Wl,--wrap=v4l2_ioctl -Wl,--wrap=v4l2_mmap
  -Wl,--wrap=v4l2_munmap)
