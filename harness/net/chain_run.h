#ifndef NET_CHAIN_RUN_H
#define NET_CHAIN_RUN_H

/* One try's way through a chain: which slots its selectors chose, their states, and where it is.
 * Only this module calls filters. It decides nothing about sockets: the relay acts on what it
 * returns. */

#include "net/select.h"
#include "net/streak.h"

struct slot_state;

struct chain_run {
    struct filter_chain *chain; /* NULL: no fault here */
    struct arena *arena;        /* of the call: states, HEAD and END answers */
    struct arena *chunk_arena;  /* DATA answers: emptied once they are acted on */
    struct slot_state **states; /* by slot, made when first asked */
    struct call_view view;
    uint64_t chosen;         /* bit per slot */
    uint64_t waiting;        /* matched, but for the status that is not known yet */
    uint64_t fresh;          /* chosen by the last selection, for the counters */
    uint32_t fired, guarded; /* by fault number modulo 32 */
    bool counted_open;       /* in the streak's count of open tries */
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
/* For a connection that has just been accepted: selectors without any key. */
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
struct answer chain_run_ask_data(struct chain_run *run, uint16_t i, const struct data_view *seen,
                                 uint64_t now_ns);
/* The slot asks for no more of this try: its fault was disarmed. */
void chain_run_drop(struct chain_run *run, uint16_t slot);
/* A later slot also wanted the try. */
bool chain_run_shadows(const struct chain_run *run, uint16_t slot);
static inline uint16_t chain_run_fault(const struct chain_run *run, uint16_t slot)
{
    return run->chain->slots[slot].fault;
}

#endif
