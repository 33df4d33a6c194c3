#ifndef ENGINE_HOST_H
#define ENGINE_HOST_H

/* The machine beside the run: CPU steal, cgroup throttling and load average, as deltas each second
 * (verifier.md 2.2: such seconds are taint). */

#include "journal/record.h"

struct host {
    uint64_t steal_ticks, throttled_us, nr_throttled;
    bool known; /* the first look has no delta */
};
/* Fills ${ret} with what changed since the last look; false at the first. */
bool host_look(struct host *h, struct host_record *ret);
/* Bytes that may still be written on the disk of ${path}; UINT64_MAX when that cannot be told. */
uint64_t host_disk_free(const char *path);

#endif
