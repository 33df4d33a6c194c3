#ifndef CLI_CLUSTER_STATUS_H
#define CLI_CLUSTER_STATUS_H

#include "cli/arguments.h"

/* status for runs in a cluster: those that have an anchor in the namespace, or the one that is
 * named. Reads alone. */
int cluster_status(const struct arguments *args);

#endif
