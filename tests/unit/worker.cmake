troupe_unit_test(test_roles SOURCES test_roles.c worker_toys.c LINK troupe_worker)
troupe_unit_test(test_worker SOURCES test_worker.c worker_toys.c LINK troupe_worker)
troupe_unit_test(test_asking SOURCES test_asking.c small_ledger.c links_stage.c LINK troupe_worker)
