# The supervisor: its pure parts, and whole pipelines of fake workers under the real program.
add_executable(fake_worker fake_worker.c)
target_link_libraries(fake_worker PRIVATE troupe_links troupe_slots)

troupe_unit_test(test_life SOURCES test_life.c LINK troupe_supervision)
troupe_unit_test(test_dying SOURCES test_dying.c LINK troupe_supervision)
troupe_unit_test(test_quarantine SOURCES test_quarantine.c small_ledger.c LINK troupe_supervision)
troupe_unit_test(test_config SOURCES test_config.c LINK troupe_supervision)
troupe_unit_test(test_supervision SOURCES test_supervision.c LINK troupe_supervision)
troupe_unit_test(test_supervisor SOURCES test_supervisor.c LINK troupe_supervision TIMEOUT 120)
foreach(test test_config test_supervisor)
  target_compile_definitions(${test} PRIVATE BIN="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  add_dependencies(${test} fake_worker troupe-supervisor)
endforeach()
