/* What a fuzz target is made of. With the preset `fuzz` libFuzzer drives it; in every other build
 * fuzz_main.c does, with mutations of the same seeds that are the same every time. */
#ifndef TROUPE_TESTS_FUZZ_FUZZ_H
#define TROUPE_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Takes any bytes; a crash, an abort or a sanitizer's report is a finding. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The seed number i (free it), NULL behind the last. */
uint8_t *fuzz_seed(size_t i, size_t *size);

#endif
