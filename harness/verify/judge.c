#include "verify/judge.h"

#include "verify/claims.h"
#include "verify/expiry.h"
#include "verify/hearing.h"
#include "verify/judge_journal.h"
#include "verify/protocols.h"
#include "verify/stand.h"

#include <stdlib.h>

#define ARENA_MOST ((size_t)256 * 1024 * 1024)
#define ARMS_MOST 64

/* Ejection of a generated plan is one story over several phases. */
static struct span story_of(const struct stand *st, const struct step *asked, uint32_t again,
                            struct span own)
{
    const struct scenario *s = &st->h->plan->scenarios[st->scenario];
    struct span story = own;
    if (!s->from_policy || strcmp(asked->word, "ejection") != 0)
        return own;
    for (size_t i = 0; i < s->phase_count; i++) {
        bool asks = false;
        for (size_t k = 0; k < s->phases[i].step_count; k++)
            asks = asks || (s->phases[i].steps[k].kind == STEP_EXPECT &&
                            strcmp(s->phases[i].steps[k].word, "ejection") == 0);
        const struct journal_phase *p;
        for (size_t n = 0; asks && (p = hearing_part(st->h, st->scenario, st->arm, &s->phases[i],
                                                     again, n)) != NULL;
             n++) {
            story.from_ns = p->t0_ns < story.from_ns ? p->t0_ns : story.from_ns;
            story.to_ns = p->t1_ns > story.to_ns ? p->t1_ns : story.to_ns;
        }
    }
    return story;
}

bool stand_span(const struct stand *st, uint32_t again, size_t part, struct span *ret)
{
    const struct journal_phase *p = NULL;
    uint64_t elapsed_ns = 0;
    for (size_t n = 0; n <= part; n++) {
        elapsed_ns += p == NULL ? 0 : hearing_own_ns(st->h, p);
        p = hearing_part(st->h, st->scenario, st->arm, st->phase, again, n);
        if (p == NULL)
            return false;
    }
    uint64_t from_ns = st->within.from_ns > elapsed_ns ? st->within.from_ns - elapsed_ns : 0,
             to_ns = st->within.to_ns > elapsed_ns ? st->within.to_ns - elapsed_ns : 0;
    if (st->within.to_ns == UINT64_MAX)
        to_ns = UINT64_MAX;
    ret->from_ns = hearing_wall_ns(st->h, p, from_ns);
    ret->to_ns = hearing_wall_ns(st->h, p, to_ns);
    ret->to_ns = ret->to_ns < p->t1_ns ? ret->to_ns : p->t1_ns;
    return true;
}

bool stand_window(const struct stand *st, const struct step *asked, const struct edge_policy *edge,
                  uint32_t again, size_t part, struct window *ret)
{
    struct hearing *h = st->h;
    struct span span = hearing_span(h, st->scenario, st->arm);
    if (st->phase != NULL && !stand_span(st, again, part, &span))
        return false;
    const char *service = hearing_service(asked);
    if (span.from_ns >= span.to_ns)
        return false;
    *ret = (struct window){
        .journal = h->journal,
        .track =
            hearing_track(h, st->scenario, st->arm, service == NULL ? edge->to : service, edge),
        .scenario = &h->plan->scenarios[st->scenario],
        .phase = st->phase,
        .asked = asked,
        .policy = edge,
        .span = span,
        .wide = story_of(st, asked, again, span),
        .alpha = h->alpha,
        .strict = h->options->strict,
        .baselines = h->options->baselines,
        .memo = &h->metrics,
    };
    if (asked->has_on && asked->on.from.service != NULL)
        ret->edge = journal_find_name(h->journal, asked->on.text);
    ret->edges = hearing_edges(h, st->scenario, st->arm, &ret->edge_count);
    window_cut(ret);
    return true;
}

void stand_mind_journal(const struct stand *st, const struct claim_type *type,
                        const struct window *w, struct verdict *v)
{
    judge_mind_journal(type, w, st->arm, &st->h->g->arena, v);
}

static void mind_end(struct hearing *h, const struct stand *st, const struct claim_type *type,
                     struct verdict *v)
{
    if (h->options->partial)
        return;
    if (h->journal->end_how == NULL) {
        *v = (struct verdict){.unit = v->unit};
        verdict_open(v, WHY_NOT_ENDED, &h->g->arena, "the run did not end");
        v->needs = "a run that ends";
        return;
    }
    const struct journal_phase *run = NULL, *part;
    for (size_t n = 0; st->phase != NULL &&
                       (part = hearing_part(h, st->scenario, st->arm, st->phase, 0, n)) != NULL;
         n++)
        run = part; /* the last: none comes after a pause that was not ended */
    if (run != NULL && hearing_cut_short(run, type, v)) {
        bool lost = run->why != NULL && strcmp(run->why, "lost") == 0;
        verdict_open(v, WHY_NOT_ENDED, &h->g->arena, "the phase was cut short: %s",
                     lost ? "an agent was lost" : h->journal->end_how);
        v->needs = lost ? "agents that last" : "a run that is not aborted";
    }
}

#define ASK_SHOWN 64 /* bytes of a question in a line of a report */

/* What tells an expectation from its neighbours: its place, its probe, or its question; NULL: none.
 */
static const char *told_by(struct hearing *h, const struct step *asked)
{
    const char *ask = json_string_value(json_object_get(asked->keys, "ask"));
    const char *probe = json_string_value(json_object_get(asked->keys, "probe"));
    if (asked->has_on)
        return arena_strdup(&h->g->arena, asked->on.text);
    if (probe != NULL)
        return arena_strdup(&h->g->arena, probe);
    if (ask == NULL)
        return NULL;
    size_t len = strlen(ask);
    if (len <= ASK_SHOWN)
        return arena_printf(&h->g->arena, "\"%s\"", ask);
    for (len = ASK_SHOWN - 3; len > 0 && ((unsigned char)ask[len] & 0xC0) == 0x80;)
        len--;
    return arena_printf(&h->g->arena, "\"%.*s...\"", (int)len, ask);
}

/* The parts after the first. */
static void judge_parts(const struct stand *st, const struct claim_type *type,
                        const struct step *asked, const struct edge_policy *edge, size_t from,
                        size_t parts, struct verdict *v)
{
    struct hearing *h = st->h;
    for (size_t n = from; n < parts; n++) {
        struct verdict next = {.kind = VERDICT_INCONCLUSIVE};
        struct window w;
        if (!stand_window(st, asked, edge, 0, n, &w))
            continue;
        w.alpha /= (double)parts;
        type->judge(edge, &w, &h->g->arena, &next);
        stand_mind_journal(st, type, &w, &next);
        /* What looks beyond its part sees the same instances in each of them. */
        struct claim_type once = *type;
        once.adds = type->adds && w.wide.from_ns == w.span.from_ns && w.wide.to_ns == w.span.to_ns;
        hearing_merge_parts(&once, v, &next, parts, &h->g->arena);
    }
}

/* Over a whole scenario: the load went on in a pause, with the faults off, and that is no evidence.
 * A witness stays one, and what no traffic proves is as good as before. */
static void mind_pause(const struct stand *st, const struct claim_type *type, struct verdict *v)
{
    bool paused = hearing_paused(st->h, st->scenario, st->arm);
    if (!paused || v->kind == VERDICT_INCONCLUSIVE || v->kind == VERDICT_NOT_APPLICABLE ||
        (v->kind == VERDICT_FAIL && claim_type_fails_by_witness(type)) ||
        strcmp(type->word, "lint") == 0 || strcmp(type->word, "human") == 0)
        return;
    const char *was = v->text;
    verdict_open(v, WHY_INSTRUMENT, &st->h->g->arena,
                 "the run was paused, and what came in the pause is no evidence (else: %s)",
                 was == NULL ? "" : was);
    v->needs = "a run that is not paused, or the claim in a phase";
}

static size_t count_parts(const struct stand *st)
{
    size_t n = 0;
    while (st->phase != NULL && hearing_part(st->h, st->scenario, st->arm, st->phase, 0, n) != NULL)
        n++;
    return n;
}

/* Of the first part that ${st} is about at all: a `during` may have begun after the pause. */
static bool first_window(const struct stand *st, const struct step *asked,
                         const struct edge_policy *edge, size_t parts, size_t *ret_part,
                         struct window *ret)
{
    size_t n = 0;
    bool found = stand_window(st, asked, edge, 0, n, ret);
    while (!found && ++n < parts)
        found = stand_window(st, asked, edge, 0, n, ret);
    *ret_part = n;
    return found;
}

/* ${w}: the window of part ${first} of ${parts}. Returns whether the phase once more may help. */
static bool decide(const struct stand *st, const struct claim_type *type, const struct step *asked,
                   const struct edge_policy *edge, size_t first, size_t parts, struct window *w,
                   struct verdict *v)
{
    struct hearing *h = st->h;
    v->kind = VERDICT_INCONCLUSIVE;
    w->alpha /= parts > 1 ? (double)parts : 1;
    type->judge(edge, w, &h->g->arena, v);
    if (st->phase == NULL)
        mind_pause(st, type, v);
    if (parts > 1) {
        stand_mind_journal(st, type, w, v);
        judge_parts(st, type, asked, edge, first + 1, parts, v);
    }
    const char *said = v->text;
    bool open = stand_look_again(st, type, asked, edge, v);
    if (parts <= 1)
        stand_mind_journal(st, type, w, v);
    struct window last;
    if (parts > 1 && stand_window(st, asked, edge, 0, parts - 1, &last))
        w->span.to_ns = last.span.to_ns;
    if (v->text == said) /* no other look has decided */
        expiry_mind(st, type, w, v);
    return open && h->plan->scenarios[st->scenario].from_policy;
}

/* A scenario whose needs were not met was not walked; the policy row says which. */
static bool lacks(const struct hearing *h, uint32_t scenario, struct verdict *v)
{
    const json_t *rows = json_object_get(h->journal->policy, "missing"), *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        const char *need = json_string_value(json_object_get(row, "need")),
                   *text = json_string_value(json_object_get(row, "text")),
                   *remedy = json_string_value(json_object_get(row, "remedy"));
        if (json_integer_value(json_object_get(row, "scenario")) != (json_int_t)scenario ||
            need == NULL || text == NULL)
            continue;
        verdict_open(v, WHY_CAPABILITY, &h->g->arena, "needs %s: %s", need, text);
        v->needs = remedy == NULL ? NULL : arena_strdup(&h->g->arena, remedy);
        return true;
    }
    return false;
}

static void judge_claim(const struct stand *st, const struct step *asked,
                        const struct claim_type *type)
{
    struct hearing *h = st->h;
    const struct edge_policy *edge = hearing_edge(h, st->scenario, st->arm, asked);
    struct judged *d = hearing_add(h);
    struct verdict v = {.kind = VERDICT_NOT_APPLICABLE};
    struct window w;
    size_t first, parts = count_parts(st);
    const char *note = json_string_value(json_object_get(asked->keys, "note"));
    *d = (struct judged){
        .claim = type,
        .scenario = st->scenario,
        .ordinal = st->ordinal,
        .scenario_name = arena_strdup(&h->g->arena, h->plan->scenarios[st->scenario].name),
        .phase_name = st->phase == NULL ? NULL : arena_strdup(&h->g->arena, st->phase->name),
        .arm = st->arm,
        .on = told_by(h, asked),
        .note = note == NULL ? NULL : arena_strdup(&h->g->arena, note),
        .asked_by = asked->source,
        .gates = hearing_gates(h, st->scenario, st->arm, asked),
    };
    if (asked->source.file != NULL)
        d->asked_by.file = arena_strdup(&h->g->arena, asked->source.file);
    if (edge == NULL) {
        verdict_open(&v, WHY_CAPABILITY, &h->g->arena, "the journal has no policy for %s",
                     d->on == NULL ? "this edge" : d->on);
    } else if (!type->applies(edge) &&
               window_key(&(struct window){.asked = asked}, "never") == NULL) {
        const char *said = h->plan->scenarios[st->scenario].from_policy || type->by_default == NULL
                               ? NULL
                               : type->by_default(edge, &h->g->arena);
        v.kind = said == NULL ? VERDICT_NOT_APPLICABLE : VERDICT_PASS;
        v.text = said == NULL ? "the policy gives this claim nothing to judge" : said;
    } else if (lacks(h, st->scenario, &v)) {
        ; /* it says so itself */
    } else if (!first_window(st, asked, edge, parts, &first, &w)) {
        verdict_open(&v, WHY_NOT_ENDED, &h->g->arena, "the phase did not run");
        v.needs = "a run that reaches it";
    } else if (protocol_rule_of(type, window_protocol(&w)) == PROTOCOL_NOTHING) {
        v.text = arena_printf(&h->g->arena, "%s speaks %s, which has no requests", edge->to,
                              window_protocol(&w));
    } else if (protocol_rule_of(type, window_protocol(&w)) == PROTOCOL_UNKNOWN) {
        verdict_open(&v, WHY_CAPABILITY, &h->g->arena,
                     "%s is judged on http1 only, and %s speaks %s", type->id, edge->to,
                     window_protocol(&w));
        v.needs = "a service of protocol http1";
    } else {
        d->again_helps = decide(st, type, asked, edge, first, parts, &w, &v);
    }
    if (v.kind != VERDICT_NOT_APPLICABLE)
        mind_end(h, st, type, &v);
    h->g->verdicts[h->g->verdict_count - 1].verdict = v;
}

static void judge_step(const struct stand *st, const struct step *s)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    if (!hearing_asks(st->h, st->scenario, s))
        return;
    for (size_t i = 0; i < count; i++) {
        bool meant =
            s->kind == STEP_AWAIT
                ? strncmp(types[i]->id, "await.", 6) == 0 && strcmp(types[i]->only, s->word) == 0
                : strncmp(types[i]->id, "await.", 6) != 0 && expectation_means(s, types[i]);
        if (meant && hearing_wants(st->h, types[i]))
            judge_claim(st, s, types[i]);
    }
}

static void judge_steps(const struct stand *st, const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        struct stand inner = *st;
        if (s->kind == STEP_EXPECT || s->kind == STEP_AWAIT)
            judge_step(st, s);
        if (s->kind == STEP_DURING)
            inner.within = (struct span){s->from_ns, s->to_ns};
        judge_steps(&inner, s->steps, s->step_count);
    }
}

static void judge_arm(struct hearing *h, uint32_t scenario, const char *arm)
{
    const struct scenario *s = &h->plan->scenarios[scenario];
    struct stand st = {.h = h, .scenario = scenario, .arm = arm, .within = {0, UINT64_MAX}};
    for (size_t i = 0; i < s->phase_count; i++) {
        st.ordinal = (uint32_t)i;
        st.phase = &s->phases[i];
        /* A control, and a run under way, are asked only for what they have reached. */
        bool all = arm_is_subject(arm) && !h->options->partial;
        if (all || hearing_phase(h, scenario, arm, st.phase, 0) != NULL)
            judge_steps(&st, st.phase->steps, st.phase->step_count);
    }
    st.ordinal = UINT32_MAX;
    st.phase = NULL;
    judge_steps(&st, s->steps, s->step_count);
}

static void count_up(struct judgement *g)
{
    g->outcome = VERDICT_NOT_APPLICABLE;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (!d->gates)
            continue;
        g->pass += d->verdict.kind == VERDICT_PASS;
        g->fail += d->verdict.kind == VERDICT_FAIL;
        g->inconclusive += d->verdict.kind == VERDICT_INCONCLUSIVE;
        g->not_applicable += d->verdict.kind == VERDICT_NOT_APPLICABLE;
        g->outcome = verdict_worse(g->outcome, d->verdict.kind);
    }
    /* Nothing that gates was asked: nothing was found wrong. Asked, and nothing of it could be
     * judged: nothing was found right. */
    if (g->outcome == VERDICT_NOT_APPLICABLE)
        g->outcome = g->not_applicable > 0 ? VERDICT_INCONCLUSIVE : VERDICT_PASS;
}

/* A walk that did not run has nothing in the journal, and is judged all the same: it says so. */
static bool judge_scenario(struct hearing *h, uint32_t scenario, struct error *err)
{
    const char *arms[ARMS_MOST], *glob = h->options->scenario;
    bool asked =
        glob == NULL || text_glob(bytes_of(h->plan->scenarios[scenario].name), bytes_of(glob));
    size_t count = hearing_arms(h, scenario, arms, COUNT_OF(arms));
    for (size_t k = 0; k < count && (asked || k == 0); k++) {
        if (!hearing_visit(h, scenario, arms[k], err))
            return false;
        if (asked)
            judge_arm(h, scenario, arms[k]);
        if (k == 0)
            hearing_list(h, scenario);
    }
    hearing_leave(h);
    return true;
}

static bool run(const struct journal *j, struct journal *sliced,
                const struct judge_options *options, struct judgement **ret, struct error *err)
{
    static const struct judge_options usual = {0};
    struct judgement *g = check_alloc_zero(1, sizeof(*g));
    struct hearing h;
    arena_init(&g->arena, ARENA_MOST);
    if (!hearing_init(&h, j, options == NULL ? &usual : options, g, err)) {
        judgement_free(g);
        return false;
    }
    bool good = true;
    h.sliced = sliced;
    hearing_list_room(&h);
    for (uint32_t i = 0; i < h.plan->scenario_count && good; i++)
        good = judge_scenario(&h, i, err);
    hearing_couple(&h);
    hearing_controls(&h);
    hearing_explain(&h);
    count_up(g);
    hearing_release(&h);
    if (good)
        *ret = g;
    else
        judgement_free(g);
    return good;
}

bool judge_run(const struct journal *j, const struct judge_options *options, struct judgement **ret,
               struct error *err)
{
    INVARIANT(journal_is_whole(j));
    return run(j, NULL, options, ret, err);
}

bool judge_sliced(struct journal *j, const struct judge_options *options, struct judgement **ret,
                  struct error *err)
{
    return run(j, journal_is_whole(j) ? NULL : j, options, ret, err);
}

void judgement_free(struct judgement *g)
{
    if (g == NULL)
        return;
    free(g->verdicts);
    arena_release(&g->arena);
    free(g);
}

/* A broken control is asked again only while its defect is neither caught nor passed. */
static bool asks_again(const struct judgement *g, const struct judged *d, uint32_t done)
{
    /* What was repeated is confirmed, or will not be. */
    bool failed =
        d->verdict.kind == VERDICT_FAIL && d->claim->class != CLAIM_DETERMINISTIC && done == 0;
    for (size_t i = 0; i < g->control_count; i++) {
        const struct judged_control *c = &g->controls[i];
        if (c->claim != NULL && strcmp(c->name, d->arm) == 0)
            return !c->as_it_must && d->again_helps && strcmp(c->claim, d->claim->id) == 0;
    }
    return failed || d->again_helps;
}

size_t judge_repeats(const struct judgement *g, uint32_t scenario, const char *arm, uint32_t done,
                     uint32_t *ret_ordinals, size_t most)
{
    size_t count = 0;
    if (done + 1 >= LOOKS_MOST)
        return 0;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (d->scenario != scenario || d->ordinal == UINT32_MAX || strcmp(d->arm, arm) != 0 ||
            !asks_again(g, d, done))
            continue;
        /* An ejection is told from its quiet beginning on, until enough picks have shown it. */
        uint32_t from = d->ordinal, to = d->ordinal;
        for (size_t k = 0; k < g->phase_count && strcmp(d->claim->word, "ejection") == 0; k++) {
            const struct judged_phase *p = &g->phases[k];
            if (p->scenario == scenario && p->ordinal < from && strcmp(p->name, "quiet") == 0)
                from = p->ordinal;
            /* A second one is out in "length 2"; a repeat ejection ends in "return". */
            if (p->scenario == scenario && p->ordinal > to &&
                (strncmp(p->name, "length", 6) == 0 || strcmp(p->name, "return") == 0))
                to = p->ordinal;
        }
        for (uint32_t ordinal = from; ordinal <= to; ordinal++) {
            bool known = false;
            for (size_t k = 0; k < count; k++)
                known = known || ret_ordinals[k] == ordinal;
            if (!known && count < most)
                ret_ordinals[count++] = ordinal;
        }
    }
    return count;
}
