#ifndef CLI_PROXY_FILE_H
#define CLI_PROXY_FILE_H

/* The configuration file of `meshproof proxy`: Lua in the sandbox of suites, which returns
 *
 *   proxy { name = "payments", listen = "127.0.0.1:8080", to = "127.0.0.1:9000", protocol = "http",
 *           faults = { fault.abort { status = 503, share = "30%" } } }
 *
 * or a list of those; as JSON for the set of proxies. It opens nothing. */

#include "base/error.h"

#include <jansson.h>

/* All sentences, each with file:line, are printed to stderr; the first is ${err}, too. ${ret}: a
 * list, the caller's reference. */
bool proxy_file_load(const char *path, unsigned workers, json_t **ret,
                     struct error *err) WARN_UNUSED;

#endif
