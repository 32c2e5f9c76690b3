# The display without a pipeline: its site on a real socket, fed by hand.
troupe_unit_test(test_display_http SOURCES test_display_http.c display_rig.c LINK worker_display)
troupe_unit_test(test_display_frames SOURCES test_display_frames.c display_rig.c LINK worker_display)
troupe_unit_test(test_display_terminal SOURCES test_display_terminal.c LINK worker_display)
