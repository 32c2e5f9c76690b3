# ipc/base and ipc/links. samples.c fills a message of every kind.
set(SAMPLES ${CMAKE_SOURCE_DIR}/tests/samples.c)
troupe_unit_test(test_errors SOURCES test_errors.c LINK troupe_base)
troupe_unit_test(test_log SOURCES test_log.c LINK troupe_base)
troupe_unit_test(test_crc32c SOURCES test_crc32c.c ${SAMPLES} LINK troupe_base troupe_links)
troupe_unit_test(test_message SOURCES test_message.c ${SAMPLES} LINK troupe_links)
