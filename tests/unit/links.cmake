# ipc/base and ipc/links. samples.c fills a message of every kind; every_field.proto has every type of field.
set(SAMPLES ${CMAKE_SOURCE_DIR}/tests/samples.c)
set(EVERY_FIELD ${CMAKE_BINARY_DIR}/generated/tests/unit/every_field.pb-c)
add_custom_command(
  OUTPUT ${EVERY_FIELD}.c ${EVERY_FIELD}.h
  COMMAND ${PROTOC_C} --c_out=${CMAKE_BINARY_DIR}/generated --proto_path=${CMAKE_SOURCE_DIR} tests/unit/every_field.proto
  DEPENDS every_field.proto
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
add_custom_target(test-messages DEPENDS ${EVERY_FIELD}.c)
set_source_files_properties(${EVERY_FIELD}.c PROPERTIES COMPILE_OPTIONS -w)

troupe_unit_test(test_errors SOURCES test_errors.c LINK troupe_base)
troupe_unit_test(test_log SOURCES test_log.c LINK troupe_base)
troupe_unit_test(test_redact SOURCES test_redact.c LINK troupe_base)
troupe_unit_test(test_utf8 SOURCES test_utf8.c LINK troupe_base)
troupe_unit_test(test_rows SOURCES test_rows.c LINK troupe_base)
troupe_unit_test(test_crc32c SOURCES test_crc32c.c ${SAMPLES} LINK troupe_links)
troupe_unit_test(test_message SOURCES test_message.c ${SAMPLES} LINK troupe_links)
troupe_unit_test(test_json SOURCES test_json.c ${EVERY_FIELD}.c LINK troupe_links)
troupe_unit_test(test_loop SOURCES test_loop.c LINK troupe_links)
troupe_unit_test(test_links SOURCES test_links.c links_stage.c LINK troupe_links)
troupe_unit_test(test_ask SOURCES test_ask.c links_stage.c LINK troupe_links)
