#include "journal/picks.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

#define SILENCE_LEAST_NS (NS_PER_S / 2)
#define SILENCE_GAPS 4
#define SILENCE_PICKS_LEAST 16 /* by chance one in 650 at three endpoints */
#define SILENCE_ALPHA 1e-8
#define WINDOW_PICKS_PER_ENDPOINT 60

void picks_init(struct picks *p, uint32_t endpoint_count)
{
    *p = (struct picks){0};
    p->endpoint_count =
        (uint16_t)(endpoint_count < PICKS_ENDPOINTS_MOST ? endpoint_count : PICKS_ENDPOINTS_MOST);
    p->size = (size_t)p->endpoint_count * WINDOW_PICKS_PER_ENDPOINT;
    p->size = p->size < PICKS_WINDOW_MOST ? p->size : PICKS_WINDOW_MOST;
    if (p->size > 0)
        p->ring = check_alloc_zero(p->size, sizeof(*p->ring));
}

void picks_release(struct picks *p)
{
    free(p->ring);
    *p = (struct picks){0};
}

static bool attempt_is_good(const struct attempt_record *attempt)
{
    bool raw = attempt->how_tied == TIED_RAW_LINE;
    return attempt->outcome == OUTCOME_ANSWERED && (raw || attempt->status > 0) &&
           attempt->status < 500 && attempt->grpc_status <= 1;
}

/* The window's oldest pick makes room. */
static void window_add(struct picks *p, uint16_t endpoint)
{
    if (p->count == p->size)
        p->endpoints[p->ring[p->next] - 1].in_window--;
    else
        p->count++;
    p->ring[p->next] = endpoint;
    p->next = (p->next + 1) % p->size;
    p->endpoints[endpoint - 1].in_window++;
}

void picks_add(struct picks *p, const struct attempt_record *attempt, uint64_t now_ns)
{
    if (attempt->endpoint == 0 || attempt->endpoint > p->endpoint_count)
        return;
    struct pick_endpoint *e = &p->endpoints[attempt->endpoint - 1];
    uint64_t lag_ns = now_ns > attempt->at ? now_ns - attempt->at : 0;
    bool was_silent = picks_silent(p, attempt->endpoint, attempt->at);
    window_add(p, attempt->endpoint);
    for (size_t i = 0; i < p->endpoint_count; i++)
        if (&p->endpoints[i] != e && attempt->at > p->endpoints[i].last_ns)
            p->endpoints[i].elsewhere++;
    e->attempts++;
    e->lag_ns = lag_ns > e->lag_ns ? lag_ns : e->lag_ns - e->lag_ns / 8 + lag_ns / 8;
    if (attempt->at < e->last_ns) /* told late: a newer one is known */
        return;
    if (e->last_ns != 0 && !was_silent) {
        uint64_t gap_ns = attempt->at - e->last_ns;
        e->mean_gap_ns =
            e->mean_gap_ns == 0 ? gap_ns : e->mean_gap_ns - e->mean_gap_ns / 16 + gap_ns / 16;
    }
    e->last_ns = attempt->at;
    e->last_good = attempt_is_good(attempt);
    e->elsewhere = 0;
}

/* m of verifier.md 2.3 at an equal share. */
static uint64_t picks_needed(uint32_t endpoint_count)
{
    if (endpoint_count < 2)
        return UINT64_MAX; /* one endpoint has no elsewhere */
    return (uint64_t)ceil(log(SILENCE_ALPHA) / log(1.0 - 0.5 / endpoint_count));
}

bool picks_silent(const struct picks *p, uint32_t number, uint64_t now_ns)
{
    if (number == 0 || number > p->endpoint_count || p->endpoint_count < 2)
        return false;
    const struct pick_endpoint *e = &p->endpoints[number - 1];
    uint64_t since_ns = e->last_ns + e->lag_ns;
    if (now_ns < since_ns + SILENCE_LEAST_NS)
        return false;
    if (e->elsewhere >= picks_needed(p->endpoint_count))
        return true;
    return e->elsewhere >= SILENCE_PICKS_LEAST && e->mean_gap_ns > 0 &&
           now_ns - since_ns >= SILENCE_GAPS * e->mean_gap_ns;
}
