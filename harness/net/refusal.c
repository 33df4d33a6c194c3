#include "net/refusal.h"

#include "base/clock.h"

void refusal_note(const struct conn *from, const struct refusal_try *of, enum refusal_about about,
                  const char *reason)
{
    struct endpoint *e = from->endpoint;
    struct refusal_record r = {.at = clock_now_ns(),
                               .conn = from->record.conn,
                               .reason = endpoint_name(e, bytes_of(reason)),
                               .endpoint = e->number,
                               .side = from->side == CONN_CLIENT ? SIDE_REQUEST : SIDE_RESPONSE,
                               .about = (uint8_t)about};
    if (of != NULL) {
        r.mesh_conn = of->mesh->record.conn;
        r.stream = of->stream;
        r.sequence = of->sequence;
    }
    endpoint_emit(e, RECORD_REFUSAL, &r);
}

static void of_call(const struct call *call, enum side side, enum refusal_about about,
                    const char *reason)
{
    struct refusal_try of = {.mesh = call->client, .sequence = call->record.sequence};
    const struct conn *from =
        side == SIDE_RESPONSE && call->backend != NULL ? call->backend : call->client;
    refusal_note(from, &of, about, reason);
}

void refusal_of_call(const struct call *call, enum side side, const struct error *err)
{
    of_call(call, side, err->kind == ERROR_LIMIT ? REFUSAL_LIMIT : REFUSAL_HTTP1, err->text);
}

void refusal_of_limit(const struct call *call, enum side side, const char *reason)
{
    of_call(call, side, REFUSAL_LIMIT, reason);
}

bool refusal_may_quote(struct proxy *p)
{
    if (p->refusal_details >= REFUSAL_DETAILS_MOST)
        return false;
    p->refusal_details++;
    return true;
}
