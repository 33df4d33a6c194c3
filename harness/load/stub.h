#ifndef LOAD_STUB_H
#define LOAD_STUB_H

/* The stub backend of one service of the lab: all of its endpoints in one process, each a listener;
 * work, slots, a fixed answer, and calls of its own to other services through their mesh listeners,
 * with the application's retries, breaker and fallback (scenario-language.md section 3). Each try
 * of a call is a request of its own with an id of its own, and is recorded as one. A service of
 * protocol tcp gives back what it gets. The mesh's side of things is not known here. */

#include "journal/recorder.h"
#include "net/loop.h"
#include "plan/plan.h"

struct stub;

struct stub_endpoint {
    uint16_t number;    /* from 1: "payments/1" */
    const char *listen; /* "127.0.0.1:0" */
};

struct stub_config {
    const struct service_plan *service; /* borrowed: outlives the stub */
    const struct stub_endpoint *endpoints;
    size_t endpoint_count;
    const char *const
        *call_addresses; /* one for each of service->calls: the mesh's listener for that edge */
    const char *const *call_protocols; /* of the called services: "http1", "http2", "grpc"; NULL:
                                          all http1 */
    const char *const *effect_headers; /* that any service names in `effects`: passed on */
    size_t effect_header_count;
    uint32_t run;
    uint16_t proc; /* its own number in the run: the middle of its ids */
    uint64_t seed;
};

/* ${recorder} may be NULL: nothing is recorded. Both outlive the stub. ERROR_INPUT for a protocol
 * that there is not, ERROR_SYSTEM for an address that cannot be had. */
bool stub_open(struct loop *loop, struct recorder *recorder, const struct stub_config *config,
               struct stub **ret, struct error *err) WARN_UNUSED;
/* From now on the tries of its calls go to ${call_addresses} (one for each of service->calls;
 * copied); a try under way goes on to where it went. For addresses that are known only after the
 * stub's own (mesh and stub need each other's). Called a few times in a stub's life: each call
 * keeps its copy until stub_free. */
void stub_route(struct stub *s, const char *const *call_addresses);
/* Open requests are cut, calls under way are reset and not recorded: drain first. */
void stub_free(struct stub *s);
/* The bound address of endpoint ${number}; NULL: there is none of that number. Borrowed. */
const char *stub_address(const struct stub *s, uint16_t number);

/* Now. waiting: for a slot. calls: tries of calls that were begun; records: those that ended. */
struct stub_counts {
    uint64_t requests, active, waiting, calls, records;
};
struct stub_counts stub_counts(const struct stub *s);

#endif
