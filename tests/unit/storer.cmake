# Recordings (record, segment, index, recovery, verify) and the storer.
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
add_library(recording_rig STATIC recording_rig.c)
target_link_libraries(recording_rig PUBLIC troupe_recording PRIVATE PkgConfig::SQLITE PkgConfig::CMOCKA)
target_compile_definitions(recording_rig PRIVATE
  RECORDING_VERSION_1="${CMAKE_CURRENT_SOURCE_DIR}/recording_version_1.sql")

troupe_unit_test(test_storer_record SOURCES test_storer_record.c LINK recording_rig)
troupe_unit_test(test_storer_events SOURCES test_storer_events.c LINK troupe_recording)
troupe_unit_test(test_storer_book SOURCES test_storer_book.c LINK recording_rig)
troupe_unit_test(test_storer_keep SOURCES test_storer_keep.c LINK troupe_recording)
troupe_unit_test(test_storer_retention SOURCES test_storer_retention.c LINK recording_rig)
troupe_unit_test(test_storer_recorder SOURCES test_storer_recorder.c LINK recording_rig TIMEOUT 120)
troupe_unit_test(test_storer_faults SOURCES test_storer_faults.c disk_faults.c LINK recording_rig
  LINK_OPTIONS -Wl,--wrap=pwrite -Wl,--wrap=fdatasync)
troupe_unit_test(test_storer_migrate SOURCES test_storer_migrate.c LINK recording_rig PkgConfig::SQLITE)
troupe_unit_test(test_storer_streams SOURCES test_storer_streams.c disk_faults.c LINK recording_rig
  LINK_OPTIONS -Wl,--wrap=pwrite -Wl,--wrap=fdatasync)
troupe_unit_test(test_storer_recovery SOURCES test_storer_recovery.c LINK recording_rig)
troupe_unit_test(test_storer_log SOURCES test_storer_log.c LINK troupe_recording PkgConfig::SQLITE)
troupe_unit_test(test_storer_verify SOURCES test_storer_verify.c LINK recording_rig)
troupe_unit_test(test_storer_flips SOURCES test_storer_flips.c LINK recording_rig PkgConfig::SQLITE)
troupe_unit_test(test_storer_backup SOURCES test_storer_backup.c LINK recording_rig)
troupe_unit_test(test_storer_repair SOURCES test_storer_repair.c LINK recording_rig)
troupe_unit_test(test_storer_chain SOURCES test_storer_chain.c small_ledger.c LINK worker_storer)
troupe_unit_test(test_storer_passthrough SOURCES test_storer_passthrough.c disk_faults.c LINK worker_storer recording_rig
  LINK_OPTIONS -Wl,--wrap=pwrite -Wl,--wrap=fdatasync)
troupe_unit_test(test_storer_worker SOURCES test_storer_worker.c disk_faults.c LINK worker_storer recording_rig
  LINK_OPTIONS -Wl,--wrap=pwrite -Wl,--wrap=fdatasync)
troupe_unit_test(test_archive SOURCES test_archive.c LINK worker_storer recording_rig troupe_frames)
troupe_unit_test(test_frames SOURCES test_frames.c LINK recording_rig troupe_frames)
troupe_unit_test(test_storer_playback SOURCES test_storer_playback.c small_ledger.c LINK worker_storer recording_rig)
