troupe_unit_test(test_worker SOURCES test_worker.c LINK troupe_worker)
