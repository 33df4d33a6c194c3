#include "net/h2_call.h"

#include "base/clock.h"
#include "net/refusal.h"

#include <stdlib.h>

/* Bounded by the windows that we give; the rest is what a fault may put in between. */
#define OUT_MOST_BYTES (2 * PIPE_MOST_BYTES)
#define KEEP_CAPACITY ((size_t)16 * 1024)

void h2_call_begin(struct h2_link *link, int32_t id)
{
    struct h2_call *h = check_alloc_zero(1, sizeof(*h));
    h->link = link;
    h->id[SIDE_REQUEST] = id;
    h->open[SIDE_REQUEST] = true;
    for (size_t i = 0; i < COUNT_OF(h->way); i++) {
        buffer_init(&h->way[i].in, H2_WAY_IN_MOST_BYTES);
        buffer_init(&h->way[i].out, OUT_MOST_BYTES);
    }
    h->next = link->calls;
    if (link->calls != NULL)
        link->calls->previous = h;
    link->calls = h;
    if (++link->call_count > H2_CALLS_MOST) {
        char why[H2_WHY_BYTES];
        snprintf(why, sizeof(why), "more than %d streams that the backend has not heard the end of",
                 H2_CALLS_MOST);
        h2_session_fail(&link->session[SIDE_REQUEST], NGHTTP2_ENHANCE_YOUR_CALM, REFUSAL_LIMIT,
                        why);
    }
    (void)nghttp2_session_set_stream_user_data(link->session[SIDE_REQUEST].ng, id, h);
}

void h2_call_free(struct h2_call *h)
{
    struct h2_link *link = h->link;
    INVARIANT(h->call == NULL);
    for (size_t i = 0; i < COUNT_OF(h->way); i++) {
        buffer_release(&h->way[i].in);
        buffer_release(&h->way[i].out);
    }
    link->call_count--;
    if (h->previous != NULL)
        h->previous->next = h->next;
    else
        link->calls = h->next;
    if (h->next != NULL)
        h->next->previous = h->previous;
    free(h);
}

void h2_call_forget(struct h2_call *h)
{
    h->call = NULL;
    h->told = true;
    h->over = true;
}

/* The settle that follows looks at it. */
static void note_finished(struct h2_call *h)
{
    if (h->is_finished)
        return;
    h->is_finished = true;
    h->next_finished = NULL;
    if (h->link->finished == NULL)
        h->link->finished = h;
    else
        h->link->last_finished->next_finished = h;
    h->link->last_finished = h;
}

void h2_call_decide(struct h2_call *h, enum attempt_outcome outcome)
{
    if (h->decided || h->answered)
        return;
    h->decided = true;
    h->outcome = (uint16_t)outcome;
    if (h->call != NULL && h->call->record.out == 0 && outcome != OUTCOME_LEFT)
        h->call->record.out = call_span(h->call, clock_now_ns());
}

void h2_call_finish(struct h2_call *h, enum attempt_outcome otherwise)
{
    enum attempt_outcome outcome = h->decided    ? (enum attempt_outcome)h->outcome
                                   : h->answered ? OUTCOME_ANSWERED
                                                 : otherwise;
    if (h->told)
        return;
    if (h->call == NULL) { /* its head never came whole */
        struct conn *client = h2_call_session(h, SIDE_REQUEST)->conn;
        if (!h->decided || client == NULL)
            return;
        h->call = call_new_stream(client, client->read_ns, (uint32_t)h->id[SIDE_REQUEST], h);
    }
    if (outcome == OUTCOME_BAD_REQUEST) /* the reason, as HTTP/2 numbers it */
        h->call->record.left_code =
            h->code != NGHTTP2_NO_ERROR ? h->code : h2_call_session(h, SIDE_REQUEST)->error_code;
    call_end(h->call, outcome);
}

size_t h2_call_waiting(const struct h2_call *h, enum side side)
{
    const struct flow *flow = call_flow(h->call, side);
    size_t waiting = h->way[side].in.len + h2_way_waiting(&h->way[side]);
    for (uint16_t i = 0; flow->pipe.stages != NULL && i < flow->pipe.run->chain->count; i++)
        waiting += flow->pipe.stages[i].pending.len - flow->pipe.stages[i].from;
    return waiting;
}

void h2_call_credit(struct h2_call *h, enum side side)
{
    struct h2_way *way = &h->way[side];
    struct h2_session *from = h2_call_session(h, side);
    size_t waiting = h->over || h->call == NULL ? 0 : h2_call_waiting(h, side);
    if (way->owed <= waiting)
        return;
    if (h->open[side] && from->ng != NULL)
        (void)nghttp2_session_consume_stream(from->ng, h->id[side], way->owed - waiting);
    way->owed = waiting;
}

void h2_call_reset(struct h2_call *h, enum side side, uint32_t code)
{
    struct h2_session *s = h2_call_session(h, side);
    if (!h->open[side] || h->reset[side] || s->ng == NULL)
        return;
    h->reset[side] = true;
    (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, h->id[side], code);
}

void h2_call_reset_due(struct h2_call *h)
{
    struct h2_way *way = &h->way[SIDE_RESPONSE];
    if (!way->reset_due || h2_way_waiting(way) > 0 || (way->head_sent && !way->head_out) ||
        (way->closing && !way->end_out))
        return;
    if (!h->over &&
        (call_flow(h->call, SIDE_RESPONSE)->held || h2_call_waiting(h, SIDE_RESPONSE) > 0))
        return;
    if (h->lost)
        h2_call_decide(h, OUTCOME_UPSTREAM_RESET);
    h2_call_reset(h, SIDE_REQUEST, way->reset_code);
}

void h2_call_reset_client(struct h2_call *h, uint32_t code)
{
    struct h2_way *way = &h->way[SIDE_RESPONSE];
    if (way->reset_due)
        return;
    way->reset_due = true;
    way->reset_code = code;
    h2_call_reset_due(h);
}

void h2_call_stop(struct h2_call *h)
{
    struct call *call = h->call;
    h->over = true;
    for (size_t i = 0; i < COUNT_OF(h->way); i++) {
        buffer_release(&h->way[i].in);
        if (call != NULL) {
            loop_hold_remove(call->endpoint->proxy->loop, &call->flow[i].hold);
            call->flow[i].held = false;
        }
        h2_call_credit(h, (enum side)i);
    }
    buffer_release(&h->way[SIDE_REQUEST].out);
    h->way[SIDE_REQUEST].out_from = 0;
}

void h2_call_left(struct h2_call *h, enum left_kind kind, uint32_t code)
{
    if (h->call == NULL || h->decided || h->answered)
        return;
    h->call->record.left = call_span(h->call, clock_now_ns());
    h->call->record.left_kind = (uint8_t)kind;
    h->call->record.left_code = code;
    h2_call_decide(h, OUTCOME_LEFT);
}

void h2_call_disown(struct h2_call *h, bool reset_client)
{
    h2_call_decide(h, OUTCOME_UPSTREAM_RESET);
    h2_call_stop(h);
    if (reset_client)
        h2_call_reset(h, SIDE_REQUEST, NGHTTP2_REFUSED_STREAM);
}

void h2_call_refuse(struct h2_call *h, enum side side, enum refusal_about about, const char *why)
{
    const struct conn *client = h2_call_session(h, SIDE_REQUEST)->conn,
                      *from = h2_call_session(h, side)->conn;
    struct refusal_try of = {.mesh = client,
                             .stream = (uint32_t)h->id[SIDE_REQUEST],
                             .sequence = h->call != NULL ? h->call->record.sequence : 0};
    if (h2_call_is_live(h) && client != NULL)
        refusal_note(from != NULL ? from : client, &of, about, why);
    h2_call_decide(h, side == SIDE_REQUEST ? OUTCOME_BAD_REQUEST : OUTCOME_BAD_RESPONSE);
}

void h2_call_bad_answer(struct h2_call *h, enum refusal_about about, const char *why)
{
    h2_call_refuse(h, SIDE_RESPONSE, about, why);
    h2_call_stop(h);
    h2_call_reset(h, SIDE_RESPONSE, NGHTTP2_PROTOCOL_ERROR);
    h2_call_reset_client(h, NGHTTP2_INTERNAL_ERROR);
}

void h2_call_on_invalid(struct h2_call *h, enum side side, const char *why)
{
    if (side == SIDE_RESPONSE) {
        h2_call_bad_answer(h, REFUSAL_HTTP2, why);
        return;
    }
    h2_call_refuse(h, SIDE_REQUEST, REFUSAL_HTTP2, why);
    h2_call_stop(h);
    h2_call_reset(h, SIDE_RESPONSE, NGHTTP2_CANCEL);
}

void h2_call_on_reset(struct h2_call *h, enum side side, uint32_t code)
{
    if (side == SIDE_RESPONSE) {
        h->reset_by_peer = true;
        return; /* on_close has the code too, and also those that no frame has told */
    }
    h2_call_left(h, LEFT_RST_STREAM, code);
    h2_call_stop(h);
    h2_call_reset(h, SIDE_RESPONSE, code);
}

/* Of the messages that nghttp2 resets without a word, all have another length than they say. */
static const char *why_closed(uint32_t code)
{
    return code == NGHTTP2_PROTOCOL_ERROR   ? H2_WHY_LENGTH
           : code == NGHTTP2_REFUSED_STREAM ? "a stream behind our GOAWAY, or one more than allowed"
                                            : nghttp2_http2_strerror(code);
}

void h2_call_on_close(struct h2_call *h, enum side side, uint32_t code)
{
    struct h2_way *answer = &h->way[SIDE_RESPONSE];
    h->open[side] = false;
    note_finished(h);
    if (side == SIDE_REQUEST) {
        h->code = code;
        if (code != NGHTTP2_NO_ERROR && h2_call_is_live(h)) /* by nghttp2: no call of ours */
            h2_call_refuse(h, SIDE_REQUEST, REFUSAL_HTTP2, why_closed(code));
        h2_call_stop(h);
        h2_call_reset(h, SIDE_RESPONSE, NGHTTP2_CANCEL);
        return;
    }
    if (h->over || h->reset[SIDE_RESPONSE] || h->disowned ||
        (answer->ended && h->way[SIDE_REQUEST].end_out))
        return;
    if (code == NGHTTP2_PROTOCOL_ERROR &&
        !h->reset_by_peer) { /* nghttp2 found that, not the peer */
        h2_call_bad_answer(h, REFUSAL_HTTP2, why_closed(code));
        return;
    }
    h->lost = !answer->ended; /* else it wants no more of the request, and has answered */
    h2_call_reset_client(h, code);
}

void h2_call_wake(struct h2_call *h, enum side side)
{
    struct h2_session *to = h2_call_session(h, h2_other(side));
    if (h->way[side].head_sent && h->open[h2_other(side)] && to->ng != NULL)
        (void)nghttp2_session_resume_data(to->ng,
                                          h->id[h2_other(side)]); /* fails when not deferred */
}

/* The answer's end is on its way. */
static void answered(struct h2_call *h)
{
    struct h2_link *link = h->link;
    h->way[SIDE_RESPONSE].end_out = true;
    if (!h->decided)
        h->answered = true;
    if (h->id[SIDE_REQUEST] > link->answered_id)
        link->answered_id = h->id[SIDE_REQUEST];
    h2_call_reset_due(h);
}

static size_t take_out(struct h2_way *way, uint8_t *to, size_t most)
{
    size_t len = h2_way_waiting(way) < most ? h2_way_waiting(way) : most;
    if (len > 0)
        memcpy(to, way->out.at + way->out_from, len);
    way->out_from += len;
    if (way->out_from == way->out.len) {
        way->out.len = way->out_from = 0;
        if (way->out.capacity > KEEP_CAPACITY)
            buffer_release(&way->out);
    }
    return len;
}

static void submit_trailers(struct h2_call *h, enum side side)
{
    struct fields trailers = h->way[side].trailers;
    nghttp2_nv *nv = h2_head_spell(trailers, NULL);
    (void)nghttp2_submit_trailer(h2_call_session(h, h2_other(side))->ng, h->id[h2_other(side)], nv,
                                 trailers.count);
    free(nv);
}

/* What nghttp2 pulls DATA frames with. */
static ssize_t read_out(nghttp2_session *ng, int32_t id, uint8_t *to, size_t most, uint32_t *flags,
                        nghttp2_data_source *source, void *cookie)
{
    const struct h2_session *s = cookie;
    struct h2_call *h = source->ptr;
    enum side side = h2_other(s->side);
    struct h2_way *way = &h->way[side];
    (void)ng;
    (void)id;
    size_t len = take_out(way, to, most);
    if (len > 0) {
        if (side == SIDE_RESPONSE && h->call != NULL)
            h->call->record.done = call_span(h->call, clock_now_ns());
        h2_call_credit(h, side);
    }
    if (h2_way_waiting(way) == 0 && way->closing && !way->end_sent) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        way->end_sent = true;
        if (way->trailers.count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(h, side);
        } else if (side == SIDE_RESPONSE) {
            answered(h);
        } else {
            way->end_out = true;
        }
        return (ssize_t)len;
    }
    if (side == SIDE_RESPONSE)
        h2_call_reset_due(h);
    return len > 0 ? (ssize_t)len : NGHTTP2_ERR_DEFERRED;
}

bool h2_call_submit(struct h2_call *h, enum side side, const struct h2_head *head, bool ends)
{
    enum side to = h2_other(side);
    struct h2_session *s = h2_call_session(h, to);
    nghttp2_data_provider body = {.source.ptr = h, .read_callback = read_out};
    nghttp2_nv *nv = h2_head_spell(head->all, head->flags);
    int32_t result = -1;
    if (s->ng != NULL && side == SIDE_REQUEST) {
        result = nghttp2_submit_request(s->ng, NULL, nv, head->all.count, ends ? NULL : &body, h);
        h->id[to] = result > 0 ? result : 0;
        h->open[to] = result > 0;
    } else if (s->ng != NULL && h->open[to]) {
        result =
            nghttp2_submit_response(s->ng, h->id[to], nv, head->all.count, ends ? NULL : &body);
    }
    free(nv);
    h->way[side].head_sent = true;
    if (ends)
        h->way[side].end_sent = true;
    return result >= 0;
}

void h2_call_on_head_out(struct h2_call *h, enum side side, bool ends)
{
    struct call *call = h->call;
    struct h2_way *way = &h->way[h2_other(side)];
    uint64_t at = call != NULL ? call_span(call, clock_now_ns()) : 0;
    if (side == SIDE_REQUEST && h->interims_due > 0) { /* a 1xx is no answer yet */
        h->interims_due--;
        return;
    }
    way->head_out = true;
    if (side == SIDE_RESPONSE) {
        way->end_out = way->end_out || ends;
        if (call != NULL && call->record.upstream == 0)
            call->record.upstream = at;
        return;
    }
    if (call != NULL) {
        call->record.done = at;
        if (call->record.head_out == 0)
            call->record.head_out = at;
        if (call->record.out == 0)
            call->record.out = at;
    }
    if (ends)
        answered(h);
    else
        h2_call_reset_due(h);
}
