#ifndef ENGINE_PROBE_H
#define ENGINE_PROBE_H

/* A value watched from the conductor: probe.client from the records of our own load, the others
 * asked over the network (scenario-language.md section 2). One question at a time; it judges
 * nothing. */

#include "journal/record.h"
#include "net/loop.h"
#include "plan/probe.h"

struct sample_seen {
    uint64_t at_ns, answer_ns; /* asked; answered, or given up */
    double value;
    bool missing;
    const char *why; /* of a missing one; no address, no secret */
};
typedef void (*probe_on_sample)(void *cookie, const struct sample_seen *sample);

/* Asks every ${every}, from probe_start on. Names are resolved here, once: it may block. */
struct probe;
bool probe_open(struct loop *loop, const struct probe_plan *plan, probe_on_sample on_sample,
                void *cookie, struct probe **ret, struct error *err) WARN_UNUSED;
void probe_start(struct probe *p);
void probe_free(struct probe *p);
/* A request of the probe's edge has ended. */
void probe_on_request(struct probe *p, const struct request_record *r);

/* --- between the probe's own files --- */
struct probe_ops {
    bool (*open)(struct probe *p, struct error *err);
    void (*ask)(struct probe *p);  /* ends with probe_answer or probe_missing, later or at once */
    void (*stop)(struct probe *p); /* gives the question up */
    void (*close)(struct probe *p);
};
struct probe {
    struct loop *loop;
    const struct probe_plan *plan;
    const struct probe_ops *ops;
    probe_on_sample on_sample;
    void *cookie;
    struct hold next, late;
    uint64_t asked_ns;
    bool asking;
    char address[80], host[256]; /* numeric; as it was written, with its port */
    const char *token;           /* of the environment; never told */
    void *own;
};
void probe_answer(struct probe *p, double value);
void probe_missing(struct probe *p, const char *why);
/* "name:port" or "[::1]:80" into ${p->address}. */
bool probe_resolve(struct probe *p, const char *address, struct error *err) WARN_UNUSED;
extern const struct probe_ops probe_ops_http, probe_ops_grpc;

#endif
