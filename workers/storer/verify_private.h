/* What verify.c (one recording) and verify_compare.c (two) share; nobody else includes it. */
#ifndef TROUPE_WORKERS_STORER_VERIFY_PRIVATE_H
#define TROUPE_WORKERS_STORER_VERIFY_PRIVATE_H

#include "workers/storer/recording.h"
#include "workers/storer/verify.h"

/* One verification. */
struct verify {
	struct verify_report *report;
	verify_fault_fn *fault;
	void *arg;
	struct recording *recording;
};

/* Counts a fault and tells it. */
void verify_say(struct verify *verify, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Compares results with another recording. 0, or an error when that could not be done. */
int verify_compare(struct verify *verify, const char *against);

#endif
