#include "verify/retry_dead.h"

#include <math.h>

#define DRAWS 6 /* Istio: host_selection_retry_max_attempts is 5 */

enum dead_end { ALIVE, REFUSES, RESETS };

/* What the step makes of the endpoints of the window's service; a killed one refuses. */
static enum dead_end dead_end(const struct window *w, const struct step *s)
{
    if (s->kind != STEP_FAULT ||
        (s->has_on && s->on.to.service != NULL && strcmp(s->on.to.service, w->track->service) != 0))
        return ALIVE;
    if (strcmp(s->word, "refuse") == 0)
        return REFUSES;
    if (strcmp(s->word, "kill") == 0) {
        const char *what = json_string_value(json_object_get(s->keys, "what"));
        return what == NULL || strcmp(what, "endpoint") == 0 ? REFUSES : ALIVE;
    }
    if (strcmp(s->word, "reset") != 0)
        return ALIVE;
    const char *when = json_string_value(json_object_get(s->keys, "when"));
    return when != NULL && strcmp(when, "accept") == 0 ? RESETS : ALIVE;
}

/* "payments/any": one, whichever. */
static bool is_drawn(const struct step *s)
{
    const char *mode = json_string_value(json_object_get(s->keys, "mode"));
    return s->on.to.any || (mode != NULL && strcmp(mode, "one") == 0);
}

/* An earlier phase carries it on to the end of the window's phase, or of a later one. */
static bool is_carried(const struct window *w, const struct step *s)
{
    const char *until = json_string_value(json_object_get(s->keys, "to_end_of"));
    size_t index = (size_t)(w->phase - w->scenario->phases);
    for (size_t i = index; until != NULL && i < w->scenario->phase_count; i++)
        if (strcmp(w->scenario->phases[i].name, until) == 0)
            return true;
    return false;
}

static bool is_dead(const struct window *w, const struct step *steps, size_t count,
                    uint32_t endpoint, bool carried)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        if (is_dead(w, s->steps, s->step_count, endpoint, carried) ||
            (s->has_on && dead_end(w, s) != ALIVE && !is_drawn(s) &&
             (!carried || is_carried(w, s)) &&
             (s->on.to.endpoint == 0 || s->on.to.endpoint == endpoint)))
            return true;
    }
    return false;
}

static uint32_t drawn_dead(const struct window *w, const struct step *steps, size_t count,
                           bool carried)
{
    uint32_t dead = 0;
    for (size_t i = 0; i < count; i++)
        dead += drawn_dead(w, steps[i].steps, steps[i].step_count, carried) +
                (dead_end(w, &steps[i]) != ALIVE && is_drawn(&steps[i]) &&
                 (!carried || is_carried(w, &steps[i])));
    return dead;
}

/* Of the phase itself, of the whole scenario, and of what earlier phases carry on. */
static uint32_t dead_in_phase(const struct window *w)
{
    const struct scenario *s = w->scenario;
    uint32_t dead = drawn_dead(w, s->steps, s->step_count, false);
    for (const struct phase *p = s->phases; p <= w->phase; p++)
        dead += drawn_dead(w, p->steps, p->step_count, p != w->phase);
    for (uint32_t h = 1; h <= w->track->host_count; h++) {
        bool is = is_dead(w, s->steps, s->step_count, h, false);
        for (const struct phase *p = s->phases; p <= w->phase && !is; p++)
            is = is_dead(w, p->steps, p->step_count, h, p != w->phase);
        dead += is;
    }
    return dead;
}

/* With as many dead endpoints as a request has retries, the last one finds a live one; with more it
 * need not. */
static bool finds_a_live_one(const struct edge_policy *edge, const struct window *w)
{
    uint32_t dead = dead_in_phase(w);
    return dead < w->track->host_count && dead <= edge->retry.attempts.number;
}

static bool has_end(const struct window *w, const struct step *steps, size_t count,
                    enum dead_end end)
{
    for (size_t i = 0; i < count; i++)
        if (dead_end(w, &steps[i]) == end || has_end(w, steps[i].steps, steps[i].step_count, end))
            return true;
    return false;
}

const char *retry_dead_cause(const struct edge_policy *edge, const struct window *w)
{
    if (!edge->retry.other_host || w->phase == NULL || w->scenario == NULL ||
        !finds_a_live_one(edge, w))
        return NULL;
    bool refuses = has_end(w, w->phase->steps, w->phase->step_count, REFUSES),
         resets = has_end(w, w->phase->steps, w->phase->step_count, RESETS);
    /* Which of the two a request met, nobody saw. */
    if ((refuses && !retry_rule_covers(edge, CAUSE_REFUSED, 0)) ||
        (resets && !retry_rule_covers(edge, CAUSE_ACCEPT, 0)))
        return NULL;
    return refuses ? "refuse" : resets ? "accept" : NULL;
}

double retry_dead_chance(const struct edge_policy *edge, const struct window *w, bool busy)
{
    uint32_t dead = dead_in_phase(w), hosts = w->track->host_count;
    bool least = !edge->balance.set || edge->balance.number == LB_LEAST_REQUEST;
    if (dead >= hosts || (!least && edge->balance.number != LB_RANDOM))
        return 0;
    /* Who is out is not drawn. */
    uint32_t cap = edge->outlier.present ? outlier_rule_cap(&edge->outlier, hosts) : 0;
    uint32_t alive = hosts - dead > cap + 1 ? hosts - dead - cap : 1;
    double elsewhere = (double)alive / (alive + dead);
    /* Of two that it draws the one with fewer requests: a live one wins beside a live one only. */
    return pow(1 - (least && busy ? elsewhere * elsewhere : elsewhere), DRAWS);
}

static bool has_deadly(const struct window *w, const struct step *steps, size_t count, bool carried)
{
    for (size_t i = 0; i < count; i++)
        if (has_deadly(w, steps[i].steps, steps[i].step_count, carried) ||
            (dead_end(w, &steps[i]) != ALIVE &&
             (!carried || json_object_get(steps[i].keys, "to_end_of") != NULL)))
            return true;
    return false;
}

void retry_dead_find(struct window *w)
{
    const struct scenario *s = w->scenario;
    w->dead_end =
        (w->phase != NULL && has_deadly(w, w->phase->steps, w->phase->step_count, false)) ||
        (s != NULL && has_deadly(w, s->steps, s->step_count, false));
    w->dead_end_ever = w->dead_end;
    for (size_t i = 0; s != NULL && i < s->phase_count; i++) {
        const struct phase *p = &s->phases[i];
        w->dead_end = w->dead_end || has_deadly(w, p->steps, p->step_count, w->phase != NULL);
        w->dead_end_ever = w->dead_end_ever || has_deadly(w, p->steps, p->step_count, false);
    }
}

bool retry_dead_any(const struct window *w, const struct request *r)
{
    return r->done_ns == 0 || r->done_ns >= w->span.to_ns ? w->dead_end_ever : w->dead_end;
}

uint64_t retry_dead_before(const struct window *w)
{
    const struct scenario *s = w->scenario;
    const struct journal *j = w->journal;
    uint64_t until_ns = 0;
    for (size_t i = 0; s != NULL && i < j->phase_count; i++) {
        const struct journal_phase *p = &j->phases[i];
        if (p->ordinal < s->phase_count && strcmp(p->arm, w->track->arm) == 0 &&
            p->t0_ns >= w->track->from_ns && p->t1_ns <= w->span.from_ns && p->t1_ns > until_ns &&
            has_deadly(w, s->phases[p->ordinal].steps, s->phases[p->ordinal].step_count, false))
            until_ns = p->t1_ns;
    }
    return until_ns;
}
