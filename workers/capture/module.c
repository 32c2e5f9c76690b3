/* What the module exports. */
#include "workers/capture/module.h"

const struct capture_module capture_module = {.file = file_open, .network = network_open};
