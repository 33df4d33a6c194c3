#ifndef CLI_PROXY_SERVE_H
#define CLI_PROXY_SERVE_H

/* `meshproof proxy` while it runs: its processes, its listeners and interfaces, from the first line
 * of output to the end of the drain. What it serves comes as JSON (standalone/proxy_set.h). */

#include "cli/arguments.h"

#include <jansson.h>

struct proxy_serve {
    json_t *proxies;                      /* of the command line */
    const char *file;                     /* FILE.lua, read again at SIGHUP; NULL: none */
    const char *output, *run, *seed_text; /* output: the journal; NULL: no records */
    const char *admin, *token;            /* admin: an address; NULL: none */
    const char *toxiproxy_api;            /* an address; NULL: none */
    bool says_seed;                       /* it was drawn: printed, so that it can be given */
    uint64_t seed, drain_ns;
    unsigned workers;
    int argc;
    char **argv;
};
/* Until SIGINT or SIGTERM and the drain after it; returns the exit code, errors are printed. */
int proxy_serve_run(const struct proxy_serve *config);

#endif
