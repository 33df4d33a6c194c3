#ifndef STANDALONE_TOXI_SERVER_H
#define STANDALONE_TOXI_SERVER_H

/* `meshproof proxy --toxiproxy-api`: Toxiproxy's HTTP API on the relay's own loop. It has no token,
 * as the real one has none, so it listens on loopback only. */

#include "standalone/proxy_set.h"

struct toxi_server;

#define TOXI_CONNECTIONS_MOST 256
#define TOXI_ADDRESS "127.0.0.1:8474"

struct toxi_server_config {
    const char *listen;
    const char *version; /* ours */
    struct proxy_set *set;
};
bool toxi_server_open(struct loop *loop, const struct toxi_server_config *config,
                      struct toxi_server **ret, struct error *err) WARN_UNUSED;
void toxi_server_free(struct toxi_server *s); /* NULL is allowed */
const char *toxi_server_address(const struct toxi_server *s);

#endif
