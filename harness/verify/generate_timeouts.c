/* Which requests the claims of timeouts need (spec/verifier.md 4.2 A): some that are held until the
 * mesh lets go of them, and some whose answers come late enough to show that it did not. */
#include "verify/making.h"

#include "base/clock.h"
#include "base/rng.h"
#include "verify/backoff.h"
#include "verify/timeout.h"

#define HOLD_LEAST 16 /* 6 are needed; the guard and stalls take some */
#define HOLD_MOST 66
#define SLOW_LEAST 16 /* 8 are needed; some fall into stalls */
#define SLOW_ROOM_NS (40 * NS_PER_MS)
#define PATIENT_LEAST 4
#define PATIENCE_NS (16 * NS_PER_S)
/* A last try so much before its own end shows that it was the whole timeout that ended it
 * (timeout_request.c). */
#define TOLD_NS (20 * NS_PER_MS)
#define SENT_NS (5 * NS_PER_MS) /* of the last try, before its time is up */
#define DRAWS 400
#define TOLD_LEAST (DRAWS / 10)

/* How many tries a held request may have. */
static uint64_t held_tries(const struct edge_policy *edge)
{
    return retry_rule_covers(edge, CAUSE_HOLD, 0) ? 1 + edge->retry.attempts.number : 1;
}

/* Whether a held request is cut in the midst of a try, by its back-offs as they are drawn. */
static bool is_told(const struct edge_policy *edge, struct rng *rng)
{
    uint64_t p = timeout_try_ns(edge), whole = timeout_request_ns(edge), begun_ns = 0;
    uint64_t tries = held_tries(edge);
    for (uint32_t k = 1; k <= tries && begun_ns + SENT_NS < whole; k++) {
        /* Linkerd does not cut the last try that it may make. */
        bool uncut = edge->flavour == FLAVOUR_LINKERD && k == tries;
        if (uncut || begun_ns + p > whole + TOLD_NS)
            return true;
        uint64_t least = backoff_least_ns(edge, k), most = backoff_most_ns(edge, k);
        begun_ns += p + least + rng_below(rng, most - least + 1);
    }
    return false;
}

/* Of so many held requests ${DRAWS} show the whole timeout: where it is a multiple of the per-try
 * one, only those whose back-offs were long do. */
static uint32_t told_of_draws(const struct edge_policy *edge)
{
    uint64_t p = timeout_try_ns(edge), whole = timeout_request_ns(edge);
    struct rng rng = rng_of(whole);
    uint32_t told = 0;
    if (p == 0 || p >= whole)
        return whole == 0 ? 0 : DRAWS;
    for (uint32_t i = 0; i < DRAWS; i++)
        told += is_told(edge, &rng);
    return told;
}

bool making_reaches_timeout(const struct edge_policy *edge)
{
    uint64_t p = timeout_try_ns(edge), whole = timeout_request_ns(edge);
    if (whole == 0)
        return false;
    /* Linkerd does not cut the last try that it may make. */
    return edge->flavour == FLAVOUR_LINKERD || p == 0 || p >= whole ||
           held_tries(edge) * p > whole + TIMEOUT_LEFT_OVER_NS;
}

bool making_tells_timeout(const struct edge_policy *edge)
{
    return making_reaches_timeout(edge) && told_of_draws(edge) >= TOLD_LEAST;
}

/* So many that HOLD_LEAST of them show it, where it is asked. */
static uint32_t hold_least(const struct making *m)
{
    if (!making_tells_timeout(m->edge))
        return HOLD_LEAST;
    uint32_t count = HOLD_LEAST * DRAWS / told_of_draws(m->edge);
    return count < HOLD_MOST ? count : HOLD_MOST;
}

uint64_t making_patience_ns(const struct making *m)
{
    return m->options->patience_ns == 0 ? PATIENCE_NS : m->options->patience_ns;
}

uint64_t making_slow_ns(uint64_t per_try)
{
    uint64_t usual = per_try / 4 * 3, room = per_try > 2 * SLOW_ROOM_NS ? SLOW_ROOM_NS : 0;
    return usual + SLOW_ROOM_NS > per_try ? per_try - room : usual;
}

void making_timeouts(struct making *m)
{
    uint64_t p = timeout_try_ns(m->edge), whole = timeout_request_ns(m->edge);
    bool cut = p != 0 && (whole == 0 || p < whole);
    bool safe = !m->ejects || m->c > 2;
    if (cut && safe && making_wants(m, "timeout.try"))
        making_tag(m, 1, "hold", making_cause_least(m), "blackhole", NULL, true);
    if (safe && ((cut && making_wants(m, "timeout.try.restart")) ||
                 (making_reaches_timeout(m->edge) &&
                  (making_wants(m, "timeout.request") || making_wants(m, "honest")))))
        making_tag(m, 0, "hold", hold_least(m), "blackhole", NULL, true);
    if (cut && making_wants(m, "timeout.try.kept"))
        making_tag(m, 1, "slow", SLOW_LEAST, "latency",
                   (const char *const[]){"add", making_ms(m, making_slow_ns(p)), NULL}, false);
    if (making_wants(m, "timeout.none"))
        making_tag(m, 0, "patience", PATIENT_LEAST, "latency",
                   (const char *const[]){"add", making_ms(m, making_patience_ns(m)), NULL}, false);
}
