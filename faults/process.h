#ifndef FAULTS_PROCESS_H
#define FAULTS_PROCESS_H

/* What the rows of fault.kill, fault.pause and fault.restart ask of a process of the mesh or of an
 * endpoint. */

#include "faults/fault.h"

enum fault_what {
    FAULT_ENDPOINT,
    FAULT_PROXY,
    FAULT_WAYPOINT,
    FAULT_ZTUNNEL,
    FAULT_CONTROL_PLANE,
};
struct fault_process {
    uint64_t what;        /* enum fault_what */
    uint64_t grace, down; /* of fault.restart: before SIGKILL, and between stop and start */
};
#define FAULT_WHAT_ROW(struct_) \
    PARAM(struct_, what, UNIT_WORD, .fallback = "endpoint", .words = fault_what_words, \
          .help = "of the place")
extern const char *const fault_what_words[];
/* "kill proxy" */
void fault_process_print(const char *word, const void *params, char *to, size_t size);

extern const struct fault_type fault_kill, fault_pause, fault_restart;

#endif
