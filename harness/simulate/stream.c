/* gRPC calls: streams of HTTP/2, which share one connection to each endpoint. What ends the
 * connection ends them all, those too that were on their way. */
#include "simulate/scene.h"

#define UNAVAILABLE 14
#define MESSAGE_BYTES 1024
#define FRAME_BYTES 5 /* of a gRPC message (PROTOCOL-HTTP2.md) */

void stream_take(struct scene *s, struct errand *f)
{
    struct scene_conn *shared = &s->hosts[f->host].shared;
    if (shared->number == 0)
        *shared = (struct scene_conn){.number = ++s->conn_count};
    f->conn = *shared;
    f->has_conn = true;
}

bool stream_is_lost(const struct scene *s, const struct errand *f)
{
    return s->now_ns < s->hosts[f->host].lost_ns;
}

/* A listener that closes takes its connections with it; a reset at accept leaves them alone
 * (`existing` of each, spec/scenario-language.md). */
const struct rig *stream_connect(struct scene *s, const struct errand *f)
{
    struct scene_conn *shared = &s->hosts[f->host].shared;
    const struct rig *rig = rigs_connect(&s->rigs, f->host, s->now_ns);
    if (rig == NULL || (rig->kind == RIG_ACCEPT && shared->carried > 0)) {
        shared->carried++;
        return NULL;
    }
    if (shared->carried > 0)
        stream_cut(s, f->host, 0);
    *shared = (struct scene_conn){0};
    return rig;
}

void stream_of_visit(struct visit *v, const struct errand *f)
{
    v->grpc = true;
    v->r.path = f->r.path;
    v->r.stream = 2 * f->conn.carried + 1;
    v->r.bytes_in = FRAME_BYTES;
}

static void tell_lost(struct scene *s, const struct visit *v, uint64_t at_ns)
{
    struct errand *f = &s->errands[v->errand];
    if (f->life != v->life || f->epoch != v->epoch)
        return;
    f->result = (struct try_result){.end = TRY_RESET, .grpc_status = TRY_NO_GRPC, .written = true};
    scene_add(s, EVENT_ANSWER, v->errand, f->epoch, at_ns);
}

void stream_cut(struct scene *s, uint32_t host, uint16_t fault)
{
    struct scene_host *h = &s->hosts[host];
    uint32_t number = h->shared.number;
    if (number == 0)
        return;
    h->shared = (struct scene_conn){0};
    h->lost_ns = s->now_ns + noise_leg_ns(&s->noise);
    for (uint32_t i = 0; i < s->visit_count; i++) {
        struct visit *v = &s->visits[i];
        if (v->ended || !v->grpc || v->host != host || v->r.conn != number)
            continue;
        tell_lost(s, v, h->lost_ns);
        visit_reset(s, i, fault);
    }
}

void stream_answer(struct visit *v, struct errand *f, struct try_result *result)
{
    const struct rig *rig = v->rigged && v->rig.kind == RIG_STATUS ? &v->rig : NULL;
    v->r.grpc_status = rig == NULL ? 1 : rig->grpc;
    v->r.grpc_where = v->r.grpc_status == 0 ? 0 : rig == NULL || rig->in_trailers ? 2 : 1;
    v->r.bytes_out = rig == NULL ? MESSAGE_BYTES + FRAME_BYTES : 0;
    if (v->r.grpc_where == 1)
        result->grpc_status = v->r.grpc_status - 1u;
    if (f->life != v->life || f->epoch != v->epoch)
        return;
    f->code = v->r.grpc_status;
    f->where = v->r.grpc_where;
}

/* An Envoy says 14 whatever it was, and the message tells why (policy-semantics.md A8). */
void stream_made(struct errand *f)
{
    f->r.status = 200;
    f->r.grpc_status = UNAVAILABLE + 1;
    f->r.grpc_where = 1;
}
