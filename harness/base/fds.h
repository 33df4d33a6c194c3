#ifndef BASE_FDS_H
#define BASE_FDS_H

/* For a child after fork that goes on without exec: what it inherits stays open for as long as it
 * lives, so that a socket of a dead parent's would still have a listener, or a peer. */

/* Closes all descriptors but 0, 1, 2, ${a} and ${b}; ${b} < 0: none. */
void fds_close_others(int a, int b);

#endif
