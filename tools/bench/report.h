/* What a bench found, for people and for programs. */
#ifndef TROUPE_TOOLS_BENCH_REPORT_H
#define TROUPE_TOOLS_BENCH_REPORT_H

#include "tools/bench/bench.h"

/* Before anything is measured: that the machine is busy. */
void report_busy(const struct bench *bench);

/* All figures. 0 or TROUPE_E_MEMORY. */
int report_print(const struct bench *bench);

#endif
