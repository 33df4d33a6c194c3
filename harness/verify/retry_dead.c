#include "verify/retry_dead.h"

static bool resets_at_accept(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *when = json_string_value(json_object_get(steps[i].keys, "when"));
        if (steps[i].kind == STEP_FAULT && strcmp(steps[i].word, "reset") == 0 && when != NULL &&
            strcmp(when, "accept") == 0)
            return true;
        if (resets_at_accept(steps[i].steps, steps[i].step_count))
            return true;
    }
    return false;
}

/* A dead endpoint refuses. */
static bool kills_endpoint(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *what = json_string_value(json_object_get(steps[i].keys, "what"));
        if (steps[i].kind == STEP_FAULT && strcmp(steps[i].word, "kill") == 0 &&
            (what == NULL || strcmp(what, "endpoint") == 0))
            return true;
        if (kills_endpoint(steps[i].steps, steps[i].step_count))
            return true;
    }
    return false;
}

static bool is_deadly(const struct step *s)
{
    return s->kind == STEP_FAULT &&
           (strcmp(s->word, "refuse") == 0 || kills_endpoint(s, 1) || resets_at_accept(s, 1));
}

/* "payments/any": one, whichever. */
static bool is_drawn(const struct step *s)
{
    const char *mode = json_string_value(json_object_get(s->keys, "mode"));
    return s->on.to.any || (mode != NULL && strcmp(mode, "one") == 0);
}

/* Of the service that the window is about. */
static bool is_here(const struct window *w, const struct step *s)
{
    return !s->has_on || s->on.to.service == NULL ||
           strcmp(s->on.to.service, w->track->service) == 0;
}

static bool is_dead(const struct window *w, const struct step *steps, size_t count,
                    uint32_t endpoint)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        if (is_dead(w, s->steps, s->step_count, endpoint) ||
            (s->has_on && is_here(w, s) && is_deadly(s) && !is_drawn(s) &&
             (s->on.to.endpoint == 0 || s->on.to.endpoint == endpoint)))
            return true;
    }
    return false;
}

static uint32_t drawn_dead(const struct window *w, const struct step *steps, size_t count)
{
    uint32_t dead = 0;
    for (size_t i = 0; i < count; i++)
        dead += drawn_dead(w, steps[i].steps, steps[i].step_count) +
                (is_here(w, &steps[i]) && is_deadly(&steps[i]) && is_drawn(&steps[i]));
    return dead;
}

/* With as many dead endpoints as a request has retries, the last one finds a live one; with more it
 * need not. */
static bool finds_a_live_one(const struct edge_policy *edge, const struct window *w)
{
    uint32_t dead = drawn_dead(w, w->phase->steps, w->phase->step_count),
             count = w->track->host_count;
    for (uint32_t h = 1; h <= count; h++)
        dead += is_dead(w, w->phase->steps, w->phase->step_count, h);
    return dead < count && dead <= edge->retry.attempts.number;
}

const char *retry_dead_cause(const struct edge_policy *edge, const struct window *w)
{
    if (!edge->retry.other_host || w->phase == NULL || !finds_a_live_one(edge, w))
        return NULL;
    bool refuses =
             window_has_fault(w, "refuse") || kills_endpoint(w->phase->steps, w->phase->step_count),
         accepts = resets_at_accept(w->phase->steps, w->phase->step_count);
    /* Which of the two a request met, nobody saw. */
    if ((refuses && !retry_rule_covers(edge, CAUSE_REFUSED, 0)) ||
        (accepts && !retry_rule_covers(edge, CAUSE_ACCEPT, 0)))
        return NULL;
    return refuses ? "refuse" : accepts ? "accept" : NULL;
}

static bool has_deadly(const struct window *w, const struct step *steps, size_t count, bool carried)
{
    for (size_t i = 0; i < count; i++)
        if (has_deadly(w, steps[i].steps, steps[i].step_count, carried) ||
            (is_here(w, &steps[i]) && is_deadly(&steps[i]) &&
             (!carried || json_object_get(steps[i].keys, "to_end_of") != NULL)))
            return true;
    return false;
}

bool retry_dead_any(const struct window *w, const struct request *r)
{
    const struct scenario *s = w->scenario;
    bool outlives = r->done_ns == 0 || r->done_ns >= w->span.to_ns;
    if (w->phase != NULL && has_deadly(w, w->phase->steps, w->phase->step_count, false))
        return true;
    for (size_t i = 0; s != NULL && i < s->phase_count; i++)
        if (has_deadly(w, s->phases[i].steps, s->phases[i].step_count, !outlives))
            return true;
    return s != NULL && has_deadly(w, s->steps, s->step_count, false);
}
