/* One look, printed: where there is no terminal, or somebody wants it so. */
#ifndef TROUPE_TOOLS_TOP_ONCE_H
#define TROUPE_TOOLS_TOP_ONCE_H

#include "tools/top/columns.h"

/* An exit code. */
int once_print(const struct watched *w, bool wide);
int once_print_json(const struct watched *w);

#endif
