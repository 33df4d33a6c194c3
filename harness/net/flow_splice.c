#include "net/relay.h"

#include "base/clock.h"

static bool may_splice(struct call *call, enum side side)
{
    const struct flow *flow = call_flow(call, side);
    const struct conn *from = call_from(call, side), *to = call_to(call, side);
    return flow->body.framing == HTTP1_LENGTH && flow->body.left >= SPLICE_LEAST_BYTES &&
           !flow->filtered && !flow->dropped && !flow->unspliced &&
           from->transport == &transport_tcp && to->transport == &transport_tcp &&
           !to->connecting && !to->broken && !to->shut;
}

/* What conn_fill, conn_send and flow_take_input would have noted. */
static void note(struct call *call, enum side side, uint64_t bytes_in, uint64_t bytes_out)
{
    struct flow *flow = call_flow(call, side);
    struct conn *from = call_from(call, side), *to = call_to(call, side);
    if (bytes_in > 0)
        from->read_ns = clock_now_ns();
    from->record.bytes_in += bytes_in;
    to->record.bytes_out += bytes_out;
    flow->body.left -= bytes_in;
    flow->body.payload_bytes += bytes_in;
    flow->written += bytes_out;
}

static enum io settle(struct call *call, enum side side, enum splice_state state)
{
    struct flow *flow = call_flow(call, side);
    struct conn *from = call_from(call, side), *to = call_to(call, side);
    switch (state) {
    case SPLICE_DONE:
        flow->body.done = true;
        flow_splice_end(flow);
        return IO_DONE;
    case SPLICE_MORE: /* the others first */
        relay_again(from);
        return IO_AGAIN;
    case SPLICE_FROM_EMPTY:
        from->readable = from->ended;
        return IO_AGAIN;
    case SPLICE_TO_FULL:
        to->writable = false;
        return IO_AGAIN;
    case SPLICE_FROM_ENDED:
        from->fin_seen = true;
        flow_splice_end(flow);
        return IO_FIN;
    case SPLICE_FROM_BROKEN:
        flow_splice_end(flow);
        return IO_RESET;
    case SPLICE_TO_BROKEN:
        to->broken = true;
        flow_splice_end(flow);
        return IO_DONE;
    case SPLICE_REFUSED:
        flow->unspliced = true;
        flow_splice_end(flow);
        relay_again(from);
        return IO_AGAIN;
    }
    UNREACHABLE();
}

bool flow_splice(struct call *call, enum side side, enum io *ret)
{
    struct flow *flow = call_flow(call, side);
    struct conn *from = call_from(call, side), *to = call_to(call, side);
    struct loop *l = call->endpoint->proxy->loop;
    uint64_t bytes_in, bytes_out;
    if (!flow->splicing) {
        if (!may_splice(call, side) ||
            !splice_begin(&flow->splice, loop_splices(l), flow->body.left))
            return false;
        flow->splicing = true;
    }
    *ret = IO_AGAIN;
    bool can_read = from->readable || from->doubt;
    if (flow->splice.piped > 0 ? !to->writable : !can_read)
        return true;
    if (side == SIDE_RESPONSE)
        call->record.done = call_span(call, clock_now_ns()); /* before the send: this is the last */
    from->edge = from->doubt = false;
    enum splice_state state =
        splice_move(&flow->splice, l, from->watch.fd, to->watch.fd, &bytes_in, &bytes_out);
    note(call, side, bytes_in, bytes_out);
    *ret = settle(call, side, state);
    return true;
}

void flow_splice_end(struct flow *flow)
{
    if (!flow->splicing)
        return;
    splice_end(&flow->splice);
    flow->splicing = false;
}
