# The model board, features, prediction and model files.
troupe_unit_test(test_model_board SOURCES test_model_board.c LINK troupe_slots Threads::Threads)
troupe_unit_test(test_features SOURCES test_features.c LINK troupe_media)
troupe_unit_test(test_model_file SOURCES test_model_file.c LINK troupe_media)
