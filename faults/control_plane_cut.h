#ifndef FAULTS_CONTROL_PLANE_CUT_H
#define FAULTS_CONTROL_PLANE_CUT_H

/* fault.control_plane_cut: the mesh's proxies of a place lose the channels over which they are
 * programmed and given their certificates. What they were told before goes on. */

#include "faults/fault.h"

enum fault_channel { FAULT_CONFIG = 1, FAULT_IDENTITY = 2 };
extern const struct fault_type fault_control_plane_cut;
/* A mask of enum fault_channel. */
unsigned fault_cut_channels(const void *params);

#endif
