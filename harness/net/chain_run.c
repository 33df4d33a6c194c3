#include "net/chain_run.h"

#include <math.h>
#include <stdalign.h>

/* A slot's state in one try: its random numbers, then state_bytes. */
struct slot_state {
    struct rng rng;
    bool head_passed[2]; /* of a raw stream, by side: on_head has let it through */
    alignas(max_align_t) uint8_t bytes[];
};

/* Those that come before there is any call. */
#define CONNECTION_MOMENTS \
    (MOMENT_BIT(MOMENT_ACCEPT, SIDE_REQUEST) | MOMENT_BIT(MOMENT_HANDSHAKE, SIDE_REQUEST) | \
     MOMENT_BIT(MOMENT_HANDSHAKE, SIDE_RESPONSE))

#define SLOT_BIT(slot) (UINT64_C(1) << (slot))

void chain_run_init(struct chain_run *run, struct filter_chain *chain, struct arena *arena,
                    struct arena *chunk_arena)
{
    *run = (struct chain_run){.chain = chain, .arena = arena, .chunk_arena = chunk_arena};
    chain_hold(chain);
}

/* A try that carries no id is drawn by itself (scenario-language.md 1.5). */
static struct rng draw_for(const struct chain_run *run, const struct filter_slot *slot)
{
    const struct call_view *v = &run->view;
    if (slot->when.per == SELECT_PER_CONNECTION)
        return rng_for(slot->when.seed, slot->fault, 0, 0, v->conn);
    if (v->id_hi == 0 && v->id_lo == 0)
        return rng_for(slot->when.seed, slot->fault, v->conn, v->sequence, UINT64_MAX);
    return rng_for(slot->when.seed, slot->fault, v->id_hi - slot->when.base, v->id_lo, 0);
}

static uint32_t fault_bit(const struct filter_slot *slot)
{
    return UINT32_C(1) << (slot->fault % 32);
}

/* How far above its share a law of chance may stray (one-sided, in standard deviations): a fault
 * whose share is the very limit is not withheld for its luck. */
#define SHARE_SIGMAS 4

/* One firing more would be over the share that may be faulted. */
static bool over_share(const struct chain_run *run)
{
    const struct fire_limits *limits = run->chain->limits;
    if (limits == NULL || limits->share_ppm >= 1000000 || run->counted_share)
        return false;
    double share = limits->share_ppm / 1e6, seen = (double)limits->seen[run->is_connection];
    double chosen = (double)limits->chosen[run->is_connection] + 1;
    return chosen > share * seen + SHARE_SIGMAS * sqrt(seen * share * (1 - share)) + 1;
}

static void count_seen(struct chain_run *run, bool is_connection)
{
    run->is_connection = is_connection;
    if (run->chain->limits != NULL)
        run->chain->limits->seen[is_connection]++;
}

/* The streak guard withholds after the draw and before `times`: a withheld firing costs no budget.
 * Choosing is not yet firing: a reset after 1 MiB of a short body never acts. `times` is charged
 * here all the same, for tries that run at once must not spend more than there is, and is given
 * back at the try's end when nothing was done (chain_run_release). The guard judges here too, and
 * counts a chosen try as open until it ends: once a fault acts it is too late to withhold it. */
static void choose(struct chain_run *run, uint16_t i, struct rng *rng, struct streak *streak,
                   uint64_t *conn_fired)
{
    struct filter_slot *slot = &run->chain->slots[i];
    const struct selector *when = &slot->when;
    bool again = when->per == SELECT_PER_CONNECTION && conn_fired != NULL &&
                 (*conn_fired & SLOT_BIT(i)) != 0;
    if (when->share_ppm < 1000000 && !rng_chance_ppm(rng, when->share_ppm))
        return;
    if (when->times != NULL && when->times->left == 0 && !again)
        return;
    if (over_share(run)) {
        run->limited |= fault_bit(slot);
        return;
    }
    if (when->streak > 0 && streak != NULL &&
        streak_withholds(streak, when->streak, streak->open - (run->counted_open ? 1 : 0))) {
        run->guarded |= fault_bit(slot);
        return;
    }
    if (when->times != NULL && when->times->left != UINT64_MAX && !again) {
        when->times->left--;
        /* per connection it is the connection that was chosen: its later requests may still act */
        run->charged |= when->per == SELECT_PER_CONNECTION ? 0 : SLOT_BIT(i);
    }
    if (conn_fired != NULL)
        *conn_fired |= SLOT_BIT(i);
    run->chosen |= SLOT_BIT(i);
    if (run->chain->limits != NULL && !run->counted_share) {
        run->counted_share = true;
        run->chain->limits->chosen[run->is_connection]++;
    }
    if (streak != NULL && !run->counted_open) {
        run->counted_open = true;
        streak->open++;
    }
}

void chain_run_select(struct chain_run *run, const struct select_view *seen, struct streak *streak,
                      uint64_t *conn_fired, uint64_t now_ns)
{
    count_seen(run, false);
    for (uint16_t i = 0; i < run->chain->count; i++) {
        const struct filter_slot *slot = &run->chain->slots[i];
        const struct selector *when = &slot->when;
        uint32_t nth = when->per == SELECT_PER_CONNECTION ? run->view.sequence : run->view.attempt;
        if (now_ns >= when->expires_ns || (when->first > 0 && nth > when->first) ||
            !select_request(&when->match, seen))
            continue;
        if (select_wants_status(&when->match)) {
            run->waiting |= SLOT_BIT(i);
            continue;
        }
        struct rng rng = draw_for(run, slot);
        choose(run, i, &rng, streak, conn_fired);
    }
}

void chain_run_select_status(struct chain_run *run, uint16_t status, struct streak *streak,
                             uint64_t *conn_fired, uint64_t now_ns)
{
    for (uint16_t i = 0; run->waiting != 0 && i < run->chain->count; i++) {
        const struct filter_slot *slot = &run->chain->slots[i];
        if ((run->waiting & SLOT_BIT(i)) == 0 || now_ns >= slot->when.expires_ns ||
            !select_status(&slot->when.match, status))
            continue;
        struct rng rng = draw_for(run, slot);
        choose(run, i, &rng, streak, conn_fired);
    }
    run->waiting = 0;
}

void chain_run_select_accept(struct chain_run *run, uint64_t nth, struct streak *streak,
                             uint64_t now_ns)
{
    count_seen(run, true);
    for (uint16_t i = 0; i < run->chain->count; i++) {
        const struct filter_slot *slot = &run->chain->slots[i];
        if ((slot->moments & CONNECTION_MOMENTS) == 0 || now_ns >= slot->when.expires_ns ||
            !select_is_open(&slot->when.match) || (slot->when.first > 0 && nth > slot->when.first))
            continue;
        struct rng rng = rng_for(slot->when.seed, slot->fault, run->view.endpoint, nth, 0);
        choose(run, i, &rng, streak, NULL);
    }
}

/* The slot did something to this try: that is a firing, the first time. */
static void note_act(struct chain_run *run, uint16_t i)
{
    struct filter_slot *slot = &run->chain->slots[i];
    if ((run->acted & SLOT_BIT(i)) != 0)
        return;
    run->acted |= SLOT_BIT(i);
    run->fresh |= SLOT_BIT(i);
    run->fired |= fault_bit(slot);
    slot->fired++;
}

/* A raw stream's DATA stands for the head that it does not have. */
static uint32_t moments_for(const struct chain_run *run, const struct filter_slot *slot)
{
    uint32_t moments = slot->moments;
    for (unsigned side = SIDE_REQUEST;
         run->view.is_raw && slot->filter->head_on_raw && side <= SIDE_RESPONSE; side++) {
        if ((slot->moments & MOMENT_BIT(MOMENT_HEAD, side)) != 0)
            moments |= MOMENT_BIT(MOMENT_DATA, side);
    }
    return moments;
}

bool chain_run_wants(const struct chain_run *run, enum moment moment, enum side side)
{
    uint64_t left = run->chosen | run->waiting;
    if (left == 0 || (!run->view.is_raw && !chain_wants(run->chain, moment, side)))
        return false;
    for (uint16_t i = 0; i < run->chain->count; i++) {
        if ((left & SLOT_BIT(i)) != 0 &&
            (moments_for(run, &run->chain->slots[i]) & MOMENT_BIT(moment, side)) != 0)
            return true;
    }
    return false;
}

static struct slot_state *state_of(struct chain_run *run, uint16_t i)
{
    const struct filter_slot *slot = &run->chain->slots[i];
    if (run->states == NULL)
        run->states = ARENA_ARRAY(run->arena, struct slot_state *, run->chain->count);
    if (run->states[i] == NULL) {
        const struct call_view *v = &run->view;
        run->states[i] =
            arena_take(run->arena, sizeof(struct slot_state) + slot->filter->state_bytes);
        bool tied = v->id_hi != 0 || v->id_lo != 0;
        run->states[i]->rng =
            rng_for(slot->when.seed, slot->fault, tied ? v->id_hi - slot->when.base : v->conn,
                    tied ? v->id_lo : v->sequence, v->attempt);
    }
    return run->states[i];
}

/* A ninth fault on one connection takes the place of another: by number, so that two do not fight.
 */
static uint64_t *word_of(struct chain_run *run, uint16_t fault)
{
    struct fault_word *word = NULL;
    if (run->words == NULL)
        return NULL;
    for (size_t i = 0; i < FAULT_WORDS; i++) {
        if (run->words[i].fault == fault)
            return &run->words[i].value;
        if (word == NULL && run->words[i].fault == 0)
            word = &run->words[i];
    }
    if (word == NULL)
        word = &run->words[fault % FAULT_WORDS];
    *word = (struct fault_word){.fault = fault};
    return &word->value;
}

static struct filter_context context_of(struct chain_run *run, uint16_t i, struct arena *arena,
                                        uint64_t now_ns)
{
    struct slot_state *state = state_of(run, i);
    return (struct filter_context){.params = run->chain->slots[i].params,
                                   .state = state->bytes,
                                   .now_ns = now_ns,
                                   .rng = &state->rng,
                                   .arena = arena,
                                   .conn = run->view.conn,
                                   .connection = word_of(run, run->chain->slots[i].fault)};
}

/* Not of a chain that is no longer in force: the budget's owner may have gone with the fault. */
static void give_back(struct chain_run *run)
{
    uint64_t idle = run->charged & ~run->acted;
    for (uint16_t i = 0; idle != 0 && !run->chain->retired && i < run->chain->count; i++) {
        if ((idle & SLOT_BIT(i)) != 0)
            run->chain->slots[i].when.times->left++;
    }
}

void chain_run_release(struct chain_run *run, bool closing, uint64_t now_ns)
{
    for (uint16_t i = 0; closing && run->states != NULL && i < run->chain->count; i++) {
        const struct stream_filter *f = run->chain->slots[i].filter;
        if (run->states[i] == NULL || f->on_close == NULL)
            continue;
        struct filter_context at = context_of(run, i, run->arena, now_ns);
        f->on_close(&at);
    }
    if (run->counted_share && run->acted == 0) /* chosen, and nothing was done */
        run->chain->limits->chosen[run->is_connection]--;
    give_back(run);
    chain_release(run->chain);
    *run = (struct chain_run){0};
}

/* True when slot ${i} is to be asked now. A fault past its TTL passes: its hold ends at that time.
 */
static bool asks(const struct chain_run *run, uint16_t i, uint32_t moment_bit, uint64_t now_ns)
{
    const struct filter_slot *slot = &run->chain->slots[i];
    return (run->chosen & SLOT_BIT(i)) != 0 && (moments_for(run, slot) & moment_bit) != 0 &&
           now_ns < slot->when.expires_ns;
}

/* A hold is asked again no later than the fault's TTL. */
static struct answer within_ttl(const struct chain_run *run, uint16_t i, struct answer answer)
{
    if (answer.act == ACT_HOLD && answer.until_ns > run->chain->slots[i].when.expires_ns)
        answer.until_ns = run->chain->slots[i].when.expires_ns;
    return answer;
}

/* A hold longer than the limit is none at all. */
static struct answer bounded(struct chain_run *run, uint64_t now_ns, uint16_t i,
                             struct answer answer)
{
    const struct fire_limits *limits = run->chain->limits;
    if (answer.act == ACT_HOLD && limits != NULL && limits->delay_most_ns != 0 &&
        answer.until_ns != HOLD_FOREVER && answer.until_ns > now_ns &&
        answer.until_ns - now_ns > limits->delay_most_ns) {
        run->limited |= fault_bit(&run->chain->slots[i]);
        return (struct answer){.act = ACT_PASS, .take = TAKE_ALL};
    }
    return within_ttl(run, i, answer);
}

/* What the fault of slot ${i} answered is noted, and a replacement made. True: the call stops here.
 */
static bool stops(struct chain_run *run, uint16_t i, struct answer answer,
                  void (*edit)(void *cookie, const struct reply *reply), void *cookie)
{
    if (answer.act == ACT_PASS)
        return false;
    note_act(run, i);
    if (answer.act != ACT_REPLACE)
        return true;
    edit(cookie, answer.reply);
    return false;
}

struct halt chain_run_head(struct chain_run *run, uint16_t from, struct head_view *seen,
                           uint64_t now_ns, void (*edit)(void *cookie, const struct reply *reply),
                           void *cookie)
{
    uint32_t bit = MOMENT_BIT(MOMENT_HEAD, seen->side);
    seen->call = &run->view;
    for (uint16_t i = from; i < run->chain->count; i++) {
        const struct stream_filter *f = run->chain->slots[i].filter;
        if (!asks(run, i, bit, now_ns) || f->on_head == NULL)
            continue;
        struct filter_context at = context_of(run, i, run->arena, now_ns);
        struct answer answer = bounded(run, now_ns, i, f->on_head(&at, seen));
        if (stops(run, i, answer, edit, cookie))
            return (struct halt){answer, i};
    }
    return (struct halt){ANSWER_PASS, 0};
}

struct halt chain_run_end(struct chain_run *run, uint16_t from, struct end_view *seen,
                          uint64_t now_ns, void (*edit)(void *cookie, const struct reply *reply),
                          void *cookie)
{
    uint32_t bit = MOMENT_BIT(MOMENT_END, seen->side);
    seen->call = &run->view;
    for (uint16_t i = from; i < run->chain->count; i++) {
        const struct stream_filter *f = run->chain->slots[i].filter;
        if (!asks(run, i, bit, now_ns) || f->on_end == NULL)
            continue;
        struct filter_context at = context_of(run, i, run->arena, now_ns);
        struct answer answer = bounded(run, now_ns, i, f->on_end(&at, seen));
        if (stops(run, i, answer, edit, cookie))
            return (struct halt){answer, i};
    }
    return (struct halt){ANSWER_PASS, 0};
}

struct halt chain_run_accept(struct chain_run *run, uint16_t from, const struct accept_view *seen,
                             uint64_t now_ns)
{
    uint32_t bit = MOMENT_BIT(MOMENT_ACCEPT, SIDE_REQUEST);
    for (uint16_t i = from; i < run->chain->count; i++) {
        const struct stream_filter *f = run->chain->slots[i].filter;
        if (!asks(run, i, bit, now_ns) || f->on_accept == NULL)
            continue;
        struct filter_context at = context_of(run, i, run->arena, now_ns);
        struct answer answer = bounded(run, now_ns, i, f->on_accept(&at, seen));
        if (answer.act == ACT_PASS || answer.act == ACT_REPLACE)
            continue;
        note_act(run, i);
        return (struct halt){answer, i};
    }
    return (struct halt){ANSWER_PASS, 0};
}

struct halt chain_run_handshake(struct chain_run *run, uint16_t from,
                                const struct handshake_view *seen, uint64_t now_ns)
{
    uint32_t bit = MOMENT_BIT(MOMENT_HANDSHAKE, seen->side);
    for (uint16_t i = from; run->chain != NULL && i < run->chain->count; i++) {
        const struct stream_filter *f = run->chain->slots[i].filter;
        if (!asks(run, i, bit, now_ns) || f->on_handshake == NULL)
            continue;
        struct filter_context at = context_of(run, i, run->arena, now_ns);
        struct answer answer = bounded(run, now_ns, i, f->on_handshake(&at, seen));
        if (answer.act == ACT_PASS)
            continue;
        note_act(run, i);
        return (struct halt){answer, i};
    }
    return (struct halt){ANSWER_PASS, 0};
}

/* The first byte of a raw stream, as its head. PASS: it has let that through. */
static struct answer ask_raw_head(struct chain_run *run, uint16_t i, const struct data_view *seen,
                                  uint64_t now_ns)
{
    const struct filter_slot *slot = &run->chain->slots[i];
    struct filter_context at = context_of(run, i, run->chunk_arena, now_ns);
    struct head_view head = {.call = seen->call, .side = seen->side};
    bool *passed = &run->states[i]->head_passed[seen->side];
    if (*passed || (slot->moments & MOMENT_BIT(MOMENT_HEAD, seen->side)) == 0)
        return ANSWER_PASS;
    struct answer answer = bounded(run, now_ns, i, slot->filter->on_head(&at, &head));
    answer.take = 0;
    if (answer.act != ACT_PASS && answer.act != ACT_REPLACE && answer.act != ACT_RESPOND)
        return answer;
    *passed = true;
    return ANSWER_PASS;
}

static struct answer ask_data(struct chain_run *run, uint16_t i, const struct data_view *seen,
                              uint64_t now_ns)
{
    const struct filter_slot *slot = &run->chain->slots[i];
    const struct stream_filter *f = slot->filter;
    if (run->view.is_raw && f->head_on_raw) {
        struct answer answer = ask_raw_head(run, i, seen, now_ns);
        if (answer.act != ACT_PASS)
            return answer;
    }
    if (f->on_data == NULL || (slot->moments & MOMENT_BIT(MOMENT_DATA, seen->side)) == 0)
        return ANSWER_PASS;
    struct filter_context at = context_of(run, i, run->chunk_arena, now_ns);
    /* Within a body a hold is a pace (bandwidth, slicer), not an added delay. */
    return within_ttl(run, i, f->on_data(&at, seen));
}

struct answer chain_run_ask_data(struct chain_run *run, uint16_t i, const struct data_view *seen,
                                 uint64_t now_ns)
{
    if (!asks(run, i, MOMENT_BIT(MOMENT_DATA, seen->side), now_ns))
        return (struct answer){.act = ACT_PASS, .take = (uint32_t)seen->chunk.len};
    struct answer answer = ask_data(run, i, seen, now_ns);
    if (answer.take > seen->chunk.len)
        answer.take = (uint32_t)seen->chunk.len;
    /* a PASS of nothing would be asked for ever (engine.md section 3) */
    INVARIANT(answer.take > 0 || seen->chunk.len == 0 ||
              (answer.act != ACT_PASS && answer.act != ACT_REPLACE));
    if (answer.act != ACT_PASS || answer.take < seen->chunk.len) /* cutting it up is an act too */
        note_act(run, i);
    return answer;
}

uint64_t chain_run_fin(struct chain_run *run, enum side side, uint64_t now_ns, uint16_t *ret_fault)
{
    struct fin_view seen = {.call = &run->view, .side = side};
    uint64_t until_ns = 0;
    if (!chain_run_wants(run, MOMENT_FIN, side))
        return 0;
    for (uint16_t i = 0; i < run->chain->count; i++) {
        const struct stream_filter *f = run->chain->slots[i].filter;
        if (!asks(run, i, MOMENT_BIT(MOMENT_FIN, side), now_ns) || f->on_fin == NULL)
            continue;
        struct filter_context at = context_of(run, i, run->arena, now_ns);
        struct answer answer = bounded(run, now_ns, i, f->on_fin(&at, &seen));
        if (answer.act != ACT_HOLD || answer.until_ns <= now_ns)
            continue;
        note_act(run, i);
        if (answer.until_ns > until_ns) {
            until_ns = answer.until_ns;
            *ret_fault = run->chain->slots[i].fault;
        }
    }
    return until_ns;
}

void chain_run_drop(struct chain_run *run, uint16_t slot)
{
    run->chosen &= ~SLOT_BIT(slot);
}

bool chain_run_shadows(const struct chain_run *run, uint16_t slot)
{
    return slot + 1 < CHAIN_SLOTS_MOST && (run->chosen >> (slot + 1)) != 0;
}
