/* The load generator's side: when each request of a phase is due. */
#include "simulate/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAGGED_AFTER_NS (3 * NS_PER_MS)
#define TAGS_MOST 8192
#define PER_H_NS (3600 * NS_PER_S)

static void draw_tags(struct scene *s, struct scene_load *l)
{
    size_t total = 0, count = 0;
    for (size_t i = 0; i < l->plan->tagged_count; i++)
        total += l->plan->tagged[i].count;
    total = total < TAGS_MOST ? total : TAGS_MOST;
    if (total == 0)
        return;
    l->tags = check_alloc_zero(total, sizeof(*l->tags));
    for (size_t i = 0; i < l->plan->tagged_count; i++)
        for (uint32_t k = 0; k < l->plan->tagged[i].count && count < total; k++)
            l->tags[count++] = &l->plan->tagged[i];
    rng_shuffle(&s->rng, l->tags, count, sizeof(l->tags[0]));
    l->tag_count = count;
}

static uint16_t verb_of(const char *method)
{
    return method != NULL && strcmp(method, "POST") == 0 ? VERB_POST : VERB_GET;
}

/* "shop.Payments/Charge": gRPC has it as its path, and knows only POST. */
static void call_of(struct scene *s, struct scene_load *l)
{
    char path[256];
    snprintf(path, sizeof(path), "/%s", l->plan->call);
    l->grpc = true;
    l->verb = VERB_POST;
    l->path = journal_add_name(s->journal, path);
}

void scene_load_begin(struct scene *s, const struct phase *phase, uint64_t end_ns)
{
    const struct load_plan *plans = phase->loads != NULL ? phase->loads : s->scenario->loads;
    size_t count = phase->loads != NULL ? phase->load_count : s->scenario->load_count;
    for (uint32_t i = 0; i < s->load_count; i++)
        free(s->loads[i].tags);
    s->load_count = (uint32_t)(count < SCENE_LOADS_MOST ? count : SCENE_LOADS_MOST);
    for (uint32_t i = 0; i < s->load_count; i++) {
        struct scene_load *l = &s->loads[i];
        *l = (struct scene_load){
            .plan = &plans[i], .verb = verb_of(plans[i].method), .end_ns = end_ns};
        if (plans[i].protocol != NULL && strcmp(plans[i].protocol, "grpc") == 0)
            call_of(s, l);
        draw_tags(s, l);
        if (l->plan->closed) {
            for (uint32_t u = 0; u < l->plan->users; u++)
                scene_add(s, EVENT_USER, i, s->phase_id, s->now_ns + u * NS_PER_MS);
            continue;
        }
        if (l->plan->rate_per_h > 0) {
            l->gap_ns = PER_H_NS / l->plan->rate_per_h;
            scene_add(s, EVENT_OPEN, i, s->phase_id, s->now_ns);
        }
        if (l->tag_count > 0)
            scene_add(s, EVENT_TAGGED, i, s->phase_id, s->now_ns + TAGGED_AFTER_NS);
    }
}

/* A closed load sends its tagged requests among the others, each followed by clean ones. */
static const char *next_tag(struct scene_load *l)
{
    if (l->heal_left > 0) {
        l->heal_left--;
        return NULL;
    }
    if (l->tag_next == l->tag_count)
        return NULL;
    l->heal_left = l->plan->heal;
    return l->tags[l->tag_next++]->tag;
}

void scene_load_event(struct scene *s, const struct event *e)
{
    if (e->epoch != s->phase_id || s->phase == NULL)
        return; /* of a phase that is over */
    struct scene_load *l = &s->loads[e->index];
    if (s->now_ns >= l->end_ns)
        return;
    const struct tagged *t;
    const char *tag = NULL;
    switch (e->kind) {
    case EVENT_OPEN:
        scene_add(s, EVENT_OPEN, e->index, s->phase_id, e->t_ns + l->gap_ns);
        break;
    case EVENT_TAGGED:
        t = l->tags[l->tag_next++];
        tag = t->tag;
        if (l->tag_next < l->tag_count)
            scene_add(s, EVENT_TAGGED, e->index, s->phase_id, e->t_ns + tagged_gap_ns(l->plan, t));
        break;
    default:
        tag = next_tag(l);
        break;
    }
    uint32_t errand = errand_new(s, e->index, tag, e->t_ns);
    scene_add(s, EVENT_SEND, errand, s->errands[errand].life, e->t_ns);
}

void scene_load_next(struct scene *s, const struct errand *done)
{
    if (s->phase == NULL || done->phase != s->phase_id || done->load >= s->load_count ||
        !s->loads[done->load].plan->closed)
        return;
    scene_add(s, EVENT_USER, done->load, s->phase_id,
              s->now_ns + s->loads[done->load].plan->think_ns);
}
