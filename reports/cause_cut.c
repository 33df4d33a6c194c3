/* What tries or requests that were ended at the wrong time share: one other time, which the mesh
 * may run with; or that the mesh ended none of them. */
#include "reports/causes.h"
#include "verify/timeout.h"

#include "base/clock.h"
#include "base/sort.h"
#include "base/text.h"

#include <math.h>

/* Four fifths of one timer's firings lie so close together, on a machine that is not idle. */
#define SPREAD_NS (40 * NS_PER_MS)
#define SPREAD_SHARE 10
#define KEPT_MOST 1024

struct counts {
    uint64_t cut;                 /* by the mesh */
    uint64_t off;                 /* of those: too early or too late */
    uint64_t uncut;               /* too late, and not by the mesh */
    uint64_t at[KEPT_MOST], kept; /* when, the first of those that were cut */
};

struct times {
    uint64_t least, tenth, middle, ninth, most;
};

static void sort_times(const struct counts *c, struct times *ret)
{
    uint64_t at[KEPT_MOST];
    memcpy(at, c->at, c->kept * sizeof(at[0]));
    sort_rows(at, c->kept, sizeof(at[0]), sort_by_u64);
    *ret = (struct times){at[0], at[c->kept / 10], at[c->kept / 2], at[c->kept - 1 - c->kept / 10],
                          at[c->kept - 1]};
}

static bool is_one_time(const struct times *t)
{
    uint64_t room = t->middle / SPREAD_SHARE > SPREAD_NS ? t->middle / SPREAD_SHARE : SPREAD_NS;
    return t->ninth - t->tenth <= room;
}

/* Two digits: nobody's timer is finer than what it is measured by. */
static uint64_t rounded_ns(uint64_t ns)
{
    double unit = pow(10, floor(log10((double)ns)) - 1);
    return (uint64_t)(round((double)ns / unit) * unit);
}

static bool add_time(const struct counts *c, const char *what, const char *timer,
                     uint64_t declared_ns, struct text *to)
{
    char all[32], range[48], declared[32], about[32];
    struct times t;
    if (c->kept < CAUSE_LEAST || c->off != c->cut || c->uncut > 0)
        return false;
    sort_times(c, &t);
    if (!is_one_time(&t))
        return false;
    text_add(to,
             "All %s %s were ended at %s, none at %s. The likely cause: the mesh runs with a %s of "
             "about %s",
             text_grouped(c->cut, all, sizeof(all)), what,
             verdict_range(t.least, t.most, range, sizeof(range)),
             verdict_span(declared_ns, declared, sizeof(declared)), timer,
             verdict_span(rounded_ns(t.middle), about, sizeof(about)));
    return true;
}

static void count_lives(const struct window *w, uint32_t least, struct counts *c)
{
    struct lives lives = {.each = c->at + c->kept, .room = KEPT_MOST - c->kept};
    struct verdict unused = {0};
    timeout_lives(w, least, &lives, &unused);
    c->cut += lives.count;
    c->off += lives.late + lives.early;
    c->kept += lives.count < lives.room ? lives.count : lives.room;
}

static void count_tries(const struct window *w, void *counts)
{
    count_lives(w, 1, counts);
}

static void count_retries(const struct window *w, void *counts)
{
    count_lives(w, 2, counts);
}

static bool add_try(const struct edge_policy *policy, const void *counts, struct text *to)
{
    return add_time(counts, "tries without an answer", "per-try timeout", timeout_try_ns(policy),
                    to);
}

static void count_requests(const struct window *w, void *counts)
{
    struct counts *c = counts;
    uint64_t whole = timeout_request_ns(w->policy);
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r) || r->done_ns == 0 || !window_clean(w, r->start_ns, r->done_ns))
            continue;
        uint64_t lasted_ns = r->done_ns - timeout_begun_ns(w->policy, r);
        bool late = lasted_ns > timeout_request_late_ns(whole);
        if (window_timed_out(w, r)) {
            if (c->kept < KEPT_MOST)
                c->at[c->kept++] = lasted_ns;
            c->cut++;
            c->off += late || lasted_ns < timeout_request_early_ns(whole);
        } else {
            c->uncut += late;
        }
    }
}

static bool add_request(const struct edge_policy *policy, const void *counts, struct text *to)
{
    const struct counts *c = counts;
    char all[32];
    if (c->cut > 0 || c->uncut < CAUSE_LEAST)
        return add_time(c, "requests that timed out", "timeout", timeout_request_ns(policy), to);
    text_add(to,
             "%s requests lasted longer, and the mesh ended none of them. The likely cause: it "
             "runs without a timeout",
             text_grouped(c->uncut, all, sizeof(all)));
    return true;
}

const struct cause_kind cause_cut_try = {
    .claim = "timeout.try",
    .counts_size = sizeof(struct counts),
    .count = count_tries,
    .add = add_try,
};

const struct cause_kind cause_cut_retry = {
    .claim = "timeout.try.restart",
    .counts_size = sizeof(struct counts),
    .count = count_retries,
    .add = add_try,
};

const struct cause_kind cause_ended_request = {
    .claim = "timeout.request",
    .counts_size = sizeof(struct counts),
    .count = count_requests,
    .add = add_request,
};
