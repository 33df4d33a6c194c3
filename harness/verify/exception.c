#include "verify/exception.h"

#include "base/text.h"
#include "policy/lint_exception.h"
#include "policy/yaml.h"
#include "verify/claims.h"
#include "verify/verdict.h"

#include <string.h>

#define CLAIMS_MOST 128
#define SUBJECT_ARM "subject"

static const char *text_of(const struct yaml_node *entry, const char *key)
{
    const struct yaml_node *n = yaml_get(entry, key);
    return n != NULL && n->kind == YAML_SCALAR && n->text[0] != '\0' ? n->text : NULL;
}

static bool check_claim(const struct yaml_node *entry, const char *claim, struct error *err)
{
    const char *ids[CLAIMS_MOST];
    size_t count = 0, known = 0;
    const struct claim_type *const *types = claim_types(&count);
    for (size_t i = 0; i < count; i++) {
        if (claim_type_is(types[i], claim))
            return true;
        if (known < COUNT_OF(ids))
            ids[known++] = types[i]->id;
    }
    const char *near = text_nearest(claim, ids, known);
    return error_at(err, yaml_get(entry, "claim")->source, ERROR_INPUT, "claim is \"%.60s\"; %s%s",
                    claim, near == NULL ? "meshproof claims lists them" : "did you mean ",
                    near == NULL ? "" : near);
}

static bool check_keys(const struct yaml_node *entry, struct error *err)
{
    static const char *const keys[] = {"claim", "on",     "scenario", "until",
                                       "owner", "reason", "ticket"};
    for (size_t i = 0; i < entry->count; i++) {
        size_t k = 0;
        while (k < COUNT_OF(keys) && strcmp(keys[k], entry->pairs[i].key) != 0)
            k++;
        if (k == COUNT_OF(keys))
            return error_at(err, entry->pairs[i].source, ERROR_INPUT,
                            "an exception for a claim has no key \"%.40s\"; it has claim, on, "
                            "scenario, until, owner, reason and ticket",
                            entry->pairs[i].key);
    }
    return true;
}

static bool read_entry(const struct yaml_node *entry, struct arena *arena, struct exception *ret,
                       struct error *err)
{
    static const char *const needed[] = {"on", "until", "owner", "reason", "ticket"};
    const char *values[COUNT_OF(needed)] = {0}, *claim = text_of(entry, "claim");
    if (claim == NULL)
        return error_at(err, entry->source, ERROR_INPUT, "an exception needs rule or claim");
    if (!check_keys(entry, err) || !check_claim(entry, claim, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        values[i] = text_of(entry, needed[i]);
        if (values[i] == NULL)
            return error_at(err, entry->source, ERROR_INPUT, "the exception for %.60s needs %s",
                            claim, needed[i]);
    }
    const char *scenario = text_of(entry, "scenario");
    *ret = (struct exception){
        .claim = arena_strdup(arena, claim),
        .on = arena_strdup(arena, values[0]),
        .scenario = scenario == NULL ? NULL : arena_strdup(arena, scenario),
        .owner = arena_strdup(arena, values[2]),
        .reason = arena_strdup(arena, values[3]),
        .ticket = arena_strdup(arena, values[4]),
        .source = entry->source,
    };
    return lint_date_parse(values[1], &ret->until) ||
           error_at(err, yaml_get(entry, "until")->source, ERROR_INPUT,
                    "until is \"%.40s\"; it must be a day such as 2026-12-31", values[1]);
}

static bool read_list(const struct yaml_node *list, struct arena *arena, struct exceptions *ret,
                      struct error *err)
{
    if (list->kind != YAML_SEQUENCE)
        return error_at(err, list->source, ERROR_INPUT, "exceptions must be a list");
    ret->rows = ARENA_ARRAY(arena, struct exception, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *entry = yaml_item(list, i);
        if (entry->kind != YAML_MAP)
            return error_at(err, entry->source, ERROR_INPUT, "an exception must be a map");
        if (yaml_find(entry, "rule") != NULL)
            continue;
        if (!read_entry(entry, arena, &ret->rows[ret->count], err))
            return false;
        ret->count++;
    }
    return true;
}

bool exceptions_read(struct bytes yaml, const char *name, struct arena *arena,
                     struct exceptions *ret, struct error *err)
{
    const struct yaml_node **documents = NULL;
    size_t count = 0, nodes = YAML_MAX_NODES;
    *ret = (struct exceptions){0};
    if (!yaml_parse(yaml, arena_strdup(arena, name), &nodes, arena, &documents, &count, err))
        return false;
    if (count > 1)
        return error_at(err, documents[1]->source, ERROR_INPUT,
                        "exceptions must be one document, not %zu", count);
    return count == 0 || read_list(documents[0], arena, ret, err);
}

static bool meets(const struct exception *e, const struct judged *d)
{
    return claim_type_is(d->claim, e->claim) && d->on != NULL &&
           text_glob(bytes_of(d->on), bytes_of(e->on)) &&
           (e->scenario == NULL || (d->scenario_name != NULL &&
                                    text_glob(bytes_of(d->scenario_name), bytes_of(e->scenario))));
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
        if (found == NULL || (today > found->until && today <= e->until))
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

void exceptions_apply(struct exceptions *exceptions, uint32_t today, struct judgement *g)
{
    for (size_t i = 0; i < g->verdict_count; i++) {
        struct judged *d = &g->verdicts[i];
        if (!d->gates || strcmp(d->arm, SUBJECT_ARM) != 0)
            continue;
        const struct exception *e = answer_for(exceptions, today, d);
        if (e == NULL || d->verdict.kind != VERDICT_FAIL)
            continue;
        const char *seen = d->verdict.text == NULL ? "" : d->verdict.text;
        bool stands = today <= e->until;
        d->gates = !stands;
        d->verdict.text =
            arena_printf(&g->arena, "%s %04u-%02u-%02u, ticket %.60s (%.60s: %.120s): %s",
                         stands ? "accepted until" : "no longer accepted: until",
                         (unsigned)e->until / 10000, (unsigned)e->until / 100 % 100,
                         (unsigned)e->until % 100, e->ticket, e->owner, e->reason, seen);
    }
    count_again(g);
}

const char *exception_stale(const struct exception *e, struct arena *arena)
{
    if (e->failed > 0)
        return NULL;
    return arena_printf(
        arena, "the exception for %.60s on %.100s is stale: %s (owner %.60s, %.60s)", e->claim,
        e->on, e->passed > 0 ? "all that it meets passes" : "it meets no verdict that failed",
        e->owner, e->ticket);
}
