/* How much memory this machine, or the container we are in, can still give. */
#ifndef TROUPE_IPC_SLOTS_ROOM_H
#define TROUPE_IPC_SLOTS_ROOM_H

#include <stdint.h>

/* Bytes that can be had without anybody being killed for it, with something left for the others;
 * UINT64_MAX when the system does not say. A memfd has no limit of its own: reserving too much of
 * it does not fail, it wakes the kernel's out-of-memory killer. So one asks first. */
uint64_t room_in_memory(void);

#endif
