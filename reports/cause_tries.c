/* What requests with too many tries share: a kind of try that the mesh does not count, or another
 * number of retries. */
#include "reports/causes.h"

#include "base/text.h"

/* A way for a try to fail that a mesh may forget to count. */
static const struct shared {
    enum cause cause;
    const char *had, *cause_text;
} table[] = {
    {CAUSE_HOLD, "had timed out", "a try that times out is not counted"},
    {CAUSE_REFUSED, "had its connection refused", "a refused connection is not counted"},
    {CAUSE_ACCEPT, "had its connection reset as it was made",
     "a try whose connection is reset is not counted"},
    {CAUSE_RESET, "had been reset", "a try that is reset is not counted"},
    {CAUSE_FIN, "had its connection closed before an answer",
     "a try whose connection is closed is not counted"},
};

struct counts {
    uint64_t witnesses, others; /* more tries than allowed; as many, and every one failed */
    uint64_t with[COUNT_OF(table)], others_with[COUNT_OF(table)];
    uint32_t least, most; /* tries of the witnesses */
};

static bool has(const struct window *w, const struct request *r, enum cause cause)
{
    for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
        struct failure f = window_ended(w, x);
        if (f.kind == FAILURE_CAUSE && f.cause == cause)
            return true;
    }
    return cause == CAUSE_REFUSED && r->refused > 0;
}

static bool failed_each_time(const struct window *w, const struct request *r)
{
    for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x))
        if (window_failure(x).kind == FAILURE_NONE)
            return false;
    return true;
}

static uint32_t allowed_tries(const struct edge_policy *policy)
{
    return 1 + (uint32_t)policy->retry.attempts.number;
}

static void count(const struct window *w, void *counts)
{
    struct counts *ret = counts;
    uint32_t allowed = allowed_tries(w->policy);
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        uint32_t tries = window_tries(r);
        bool over = tries > allowed;
        if (!window_has(w, r) || tries < allowed || (!over && !failed_each_time(w, r)))
            continue;
        ret->witnesses += over;
        ret->others += !over;
        for (size_t k = 0; k < COUNT_OF(table); k++) {
            bool it = has(w, r, table[k].cause);
            ret->with[k] += over && it;
            ret->others_with[k] += !over && it;
        }
        if (over && (ret->least == 0 || tries < ret->least))
            ret->least = tries;
        if (over && tries > ret->most)
            ret->most = tries;
    }
}

static void add_shared(const struct counts *c, const struct shared *what, uint32_t allowed,
                       struct text *to)
{
    char all[32], others[32];
    text_add(to,
             "In all %s cases one of the tries %s; %s requests without such a try stopped at %u "
             "retries. The likely cause: %s",
             text_grouped(c->witnesses, all, sizeof(all)), what->had,
             text_grouped(c->others, others, sizeof(others)), allowed - 1, what->cause_text);
}

static bool add(const struct edge_policy *policy, const void *counts, struct text *to)
{
    const struct counts *c = counts;
    uint32_t allowed = allowed_tries(policy);
    char all[32];
    size_t found = COUNT_OF(table), shared = 0;
    for (size_t k = 0; k < COUNT_OF(table); k++)
        if (c->with[k] == c->witnesses && c->others_with[k] == 0) {
            found = k;
            shared++;
        }
    if (c->witnesses < CAUSE_LEAST)
        return false;
    if (shared == 1 && c->others >= CAUSE_LEAST) {
        add_shared(c, &table[found], allowed, to);
        return true;
    }
    if (c->others > 0 || c->least != c->most)
        return false;
    text_add(to,
             "No request that failed each time stopped at %u: all %s made %u. The likely cause: "
             "the mesh runs with %u retries",
             allowed - 1, text_grouped(c->witnesses, all, sizeof(all)), c->most - 1, c->most - 1);
    return true;
}

const struct cause_kind cause_tries = {
    .claim = "retry.max",
    .counts_size = sizeof(struct counts),
    .count = count,
    .add = add,
};
