#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

/* The proxy's insides, shared by its own files only (proxy.h is what others see): one service, its
 * endpoints, and the lists that own connections and calls. */

#include "net/proxy.h"
#include "net/slow.h"
#include "net/socket.h"
#include "net/streak.h"
#include "net/tries.h"

struct conn;
struct call;
struct toxic_list;

struct endpoint {
    struct proxy *proxy;
    uint16_t number;
    char address[80]; /* bound */
    struct socket_address upstream;

    struct watch watch; /* of the listener; fd -1: refused */
    int kept_fd;        /* of a refused listener: it has its port, and does not listen; -1: none */
    struct hold accept_again;
    uint64_t accepted, accept_failures;
    bool renews; /* every client connection lives for one answer */

    struct filter_chain *chain;
    struct streak streak;
    struct hold expiry;        /* of the chain's earliest TTL */
    struct toxic_list *toxics; /* PROXY_TOXIC; NULL: none */

    struct tls_context *tls[2]; /* by enum side: as we serve, as we dial; NULL: plaintext */
    uint16_t tls_generation[2];
    struct ssl_session_st *tls_session; /* offered by the next dial; NULL: none (tls_offer.c) */
    uint64_t dialled;                   /* backend connections that a fault could see */

    struct conn *conns; /* all, both sides */
    size_t clients;     /* those of the mesh's side */
    struct conn *idle;  /* backend connections, the warmest first */
    size_t idle_count;
    struct call *calls;
    struct hold sweep; /* while there are calls: clients whose RST came with their last bytes */
};

struct fault_seen {
    uint64_t fired; /* since it was armed */
    bool expired;   /* and told so */
};

struct proxy {
    struct loop *loop;
    struct recorder *recorder; /* NULL: records off */
    enum proxy_protocol protocol;
    char *service, *effect_header;
    size_t effect_header_len;
    char **tags;
    size_t tag_count;
    bool affinity_connection, freeing, draining;
    uint64_t seed;
    struct endpoint *endpoints;
    size_t endpoint_count;
    struct tries *tries;
    struct conn *free_conns;
    struct call *free_calls;
    struct arena chunk_arena;
    uint32_t conn_numbers;
    struct proxy_counts counts;
    struct fault_seen *faults; /* by fault number */
    size_t fault_count;
    struct hold drain_deadline;
    struct loop_task drain_done;
    void (*on_drained)(void *cookie);
    void *drain_cookie;
    bool shared, is_part;
    void (*on_record)(void *cookie, enum record_kind kind, const void *record);
    void *record_cookie;
    uint64_t handshake_limit_ns;
    struct slow_list slow;
    uint32_t connections_most;
    uint32_t refusal_details; /* reasons so far that quote a peer (refusal.h) */
};

/* The interned name, 0 when records are off. */
uint32_t endpoint_name(const struct endpoint *e, struct bytes name);
void endpoint_emit(struct endpoint *e, enum record_kind kind, const void *record);
/* Counts what has acted since it was last called. */
struct chain_run;
void endpoint_count_fired(struct endpoint *e, struct chain_run *run);
/* Makes p->faults[fault] exist. */
void proxy_room_for_fault(struct proxy *p, uint16_t fault);
/* Something ended: a drain may be done. */
void endpoint_settle_drain(struct proxy *p);

bool listener_open(struct endpoint *e, const char *address, struct error *err) WARN_UNUSED;
void listener_close(struct endpoint *e);
/* Refuses, and keeps the port from everybody else: listener_open has it back. */
void listener_refuse(struct endpoint *e);
static inline bool listener_is_open(const struct endpoint *e)
{
    return e->watch.fd >= 0;
}

#endif
