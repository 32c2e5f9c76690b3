troupe_unit_test(test_word SOURCES test_word.c LINK troupe_slots)
