#ifndef CLI_GUARDIAN_POD_H
#define CLI_GUARDIAN_POD_H

/* The body of `meshproof agent guardian`: kube/caretaker.h, until the run is gone; and a channel to
 * the conductor, whose end without a word is a sign of its death (spec/kubernetes.md section 2).
 * ${psk_file} names the run (engine/psk.h), ${conductor} where it is dialled. Returns the exit
 * code. */
int guardian_pod(const char *psk_file, const char *conductor);

#endif
