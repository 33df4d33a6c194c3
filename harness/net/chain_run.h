#ifndef NET_CHAIN_RUN_H
#define NET_CHAIN_RUN_H

/* One try's way through a chain: which slots its selectors chose, their states, and where it is.
 * Only this module calls filters. It decides nothing about sockets: the relay acts on what it
 * returns. */

#include "net/select.h"
#include "net/streak.h"

struct slot_state;

/* What a fault keeps of a connection from call to call. */
struct fault_word {
    uint64_t value;
    uint16_t fault; /* 0: free */
};
#define FAULT_WORDS 8

struct chain_run {
    struct filter_chain *chain; /* NULL: no fault here */
    struct arena *arena;        /* of the call: states, HEAD and END answers */
    struct arena *chunk_arena;  /* DATA answers: emptied once they are acted on */
    struct slot_state **states; /* by slot, made when first asked */
    struct call_view view;
    struct fault_word *words; /* FAULT_WORDS of them, of the client's connection; may be NULL */
    uint64_t chosen;          /* bit per slot */
    uint64_t waiting;         /* matched, but for the status that is not known yet */
    uint64_t acted;           /* of those chosen: has answered anything but PASS of all it saw */
    uint64_t fresh;           /* acted, and not counted yet: endpoint_count_fired */
    uint64_t charged;         /* has taken one firing from its fault's `times` */
    uint32_t fired, guarded;  /* by fault number modulo 32; fired: acted, not merely chosen */
    uint32_t limited;         /* by fault number modulo 32: withheld by fire_limits */
    bool counted_share;       /* in the limits' count of chosen tries or connections */
    bool is_connection;       /* an accept, not a try */
    bool counted_open;        /* in the streak's count of open tries */
};

void chain_run_init(struct chain_run *run, struct filter_chain *chain, struct arena *arena,
                    struct arena *chunk_arena);
/* Calls on_close of the slots that were asked (${closing}: the connection is over), and lets the
 * chain go. */
void chain_run_release(struct chain_run *run, bool closing, uint64_t now_ns);

/* Evaluates the selectors at the request's head. ${conn_fired}: per-connection firings so far, by
 * slot; may be NULL. */
void chain_run_select(struct chain_run *run, const struct select_view *seen, struct streak *streak,
                      uint64_t *conn_fired, uint64_t now_ns);
/* And those that wait for the answer's status. */
void chain_run_select_status(struct chain_run *run, uint16_t status, struct streak *streak,
                             uint64_t *conn_fired, uint64_t now_ns);
/* For a connection that has just been accepted, and its handshake: selectors without any key. */
void chain_run_select_accept(struct chain_run *run, uint64_t nth, struct streak *streak,
                             uint64_t now_ns);

/* True when a chosen slot has a taker for that moment. */
bool chain_run_wants(const struct chain_run *run, enum moment moment, enum side side);

/* What stopped a walk. PASS: nothing did. Otherwise slot ${slot} answered ${answer} (never PASS or
 * REPLACE). */
struct halt {
    struct answer answer;
    uint16_t slot;
};
/* Asks slots from ${from} on about a head, in order. A REPLACE is told to ${edit} at once, which
 * may change
 * ${seen} for the slots behind it. */
struct halt chain_run_head(struct chain_run *run, uint16_t from, struct head_view *seen,
                           uint64_t now_ns, void (*edit)(void *cookie, const struct reply *reply),
                           void *cookie);
struct halt chain_run_end(struct chain_run *run, uint16_t from, struct end_view *seen,
                          uint64_t now_ns, void (*edit)(void *cookie, const struct reply *reply),
                          void *cookie);
struct halt chain_run_accept(struct chain_run *run, uint16_t from, const struct accept_view *seen,
                             uint64_t now_ns);
/* The same of a message of a handshake. REPLACE stops the walk too: it says which certificate to
 * present, and the caller goes on behind that slot. */
struct halt chain_run_handshake(struct chain_run *run, uint16_t from,
                                const struct handshake_view *seen, uint64_t now_ns);
struct answer chain_run_ask_data(struct chain_run *run, uint16_t i, const struct data_view *seen,
                                 uint64_t now_ns);
/* Asks all chosen slots about a FIN that is about to go to ${side}'s reader: when it may, and in
 * ${ret_fault} whose word that is; 0: now. */
uint64_t chain_run_fin(struct chain_run *run, enum side side, uint64_t now_ns, uint16_t *ret_fault);
/* The slot asks for no more of this try: its fault was disarmed. */
void chain_run_drop(struct chain_run *run, uint16_t slot);
/* A later slot also wanted the try. */
bool chain_run_shadows(const struct chain_run *run, uint16_t slot);
static inline uint16_t chain_run_fault(const struct chain_run *run, uint16_t slot)
{
    return run->chain->slots[slot].fault;
}

#endif
