/* What a track finds by a short way, against the plain way to it, on journals drawn at random. */
#include "base/clock.h"
#include "base/rng.h"
#include "verify/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOSTS 3
#define REQUESTS 500
#define OUT_FROM 150
#define OUT_TO 400
#define LOOK 300 /* track_streak.c */
#define FROM_NS (1000 * NS_PER_S)

/* How ids and connections are numbered; what is found must not depend on it. */
struct numbering {
    bool two_processes;
    uint64_t id_step;
    uint32_t conn_step;
};

static uint64_t id_hi(const struct numbering *n, uint64_t id)
{
    return n->two_processes && id % 2 == 1 ? 8 : 7;
}

/* Answers, errors, cuts and holds, faults and their guard, a loop that stalls; now and then a
 * second try, an unknown id or endpoint, a record that was read out of turn. */
static void draw_try(struct journal *j, struct rng *rng, const struct numbering *n, uint64_t id,
                     uint16_t place, uint64_t at_ns)
{
    static const uint16_t statuses[] = {200, 200, 200, 200, 500, 503, 503, 404, 0};
    struct attempt_record a = {.at = at_ns,
                               .id_hi = id_hi(n, id),
                               .id_lo = id * n->id_step,
                               .conn = (1 + (uint32_t)rng_below(rng, 60)) * n->conn_step,
                               .sequence = 1 + (uint32_t)rng_below(rng, 3),
                               .endpoint = (uint16_t)rng_below(rng, HOSTS + 1),
                               .status = statuses[rng_below(rng, COUNT_OF(statuses))],
                               .k = place,
                               .n_mesh = rng_below(rng, 5) == 0 ? 0 : place,
                               .fired = (uint32_t)(rng_below(rng, 4) == 0),
                               .guarded = (uint32_t)(rng_below(rng, 6) == 0) * 2,
                               .how_tied = TIED_OWN_ID};
    if (a.endpoint == 1 && id > OUT_FROM && id < OUT_TO) /* it is out */
        a.endpoint = 2;
    uint64_t took_ns = 1 + rng_below(rng, rng_below(rng, 10) == 0 ? NS_PER_S : 20 * NS_PER_MS);
    if (rng_below(rng, 8) == 0) {
        a.left = took_ns;
        a.outcome = OUTCOME_LEFT;
    }
    if (a.left == 0 || rng_below(rng, 2) == 0)
        a.out = a.head_out = a.done = took_ns;
    if (a.out != 0 && rng_below(rng, 10) == 0)
        a.outcome = OUTCOME_RESET_BY_FAULT;
    journal_add(j, 2, RECORD_ATTEMPT, &a);
}

static struct journal *draw_journal(uint64_t seed, const struct numbering *n)
{
    struct rng rng = rng_of(seed);
    struct journal *j = journal_new();
    uint32_t edge = journal_add_name(j, "client -> payments");
    uint64_t at_ns = FROM_NS;
    journal_add_proc(j, 1, "load", "subject", "client");
    journal_add_proc(j, 2, "proxy", "subject", "payments");
    for (uint64_t id = 1; id <= REQUESTS; id++) {
        at_ns += rng_below(&rng, rng_below(&rng, 40) == 0 ? 2 * NS_PER_S : 15 * NS_PER_MS);
        uint16_t tries = (uint16_t)(1 + rng_below(&rng, 3) / 2);
        uint64_t took_ns = NS_PER_MS + rng_below(&rng, 40 * NS_PER_MS), own = at_ns;
        struct request_record r = {.due = at_ns,
                                   .id_hi = id_hi(n, id),
                                   .id_lo = id * n->id_step,
                                   .done = took_ns,
                                   .head = took_ns,
                                   .status = rng_below(&rng, 3) == 0 ? 503 : 200,
                                   .edge = edge};
        for (uint16_t place = 1; place <= tries; place++) {
            own += rng_below(&rng, 4 * NS_PER_MS);
            draw_try(j, &rng, n, rng_below(&rng, 50) == 0 ? id + REQUESTS : id, place, own);
        }
        if (rng_below(&rng, 30) != 0)
            journal_add(j, 1, RECORD_REQUEST, &r);
        if (rng_below(&rng, 40) == 0)
            journal_add(j, 1, RECORD_REQUEST, &r); /* the same id again */
        if (rng_below(&rng, 60) == 0) {
            struct stall_record stall = {.at = at_ns, .fired = 9 * NS_PER_MS};
            journal_add(j, 2, RECORD_STALL, &stall);
        }
    }
    return j;
}

static struct track *track_of(const struct journal *j)
{
    struct track_options options = {.arm = "subject",
                                    .service = "payments",
                                    .flavour = FLAVOUR_ENVOY,
                                    .endpoints = HOSTS,
                                    .retries = 1,
                                    .unseen_ns = NS_PER_S,
                                    .try_timeout_ns = 250 * NS_PER_MS,
                                    .span = {0, UINT64_MAX},
                                    .baseline = {0, 1}};
    return track_new(j, &options);
}

static const struct try *host_try(const struct track *t, uint32_t host, uint32_t position)
{
    return &t->tries[t->hosts[host].tries[position]];
}

/* The tries of a host that can matter to ${position}: as track_streak.c says, one after the other.
 */
static uint32_t plain_from(const struct track *t, uint32_t h, uint32_t position, bool certain)
{
    uint32_t from = position, least = position > LOOK ? position - LOOK : 0;
    while (from > least && !host_try(t, h, from)->after_silence &&
           !(certain && host_try(t, h, from)->after_gap))
        from--;
    return from;
}

static uint32_t plain_to(const struct track *t, uint32_t h, uint32_t position)
{
    uint64_t seen_ns = host_try(t, h, position)->seen_ns;
    uint32_t to = position + 1;
    while (to < t->hosts[h].count && to - position < LOOK && !host_try(t, h, to)->after_silence &&
           host_try(t, h, to)->head_ns <= seen_ns)
        to++;
    return to;
}

static uint64_t plain_smin(const struct track *t, uint32_t h, uint32_t position, bool gateway)
{
    const struct try *last = host_try(t, h, position);
    uint32_t from = plain_from(t, h, position, true), to = plain_to(t, h, position);
    uint64_t broken_ns = 0, count = 0;
    for (uint32_t i = position > LOOK ? position - LOOK : 0; i < to; i++) {
        const struct try *s = host_try(t, h, i);
        if ((s->rule[gateway] & RULE_CLEARS) != 0 && s->lo_ns < last->seen_ns &&
            s->seen_ns > broken_ns)
            broken_ns = s->seen_ns;
    }
    for (uint32_t i = from; i < to; i++) {
        const struct try *f = host_try(t, h, i);
        bool soon = f->out_ns != 0 && f->lo_ns >= f->out_ns &&
                    f->lo_ns + 5 * NS_PER_MS <= last->seen_ns &&
                    spans_within(&t->taint, f->lo_ns, last->seen_ns) == 0;
        bool ended = f->is_connection || f->seen_ns <= last->seen_ns || soon;
        count += (f->rule[gateway] & RULE_FAILED) != 0 && f->lo_ns <= last->lo_ns && ended &&
                 f->lo_ns >= broken_ns;
    }
    return count;
}

static uint64_t plain_smax(const struct track *t, uint32_t h, uint32_t position, bool gateway,
                           uint64_t *ret_since_ns)
{
    const struct try *last = host_try(t, h, position);
    uint32_t from = plain_from(t, h, position, false), to = plain_to(t, h, position);
    uint64_t cleared_ns = 0, count = 0, since_ns = host_try(t, h, from)->head_ns;
    for (uint32_t i = from; i < to; i++) {
        const struct try *s = host_try(t, h, i);
        if ((s->rule[gateway] & RULE_CLEARED) != 0 && s->seen_ns <= last->lo_ns &&
            s->lo_ns > cleared_ns)
            cleared_ns = s->lo_ns;
    }
    for (uint32_t i = from; i < to; i++) {
        const struct try *f = host_try(t, h, i);
        count += (f->rule[gateway] & RULE_FAILS) != 0 && f->lo_ns <= last->seen_ns &&
                 f->seen_ns > cleared_ns;
    }
    *ret_since_ns = cleared_ns > since_ns ? cleared_ns : since_ns;
    return count;
}

static void runs_of_failures_are_those_that_the_whole_look_finds(void **state)
{
    struct numbering n = {.id_step = 1, .conn_step = 1};
    uint64_t sum = 0, silences = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct journal *j = draw_journal(seed, &n);
        struct track *t = track_of(j);
        silences += t->silence_count;
        for (uint32_t h = 0; h < t->host_count; h++)
            for (uint32_t i = 0; i < t->hosts[h].count; i++)
                for (int gateway = 0; gateway < 2; gateway++) {
                    uint64_t since_ns, plain_ns;
                    assert_int_equal(track_smin(t, h, i, gateway != 0),
                                     plain_smin(t, h, i, gateway != 0));
                    assert_int_equal(track_smax_seen(t, h, i, gateway != 0, &since_ns),
                                     plain_smax(t, h, i, gateway != 0, &plain_ns));
                    assert_int_equal(since_ns, plain_ns);
                    sum += track_smin(t, h, i, gateway != 0);
                }
        track_free(t);
        journal_free(j);
    }
    assert_true(sum > 500 && silences > 0); /* there was something to find */
}

/* By a table or by a map. */
static void numbers_of_ids_and_connections_change_nothing(void **state)
{
    static const struct numbering ways[] = {
        {false, 1, 1}, {false, 1000, 1}, {true, 1, 1}, {false, 1, 1000000}, {true, 3, 70}};
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct journal *plain = draw_journal(seed, &ways[0]);
        struct track *t = track_of(plain);
        for (size_t k = 1; k < COUNT_OF(ways); k++) {
            struct journal *j = draw_journal(seed, &ways[k]);
            struct track *other = track_of(j);
            assert_int_equal(other->try_count, t->try_count);
            for (uint32_t i = 0; i < t->try_count; i++) {
                const struct try *x = &t->tries[i], *y = &other->tries[i];
                assert_int_equal(x->request, y->request);
                assert_int_equal(x->next, y->next);
                assert_int_equal(x->place, y->place);
                assert_int_equal(x->seen_ns, y->seen_ns);
                assert_int_equal(x->lo_ns, y->lo_ns);
                assert_memory_equal(x->rule, y->rule, sizeof(x->rule));
            }
            track_free(other);
            journal_free(j);
        }
        /* The first request of an id has its tries, and an unknown id has no request. */
        for (uint32_t i = 0; i < t->try_count; i++) {
            uint32_t found = TRACK_NONE;
            for (uint32_t r = t->request_count; r > 0; r--)
                if (t->requests[r - 1].r->id_lo == t->tries[i].r->id_lo)
                    found = r - 1;
            assert_int_equal(t->tries[i].request, found);
        }
        track_free(t);
        journal_free(plain);
    }
}

static void what_is_asked_often_is_what_was_asked_once(void **state)
{
    struct numbering n = {.id_step = 1, .conn_step = 1};
    uint32_t well = 0, clear = 0, faulted = 0;
    (void)state;
    for (uint64_t seed = 20; seed <= 24; seed++) {
        struct journal *j = draw_journal(seed, &n);
        struct track *t = track_of(j);
        for (uint32_t i = 0; i < t->try_count; i++) {
            struct try x = t->tries[i];
            bool has = x.r->fired != 0 || x.r->guarded != 0 || x.r->fault != 0;
            well += x.well;
            x.well = false; /* the long way */
            struct failure f = window_failure(&x);
            assert_true(!t->tries[i].well || f.kind == FAILURE_NONE);
            assert_true(!has || t->faulted[faulted] == i);
            faulted += has;
        }
        assert_int_equal(faulted, t->faulted_count);
        faulted = 0;
        for (uint32_t i = 0; i < t->request_count; i++) {
            const struct request *r = &t->requests[i];
            assert_int_equal(r->clear, r->background && !spans_hold(&t->stalls, r->start_ns) &&
                                           !spans_hold(&t->stalls, r->done_ns));
            clear += r->clear;
        }
        for (uint32_t from = 0; from < t->try_count; from += 7)
            for (uint32_t h = 0, to = from + 40; h < HOSTS && to <= t->try_count; h++) {
                uint32_t count = 0;
                for (uint32_t i = from; i < to; i++)
                    count += t->tries[i].r->endpoint == h + 1;
                assert_int_equal(track_host_tries(t, h, from, to), count);
            }
        track_free(t);
        journal_free(j);
    }
    assert_true(well > 100 && clear > 50);
}

static int by_time(const void *a, const void *b)
{
    const struct track_key *x = a, *y = b;
    if (x->t_ns != y->t_ns)
        return x->t_ns < y->t_ns ? -1 : 1;
    if (x->k != y->k)
        return x->k < y->k ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Spread evenly, in a heap with one far away, in steps, backwards, many at one time. */
static uint64_t draw_time(struct rng *rng, int shape, uint32_t i, uint32_t count)
{
    switch (shape) {
    case 0:
        return rng_below(rng, 60 * NS_PER_S);
    case 1:
        return i == 0 ? UINT64_MAX / 2 : rng_below(rng, 100 * NS_PER_US);
    case 2:
        return i * NS_PER_MS + rng_below(rng, 20 * NS_PER_MS);
    case 3:
        return (count - i) * NS_PER_US;
    default:
        return rng_below(rng, 9) * NS_PER_S;
    }
}

static void keys_are_sorted_however_they_lie(void **state)
{
    static const uint32_t counts[] = {0, 1, 2, 60, 65, 700, 5000};
    struct rng rng = rng_of(9);
    (void)state;
    for (int shape = 0; shape < 5; shape++)
        for (size_t c = 0; c < COUNT_OF(counts); c++) {
            uint32_t count = counts[c];
            struct track_key *keys = check_alloc((count + 1) * sizeof(*keys)),
                             *plain = check_alloc((count + 1) * sizeof(*plain));
            for (uint32_t i = 0; i < count; i++)
                plain[i] = keys[i] = (struct track_key){draw_time(&rng, shape, i, count),
                                                        (uint32_t)rng_below(&rng, 3), i};
            track_sort(keys, count);
            if (count > 0)
                qsort(plain, count, sizeof(*plain), by_time);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(keys[i].at, plain[i].at);
            free(keys);
            free(plain);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_of_failures_are_those_that_the_whole_look_finds),
        cmocka_unit_test(numbers_of_ids_and_connections_change_nothing),
        cmocka_unit_test(what_is_asked_often_is_what_was_asked_once),
        cmocka_unit_test(keys_are_sorted_however_they_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
