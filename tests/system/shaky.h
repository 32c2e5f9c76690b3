/* Which worker a shaky one is otherwise: the build says. */
#ifndef TROUPE_TESTS_SYSTEM_SHAKY_H
#define TROUPE_TESTS_SYSTEM_SHAKY_H

#if defined(SHAKY_STORER)
#include "workers/storer/storer.h"
#define SHAKY_TABLE storer_table
#else
#include "workers/processor/processor.h"
#define SHAKY_TABLE processor_table
#endif

#endif
