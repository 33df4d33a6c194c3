#include "verify/exception.h"

#include "base/text.h"
#include "journal/arm.h"
#include "verify/claims.h"
#include "verify/verdict.h"

#include <stdio.h>
#include <string.h>

#define CLAIMS_MOST 128

static bool knows_claim(const char *name, struct source source, struct error *err)
{
    const char *ids[CLAIMS_MOST];
    size_t count = 0, known = 0;
    const struct claim_type *const *types = claim_types(&count);
    for (size_t i = 0; i < count; i++) {
        if (claim_type_is(types[i], name))
            return true;
        if (known < COUNT_OF(ids))
            ids[known++] = types[i]->id;
    }
    const char *near = text_nearest(name, ids, known);
    return error_at(err, source, ERROR_INPUT, "claim is \"%.60s\"; %s%s", name,
                    near == NULL ? "meshproof claims lists them" : "did you mean ",
                    near == NULL ? "" : near);
}

bool exceptions_read(struct bytes yaml, const char *name, struct arena *arena,
                     struct exceptions *ret, struct error *err)
{
    struct exception_entry *entries = NULL;
    *ret = (struct exceptions){0};
    if (!exception_entries_read(yaml, name, EXCEPTION_CLAIM, knows_claim, arena, &entries,
                                &ret->count, err))
        return false;
    ret->rows = ARENA_ARRAY(arena, struct exception, ret->count + 1);
    for (size_t i = 0; i < ret->count; i++)
        ret->rows[i].entry = entries[i];
    return true;
}

static bool meets(const struct exception *e, const struct judged *d)
{
    return claim_type_is(d->claim, e->entry.name) && d->on != NULL &&
           text_glob(bytes_of(d->on), bytes_of(e->entry.on)) &&
           (e->entry.scenario == NULL ||
            (d->scenario_name != NULL &&
             text_glob(bytes_of(d->scenario_name), bytes_of(e->entry.scenario))));
}

/* The exception that answers for it, one that still stands before one that ended. */
static struct exception *answer_for(struct exceptions *exceptions, uint32_t today,
                                    const struct judged *d)
{
    struct exception *found = NULL;
    for (size_t i = 0; i < exceptions->count; i++) {
        struct exception *e = &exceptions->rows[i];
        if (!meets(e, d))
            continue;
        e->failed += d->verdict.kind == VERDICT_FAIL;
        e->passed += d->verdict.kind == VERDICT_PASS;
        if (found == NULL || (today > found->entry.until && today <= e->entry.until))
            found = e;
    }
    return found;
}

static void count_again(struct judgement *g)
{
    g->fail = 0;
    g->outcome = VERDICT_PASS;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (!d->gates)
            continue;
        g->fail += d->verdict.kind == VERDICT_FAIL;
        g->outcome = verdict_worse(g->outcome, d->verdict.kind);
    }
}

void exceptions_apply(struct exceptions *exceptions, uint32_t today, uint32_t scenario,
                      struct judgement *g)
{
    for (size_t i = 0; i < g->verdict_count; i++) {
        struct judged *d = &g->verdicts[i];
        if (!d->gates || !arm_is_subject(d->arm) ||
            (scenario != EXCEPTIONS_ALL && d->scenario != scenario))
            continue;
        const struct exception *e = answer_for(exceptions, today, d);
        if (e == NULL || d->verdict.kind != VERDICT_FAIL)
            continue;
        struct accepted *a = ARENA_ARRAY(&g->arena, struct accepted, 1);
        *a = (struct accepted){
            .until = e->entry.until,
            .stands = today <= e->entry.until,
            .ticket = arena_printf(&g->arena, "%.60s", e->entry.ticket),
            .owner = arena_printf(&g->arena, "%.60s", e->entry.owner),
            .reason = arena_printf(&g->arena, "%.120s", e->entry.reason),
        };
        d->accepted = a;
        d->gates = !a->stands;
        g->accepted += a->stands;
    }
    count_again(g);
}

const char *accepted_print(const struct accepted *a, char *to, size_t size)
{
    snprintf(to, size, "%s %04u-%02u-%02u, ticket %s",
             a->stands ? "accepted until" : "no longer accepted: until", (unsigned)a->until / 10000,
             (unsigned)a->until / 100 % 100, (unsigned)a->until % 100, a->ticket);
    return to;
}

const char *exception_stale(const struct exception *e, struct arena *arena)
{
    if (e->failed > 0)
        return NULL;
    return arena_printf(
        arena, "the exception for %.60s on %.100s is stale: %s (owner %.60s, %.60s)", e->entry.name,
        e->entry.on, e->passed > 0 ? "all that it meets passes" : "it meets no verdict that failed",
        e->entry.owner, e->entry.ticket);
}
