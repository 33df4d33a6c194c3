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
/* Whether the head alone allows it: 0, or the status of the refusal, with the reason. Without a
 * token a browser on this host could be made to ask: Host must be a loopback name (DNS rebinding),
 * and no Origin may be given (RFC 6454 7). ${token}: RFC 6750 2.1, compared in constant time. */
uint16_t admin_check(struct fields fields, const char *token, const char **ret_why);

#endif
