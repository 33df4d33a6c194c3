/* What the failures that a mesh did not retry, or should not have, share: their kind. First tries
 * only, since each of them has all its retries left. */
#include "reports/causes.h"

#include "base/text.h"

#define KINDS_MOST 16

struct kind {
    char name[16]; /* "503", "reset" */
    uint64_t again, alone;
};
struct counts {
    struct kind kinds[KINDS_MOST];
    size_t count;
    bool full;
};

static struct kind *kind_of(struct counts *c, const struct failure *f)
{
    char name[sizeof(c->kinds[0].name)];
    failure_print(f, name, sizeof(name));
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->kinds[i].name, name) == 0)
            return &c->kinds[i];
    if (c->count == KINDS_MOST)
        return NULL;
    struct kind *made = &c->kinds[c->count++];
    *made = (struct kind){0};
    memcpy(made->name, name, sizeof(name));
    return made;
}

static void count_first_tries(const struct window *w, bool covered, struct counts *c)
{
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        const struct try *x = window_first(w, r);
        if (!window_has(w, r) || x == NULL || x->place != 1 || r->done_ns == 0)
            continue;
        struct failure f = window_ended(w, x);
        if (f.kind != FAILURE_CAUSE || window_covers(w, &f) != covered)
            continue;
        struct kind *k = kind_of(c, &f);
        c->full = c->full || k == NULL;
        if (k != NULL && window_retries(r) > 0)
            k->again++;
        else if (k != NULL)
            k->alone++;
    }
}

static void count_covered(const struct window *w, void *counts)
{
    count_first_tries(w, true, counts);
}

static void count_uncovered(const struct window *w, void *counts)
{
    count_first_tries(w, false, counts);
}

/* The kinds that were all retried, or none of which was; a kind of which some were is no kind that
 * a policy can speak of. */
struct split {
    struct text again, alone;
    uint64_t again_count, alone_count;
};

static void add_kind(struct text *to, const struct kind *k, uint64_t count, uint64_t *total)
{
    text_add(to, "%s%s", to->len == 0 ? "" : ", ", k->name);
    *total += count;
}

static bool split(const struct counts *c, struct split *s)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct kind *k = &c->kinds[i];
        if (k->again > 0 && k->alone > 0)
            return false;
        if (k->again > 0)
            add_kind(&s->again, k, k->again, &s->again_count);
        else
            add_kind(&s->alone, k, k->alone, &s->alone_count);
    }
    return !c->full;
}

static void add_left_alone(const struct split *s, struct text *to)
{
    char alone[32], again[32];
    text_grouped(s->alone_count, alone, sizeof(alone));
    if (s->again_count == 0) {
        text_add(to,
                 "None of the %s first tries that failed (%s) was followed by another. The likely "
                 "cause: the mesh runs without retries",
                 alone, text_get(&s->alone));
        return;
    }
    text_add(to,
             "None of the %s first tries that failed with %s was followed by another; all %s that "
             "failed with %s were. The likely cause: the mesh does not retry on %s",
             alone, text_get(&s->alone), text_grouped(s->again_count, again, sizeof(again)),
             text_get(&s->again), text_get(&s->alone));
}

static void add_retried(const struct split *s, struct text *to)
{
    char alone[32], again[32];
    text_add(to, "All %s first tries that ended with %s were followed by another",
             text_grouped(s->again_count, again, sizeof(again)), text_get(&s->again));
    if (s->alone_count > 0)
        text_add(to, "; none of the %s that ended with %s was",
                 text_grouped(s->alone_count, alone, sizeof(alone)), text_get(&s->alone));
    text_add(to, ". The likely cause: the mesh retries on %s too", text_get(&s->again));
}

static bool add(const struct counts *c, bool must, struct text *to)
{
    struct split s = {0};
    text_init(&s.again, 256);
    text_init(&s.alone, 256);
    bool found = split(c, &s) && (must ? s.alone_count : s.again_count) >= CAUSE_LEAST &&
                 (must ? s.again_count == 0 || s.again_count >= CAUSE_LEAST : true);
    if (found && must)
        add_left_alone(&s, to);
    else if (found)
        add_retried(&s, to);
    text_release(&s.again);
    text_release(&s.alone);
    return found;
}

static bool add_must(const struct edge_policy *policy, const void *counts, struct text *to)
{
    (void)policy;
    return add(counts, true, to);
}

static bool add_only(const struct edge_policy *policy, const void *counts, struct text *to)
{
    (void)policy;
    return add(counts, false, to);
}

const struct cause_kind cause_left_alone = {
    .claim = "retry.must",
    .counts_size = sizeof(struct counts),
    .count = count_covered,
    .add = add_must,
};

const struct cause_kind cause_retried = {
    .claim = "retry.only",
    .counts_size = sizeof(struct counts),
    .count = count_uncovered,
    .add = add_only,
};
