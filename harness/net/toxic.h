#ifndef NET_TOXIC_H
#define NET_TOXIC_H

/* Toxics: the faults of Toxiproxy 2.x on raw TCP, as its clients name them (reference/peers.md 1a).
 * Unlike the faults of a chain they act on connections that are open already, and each changes
 * while bytes are under way. Not for HTTP, and not judged: suites use faults.def. */

#include "net/proxy.h"
#include "net/stream.h"

enum toxic_kind {
    TOXIC_NOOP,
    TOXIC_LATENCY,    /* latency, jitter: ms, each chunk */
    TOXIC_BANDWIDTH,  /* rate: KB/s */
    TOXIC_SLOW_CLOSE, /* delay: ms */
    TOXIC_TIMEOUT,    /* timeout: ms without a byte until it closes; 0: never */
    TOXIC_RESET_PEER, /* timeout: ms from the first byte, or the end, to the RST */
    TOXIC_SLICER,     /* average_size, size_variation: bytes; delay: us after each slice */
    TOXIC_LIMIT_DATA, /* bytes, then it closes */
    TOXIC_KINDS
};
#define TOXIC_VALUES_MOST 3
struct toxic_type {
    const char *name;
    const char *values[TOXIC_VALUES_MOST]; /* attributes; NULL: no more */
};
extern const struct toxic_type toxic_types[TOXIC_KINDS];

struct toxic {
    char *name;
    uint32_t id;      /* the same while it stays in the list, whatever becomes of its values */
    uint32_t version; /* another one: its values are new */
    enum toxic_kind kind;
    enum side side;  /* REQUEST: "upstream", RESPONSE: "downstream" */
    double toxicity; /* the share of connections that have it, 0 to 1 */
    int64_t value[TOXIC_VALUES_MOST];
};
#define TOXICS_MOST 64

/* Those of one endpoint, in order. Immutable; shared by its connections. */
struct toxic_list {
    unsigned holders;
    size_t count;
    struct toxic at[];
};
/* Empty, held once, with room for ${count}. */
struct toxic_list *toxic_list_new(size_t count);
void toxic_list_release(struct toxic_list *l); /* NULL is allowed */

/* toxic_link.c: what is in force at an endpoint of a PROXY_TOXIC proxy, from now on and for what is
 * open. ${list} may be NULL; it is held as long as needed. */
void proxy_toxics(struct proxy *p, uint16_t number, struct toxic_list *list);

#endif
