#include "kube/conduct_join.h"

#include "kube/conduct_inside.h"

#include "base/clock.h"

static bool joins(const struct conduct *c)
{
    return c->run.mode == OBJECTS_INTERPOSE;
}

enum conduct_end conduct_join_survey(struct conduct *c, struct error *err)
{
    struct conduct_join *j = &c->join;
    if (!joins(c))
        return CONDUCT_GOOD;
    for (size_t i = 0; i < c->options.service_count; i++)
        j->services[i] = c->options.services[i];
    struct errand e = conduct_errand(c, true, false);
    incumbent_survey_init(&j->survey, c->run.namespace, j->services, c->options.service_count);
    j->surveyed = true;
    enum errand_end how = errand_run(&e, &j->survey.chore, err);
    c->options.services = j->services;
    if (how == ERRAND_STOPPED) {
        error_set(err, ERROR_PEER, "stopped by a signal before anything began");
        return CONDUCT_STOPPED;
    }
    if (how == ERRAND_DONE && j->survey.err.kind != ERROR_NONE)
        *err = j->survey.err;
    return err->kind == ERROR_NONE ? CONDUCT_GOOD : CONDUCT_REFUSED;
}

/* ---- the way to the real pods ---- */

/* Users' pods that go while a run is beside them are no time for faults. */
static void mind_scarce(struct conduct *c, const struct mirror *m)
{
    struct error why = {0};
    char text[200];
    if (m->scarce[0] == '\0' || c->halted)
        return;
    c->halted = true;
    snprintf(text, sizeof(text),
             "Service %s has %u ready endpoints of its own left, and %d are kept", m->scarce,
             (unsigned)m->ready, PREFLIGHT_READY_LEAST);
    if (c->steer == NULL || !steer_abort(c->steer, "kubernetes", text, &why))
        conduct_say(c, "%s", text);
}

static void on_mirrored(void *cookie)
{
    struct conduct *c = cookie;
    const struct mirror *m = &c->join.mirror;
    if (m->err.kind != ERROR_NONE) {
        conduct_trouble(c, &m->err);
        return;
    }
    mind_scarce(c, m);
    if (m->in_step && !c->looking && !c->halted && !c->join.leaving && !c->join.left)
        conduct_fleet_look(c); /* which opens gates */
}

bool conduct_join_first(struct conduct *c)
{
    struct conduct_join *j = &c->join;
    j->swapped = j->leaving = j->left = false;
    if (!joins(c) || c->run.swap)
        return false;
    if (j->has_mirror)
        mirror_again(&j->mirror, c->services, c->service_count);
    else
        mirror_init(&j->mirror, &c->run, c->services, c->service_count);
    j->has_mirror = true;
    j->mirror.on_step = on_mirrored;
    j->mirror.cookie = c;
    j->mirror_run = (struct chore_run){0};
    chore_start(&j->mirror_run, &j->mirror.chore, c->api, c->loop, NULL, NULL);
    return true;
}

/* ---- the edit, and the way out ---- */

static void on_departed(void *cookie, struct chore *chore)
{
    struct conduct *c = cookie;
    (void)chore;
    c->join.left = true;
    loop_hold_remove(c->loop, &c->join.leave_hold);
    if (!c->join.depart.clean)
        conduct_say(c, "%s", c->join.depart.err.text);
    loop_defer(c->loop, &c->tell);
}

static void depart(struct conduct *c)
{
    struct conduct_join *j = &c->join;
    depart_init(&j->depart, &c->run, c->services, c->service_count, NULL);
    j->depart_run = (struct chore_run){0};
    chore_start(&j->depart_run, &j->depart.chore, c->api, c->loop, on_departed, c);
}

/* What is not back now, conduct_close tries once more, and tells by exit 5. */
static void on_back(void *cookie, struct chore *chore)
{
    struct conduct *c = cookie;
    (void)chore;
    if (!c->join.swap.done)
        conduct_say(c, "%s", c->join.swap.err.text);
    depart(c);
}

static void go_back(struct conduct *c)
{
    struct conduct_join *j = &c->join;
    j->swapped = false;
    swap_back(&j->swap);
    j->swap_run = (struct chore_run){0};
    chore_start(&j->swap_run, &j->swap.chore, c->api, c->loop, on_back, c);
}

static void on_swapped(void *cookie, struct chore *chore)
{
    struct conduct *c = cookie;
    struct swap *s = &c->join.swap;
    (void)chore;
    c->join.swapped = s->done;
    if (c->join.leaving)
        go_back(c);
    else if (s->done)
        loop_defer(c->loop, &c->tell);
    else
        conduct_trouble(c, &s->err);
}

void conduct_join_mustered(struct conduct *c)
{
    struct conduct_join *j = &c->join;
    struct error err = {0};
    if (!joins(c) || !c->run.swap)
        return;
    if (j->has_swap)
        swap_again(&j->swap, c->services, c->service_count);
    else
        j->has_swap =
            swap_init(&j->swap, &c->run, c->services, c->service_count, c->build.anchor, &err);
    if (!j->has_swap) {
        conduct_trouble(c, &err);
        return;
    }
    j->swap_run = (struct chore_run){0};
    chore_start(&j->swap_run, &j->swap.chore, c->api, c->loop, on_swapped, c);
}

bool conduct_join_ready(const struct conduct *c)
{
    return !joins(c) || (c->run.swap ? c->join.swapped : c->join.mirror.in_step);
}

static void stop_chores(struct conduct *c)
{
    struct conduct_join *j = &c->join;
    chore_stop(&j->mirror_run);
    chore_stop(&j->swap_run);
    chore_stop(&j->depart_run);
}

static void on_leave_late(struct hold *h, uint64_t now_ns)
{
    struct conduct *c = (struct conduct *)((char *)h - offsetof(struct conduct, join.leave_hold));
    (void)now_ns;
    stop_chores(c);
    c->join.left = true;
    conduct_say(c, "our endpoints are not known to be out of their Services: the API server does "
                   "not answer");
    loop_defer(c->loop, &c->tell);
}

bool conduct_join_leave(struct conduct *c)
{
    struct conduct_join *j = &c->join;
    if (!joins(c) || j->left || c->api == NULL || c->build.anchor == NULL)
        return true;
    if (j->leaving)
        return false;
    j->leaving = true;
    loop_hold_add(c->loop, &j->leave_hold, clock_now_ns() + CONDUCT_LEAVE_WITHIN_NS, on_leave_late);
    conduct_fleet_rest(c); /* it would open the gates again */
    if (j->swap_run.chore != NULL)
        return false; /* an edit in its middle ends first */
    if (j->has_swap)
        go_back(c);
    else
        depart(c);
    return false;
}

void conduct_join_stop(struct conduct *c)
{
    struct conduct_join *j = &c->join;
    if (!joins(c))
        return;
    stop_chores(c);
    loop_hold_remove(c->loop, &j->leave_hold);
    if (j->leaving)
        depart_release(&j->depart);
    j->leaving = false;
}

void conduct_join_release(struct conduct *c)
{
    struct conduct_join *j = &c->join;
    if (j->has_mirror)
        mirror_release(&j->mirror);
    if (j->has_swap)
        swap_release(&j->swap);
    if (j->surveyed)
        incumbent_survey_release(&j->survey);
}
