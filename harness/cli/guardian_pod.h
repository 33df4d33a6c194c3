#ifndef CLI_GUARDIAN_POD_H
#define CLI_GUARDIAN_POD_H

/* The body of `meshproof agent guardian`: kube/caretaker.h, until the run is gone. ${psk_file}
 * names the run (engine/psk.h). Returns the exit code. */
int guardian_pod(const char *psk_file);

#endif
