# The processor worker on a ledger of its own, fed by the pattern.
troupe_unit_test(test_processor SOURCES test_processor.c capture_rig.c LINK worker_processor worker_capture)
troupe_unit_test(test_processor_drawings SOURCES test_processor_drawings.c capture_rig.c
  LINK worker_processor worker_capture)
