#include "cli/prepare.h"

#include "cli/cluster.h"

/* Places such as "b@v2": the endpoints of the lab whose labels are those of the policy's subset. */

struct finder {
    struct prepared *p;
    struct scenario *s;
    const struct policy *policy;
    bool in_cluster;
};

static const struct service_plan *service_of(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->lab.service_count; i++)
        if (strcmp(s->lab.services[i].name, name) == 0)
            return &s->lab.services[i];
    return NULL;
}

static const char *family(const struct step *s)
{
    return s->kind == STEP_FAULT ? "fault." : "expect.";
}

static bool is_member(const struct service_plan *service, uint32_t endpoint,
                      const struct subset *subset)
{
    for (size_t i = 0; i < subset->label_count; i++) {
        const char *own = plan_label_of(service, endpoint, subset->labels[i].key);
        if (own == NULL || subset->labels[i].value == NULL ||
            strcmp(own, subset->labels[i].value) != 0)
            return false;
    }
    return true;
}

static bool unknown(const struct step *s, const struct subset *all, size_t count, struct error *err)
{
    const char *names[64], *service = s->on.to.service;
    char list[160] = "";
    for (size_t i = 0; i < count && i < COUNT_OF(names); i++) {
        size_t used = strlen(list);
        names[i] = all[i].name;
        snprintf(list + used, sizeof(list) - used, " %.60s", all[i].name);
    }
    if (count == 0)
        return error_at(err, s->source, ERROR_INPUT,
                        "%s%s: on names the subset %s: no DestinationRule gives %s subsets",
                        family(s), s->word, s->on.to.subset, service);
    const char *near = text_nearest(s->on.to.subset, names, count);
    return error_at(err, s->source, ERROR_INPUT,
                    "%s%s: on names the subset %s: the policy gives %s%s%s%s%s", family(s), s->word,
                    s->on.to.subset, service, list, near != NULL ? " (did you mean \"" : "",
                    near != NULL ? near : "", near != NULL ? "\"?)" : "");
}

static bool is_empty(const struct step *s, const struct subset *subset, struct error *err)
{
    char labels[160] = "", mark[200];
    for (size_t i = 0; i < subset->label_count; i++) {
        size_t used = strlen(labels);
        snprintf(labels + used, sizeof(labels) - used, " %.60s=%.60s", subset->labels[i].key,
                 subset->labels[i].value == NULL ? "" : subset->labels[i].value);
    }
    source_format(subset->source, false, mark, sizeof(mark));
    return error_at(
        err, s->source, ERROR_INPUT,
        "%s%s: no endpoint of %s is in the subset %s (%s), which has the labels%s: give "
        "the service versions, such as { \"v1\", \"v2\" }",
        family(s), s->word, s->on.to.service, subset->name, mark, labels);
}

/* Into the lab's table, once. */
static bool find(struct finder *f, const struct step *s, struct error *err)
{
    const struct service_plan *service = service_of(f->s, s->on.to.service);
    size_t count, at = 0;
    if (f->in_cluster)
        return error_at(err, s->source, ERROR_INPUT,
                        "%s%s: on is \"%.80s\"; a subset is told by the versions of the lab: on a "
                        "cluster name the service or its endpoints",
                        family(s), s->word, s->on.text);
    const struct subset *all =
        policy_subsets(f->policy, s->on.to.service, &f->p->plan->arena, &count);
    while (at < count && strcmp(all[at].name, s->on.to.subset) != 0)
        at++;
    if (at == count)
        return unknown(s, all, count, err);
    json_t *members = json_array();
    for (uint32_t n = 1; service != NULL && n <= service->endpoints; n++)
        if (is_member(service, n, &all[at]))
            json_array_append_new(members, json_integer(n));
    if (f->s->lab.subsets == NULL) {
        f->s->lab.subsets = json_object();
        json_array_append_new(f->p->plan->owned, f->s->lab.subsets);
    }
    json_t *of = json_object_get(f->s->lab.subsets, s->on.to.service);
    if (of == NULL) {
        of = json_object();
        json_object_set_new(f->s->lab.subsets, s->on.to.service, of);
    }
    bool empty = json_array_size(members) == 0;
    json_object_set_new(of, s->on.to.subset, members);
    return !empty || is_empty(s, &all[at], err);
}

static bool find_all(struct finder *f, const struct step *steps, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        bool asks = steps[i].has_on && steps[i].on.to.subset != NULL;
        if ((asks && !find(f, &steps[i], err)) ||
            !find_all(f, steps[i].steps, steps[i].step_count, err))
            return false;
    }
    return true;
}

/* An arm without a mesh has the endpoints that its sibling's policy chooses. */
static const struct policy *policy_of(const struct prepared *p, size_t scenario)
{
    const struct scenario *s = &p->plan->scenarios[scenario];
    for (size_t i = 0; plan_is_control_arm(s) && i < p->plan->scenario_count; i++)
        if (plan_same_arms(s, &p->plan->scenarios[i]) &&
            !plan_is_control_arm(&p->plan->scenarios[i]))
            return p->scenarios[i].policy;
    return p->scenarios[scenario].policy;
}

bool prepare_subsets(struct prepared *p, const struct arguments *args, struct error *err)
{
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        struct scenario *s = &p->plan->scenarios[i];
        struct finder f = {p, s, policy_of(p, i), cluster_asked(args)};
        if (!find_all(&f, s->steps, s->step_count, err))
            return false;
        for (size_t k = 0; k < s->phase_count; k++)
            if (!find_all(&f, s->phases[k].steps, s->phases[k].step_count, err))
                return false;
    }
    return true;
}
