#ifndef CLI_CERTS_SHOW_H
#define CLI_CERTS_SHOW_H

/* What `meshproof certs show` prints of a lab authority, or of one folder with tls.crt: roots,
 * leaves and what would go wrong between two places, a line each or as JSON. */

#include "base/error.h"

bool certs_show(const char *dir, bool as_json, size_t *ret_problems, struct error *err) WARN_UNUSED;

#endif
