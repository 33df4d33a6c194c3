#include "net/h2_link.h"

#include "base/clock.h"
#include "net/h2_call.h"
#include "net/refusal.h"
#include "net/relay.h"

#include <stdlib.h>

#define READS_A_TURN 4
#define CUT_POLL_NS (1 * NS_PER_MS)
#define CUT_WAIT_NS (50 * NS_PER_MS)
#define LAST_ID_MOST INT32_MAX

static struct conn *client_of(const struct h2_link *link)
{
    return link->session[SIDE_REQUEST].conn;
}

enum h2_sniff h2_sniff(struct bytes in)
{
    struct bytes preface = BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    size_t len = in.len < preface.len ? in.len : preface.len;
    if (len > 0 && memcmp(in.at, preface.at, len) != 0)
        return H2_IS_NOT;
    return len == preface.len ? H2_IS : H2_MAY_BE;
}

struct h2_session *h2_link_other(const struct h2_session *s)
{
    return &s->link->session[s->side == SIDE_REQUEST ? SIDE_RESPONSE : SIDE_REQUEST];
}

static void on_gone(struct loop_task *t)
{
    free((char *)(void *)t - offsetof(struct h2_link, gone));
}

/* The connection is no longer the link's. */
static void detach(struct h2_session *s)
{
    if (s->conn != NULL) {
        s->conn->codec = NULL;
        s->conn->session = NULL;
        s->conn = NULL;
    }
    h2_session_close(s);
}

/* What is still to be done with a client's connection when its link ends. */
enum farewell { FAREWELL_NONE, FAREWELL_FINISH, FAREWELL_CLOSE, FAREWELL_RESET };

static void end_calls(struct h2_link *link, enum attempt_outcome otherwise)
{
    for (struct h2_call *h = link->calls; h != NULL; h = h->next) {
        if (h->call != NULL && h2_call_is_live(h) && link->fault != 0 &&
            h->call->record.fault == 0) {
            h->call->record.fault = link->fault;
            h->call->record.action = otherwise == OUTCOME_RESET_BY_FAULT ? ACT_RESET : ACT_CLOSE;
        }
        if (h->call != NULL)
            h2_call_decide(h, otherwise);
        h2_call_finish(h, otherwise);
    }
}

static bool has_live(const struct h2_link *link)
{
    for (const struct h2_call *h = link->calls; h != NULL; h = h->next) {
        if (h2_call_is_live(h))
            return true;
    }
    return false;
}

/* The end of all: records, sessions, both connections. */
static void end(struct h2_link *link, enum attempt_outcome otherwise, enum farewell farewell,
                enum conn_closer by)
{
    struct conn *client = client_of(link), *backend = link->session[SIDE_RESPONSE].conn;
    struct loop *l = link->endpoint->proxy->loop;
    bool busy = false; /* then a FIN would look as if all were done */
    if (link->over)
        return;
    for (const struct h2_call *h = link->calls; h != NULL; h = h->next)
        busy = busy || h->open[SIDE_RESPONSE];
    link->over = true;
    loop_hold_remove(l, &link->cut);
    end_calls(link, otherwise);
    detach(&link->session[SIDE_REQUEST]);
    detach(&link->session[SIDE_RESPONSE]);
    while (link->calls != NULL)
        h2_call_free(link->calls);
    if (backend != NULL)
        conn_close(backend, CONN_BY_US, busy);
    if (client != NULL && farewell == FAREWELL_FINISH)
        conn_finish(client, by);
    else if (client != NULL && farewell != FAREWELL_NONE)
        conn_close(client, by, farewell == FAREWELL_RESET);
    link->gone.run = on_gone;
    loop_defer(l, &link->gone);
}

static void on_release(struct conn *c)
{
    struct h2_link *link = c->session;
    struct h2_session *s = &link->session[c->side == CONN_CLIENT ? SIDE_REQUEST : SIDE_RESPONSE];
    c->codec = NULL;
    c->session = NULL;
    s->conn = NULL;
    if (c->side == CONN_CLIENT) {
        end(link, OUTCOME_ABANDONED, FAREWELL_NONE, CONN_BY_US);
        return;
    }
    for (struct h2_call *h = link->calls; h != NULL; h = h->next) {
        h->open[SIDE_RESPONSE] = false;
        h2_call_finish(h, OUTCOME_ABANDONED);
    }
    h2_session_close(s);
    link->lost_backend = link->closing = true;
    h2_link_settle_later(link);
}

static void on_run(struct conn *c);

static void on_renew(struct conn *c)
{
    struct h2_link *link = c->session;
    if (link->closing)
        return;
    h2_session_notice(&link->session[SIDE_REQUEST]);
    h2_link_settle_later(link);
}

/* A drain for a fault loses nothing, so it only gives notice (RFC 9113 6.8): a GOAWAY with the last
 * id crosses requests on their way (4 of 245 were lost so). A proxy that ends has no time for that.
 */
static void on_existing(struct conn *c, enum existing what)
{
    struct h2_link *link = c->session;
    if (what == EXISTING_RESET)
        h2_link_cut(link, OUTCOME_RESET_BY_FAULT, CONN_BY_FAULT);
    else if (what == EXISTING_DRAIN && link->endpoint->proxy->draining)
        h2_link_retire(link, NGHTTP2_NO_ERROR, CONN_BY_US);
    else if (what == EXISTING_DRAIN)
        on_renew(c);
    h2_link_settle_later(link);
}

static void on_refused(struct conn *backend)
{
    struct h2_link *link = backend->session;
    h2_link_lost(link, H2_LOST_REFUSED);
    h2_link_settle(link);
}

static const struct codec codec = {.run = on_run,
                                   .release = on_release,
                                   .existing = on_existing,
                                   .renew = on_renew,
                                   .refused = on_refused};

void h2_link_begin(struct conn *client)
{
    struct h2_link *link = check_alloc_zero(1, sizeof(*link));
    link->endpoint = client->endpoint;
    link->session[SIDE_RESPONSE].side = SIDE_RESPONSE;
    link->session[SIDE_RESPONSE].link = link;
    client->codec = &codec;
    client->session = link;
    h2_session_open(&link->session[SIDE_REQUEST], link, client, SIDE_REQUEST);
    relay_again(client);
}

struct h2_session *h2_link_backend(struct h2_link *link)
{
    struct h2_session *s = &link->session[SIDE_RESPONSE];
    struct error err = {0};
    if (h2_session_is_open(s))
        return s->failed ? NULL : s;
    if (link->lost_backend)
        return NULL;
    struct conn *backend = dial_backend(link->endpoint, &err);
    if (backend == NULL)
        return NULL;
    backend->wants_h2 = true;
    backend->codec = &codec;
    backend->session = link;
    h2_session_open(s, link, backend, SIDE_RESPONSE);
    if (link->session[SIDE_REQUEST].settings_seen)
        h2_session_mirror_settings(s, &link->session[SIDE_REQUEST]);
    return s;
}

void h2_link_on_settings(struct h2_session *s)
{
    s->settings_seen = true;
    h2_session_mirror_settings(h2_link_other(s), s);
    for (struct h2_call *h = s->link->calls; s->side == SIDE_RESPONSE && h != NULL; h = h->next)
        h2_call_on_settings(h);
}

/* The client's stream up to which a GOAWAY of the backend's, that covers ${last_id} of its own,
 * holds. The backend's streams are in the order in which requests went on, which holds may have
 * changed. */
static int32_t covered(const struct h2_link *link, int32_t last_id)
{
    int32_t most = link->answered_id;
    bool all = true;
    for (const struct h2_call *h = link->calls; h != NULL; h = h->next) {
        if (h->id[SIDE_RESPONSE] > last_id)
            all = false;
        else if (h->id[SIDE_RESPONSE] != 0 && h->id[SIDE_REQUEST] > most)
            most = h->id[SIDE_REQUEST];
    }
    return all ? nghttp2_session_get_last_proc_stream_id(link->session[SIDE_REQUEST].ng) : most;
}

void h2_link_on_goaway(struct h2_session *s, int32_t last_id, uint32_t code, struct bytes text)
{
    struct h2_link *link = s->link;
    struct h2_session *client = &link->session[SIDE_REQUEST];
    if (s->side == SIDE_REQUEST) {
        h2_session_goaway(&link->session[SIDE_RESPONSE], 0, code, text);
        return;
    }
    if (client->ng == NULL)
        return;
    if (last_id == LAST_ID_MOST && code == NGHTTP2_NO_ERROR) {
        /* The real one follows, but nghttp2 opens no stream from here on, and once it has none it
         * hears nothing more: streams that still come are refused, and the real one is ours to say
         * when the connection ends. */
        link->noticed = true;
        (void)nghttp2_submit_shutdown_notice(client->ng);
        client->goaways_ours++;
        return;
    }
    int32_t most = covered(link, last_id);
    for (struct h2_call *h = link->calls; h != NULL; h = h->next) {
        if (h->id[SIDE_RESPONSE] > last_id) {
            h->disowned = true;
            h2_call_disown(h, h->id[SIDE_REQUEST] <= most);
        }
    }
    h2_session_goaway(client, most, code, text);
}

void h2_link_retire(struct h2_link *link, uint32_t code, enum conn_closer by)
{
    struct h2_session *s = &link->session[SIDE_REQUEST];
    if (link->closing || s->ng == NULL)
        return;
    link->closing = true;
    link->closing_by = (uint8_t)by;
    h2_session_goaway(s, nghttp2_session_get_last_proc_stream_id(s->ng), code,
                      (struct bytes){NULL, 0});
}

void h2_link_disown(struct h2_link *link, uint32_t code, uint16_t outcome, enum conn_closer by)
{
    for (struct h2_call *h = link->calls; h != NULL; h = h->next) {
        if (!h2_call_is_live(h))
            continue;
        if (h->call != NULL && h->call->record.fault == 0) {
            h->call->record.fault = link->fault;
            h->call->record.action = ACT_CLOSE;
        }
        h2_call_decide(h, (enum attempt_outcome)outcome);
        h2_call_stop(h);
    }
    link->closing = true;
    link->closing_by = (uint8_t)by;
    h2_session_goaway(&link->session[SIDE_REQUEST], 0, code, (struct bytes){NULL, 0});
}

void h2_link_cut(struct h2_link *link, uint16_t outcome, enum conn_closer by)
{
    if (link->cut_due)
        return;
    link->cut_due = true;
    link->cut_outcome = outcome;
    link->cut_by = (uint8_t)by;
}

/* The client left: by FIN or RST, with whatever was under way. */
static void client_left(struct h2_link *link, enum left_kind kind)
{
    for (struct h2_call *h = link->calls; h != NULL; h = h->next)
        h2_call_left(h, kind, 0);
    end(link, OUTCOME_LEFT, FAREWELL_CLOSE, CONN_BY_PEER);
}

void h2_link_lost(struct h2_link *link, enum h2_lost how)
{
    static const enum attempt_outcome outcomes[] = {
        [H2_LOST_REFUSED] = OUTCOME_UPSTREAM_REFUSED,
        [H2_LOST_RESET] = OUTCOME_UPSTREAM_RESET,
        [H2_LOST_CLOSED] = OUTCOME_UPSTREAM_CLOSED,
    };
    struct h2_session *s = &link->session[SIDE_RESPONSE];
    struct conn *backend = s->conn;
    for (struct h2_call *h = link->calls; h != NULL; h = h->next) {
        h->open[SIDE_RESPONSE] = false;
        if (h->call != NULL)
            h->call->backend = NULL;
        if (h->id[SIDE_RESPONSE] == 0 || h->way[SIDE_RESPONSE].ended || !h2_call_is_live(h))
            continue;
        h2_call_decide(h, outcomes[how]);
        h2_call_stop(h);
    }
    detach(s);
    link->lost_backend = true;
    if (backend != NULL)
        conn_close(backend, CONN_BY_PEER, false);
    if (how == H2_LOST_CLOSED && link->noticed)
        h2_link_retire(link, NGHTTP2_NO_ERROR, CONN_BY_US);
    if (how != H2_LOST_CLOSED)
        h2_link_cut(link, (uint16_t)outcomes[how], CONN_BY_US);
    link->closing = true;
    link->closing_by = CONN_BY_US;
}

/* The reason why that session failed: of all tries that it takes with it. */
static void note_failed(const struct h2_link *link, const struct h2_session *s)
{
    struct refusal_try all = {.mesh = client_of(link)};
    if (s->conn != NULL)
        refusal_note(s->conn, &all, (enum refusal_about)s->about, s->why);
}

/* The backend does not speak HTTP/2, or broke its rules: mirrored as a close. */
static void backend_failed(struct h2_link *link)
{
    struct h2_session *s = &link->session[SIDE_RESPONSE];
    struct conn *backend = s->conn;
    note_failed(link, s);
    for (struct h2_call *h = link->calls; h != NULL; h = h->next) {
        h->open[SIDE_RESPONSE] = false;
        if (h->call != NULL)
            h->call->backend = NULL;
        if (h->way[SIDE_RESPONSE].ended || !h2_call_is_live(h))
            continue;
        h2_call_decide(h, OUTCOME_BAD_RESPONSE);
        h2_call_stop(h);
    }
    detach(s);
    link->lost_backend = true;
    if (backend != NULL)
        conn_finish(backend, CONN_BY_US);
    h2_link_retire(link, NGHTTP2_INTERNAL_ERROR, CONN_BY_US);
}

static bool is_bad(const struct h2_call *h)
{
    return h->decided && h->outcome == OUTCOME_BAD_REQUEST;
}

/* The client broke the protocol; GOAWAY is out. A connection without a call has a record too. */
static void client_failed(struct h2_link *link)
{
    struct conn *client = client_of(link);
    note_failed(link, &link->session[SIDE_REQUEST]);
    for (struct h2_call *h = link->calls; h != NULL; h = h->next) {
        link->told = link->told || h2_call_is_live(h) || is_bad(h);
        h2_call_decide(h, OUTCOME_BAD_REQUEST);
    }
    if (!link->told) {
        struct call *call = call_new_stream(client, client->read_ns, 0, NULL);
        call->record.left_code = link->session[SIDE_REQUEST].error_code;
        call_end(call, OUTCOME_BAD_REQUEST);
    }
    end(link, OUTCOME_BAD_REQUEST, FAREWELL_FINISH, CONN_BY_US);
}

static void send_raw(struct h2_link *link)
{
    struct conn *client = client_of(link);
    struct iovec part = {.iov_len = link->raw->raw.len};
    memcpy(&part.iov_base, &link->raw->raw.at, sizeof(link->raw->raw.at));
    (void)conn_send(client, &part, 1);
    end(link, OUTCOME_CLOSED_BY_FAULT, FAREWELL_FINISH, CONN_BY_FAULT);
}

static void finish_cut(struct h2_link *link)
{
    for (struct h2_call *h = link->calls; link->queued && h != NULL; h = h->next) {
        if (h->call != NULL)
            h->call->record.flags |= ATTEMPT_QUEUED;
    }
    end(link, (enum attempt_outcome)link->cut_outcome, FAREWELL_RESET,
        (enum conn_closer)link->cut_by);
}

static bool is_queued(const struct h2_link *link)
{
    struct conn *client = client_of(link);
    return conn_unsent(client) > 0 ||
           socket_unsent(link->endpoint->proxy->loop, client->watch.fd) > 0;
}

/* The kernel throws away what is unsent when we send RST, so what was promised must be gone first.
 */
static void on_cut(struct hold *h, uint64_t now_ns)
{
    struct h2_link *link = (struct h2_link *)(void *)((char *)h - offsetof(struct h2_link, cut));
    (void)conn_flush(client_of(link));
    link->queued = is_queued(link);
    if (link->queued && now_ns < link->cut_deadline_ns)
        loop_hold_add(link->endpoint->proxy->loop, h, now_ns + CUT_POLL_NS, on_cut);
    else
        finish_cut(link);
}

static void start_cut(struct h2_link *link)
{
    uint64_t now_ns = clock_now_ns();
    for (struct h2_call *h = link->calls; h != NULL; h = h->next) {
        if (h->call != NULL && h->call->record.out == 0)
            h->call->record.out = call_span(h->call, now_ns);
        h2_call_stop(h);
    }
    if (!is_queued(link)) {
        finish_cut(link);
        return;
    }
    link->cutting = true;
    link->cut_deadline_ns = now_ns + CUT_WAIT_NS;
    loop_hold_add(link->endpoint->proxy->loop, &link->cut, now_ns + CUT_POLL_NS, on_cut);
}

/* Records of what has ended, memory of what is closed on both sides. */
static void reap(struct h2_link *link)
{
    while (link->finished != NULL) {
        struct h2_call *h = link->finished;
        link->finished = h->next_finished;
        h->is_finished = false;
        if (h->open[SIDE_REQUEST])
            continue;
        link->told = link->told || (link->session[SIDE_REQUEST].failed && is_bad(h));
        h2_call_finish(h, OUTCOME_ABANDONED);
        if (!h->open[SIDE_RESPONSE])
            h2_call_free(h);
    }
}

/* Everything that ends a connection is decided here; nothing of ${link} is used afterwards. */
static void finish_due(struct h2_link *link)
{
    struct h2_session *s = &link->session[SIDE_REQUEST];
    bool jammed = conn_unsent(s->conn) > H2_UNSENT_MOST_BYTES;
    if (s->conn->broken) {
        client_left(link, LEFT_RST);
    } else if (link->raw != NULL && !jammed) {
        send_raw(link);
    } else if (link->cut_due) {
        start_cut(link);
    } else if (s->failed && !jammed) {
        client_failed(link);
    } else if (link->closing && !jammed && !has_live(link) && !nghttp2_session_want_write(s->ng)) {
        end(link, OUTCOME_ABANDONED, FAREWELL_FINISH, (enum conn_closer)link->closing_by);
    }
}

void h2_link_settle(struct h2_link *link)
{
    if (link->over || link->cutting)
        return;
    if (link->settling) {
        link->again = true;
        return;
    }
    struct h2_session *client = &link->session[SIDE_REQUEST],
                      *backend = &link->session[SIDE_RESPONSE];
    link->settling = true;
    do {
        link->again = h2_session_pump(client);
        link->again |= h2_session_pump(backend);
        reap(link);
        if (backend->failed && backend->ng != NULL)
            backend_failed(link);
    } while (link->again);
    link->settling = false;
    if (backend->conn != NULL && backend->conn->broken && !backend->conn->dead) {
        backend->conn->readable = true; /* it takes no more; what it has said may still be there */
        relay_again(backend->conn);
    }
    finish_due(link);
}

void h2_link_settle_later(struct h2_link *link)
{
    if (!link->over && client_of(link) != NULL)
        relay_again(client_of(link));
}

static void on_run(struct conn *c)
{
    struct h2_link *link = c->session;
    struct h2_session *s = &link->session[c->side == CONN_CLIENT ? SIDE_REQUEST : SIDE_RESPONSE];
    enum io io = IO_DONE;
    if (link->cutting)
        return;
    (void)conn_flush(c);
    for (unsigned left = READS_A_TURN; left > 0 && !s->failed; left--) {
        if (c->input.len == 0)
            io = c->readable ? conn_fill(c) : IO_AGAIN;
        if (io != IO_DONE)
            break;
        h2_session_feed(s, c->input);
        conn_consume(c, c->input.len);
    }
    if (io == IO_DONE && !s->failed)
        relay_again(c);
    if (io == IO_FIN || io == IO_RESET) {
        enum left_kind kind = io == IO_FIN ? LEFT_FIN : LEFT_RST;
        if (c->side == CONN_CLIENT) {
            client_left(link, kind);
            return;
        }
        h2_link_lost(link, io == IO_FIN ? H2_LOST_CLOSED : H2_LOST_RESET);
    }
    h2_link_settle(link);
}
