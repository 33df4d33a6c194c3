/* The phases of a generated plan, in order (spec/verifier.md 4.2; names: scenario-language.md 1.8).
 */
#include "verify/making.h"

#include "base/clock.h"
#include "verify/backoff.h"
#include "verify/timeout.h"

#include <math.h>
#include <string.h>

#define PER_S 3600 /* rates are kept per hour */
#define PPM 1000000
#define WARM_NS NS_PER_S
#define TAG_EVERY_NS (60 * NS_PER_MS)
#define AFTER_TAGS_NS (200 * NS_PER_MS)
#define THINK_NS (100 * NS_PER_MS)
#define ALONE_NS (30 * NS_PER_MS) /* between requests that are sent one at a time */
#define MET_LEAST 10
#define EARLY_RATE 150
#define CAP_RATE 300
#define EARLY_ROUNDS 10
#define QUIET_NS (300 * NS_PER_MS)
#define AWAIT_MORE_NS (2 * NS_PER_S)
#define HEALED_NS (2 * NS_PER_S)
#define TRIP_TRIES 48 /* enough to show that a host is never put out (eject.trip) */

const char *making_endpoint(const struct making *m, uint32_t number)
{
    return arena_printf(&m->p->arena, "%s/%u", m->to, number);
}

static struct load_plan new_load(const struct making *m)
{
    struct load_plan load = {
        .source = m->options->source,
        .protocol = "http1",
        .method = m->options->method == NULL ? "GET" : m->options->method,
        .path = m->edge->path == NULL ? "/" : arena_strdup(&m->p->arena, m->edge->path),
        .timeout_ns = 30 * NS_PER_S,
        .tag_every_ns = TAG_EVERY_NS,
        .connections = 8,
        .clients = 1,
    };
    INVARIANT(place_parse(m->edge_text, &m->p->arena, &load.on, NULL));
    return load;
}

void making_open(struct making *m, uint64_t per_s)
{
    struct load_plan load = new_load(m);
    uint64_t most = making_most_per_h(m);
    load.rate_per_h = per_s * PER_S;
    if (load.rate_per_h > most) {
        m->longer = (load.rate_per_h + most - 1) / most;
        load.rate_per_h = most;
        load.tag_every_ns *= m->longer;
    }
    m->loads[m->load_count++] = load;
}

void making_closed(struct making *m, uint32_t users, uint64_t think_ns)
{
    struct load_plan load = new_load(m);
    uint64_t least_ns = users * PER_S * NS_PER_S / making_most_per_h(m);
    load.closed = true;
    load.users = users;
    load.think_ns = think_ns > least_ns ? think_ns : least_ns;
    m->loads[m->load_count++] = load;
}

void making_begin(struct making *m)
{
    struct arena *arena = &m->p->arena;
    m->steps = ARENA_ARRAY(arena, struct step, making_steps_most(m));
    m->loads = ARENA_ARRAY(arena, struct load_plan, 2);
    m->tags = ARENA_ARRAY(arena, struct tagged, MAKING_TAGS_MOST);
    m->step_count = m->load_count = m->tag_count = 0;
    m->longer = 1;
}

void making_end(struct making *m, const char *name, const char *about, uint64_t lasting_ns)
{
    INVARIANT(m->phase_count < MAKING_PHASES_MOST);
    if (m->tag_count > 0) {
        m->loads[0].tagged = m->tags;
        m->loads[0].tagged_count = m->tag_count;
    }
    m->phases[m->phase_count++] = (struct phase){
        .name = arena_strdup(&m->p->arena, name),
        .about = about,
        .source = m->options->source,
        .ends = lasting_ns == 0 ? PHASE_BY_AWAITS : PHASE_BY_CLOCK,
        .lasting_ns = lasting_ns * m->longer,
        .loads = m->loads,
        .load_count = m->load_count,
        .steps = m->steps,
        .step_count = m->step_count,
    };
}

static void add_await(struct making *m, const char *word, const char *on, uint64_t within_ns)
{
    making_step(m, step_make(m->p, STEP_AWAIT, word, on, m->options->source,
                             (const char *const[]){"within", making_ms(m, within_ns * m->longer),
                                                   "late", "go_on", NULL}));
}

/* Picks elsewhere that make a silence, at an equal share (spec/verifier.md 2.3). */
static uint64_t silence_picks(const struct making *m)
{
    return (uint64_t)ceil(log(1e-8) / log1p(-0.5 / m->n));
}

/* The longest legal way back of a host that was ejected ${k} times. */
static uint64_t back_ns(const struct making *m, uint64_t k)
{
    if (!m->ejects)
        return AWAIT_MORE_NS;
    return ejector_length_ns(&m->ejector, k) + m->ejector.interval_ns + m->ejector.merge_ns +
           AWAIT_MORE_NS;
}

/* Every endpoint, one after the other: each must have got tries since the one before was seen. */
static void await_all(struct making *m, uint64_t within_ns)
{
    for (uint32_t i = 1; i <= m->n; i++)
        add_await(m, "readmitted", making_endpoint(m, i), within_ns);
}

void making_heal(struct making *m)
{
    making_begin(m);
    making_open(m, m->n > 3 ? 35 * (uint64_t)m->n : 100);
    await_all(m, back_ns(m, 2));
    making_end(m, arena_printf(&m->p->arena, "heal %u", ++m->heals), "every endpoint answers again",
               0);
}

static void warm(struct making *m)
{
    making_begin(m);
    making_open(m, 100);
    making_end(m, "warm", "shares and latency without faults", WARM_NS);
}

/* The streak guard lets each endpoint keep at most c - 1 tries waiting, and answers the rest:
 * requests that are held to their whole timeout are spread so that half of that is enough. */
static uint64_t mixed_every_ns(const struct making *m)
{
    uint64_t whole = timeout_request_ns(m->edge), total = making_tag_total(m), held = 0;
    for (size_t i = 0; i < m->tag_count; i++)
        if (strcmp(m->tags[i].tag, MAKING_HELD) == 0)
            held = m->tags[i].count;
    if (!m->ejects || held == 0)
        return TAG_EVERY_NS;
    uint64_t apart = whole / (m->n * (m->c - 1)) * 2, every = held * apart / total;
    return every > TAG_EVERY_NS ? every : TAG_EVERY_NS;
}

static void mixed(struct making *m)
{
    static const char *const retries[] = {"atmost",  "happen",     "conditions", "committed",
                                          "spacing", "other_host", NULL};
    static const char *const unretried[] = {"conditions", "committed", NULL};
    /* What no request can meet is not asked: it would stay open for ever. */
    bool held = making_tells_timeout(m->edge) && (!m->ejects || m->c > 2);
    const char *const timeouts[] = {"per_try", "none", held ? "request" : NULL, NULL};
    static const char *const status[] = {"status", NULL};
    making_begin(m);
    making_open(m, 100);
    making_tags(m);
    if (m->tag_count == 0)
        return;
    /* Of a budget one request may take all: how many first gaps there are, nobody knows. */
    bool spaced = m->fails && !m->edge->retry.by_budget;
    making_expect(m, "retries", m->edge_text, spaced ? retries : unretried);
    making_expect(m, "timeout", m->edge_text, timeouts);
    making_expect(m, "status", m->edge_text, status);
    making_whole(m);
    uint64_t whole = timeout_request_ns(m->edge), p = timeout_try_ns(m->edge);
    uint64_t longest = whole != 0 ? whole : p * (1 + m->edge->retry.attempts.number);
    if (making_wants(m, "timeout.none"))
        longest = making_patience_ns(m);
    m->loads[0].tag_every_ns = mixed_every_ns(m) * m->longer;
    uint64_t tags_ns = making_room(m);
    making_end(m, "mixed", "each cause on requests of its own tag",
               tags_ns + longest + AFTER_TAGS_NS);
}

/* So many endpoints may be dead that a retry still finds a live one. */
static uint32_t dead_count(const struct making *m)
{
    uint64_t retries = m->edge->retry.attempts.number;
    return m->n - 1 < retries ? m->n - 1 : (uint32_t)retries;
}

/* What a request that meets dead endpoints lasts on average, back-offs and all: it meets one, and
 * perhaps others after it. */
static uint64_t meeting_ns(const struct making *m)
{
    uint32_t dead = dead_count(m);
    uint64_t sum_ns = 0, meets_ppm = PPM;
    for (uint32_t k = 1; k <= dead; k++) {
        sum_ns += meets_ppm * (backoff_most_ns(m->edge, k) / 2) / PPM;
        meets_ppm = meets_ppm * (dead - k) / (m->n - k);
    }
    return sum_ns;
}

/* Down for at most c - 1 requests, then up until every endpoint has answered: nothing is ejected
 * meanwhile. */
static uint64_t add_windows(struct making *m, const char *word, const char *const *keys)
{
    uint32_t dead = dead_count(m);
    uint64_t down_ns = (m->c - 1) * ALONE_NS - ALONE_NS / 6, up_ns = 4 * m->n * ALONE_NS;
    /* One in n / dead meets one, and takes the time of several. */
    uint64_t alone_ms = ALONE_NS / NS_PER_MS,
             met_ppm = (m->c - 1) * alone_ms * dead * PPM /
                       (alone_ms * m->n + meeting_ns(m) / NS_PER_MS * dead);
    uint64_t windows = met_ppm == 0 ? MAKING_STEPS_MOST : MET_LEAST * 5 * PPM / 4 / met_ppm + 1;
    while (windows > 1 && windows * dead + windows + 8 > MAKING_STEPS_MOST)
        windows--;
    for (uint64_t i = 0; i < windows; i++) {
        struct step during = step_make(m->p, STEP_DURING, "during", NULL, m->options->source, NULL);
        during.from_ns = i * (down_ns + up_ns) + ALONE_NS;
        during.to_ns = during.from_ns + down_ns;
        during.steps = ARENA_ARRAY(&m->p->arena, struct step, dead);
        during.step_count = dead;
        for (uint32_t k = 0; k < dead; k++)
            during.steps[k] = step_make(m->p, STEP_FAULT, word, making_endpoint(m, k + 1),
                                        m->options->source, keys);
        making_step(m, during);
    }
    return windows * (down_ns + up_ns) + 2 * ALONE_NS;
}

static uint64_t add_throughout(struct making *m, const char *word, const char *const *keys)
{
    uint32_t dead = dead_count(m);
    INVARIANT(dead > 0); /* retry.must applies: at least one retry, and two endpoints */
    for (uint32_t k = 0; k < dead; k++)
        making_step(m, step_make(m->p, STEP_FAULT, word, making_endpoint(m, k + 1),
                                 m->options->source, keys));
    uint64_t met = MET_LEAST * 5 / 2;
    return met * m->n / dead * (ALONE_NS + 3 * NS_PER_MS) + met * meeting_ns(m);
}

static void one_at_a_time(struct making *m, enum cause cause, const char *name, const char *word,
                          const char *const *keys)
{
    static const char *const happen[] = {"happen", NULL};
    if (!making_wants(m, "retry.must") || m->n < 2 || !m->edge->retry.other_host ||
        m->edge->flavour != FLAVOUR_ENVOY || !retry_rule_covers(m->edge, cause, 0) ||
        (m->ejects && m->c <= 2))
        return;
    making_begin(m);
    making_closed(m, 1, ALONE_NS);
    uint64_t lasting = m->ejects ? add_windows(m, word, keys) : add_throughout(m, word, keys);
    making_expect(m, "retries", m->edge_text, happen);
    making_end(m, name, "one request at a time, so that each failed connection is one request's",
               lasting);
    making_heal(m);
}

static void early(struct making *m)
{
    static const char *const parts[] = {"not_before", NULL};
    uint64_t c = ejector_least(&m->ejector);
    if (!making_wants(m, "eject.early") || c < 2)
        return;
    uint64_t lasting = EARLY_ROUNDS * (c + 1) * m->n * NS_PER_S / EARLY_RATE;
    making_begin(m);
    making_open(m, EARLY_RATE);
    struct step fault = step_make(m->p, STEP_FAULT, "abort", making_endpoint(m, m->one),
                                  m->options->source, (const char *const[]){"status", "503", NULL});
    step_set_json(m->p, &fault, "streak", json_integer((json_int_t)c));
    making_step(m, fault);
    making_expect(m, "ejection", m->to, parts);
    making_end(m, "early", "one failure fewer than ejects, again and again",
               lasting > 2 * NS_PER_S ? lasting : 2 * NS_PER_S);
    making_heal(m);
}

/* An ejection just after another change may leak for the merge window: let that pass. */
static uint64_t quiet_ns(const struct making *m)
{
    return m->ejector.merge_ns + QUIET_NS;
}

static void quiet(struct making *m, const char *name, uint64_t lasting_ns)
{
    making_begin(m);
    making_open(m, 50);
    making_end(m, name, "nothing changes, so that the next ejection is the only one", lasting_ns);
}

/* Whether a phase of its own fails one endpoint more than may be out. */
static bool has_cap(const struct making *m)
{
    return making_wants(m, "eject.cap") && m->ejector.cap + 1 <= m->n;
}

/* "trip", and "trip 2" of a second round. */
static const char *round_name(const struct making *m, const char *name, uint32_t round)
{
    return round == 0 ? name : arena_printf(&m->p->arena, "%s %u", name, round + 1);
}

static void trip(struct making *m, uint32_t round, const char *bad, const char *to_end_of)
{
    static const char *const trips[] = {"trips", NULL};
    making_begin(m);
    making_closed(m, 1, THINK_NS);
    struct step fault = step_make(m->p, STEP_FAULT, "abort", bad, m->options->source,
                                  (const char *const[]){"status", "503", NULL});
    if (to_end_of != NULL)
        step_set_json(m->p, &fault, "to_end_of", json_string(to_end_of));
    making_step(m, fault);
    making_expect(m, "ejection", m->to, trips);
    add_await(m, "ejected", bad,
              (TRIP_TRIES + ejector_least(&m->ejector)) * m->n * THINK_NS + AWAIT_MORE_NS);
    making_end(m, round_name(m, "trip", round),
               "one endpoint fails every try, one request at a time", 0);
}

static void length(struct making *m, uint32_t round, const char *bad, bool again)
{
    static const char *const stays[] = {"stays", "returns", NULL};
    making_begin(m);
    uint64_t rate = silence_picks(m) * 2 * NS_PER_S / m->ejector.base_ns + 1;
    /* A short ejection leaves little time after it was awaited: enough picks must fit into the
     * rest. */
    uint64_t least_rate = m->ejector.base_ns < 4 * NS_PER_S ? 300 : 200;
    making_open(m, rate > least_rate ? rate : least_rate);
    making_expect(m, "ejection", m->to, stays);
    add_await(m, "readmitted", bad, back_ns(m, 1));
    if (again)
        add_await(m, "ejected", bad,
                  m->ejector.interval_ns + m->ejector.merge_ns + 2 * AWAIT_MORE_NS);
    making_end(m, round_name(m, "length", round),
               again ? "out, back, and out again for longer" : "out, and back", 0);
}

static void trip_and_length(struct making *m)
{
    bool wants_length = making_wants(m, "eject.length") || making_wants(m, "eject.return");
    if (!making_wants(m, "eject.trip") && !making_wants(m, "eject.late") && !wants_length)
        return;
    bool full = m->options->depth == DEPTH_FULL;
    /* Two brief ones are asked for: the second is one that `cap` shows, or another endpoint's. */
    bool twice = !full && m->n > 1 && eject_is_brief(&m->ejector) && wants_length && !has_cap(m);
    /* Before, what nobody saw of ejections is forgotten: then both are first ones. */
    uint64_t forgets_ns = (EJECT_FORGET_SWEEPS + 1) * m->ejector.interval_ns,
             first_ns = quiet_ns(m) + (twice ? forgets_ns : 0);
    for (uint32_t round = 0; round < (twice ? 2U : 1U); round++) {
        const char *bad = making_endpoint(m, (m->other + round - 1) % m->n + 1);
        quiet(m, round_name(m, "quiet", round), round == 0 ? first_ns : quiet_ns(m));
        trip(m, round, bad, full ? "length" : NULL);
        length(m, round, bad, full);
    }
    if (!full)
        return;
    making_begin(m);
    making_open(m, 200);
    await_all(m, back_ns(m, 2));
    making_end(m, "return", "the fault is gone", 0);
}

static void cap(struct making *m)
{
    static const char *const parts[] = {"cap", "panic", NULL};
    if (!has_cap(m))
        return;
    /* Out, and certainly seen so; then, twice over, the picks that show a panic, which may be over
     * when the first ejection is. */
    uint64_t lasting =
        m->ejector.merge_ns + EJECT_GRACE_NS + NS_PER_S / 2 +
        (ejector_least(&m->ejector) * m->n + 2 * silence_picks(m)) * NS_PER_S / CAP_RATE;
    quiet(m, "quiet again", quiet_ns(m));
    making_begin(m);
    making_open(m, CAP_RATE);
    for (uint32_t i = 0; i <= m->ejector.cap; i++)
        making_step(m, step_make(m->p, STEP_FAULT, "abort",
                                 making_endpoint(m, (m->other + i) % m->n + 1), m->options->source,
                                 (const char *const[]){"status", "503", NULL}));
    making_expect(m, "ejection", m->to, parts);
    making_end(m, "cap", "one endpoint more fails than may be out", lasting);
}

static void never(struct making *m)
{
    static const char *const parts[] = {"cap", NULL};
    if (!making_wants(m, "eject.never"))
        return;
    /* Three silences' worth, by shares that a short baseline leaves uncertain. */
    uint64_t by_picks = 5 * silence_picks(m) * NS_PER_S / EARLY_RATE,
             by_sweep = m->ejector.interval_ns + 2 * NS_PER_S;
    making_begin(m);
    making_open(m, EARLY_RATE);
    making_step(m, step_make(m->p, STEP_FAULT, "abort", making_endpoint(m, m->one),
                             m->options->source, (const char *const[]){"status", "503", NULL}));
    making_expect(m, "ejection", m->to, parts);
    making_end(m, "never", "one endpoint fails, and must stay in",
               (by_picks > by_sweep ? by_picks : by_sweep) + NS_PER_S / 2);
    making_heal(m);
}

static void healed(struct making *m)
{
    static const char *const success[] = {"success", NULL};
    making_heal(m);
    making_begin(m);
    making_open(m, 200);
    size_t before = m->step_count;
    making_expect(m, "success", m->edge_text, success);
    if (m->step_count > before)
        step_set_json(m->p, &m->steps[before], "atleast", json_string("99%"));
    making_end(m, "healed", "everything answers as before", HEALED_NS);
}

void making_phases(struct making *m)
{
    warm(m);
    size_t before = m->phase_count;
    mixed(m);
    if (m->phase_count > before)
        making_heal(m);
    one_at_a_time(m, CAUSE_REFUSED, "one at a time", "refuse", NULL);
    one_at_a_time(m, CAUSE_ACCEPT, "one at a time, at accept", "reset",
                  (const char *const[]){"when", "accept", "existing", "reset", NULL});
    early(m);
    trip_and_length(m);
    cap(m);
    never(m);
    making_accrual(m);
    making_limits(m);
    healed(m);
}
