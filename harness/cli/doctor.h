#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

/* What meshproof doctor looks at, a file each: rows "ok FEATURE what was found", or "LACKS FEATURE
 * what to type". */

#include "cli/arguments.h"

struct doctor {
    size_t lacking;
};

void doctor_row(struct doctor *d, bool ok, const char *feature, const char *format, ...)
    PRINTF(4, 5);
/* Where the Envoy of the driver envoy is; false: not here. */
bool doctor_envoy(char *to, size_t size);

/* doctor_lab.c, --lab: walks a small suite of its own on each driver that is here, for some
 * seconds, and looks at what came of it: is this machine quiet enough for claims of time? */
bool doctor_lab(struct doctor *d, struct error *err) WARN_UNUSED;
/* doctor_cluster.c, --on kubernetes: the API server, the namespace, the mesh's kinds and the rights
 * of the account in each mode. It writes nothing. */
bool doctor_cluster(struct doctor *d, const struct arguments *args, struct error *err) WARN_UNUSED;
/* doctor_settings.c, --settings: each option of each command that has a value, and where it came
 * from. Environment variables that no option has lack something too: nobody reads them. */
void doctor_settings(struct doctor *d, const struct arguments *args);

#endif
