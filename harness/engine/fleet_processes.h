#ifndef ENGINE_FLEET_PROCESSES_H
#define ENGINE_FLEET_PROCESSES_H

/* A fleet of processes of this host, started as pods would be (kubernetes.md 1.4) and dialling over
 * loopback: what a cluster does to a run, without one. The key reaches them by a descriptor, so it
 * is in no file and on no command line. */

#include "engine/fleet.h"

/* ${program}: of ours, borrowed. Never fails; free with fleet_processes_free, after end(). */
struct fleet *fleet_processes_new(const char *program);
void fleet_processes_free(struct fleet *f); /* NULL is fine */

#endif
