#ifndef WORLD_UNDO_LAB_H
#define WORLD_UNDO_LAB_H

#include "world/process.h"
#include "world/undo.h"

/* The note of a change within the run's own processes (one was killed, the control plane is cut):
 * the run undoes it, and undo_confirm says so; when the run is gone, so are its processes.
 * ${what}: "kill", ... */
json_t *undo_lab_note(const char *what, const char *place, const struct process *run);
extern const struct undo_type undo_lab;

#endif
