troupe_unit_test(test_word SOURCES test_word.c LINK troupe_slots)
troupe_unit_test(test_ledger SOURCES test_ledger.c small_ledger.c LINK troupe_slots)
troupe_unit_test(test_steps SOURCES test_steps.c small_ledger.c LINK troupe_slots)
troupe_unit_test(test_bypass SOURCES test_bypass.c small_ledger.c LINK troupe_slots)
