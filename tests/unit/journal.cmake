# The journal: the fold over its lines, its files, and who reads them.
troupe_unit_test(test_history SOURCES test_history.c LINK troupe_journal)
troupe_unit_test(test_journal SOURCES test_journal.c LINK troupe_supervision)
