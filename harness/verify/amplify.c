/* amplify (spec/verifier.md 3.7): the tries on one service that one request of the user may cause,
 * over all hops before it. */
#include "verify/amplify.h"
#include "verify/chain.h"
#include "verify/claims.h"
#include "verify/window.h"

#include "base/map.h"

#include <stdlib.h>

#define LEAST 100

static bool applies(const struct edge_policy *edge)
{
    return edge->retry.attempts.set;
}

struct sums {
    uint64_t requests, tries, most, over, roots;
    uint64_t seen, tied;
};

static void add_up(const struct window *w, uint64_t bound, struct sums *sums, struct verdict *ret)
{
    const struct track *t = w->track;
    struct map roots;
    map_init(&roots, (size_t)(w->to - w->from) + 1);
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &t->requests[i];
        if (!window_has(w, r))
            continue;
        bool none = r->r->root_hi == 0 && r->r->root_lo == 0, made;
        struct map_key key = {none ? r->r->id_hi : r->r->root_hi,
                              none ? r->r->id_lo : r->r->root_lo};
        uint64_t *sum = map_at(&roots, key, &made), tries = window_tries(r);
        if (sum == NULL)
            continue;
        *sum += tries;
        sums->requests++;
        sums->roots += made;
        sums->tries += tries;
        sums->most = *sum > sums->most ? *sum : sums->most;
        if (*sum > bound) {
            sums->over++;
            window_witness(ret, r, r->start_ns);
        }
    }
    map_release(&roots);
    uint32_t end = track_try_at(t, w->span.to_ns);
    for (uint32_t i = track_try_at(t, w->span.from_ns); i < end; i++) {
        sums->seen++;
        sums->tied += t->tries[i].request != TRACK_NONE;
    }
}

/* The services behind: a failure there decides. True: it did. */
static bool judge_chain(const struct window *w, const struct chain *c, const json_t *wish,
                        struct arena *arena, struct verdict *ret)
{
    for (size_t k = 0; k < c->count; k++) {
        const struct chain_service *s = &c->at[k];
        struct text factors;
        text_init(&factors, 256);
        uint64_t bound = amplify_bound(w->scenario, w->edges, w->edge_count, s->service,
                                       amplify_layers(w->asked), &factors);
        double mean = s->requests == 0 ? 0 : (double)s->tries / (double)s->requests;
        bool over = s->most > bound,
             wished = json_is_number(wish) && mean > json_number_value(wish);
        if (over)
            verdict_fail(ret, arena,
                         "%llu tries on %s for one request, %llu = %s declared; mean %.2f",
                         (unsigned long long)s->most, s->service, (unsigned long long)bound,
                         text_get(&factors), mean);
        else if (wished)
            verdict_fail(
                ret, arena,
                "%.2f tries on %s a request, at most %llu seen; declared are %llu = %s (mesh "
                "x app, hop by hop); wish: at most %g",
                mean, s->service, (unsigned long long)s->most, (unsigned long long)bound,
                text_get(&factors), json_number_value(wish));
        text_release(&factors);
        if (!over && !wished)
            continue;
        ret->certain =
            over ? "one witness is enough (class D)" : "a census of the phase, no inference";
        ret->witness_hi = s->witness_hi;
        ret->witness_lo = s->witness_lo;
        return true;
    }
    return false;
}

static const char *behind(const struct chain *c, struct arena *arena)
{
    const char *text = "";
    for (size_t k = 0; k < c->count; k++)
        text = arena_printf(
            arena, "%s; %.2f on %s, at most %llu", text,
            c->at[k].requests == 0 ? 0.0 : (double)c->at[k].tries / (double)c->at[k].requests,
            c->at[k].service, (unsigned long long)c->at[k].most);
    return text;
}

/* What each layer made of it on the asked edge: tries a request, and requests of one root. */
static const char *by_layer(const struct sums *s, struct arena *arena)
{
    return arena_printf(arena, "layers: mesh %.2f, app %.2f",
                        s->requests == 0 ? 0.0 : (double)s->tries / (double)s->requests,
                        s->roots == 0 ? 0.0 : (double)s->requests / (double)s->roots);
}

static const char *alone(unsigned layers)
{
    return layers == AMPLIFY_MESH  ? "; wish: the mesh alone retries"
           : layers == AMPLIFY_APP ? "; wish: the application alone retries"
                                   : "";
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct text factors;
    struct sums sums = {0};
    struct chain chain;
    chain_follow(w, &chain);
    text_init(&factors, 256);
    unsigned layers = amplify_layers(w->asked);
    uint64_t bound =
        amplify_bound(w->scenario, w->edges, w->edge_count, w->track->service, layers, &factors);
    add_up(w, bound, &sums, ret);
    const json_t *wish = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "atmost");
    double mean = sums.roots == 0 ? 0 : (double)sums.tries / (double)sums.roots;
    ret->seen = sums.requests;
    ret->eligible = sums.roots;
    ret->wrong = sums.over;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "requests";
    verdict_policy(ret, &edge->retry.attempts, arena, "at most %llu tries a request%s",
                   (unsigned long long)bound, alone(layers));
    if (sums.over > 0) {
        verdict_fail(ret, arena, "%llu tries on %llu requests; mean %.2f (%s)%s",
                     (unsigned long long)sums.most, (unsigned long long)sums.over, mean,
                     by_layer(&sums, arena), window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D)";
    } else if (sums.seen > 0 && sums.tied * 100 < sums.seen * 99) {
        verdict_open(ret, WHY_CAPABILITY, arena,
                     "%llu of %llu tries carry no id: the application does not pass it on",
                     (unsigned long long)(sums.seen - sums.tied), (unsigned long long)sums.seen);
        ret->needs = "x-meshproof-root passed on with each call";
    } else if (sums.roots < ret->needed) {
        window_too_few(w, ret, arena, sums.roots, ret->needed, ret->unit);
    } else if (judge_chain(w, &chain, wish, arena, ret)) {
        ret->wrong = ret->eligible;
    } else if (json_is_number(wish) && mean > json_number_value(wish)) {
        verdict_fail(ret, arena, "%.2f tries a request; wish: at most %g", mean,
                     json_number_value(wish));
        ret->certain = "a census of the phase, no inference";
    } else {
        verdict_pass(ret, arena, "%.2f tries a request; at most %llu seen of %llu%s%s%s%s", mean,
                     (unsigned long long)sums.most, (unsigned long long)bound,
                     strchr(text_get(&factors), 'x') != NULL ? " = " : "",
                     strchr(text_get(&factors), 'x') != NULL ? text_get(&factors) : "",
                     behind(&chain, arena),
                     json_is_number(wish)
                         ? arena_printf(arena, "; wish: at most %g", json_number_value(wish))
                         : "");
    }
    text_release(&factors);
}

const struct claim_type claim_amplify = {
    .id = "amplify",
    .word = "amplification",
    .only = "amplification",
    .help = "tries that one request causes, over all hops",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
