#ifndef STANDALONE_ADMIN_SERVER_H
#define STANDALONE_ADMIN_SERVER_H

/* The REST interface of `meshproof proxy`, on the relay's own loop: who may ask, bounds on what is
 * asked, and answers as JSON. What there is to ask is admin_routes.h's. */

#include "net/http_server.h"
#include "standalone/proxy_set.h"

struct admin_server;

#define ADMIN_BODY_MOST_BYTES ((size_t)1024 * 1024)
#define ADMIN_ANSWER_MOST_BYTES ((size_t)32 * 1024 * 1024)
#define ADMIN_CONNECTIONS_MOST 256
#define ADMIN_IDLE_MOST_NS (UINT64_C(30) * 1000000000) /* without a whole request */

struct admin_server_config {
    const char *listen; /* "127.0.0.1:7481" */
    const char *token;  /* bearer token; NULL: none, and then only on loopback */
    const char *version;
    struct proxy_set *set;
    /* Reads the configuration file again; NULL: there is none. */
    bool (*reload)(void *cookie, struct error *err);
    void *cookie;
};

bool admin_server_open(struct loop *loop, const struct admin_server_config *config,
                       struct admin_server **ret, struct error *err) WARN_UNUSED;
void admin_server_free(struct admin_server *s);
const char *admin_server_address(const struct admin_server *s);

#endif
