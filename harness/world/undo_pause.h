#ifndef WORLD_UNDO_PAUSE_H
#define WORLD_UNDO_PAUSE_H

#include "world/process.h"
#include "world/undo.h"

/* The note of a process that gets SIGSTOP; it is undone by SIGCONT. */
json_t *undo_pause_note(const char *place, const struct process *p);
extern const struct undo_type undo_pause;

#endif
