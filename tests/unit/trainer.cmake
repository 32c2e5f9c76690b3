# The trainer: arithmetic, learning, remembering, and the worker on a ledger; then all of it on the test card.
troupe_unit_test(test_softmax SOURCES test_softmax.c LINK worker_trainer)
troupe_unit_test(test_learner SOURCES test_learner.c LINK worker_trainer)
troupe_unit_test(test_checkpoint SOURCES test_checkpoint.c LINK worker_trainer)
troupe_unit_test(test_centroids SOURCES test_centroids.c LINK worker_trainer)
troupe_unit_test(test_trainer SOURCES test_trainer.c LINK worker_trainer)
troupe_unit_test(test_trainer_pattern SOURCES test_trainer_pattern.c LINK worker_trainer worker_capture)
