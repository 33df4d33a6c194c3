#ifndef STANDALONE_TOXI_ROUTES_H
#define STANDALONE_TOXI_ROUTES_H

/* Toxiproxy's HTTP API, version 2.12, on a proxy_set: what its clients ask, and what the real
 * server answers (measured; suites/selftest/toxiproxy). No sockets. Proxies made here have protocol
 * "toxic"; others are shown, switched and moved, but take no toxics. */

#include "net/http_server.h"
#include "standalone/proxy_set.h"

#define TOXI_API_VERSION "2.12.0" /* the one that is spoken, told by GET /version */
#define TOXI_BODY_MOST_BYTES ((size_t)1024 * 1024)
#define TOXI_ANSWER_MOST_BYTES ((size_t)32 * 1024 * 1024)

struct toxi {
    struct proxy_set *set;
    const char *version; /* ours, for /metrics */
    json_t *asked; /* by name: {"upstream", "to", "listen"}: texts as clients gave them, which the
                      set resolves; they are told again as they were */
};
void toxi_init(struct toxi *t, struct proxy_set *set, const char *version);
void toxi_release(struct toxi *t);

struct toxi_reply {
    uint16_t status;
    json_t *json;     /* or */
    struct text text; /* of ${type} */
    const char *type;
};
/* Toxiproxy's {"error": ..., "status": ...}. */
void toxi_reply_error(struct toxi_reply *r, uint16_t status, const char *format, ...) PRINTF(3, 4);

/* Fills ${reply}, which is the caller's to release. */
void toxi_route(struct toxi *t, const struct http_request *request, struct toxi_reply *reply);

/* Shared by the files of the routes. */
struct toxi_call {
    struct toxi *toxi;
    const char *proxy, *toxic; /* of the path, decoded; NULL: none */
    struct bytes body;
    struct toxi_reply *reply;
};
/* toxi_proxies.c */
void toxi_proxy_index(struct toxi_call *c);
void toxi_proxy_create(struct toxi_call *c);
void toxi_proxy_show(struct toxi_call *c);
void toxi_proxy_update(struct toxi_call *c);
void toxi_proxy_delete(struct toxi_call *c);
void toxi_populate(struct toxi_call *c);
void toxi_reset(struct toxi_call *c);
/* toxi_toxics.c */
void toxi_toxic_index(struct toxi_call *c);
void toxi_toxic_create(struct toxi_call *c);
void toxi_toxic_show(struct toxi_call *c);
void toxi_toxic_update(struct toxi_call *c);
void toxi_toxic_delete(struct toxi_call *c);
/* Toxics of a described proxy as Toxiproxy orders them: upstream first. The caller's reference. */
json_t *toxi_toxics_of(const json_t *described);
/* The answer to a change that the set refused. */
void toxi_refuse(struct toxi_call *c, const struct error *err);
/* toxi_address.c: ${text} as Go's net.Listen and net.Dial take one ("localhost:80", ":80",
 * "redis:6379"), numeric. Names but localhost are looked up, for at most TOXI_LOOKUP_MOST_S, in
 * which the relays wait: only at a change, never for a connection. ERROR_INPUT: Go's words. */
#define TOXI_LOOKUP_MOST_S 2
bool toxi_address(const char *text, char *ret, size_t size, struct error *err) WARN_UNUSED;

#endif
