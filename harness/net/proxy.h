#ifndef NET_PROXY_H
#define NET_PROXY_H

/* The fault proxy of one service: its endpoints (a listener and a backend address each), one
 * process and one clock for all of them. It relays HTTP/1.1 (and raw TCP after an upgrade), asks
 * the chain, acts, and writes one record a try. It never retries, times out or mends anything
 * (engine.md rule 12). */

#include "journal/recorder.h"
#include "net/chain.h"
#include "net/loop.h"

struct proxy;
struct tls_context; /* net/tls.h */

/* HTTP: HTTP/2 when a connection begins with its preface, else HTTP/1.1. The backend is spoken to
 * in the client's protocol. */
enum proxy_protocol {
    PROXY_HTTP1,
    PROXY_TCP,
    PROXY_HTTP,
    PROXY_HTTP2,
    PROXY_TOXIC, /* raw TCP under toxics (toxic.h), with no chain */
};

/* What a mesh never comes near, and a hostile client does. */
#define PROXY_HEAD_LIMIT_NS (60 * NS_PER_S)
#define PROXY_CONNECTIONS_MOST 16384
#define PROXY_HANDSHAKE_LIMIT_NS (10 * NS_PER_S)

struct proxy_endpoint {
    uint16_t number;      /* from 1: "payments/1" */
    const char *listen;   /* "127.0.0.1:0" */
    const char *upstream; /* "127.0.0.1:41234" */
    /* What we serve the mesh with, and what we are towards the backend; NULL: plaintext. Held while
     * in use. PROXY_TCP without the first passes TLS through, and only looks at its handshake. */
    struct tls_context *serves, *dials;
};

struct proxy_config {
    const char *service;
    enum proxy_protocol protocol;
    const struct proxy_endpoint *endpoints;
    size_t endpoint_count;
    const char *effect_header; /* header whose value counts one effect; NULL: none */
    /* Tags of raw TCP by number, from 1 (call.h); a number beyond them is its own name. */
    const char *const *tags;
    size_t tag_count;
    bool affinity_connection; /* one backend connection for each client connection */
    uint64_t seed;
    bool shared; /* listen with SO_REUSEPORT: one of several processes on the same addresses */
    /* The other endpoints of the service are other processes, which see the other tries of a
     * request: which try it is then is what the mesh says, where it counts (x-envoy-attempt-count).
     */
    bool is_part;
    /* Sees each record as it is emitted, with records off too; must not come back to the proxy. May
     * be NULL. */
    void (*on_record)(void *cookie, enum record_kind kind, const void *record);
    void *record_cookie;
    uint64_t handshake_limit_ns; /* of a TLS handshake; 0: PROXY_HANDSHAKE_LIMIT_NS */
    /* An HTTP/1.1 head or chunk framing of a client may take so long from its first byte, else 408
     * and close; 0: PROXY_HEAD_LIMIT_NS, UINT64_MAX: for ever. Silence between requests is free. */
    uint64_t head_limit_ns;
    /* Client connections of an endpoint at a time; one more is reset, and its record says `limit`.
     * 0: PROXY_CONNECTIONS_MOST. */
    uint32_t connections_most;
};

/* ${recorder} may be NULL (records off: the bench). Both outlive the proxy. */
bool proxy_open(struct loop *loop, struct recorder *recorder, const struct proxy_config *config,
                struct proxy **ret, struct error *err) WARN_UNUSED;
void proxy_free(struct proxy *p);
/* The bound address of endpoint ${number}: "127.0.0.1:43001". Borrowed. */
const char *proxy_address(const struct proxy *p, uint16_t number);

/* Swaps the endpoint's chain (${take_chain} may be NULL: none); holds of faults that are not in the
 * new chain (by fault number) are released at once. Returns the released holds; ${ret_at} is the
 * edge. */
uint32_t proxy_arm(struct proxy *p, uint16_t number, struct filter_chain *take_chain,
                   uint64_t *ret_at_ns);
/* What happens to connections that are open now: `existing` of a fault that starts. Drain:
 * `connection: close` on the next answer, idle ones closed. Reset: RST to all. */
enum existing { EXISTING_KEEP, EXISTING_DRAIN, EXISTING_RESET };
void proxy_existing(struct proxy *p, uint16_t number, enum existing what);
/* Every client connection ends with its next answer (`connection: close`), idle ones too: none is
 * closed under a request that is on its way. ${each}: so do all later ones, until it is called
 * without. HTTP/2: GOAWAY with the greatest stream id, to those that are open. */
void proxy_renew(struct proxy *p, uint16_t number, bool each);
/* fault.refuse: closes the endpoint's listener (kernel answers RST to SYN), and opens it again on
 * the same port (unless it was moved). Records world rows. */
bool proxy_refuse(struct proxy *p, uint16_t number, bool refuse, uint16_t fault,
                  struct error *err) WARN_UNUSED;
/* Another port for the endpoint, of the kernel's choice, as a process that was replaced has another
 * address; whoever is connected to the former one is reset. A refused endpoint stays refused, and
 * opens there. */
bool proxy_move(struct proxy *p, uint16_t number, struct error *err) WARN_UNUSED;
/* Firings per fault number since it was armed, summed over endpoints: for disarm records and
 * progress. */
uint64_t proxy_fired(const struct proxy *p, uint16_t fault);
/* No new work; calls end or are cut at ${deadline_ns}; ${on_done} is called once. */
void proxy_drain(struct proxy *p, uint64_t deadline_ns, void (*on_done)(void *cookie),
                 void *cookie);
/* New connections of that side (REQUEST: the mesh's, RESPONSE: the backend's) use ${ctx}, which is
 * held while in use; those that are open keep theirs. The generation of our leaf rises by one.
 * NULL: plaintext. */
void proxy_set_tls(struct proxy *p, uint16_t number, enum side side, struct tls_context *ctx);
struct proxy_counts {
    uint64_t calls_begun, calls_active, records, connections;
};
struct proxy_counts proxy_counts(const struct proxy *p);

#endif
