#ifndef REPORTS_SARIF_PLACE_H
#define REPORTS_SARIF_PLACE_H

/* Where a result of a SARIF 2.1.0 log lies: what the logs of `lint` and of a run share. */

#include "base/error.h"

#include <jansson.h>

#define SARIF_SCHEMA \
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

/* A path as a URI reference (RFC 3986); an absolute one is a file: URI. The caller's to free. */
char *sarif_uri(const char *path);
/* A location object; relative URIs are below %SRCROOT%. */
json_t *sarif_location(const struct source *at, const char *uri);

#endif
