#include "verify/chain.h"

#include "base/map.h"

#include <stdlib.h>

static void add_service(struct chain *c, const char *service)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->at[i].service, service) == 0)
            return;
    if (c->count < CHAIN_SERVICES_MOST)
        c->at[c->count++] = (struct chain_service){.service = service};
}

static void add_calls(struct chain *c, const struct scenario *s, const char *of)
{
    for (size_t i = 0; i < s->lab.service_count; i++)
        if (strcmp(s->lab.services[i].name, of) == 0)
            for (size_t k = 0; k < s->lab.services[i].call_count; k++)
                add_service(c, s->lab.services[i].calls[k].to);
}

static bool is_of(const struct window *w, uint32_t proc)
{
    const struct journal_proc *p = journal_proc_of(w->journal, proc);
    return p != NULL && p->arm != NULL && strcmp(p->arm, w->track->arm) == 0;
}

/* The window's own requests, numbered: they are the roots. */
static void add_roots(const struct window *w, struct map *roots)
{
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        bool made;
        if (!window_has(w, r))
            continue;
        uint64_t *at = map_at(roots, (struct map_key){r->r->id_hi, r->r->id_lo}, &made);
        if (at != NULL && made)
            *at = roots->count - 1;
    }
}

/* Each call anywhere in the arm that goes back to one of them: its id, to the root's number. */
static void add_ids(const struct window *w, const struct map *roots, struct map *ids)
{
    for (size_t i = 0; i < w->journal->request_count; i++) {
        const struct request_record *r = &w->journal->requests[i].r;
        uint64_t *root = map_find(roots, (struct map_key){r->root_hi, r->root_lo});
        if (root == NULL || !is_of(w, w->journal->requests[i].proc))
            continue;
        uint64_t *at = map_at(ids, (struct map_key){r->id_hi, r->id_lo}, NULL);
        if (at != NULL)
            *at = *root;
    }
}

static void count_tries(const struct window *w, const struct map *ids, size_t root_count,
                        struct chain *c)
{
    uint32_t *tries = check_alloc_zero(c->count * root_count, sizeof(*tries));
    for (size_t i = 0; i < w->journal->attempt_count; i++) {
        const struct attempt_row *row = &w->journal->attempts[i];
        uint64_t *root = map_find(ids, (struct map_key){row->r.id_hi, row->r.id_lo});
        if (root == NULL || !is_of(w, row->proc))
            continue;
        const char *service = journal_proc_of(w->journal, row->proc)->service;
        for (size_t k = 0; k < c->count; k++)
            if (service != NULL && strcmp(service, c->at[k].service) == 0)
                tries[k * root_count + *root]++;
    }
    for (size_t k = 0; k < c->count; k++)
        for (size_t i = 0; i < root_count; i++) {
            c->at[k].tries += tries[k * root_count + i];
            if (tries[k * root_count + i] > c->at[k].most)
                c->at[k].most = tries[k * root_count + i];
        }
    free(tries);
}

static void find_witnesses(const struct window *w, const struct map *roots, struct chain *c)
{
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request_record *r = w->track->requests[i].r;
        if (map_find(roots, (struct map_key){r->id_hi, r->id_lo}) == NULL)
            continue;
        for (size_t k = 0; k < c->count; k++) {
            c->at[k].witness_hi = r->id_hi;
            c->at[k].witness_lo = r->id_lo;
        }
        return;
    }
}

void chain_services(const struct scenario *s, const char *service, struct chain *ret)
{
    *ret = (struct chain){0};
    add_calls(ret, s, service);
    for (size_t i = 0; i < ret->count; i++)
        add_calls(ret, s, ret->at[i].service);
}

void chain_follow(const struct window *w, struct chain *ret)
{
    struct map roots, ids;
    *ret = (struct chain){0};
    if (w->scenario == NULL)
        return;
    chain_services(w->scenario, w->track->service, ret);
    if (ret->count == 0)
        return;
    map_init(&roots, (size_t)(w->to - w->from) + 1);
    map_init(&ids, w->journal->request_count + 1);
    add_roots(w, &roots);
    add_ids(w, &roots, &ids);
    for (size_t k = 0; k < ret->count; k++)
        ret->at[k].requests = roots.count;
    if (roots.count > 0) {
        count_tries(w, &ids, roots.count, ret);
        find_witnesses(w, &roots, ret);
    }
    map_release(&roots);
    map_release(&ids);
}
