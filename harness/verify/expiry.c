#include "verify/expiry.h"

#include "base/clock.h"
#include "base/units.h"
#include "journal/arm.h"
#include "verify/chain.h"

/* How a claim depends on a fault's being there. */
enum need {
    NEED_NOTHING,
    NEED_INSTANCES,  /* it counts what the fault made, and says itself how much is enough */
    NEED_THROUGHOUT, /* it speaks of all of its window: traffic without the fault proves nothing */
    NEED_EVENT,      /* it waits for what the fault brings about */
};

static enum need need_of(const struct claim_type *type)
{
    static const struct {
        const char *id;
        enum need need;
    } rows[] = {
        {"success", NEED_THROUGHOUT},     {"fallback", NEED_THROUGHOUT},
        {"tail", NEED_THROUGHOUT},        {"probe", NEED_THROUGHOUT},
        {"await.ejected", NEED_EVENT},    {"await.fired", NEED_EVENT},
        {"await.probe", NEED_EVENT},      {"await.readmitted", NEED_NOTHING},
        {"await.steady", NEED_NOTHING},   {"await.cert", NEED_NOTHING},
        {"await.requests", NEED_NOTHING}, {"await.human", NEED_NOTHING},
        {"recovery", NEED_NOTHING},       {"lint", NEED_NOTHING},
        {"human", NEED_NOTHING},          {"path", NEED_NOTHING},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(type->id, rows[i].id) == 0)
            return rows[i].need;
    return NEED_INSTANCES;
}

/* A fault of the plan, with where it stands. */
struct placed {
    const struct step *step;
    const struct phase *phase; /* NULL: of the whole scenario */
    uint64_t to_ns;            /* `during`: since the phase began; UINT64_MAX: to its end */
};

static bool place_in(const struct step *steps, size_t count, uint32_t number, struct placed *ret)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        if (s->kind == STEP_FAULT && s->fault == number) {
            ret->step = s;
            return true;
        }
        if (!place_in(s->steps, s->step_count, number, ret))
            continue;
        if (s->kind == STEP_DURING)
            ret->to_ns = s->to_ns;
        return true;
    }
    return false;
}

static bool place_of(const struct scenario *s, uint32_t number, struct placed *ret)
{
    *ret = (struct placed){.to_ns = UINT64_MAX};
    if (place_in(s->steps, s->step_count, number, ret))
        return true;
    for (size_t i = 0; i < s->phase_count; i++) {
        ret->phase = &s->phases[i];
        if (place_in(s->phases[i].steps, s->phases[i].step_count, number, ret))
            return true;
    }
    return false;
}

static const struct phase *phase_named(const struct scenario *s, const char *name)
{
    for (size_t i = 0; name != NULL && i < s->phase_count; i++)
        if (strcmp(s->phases[i].name, name) == 0)
            return &s->phases[i];
    return NULL;
}

/* A run of the phase, from its beginning to the end of its last part, or up to ${to_ns} of its own
 * time. */
static bool run_of(const struct stand *st, const struct phase *phase, uint64_t to_ns,
                   uint32_t again, struct span *ret)
{
    struct stand of = *st;
    struct span part;
    of.phase = phase;
    of.within = (struct span){0, to_ns};
    *ret = (struct span){0};
    for (size_t n = 0; stand_span(&of, again, n, &part); n++) {
        ret->from_ns = n == 0 ? part.from_ns : ret->from_ns;
        ret->to_ns = n == 0 || part.to_ns > part.from_ns ? part.to_ns : ret->to_ns;
    }
    return ret->to_ns > 0;
}

/* When the fault that expired at ${at_ns} was meant to end; 0: its time was over. */
static uint64_t meant_to_ns(const struct stand *st, const struct scenario *s,
                            const struct placed *f, uint64_t at_ns)
{
    const char *named = json_string_value(json_object_get(f->step->keys, "to_end_of"));
    const struct phase *until = phase_named(s, named);
    struct span run, last;
    if (f->phase == NULL) { /* another scenario's fault may have its number */
        run = hearing_span(st->h, st->scenario, st->arm);
        return at_ns < run.from_ns ? 0 : run.to_ns;
    }
    for (uint32_t again = LOOKS_MOST; again-- > 0;) {
        if (!run_of(st, f->phase, f->to_ns, again, &run) || at_ns < run.from_ns)
            continue;
        if (until != NULL && run_of(st, until, UINT64_MAX, again, &last))
            return last.to_ns;
        return at_ns < run.to_ns ? run.to_ns : 0;
    }
    return 0;
}

/* A fault elsewhere is nothing to the claim. */
static bool concerns(const struct window *w, const struct step *fault)
{
    const char *at = fault->has_on ? fault->on.to.service : NULL;
    if (at == NULL || !w->asked->has_on)
        return true;
    const char *from = w->asked->on.from.service, *to = w->asked->on.to.service;
    if (from != NULL && strcmp(from, at) == 0)
        return true;
    if (to == NULL || strcmp(to, at) == 0)
        return true;
    struct chain behind;
    chain_services(w->scenario, to, &behind);
    bool reached = behind.count == CHAIN_SERVICES_MOST; /* more may be */
    for (size_t i = 0; i < behind.count && !reached; i++)
        reached = strcmp(behind.at[i].service, at) == 0;
    return reached;
}

struct expiry {
    const struct step *fault;
    uint64_t at_ns, to_ns; /* when it went, and when it was meant to */
    bool own;              /* the suite gave it this ttl: not guard.limits */
};

static bool is_of_arm(const struct journal *j, uint32_t proc, const char *arm)
{
    const struct journal_proc *p = journal_proc_of(j, proc);
    bool ours = p != NULL && (p->arm == NULL || *p->arm == '\0');
    /* The conductor tells of the world's faults, which controls have not. */
    return p != NULL && (ours ? arm_is_subject(arm) : strcmp(p->arm, arm) == 0);
}

static bool turns(const struct claim_type *type, const struct expiry *e, const struct verdict *v)
{
    enum need need = need_of(type);
    if (v->kind == VERDICT_INCONCLUSIVE)
        return need != NEED_NOTHING && (v->why == WHY_TOO_FEW || v->why == WHY_NEVER_FIRED);
    if (v->kind == VERDICT_FAIL)
        return need == NEED_EVENT && e->at_ns < v->witness_ns;
    return v->kind == VERDICT_PASS && need == NEED_THROUGHOUT && !e->own;
}

/* The first that the claim counted on, as ${v} tells. */
static bool find(const struct stand *st, const struct claim_type *type, const struct window *w,
                 const struct verdict *v, struct expiry *ret)
{
    const struct journal *j = st->h->journal;
    for (size_t i = 0; i < j->fault_count; i++) {
        const struct fault_record *r = &j->faults[i].r;
        struct placed f;
        if (r->what != FAULT_EXPIRED || r->at >= w->span.to_ns ||
            !is_of_arm(j, j->faults[i].proc, st->arm) || !place_of(w->scenario, r->fault, &f) ||
            !concerns(w, f.step))
            continue;
        uint64_t to_ns = meant_to_ns(st, w->scenario, &f, r->at);
        if (to_ns <= w->span.from_ns || to_ns <= r->at)
            continue;
        *ret = (struct expiry){.fault = f.step,
                               .at_ns = r->at,
                               .to_ns = to_ns,
                               .own = json_object_get(f.step->keys, "ttl") != NULL};
        if (turns(type, ret, v))
            return true;
    }
    return false;
}

void expiry_mind(const struct stand *st, const struct claim_type *type, const struct window *w,
                 struct verdict *v)
{
    struct arena *arena = &st->h->g->arena;
    struct expiry e;
    char early[32], more[32];
    if (w->scenario == NULL || !find(st, type, w, v, &e))
        return;
    const char *was = v->text, *name = json_string_value(json_object_get(e.fault->keys, "name"));
    verdict_span(e.to_ns - e.at_ns, early, sizeof(early));
    units_print_duration((e.to_ns - e.at_ns + NS_PER_S - 1) / NS_PER_S * NS_PER_S, more,
                         sizeof(more));
    v->witness_hi = v->witness_lo = v->witness_ns = 0;
    verdict_open(v, WHY_FAULT_EXPIRED, arena,
                 "fault expired: %s took fault.%s%s%s%s%s%s off %s before it was to end (else: %s)",
                 e.own ? "its ttl" : "guard.limits ttl", e.fault->word,
                 e.fault->has_on ? " on " : "", e.fault->has_on ? e.fault->on.text : "",
                 name == NULL ? "" : " (\"", name == NULL ? "" : name, name == NULL ? "" : "\")",
                 early, was == NULL ? "nothing" : was);
    v->needs = arena_printf(arena, "%s that is at least %s longer, or less time for the fault",
                            e.own ? "a ttl" : "a guard.limits ttl", more);
}
