#include "simulate/tally.h"

#include "simulate/draw.h"
#include "stats/exact.h"
#include "verify/claims.h"
#include "verify/verdict.h"

#define DRAWS_MOST 60
#define LINKERD_PERCENT 25
#define LOSES_PERCENT 3
#define SIGNIFICANT 1e-3
#define GRPC_EACH 8 /* of so many game days one speaks gRPC */
#define GRPC_NTH 5
#define PLAIN_EACH 4    /* of so many game days one has no keys to its faults */
#define BY_JSON_EACH 16 /* of so many gates one is judged by what its journal says of the plan */

const double tally_levels[TALLY_LEVELS] = {1e-2, 1e-3, 1e-4};

static size_t position_of(const struct claim_type *type)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    for (size_t i = 0; i < count; i++)
        if (types[i] == type)
            return i;
    UNREACHABLE();
}

struct gate_options tally_options(uint64_t seed)
{
    struct rng rng = rng_for(seed, 0x67617465, 0, 0, 0);
    uint64_t level = rng_below(&rng, 100);
    struct gate_options o = {.depth = rng_below(&rng, 100) < 5 ? DEPTH_FULL : DEPTH_QUICK};
    o.noise = level < 55 ? NOISE_QUIET : level < 90 ? NOISE_SHARED : NOISE_STARVED;
    o.flavour = rng_below(&rng, 100) < LINKERD_PERCENT ? FLAVOUR_LINKERD : FLAVOUR_ENVOY;
    o.loses = rng_below(&rng, 100) < LOSES_PERCENT;
    o.seed = rng_next(&rng);
    o.by_json = seed % BY_JSON_EACH == 0;
    o.keys = seed % PLAIN_EACH != 0;
    o.grpc = o.flavour == FLAVOUR_ENVOY && seed % GRPC_EACH == GRPC_NTH;
    return o;
}

/* Of several gates the one of the smallest seed is named: the same one, in whatever order they were
 * judged. */
static bool is_named(uint64_t count, uint64_t named, uint64_t seed)
{
    return count == 0 || seed < named;
}

static bool run(struct tally *t, uint64_t seed, const struct gate_options *o, struct gate *g)
{
    struct error err = {0};
    if (!gate_run(o, g, &err)) {
        gate_release(g);
        if (is_named(t->broken++, t->broken_seed, seed))
            t->broken_seed = seed;
        return false;
    }
    t->records += g->journal->attempt_count + g->journal->request_count;
    t->virtual_ns += g->length_ns;
    return true;
}

static void count_claim(struct tally_claim *c, const struct judged *d, uint64_t seed)
{
    c->judged++;
    c->pass += d->verdict.kind == VERDICT_PASS;
    c->inconclusive += d->verdict.kind == VERDICT_INCONCLUSIVE;
    if (d->verdict.kind == VERDICT_FAIL && is_named(c->alarms++, c->alarm_seed, seed))
        c->alarm_seed = seed;
}

void tally_right(struct tally *t, uint64_t seed, bool by_hand)
{
    struct gate_options o = tally_options(seed);
    struct gate g;
    o.by_hand = by_hand;
    if (!run(t, seed, &o, &g))
        return;
    t->gates++;
    t->repeated += g.repeated;
    t->gates_alarmed += g.judgement->fail > 0;
    t->gates_pass += g.judgement->outcome == VERDICT_PASS;
    t->gates_inconclusive += g.judgement->outcome == VERDICT_INCONCLUSIVE;
    for (size_t i = 0; i < g.judgement->verdict_count; i++) {
        const struct judged *d = &g.judgement->verdicts[i];
        if (d->verdict.kind != VERDICT_NOT_APPLICABLE)
            count_claim(&t->claims[position_of(d->claim)], d, seed);
    }
    gate_release(&g);
}

void tally_level(struct tally *t, uint64_t seed, size_t level)
{
    struct gate_options o = tally_options(seed);
    struct gate g;
    o.level = tally_levels[level];
    if (!run(t, seed, &o, &g))
        return;
    t->level_gates++;
    for (size_t i = 0; i < g.judgement->verdict_count; i++) {
        const struct judged *d = &g.judgement->verdicts[i];
        struct tally_claim *c = &t->claims[position_of(d->claim)];
        if (d->verdict.kind == VERDICT_NOT_APPLICABLE)
            continue;
        c->level[level].judged++;
        c->level[level].alarms += d->verdict.kind == VERDICT_FAIL;
    }
    gate_release(&g);
}

static bool is_listed(const char *list, const char *id)
{
    size_t len = strlen(id);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, id, len) == 0 && (at[len] == '\0' || at[len] == ','))
            return true;
    }
    return false;
}

/* A policy which the defect changes, and whose plan asks for the claim that must catch it. */
bool tally_defect_options(const struct tally_defect_type *type, uint64_t seed,
                          struct edge_policy *edge, struct gate_options *ret)
{
    struct rng rng = rng_for(seed, 0x646566656374, 0, 0, 0);
    *ret = (struct gate_options){.edge = edge,
                                 .depth = type->full ? DEPTH_FULL : DEPTH_QUICK,
                                 .noise = rng_below(&rng, 100) < 70 ? NOISE_QUIET : NOISE_SHARED,
                                 .by_json = seed % BY_JSON_EACH == 0,
                                 .change = type->change,
                                 .cookie = type->cookie};
    for (int i = 0; i < DRAWS_MOST; i++) {
        *edge = draw_policy(&rng, type->flavour);
        ret->seed = rng_next(&rng);
        struct model_config right = model_config_of(edge), wrong = right;
        type->change(type->cookie, &wrong);
        if (memcmp(&right, &wrong, sizeof(right)) != 0 &&
            (type->shows == NULL || type->shows(type->name, edge)) &&
            gate_asks(edge, type->claim, ret->depth, ret->seed))
            return true;
    }
    return false;
}

void tally_defect(struct tally *t, size_t index, const struct tally_defect_type *type,
                  uint64_t seed)
{
    struct tally_defect *d = &t->defects[index];
    struct edge_policy edge;
    struct gate_options o;
    struct gate g;
    if (!tally_defect_options(type, seed, &edge, &o)) {
        d->not_drawn++;
        return;
    }
    if (!run(t, seed, &o, &g))
        return;
    enum verdict_kind kind = gate_verdict(g.judgement, type->claim, NULL);
    d->gates++;
    d->caught += kind == VERDICT_FAIL;
    d->inconclusive += kind == VERDICT_INCONCLUSIVE || kind == VERDICT_NOT_APPLICABLE;
    if (kind == VERDICT_PASS && is_named(d->missed++, d->missed_seed, seed))
        d->missed_seed = seed;
    bool wrong = false;
    for (size_t i = 0; i < g.judgement->verdict_count && !wrong; i++) {
        const struct judged *j = &g.judgement->verdicts[i];
        wrong = j->verdict.kind == VERDICT_FAIL && strcmp(j->claim->id, type->claim) != 0 &&
                !is_listed(type->coupled, j->claim->id);
        if (wrong && is_named(d->wrong++, d->wrong_seed, seed)) {
            d->wrong_seed = seed;
            d->wrong_claim = (uint32_t)position_of(j->claim);
        }
    }
    gate_release(&g);
}

static void add_claim(struct tally_claim *to, const struct tally_claim *from)
{
    if (from->alarms > 0 && is_named(to->alarms, to->alarm_seed, from->alarm_seed))
        to->alarm_seed = from->alarm_seed;
    to->judged += from->judged;
    to->pass += from->pass;
    to->inconclusive += from->inconclusive;
    to->alarms += from->alarms;
    for (size_t i = 0; i < TALLY_LEVELS; i++) {
        to->level[i].judged += from->level[i].judged;
        to->level[i].alarms += from->level[i].alarms;
    }
}

static void add_defect(struct tally_defect *to, const struct tally_defect *from)
{
    if (from->missed > 0 && is_named(to->missed, to->missed_seed, from->missed_seed))
        to->missed_seed = from->missed_seed;
    if (from->wrong > 0 && is_named(to->wrong, to->wrong_seed, from->wrong_seed)) {
        to->wrong_seed = from->wrong_seed;
        to->wrong_claim = from->wrong_claim;
    }
    to->gates += from->gates;
    to->caught += from->caught;
    to->inconclusive += from->inconclusive;
    to->missed += from->missed;
    to->wrong += from->wrong;
    to->not_drawn += from->not_drawn;
}

void tally_add(struct tally *to, const struct tally *from)
{
    to->gates += from->gates;
    to->gates_alarmed += from->gates_alarmed;
    to->gates_pass += from->gates_pass;
    to->gates_inconclusive += from->gates_inconclusive;
    to->repeated += from->repeated;
    to->level_gates += from->level_gates;
    to->records += from->records;
    to->virtual_ns += from->virtual_ns;
    if (from->broken > 0 && is_named(to->broken, to->broken_seed, from->broken_seed))
        to->broken_seed = from->broken_seed;
    to->broken += from->broken;
    for (size_t i = 0; i < TALLY_CLAIMS_MOST; i++)
        add_claim(&to->claims[i], &from->claims[i]);
    for (size_t i = 0; i < TALLY_DEFECTS_MOST; i++)
        add_defect(&to->defects[i], &from->defects[i]);
}

bool tally_exceeds(uint64_t alarms, uint64_t n, unsigned sides, double level)
{
    double p = level * (sides == 0 ? 1 : sides);
    return alarms > 0 && exact_binom_tail_ge(alarms, n, p < 1 ? p : 1) < SIGNIFICANT;
}
