#ifndef CLI_CLUSTER_LEFT_H
#define CLI_CLUSTER_LEFT_H

/* recover and halt for runs in a cluster, from wherever a kubeconfig is. */

#include "cli/arguments.h"

/* Undoes what a run left: by --run, or all of the namespace whose conductor is dead. */
int cluster_recover(const struct arguments *args);
/* Asks the run (or all) to halt, and waits until its anchor is gone. */
int cluster_halt(const struct arguments *args);

#endif
