#ifndef NET_H2_CALL_H
#define NET_H2_CALL_H

/* One try on HTTP/2: a stream of the client joined to one of the backend. Each is judged by itself,
 * with its own walk through the chain, its own holds and its own record; what is held back here
 * holds back only its own stream's window. h2_call.c has its life, its windows and what leaves,
 * h2_relay.c its way through the chain, h2_act.c what an answer of a fault does; h2_link owns the
 * connections. Nothing here closes one. */

#include "net/call.h"
#include "net/h2_link.h"

/* One direction of it; its state, holds and pipe are those of call->flow. */
struct h2_way {
    struct buffer in;       /* came, and waits while a filter holds what is before it */
    struct buffer out;      /* through the chain, waits for the other side's window */
    size_t out_from;        /* of out, already on its way */
    size_t owed;            /* of the source's window: came, and has not left yet */
    struct h2_head *head;   /* while it is held */
    struct fields trailers; /* to send at the end */
    uint32_t reset_code;
    bool head_came, head_sent; /* sent: handed to the other side's session */
    bool ended;                /* the source has said all */
    bool closing;              /* so has the chain: the end may go out behind ${out} */
    bool end_sent;             /* handed to the other side's session */
    bool head_out, end_out;    /* what is a frame now: RST_STREAM would overtake what is not */
    bool reset_due;            /* RST_STREAM(reset_code) to the sink behind ${out} */
};

struct h2_call {
    struct h2_link *link;
    struct call *call; /* NULL: before its head is there, and once its record is out */
    struct h2_call *next, *previous;
    struct h2_call *next_finished;
    struct h2_way way[2]; /* by enum side */
    int32_t id[2];        /* stream at that side's session; 0: none */
    bool open[2];         /* that stream lives */
    bool reset[2];        /* RST_STREAM was handed to that session */
    bool over;            /* nothing more is taken from either side */
    bool decided, answered;
    bool waits_settings; /* extended CONNECT: may the backend have it? */
    bool disowned;       /* above the last stream of a GOAWAY */
    bool lost;           /* the backend reset it: outcome of the client's reset that is due */
    bool told;           /* its record is out */
    bool reset_by_peer;  /* the backend's RST_STREAM came */
    bool is_finished;    /* in the link's list */
    uint16_t outcome;
    uint16_t interims, interims_due; /* 1xx heads, and those that have not left yet */
    uint32_t code;                   /* with which the client's stream closed */
};

#define H2_WAY_IN_MOST_BYTES ((size_t)1024 * 1024)
static inline enum side h2_other(enum side side)
{
    return side == SIDE_REQUEST ? SIDE_RESPONSE : SIDE_REQUEST;
}
static inline struct h2_session *h2_call_session(const struct h2_call *h, enum side side)
{
    return &h->link->session[side];
}
static inline size_t h2_way_waiting(const struct h2_way *way)
{
    return way->out.len - way->out_from;
}

/* What h2_session tells; ${side} is whose session: REQUEST the client's. */
void h2_call_begin(struct h2_link *link, int32_t id);
void h2_call_on_head(struct h2_call *h, enum side side, const struct h2_head *head, bool ended);
void h2_call_on_data(struct h2_call *h, enum side side, struct bytes payload);
/* END_STREAM, with trailers or without (NULL). */
void h2_call_on_end(struct h2_call *h, enum side side, const struct h2_head *trailers);
void h2_call_on_reset(struct h2_call *h, enum side side, uint32_t code);
/* The peer broke the rules of messages on this stream; nghttp2 resets it. */
void h2_call_on_invalid(struct h2_call *h, enum side side, const char *why);
void h2_call_on_close(struct h2_call *h, enum side side, uint32_t code);
void h2_call_on_head_out(struct h2_call *h, enum side side, bool ends);
/* The backend's head is too large, or one too many. */
void h2_call_bad_answer(struct h2_call *h, enum refusal_about about, const char *why);
/* Decides that what came from ${side} was bad, and says why in the journal; stops nothing. */
void h2_call_refuse(struct h2_call *h, enum side side, enum refusal_about about, const char *why);

/* The backend has told its settings: those that waited go on. */
void h2_call_on_settings(struct h2_call *h);
/* A GOAWAY of the backend's does not cover it. */
void h2_call_disown(struct h2_call *h, bool reset_client);
/* A hold is over, or its fault is disarmed: asks again where it stopped. The caller settles. */
void h2_call_resume(struct call *call, enum side side);
/* Its record is out: call.c tells. */
void h2_call_forget(struct h2_call *h);
/* The record, with what was decided, else answered, else ${otherwise}. */
void h2_call_finish(struct h2_call *h, enum attempt_outcome otherwise);
/* Gone from its link; its streams must be closed, or their sessions. */
void h2_call_free(struct h2_call *h);
/* The first decision is the one that counts. */
void h2_call_decide(struct h2_call *h, enum attempt_outcome outcome);
void h2_call_left(struct h2_call *h, enum left_kind kind, uint32_t code);
/* Takes nothing more from either side. */
void h2_call_stop(struct h2_call *h);
void h2_call_reset(struct h2_call *h, enum side side, uint32_t code);
/* The reset that waits, when all that was to leave before it has left. */
void h2_call_reset_due(struct h2_call *h);
/* Bytes of that direction that have come and not left. */
size_t h2_call_waiting(const struct h2_call *h, enum side side);
/* Opens the source's window by what has left. */
void h2_call_credit(struct h2_call *h, enum side side);
/* RST_STREAM to the client once what is on its way to it has left. */
void h2_call_reset_client(struct h2_call *h, uint32_t code);
/* Not answered and not ended: something must still come of it. */
static inline bool h2_call_is_live(const struct h2_call *h)
{
    return !h->answered && !h->decided;
}
/* Hands a head to the sink of ${side}; END_STREAM with it when ${ends}. */
bool h2_call_submit(struct h2_call *h, enum side side, const struct h2_head *head, bool ends);
/* Something was added to way[side].out, or its end is due. */
void h2_call_wake(struct h2_call *h, enum side side);

/* h2_act.c: what the chain's answer does. True: go on behind slot ${halt.slot} (GOAWAY). */
bool h2_act_halt(struct h2_call *h, enum side side, struct halt halt);

#endif
