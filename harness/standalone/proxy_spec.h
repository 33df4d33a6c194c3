#ifndef STANDALONE_PROXY_SPEC_H
#define STANDALONE_PROXY_SPEC_H

/* One proxy as it was asked for, read from JSON and checked: proxy_set's own form. Files of
 * TLS are read, and nothing else is opened. */

#include "faults/fault.h"
#include "standalone/proxy_tls.h"

/* A fault from when it is asked for on; in force once its proxy has it. */
struct armed {
    uint16_t id; /* that users know it by; use.id, of the records, changes when it is put anew */
    struct fault_use use;
    struct arena arena;
    struct fire_budget budget;
    uint64_t expires_ns; /* set when it comes into force; UINT64_MAX: never */
    json_t *keys;        /* with "word", without "id" */
    bool is_new;
    unsigned holders;
    struct armed *next;        /* of those that are gone, while calls may still count on them */
    struct recorder *recorder; /* where the lines of a hook go; NULL: nowhere */
};
/* Lets one hold go; NULL is allowed. */
void armed_release(struct armed *f);

struct proxy_spec {
    struct arena arena;
    const char *name, *listen, *to;
    enum proxy_protocol protocol;
    bool enabled;
    struct armed *faults[CHAIN_SLOTS_MOST];
    size_t fault_count;
    struct proxy_tls tls;
    json_t *toxics; /* protocol "toxic": toxi_list.h's form; NULL: none */
};

/* ${workers}: above 1, faults that count over all requests are refused. The error says which key is
 * wrong; ${ret} is to be released in any case. */
bool proxy_spec_read(const json_t *from, unsigned workers, struct proxy_spec *ret,
                     struct error *err) WARN_UNUSED;
void proxy_spec_release(struct proxy_spec *s);
/* A fault alone. NULL: the error says why. */
struct armed *proxy_spec_read_fault(const json_t *from, unsigned workers, struct error *err);
const char *proxy_spec_protocol(enum proxy_protocol protocol);

#endif
