#include "cli/lint_suite.h"

#include "certs/authority.h"
#include "lua/suite.h"
#include "plan/cert_step.h"
#include "policy/policy.h"
#include "policy/yaml.h"

#include <stdarg.h>
#include <stdlib.h>

void lint_list_take(struct lint_list *list, const struct finding *findings, size_t count)
{
    if (list->count + count > list->capacity) {
        list->capacity = (list->count + count) * 2;
        list->rows = check_realloc(list->rows, list->capacity * sizeof(*list->rows));
    }
    if (count > 0)
        memcpy(list->rows + list->count, findings, count * sizeof(*findings));
    list->count += count;
}

void lint_list_add(struct lint_list *list, enum lint_rule_id rule, struct source source,
                   const char *format, ...)
{
    char text[600];
    size_t count = 0;
    const struct lint_rule *r = &lint_rules(&count)[rule];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    yaml_clean_text(text); /* an author's bytes, cut or not, are no promise of UTF-8 */
    source.file = source.file == NULL ? NULL : arena_strdup(list->arena, source.file);
    struct finding f = {.rule = r->id,
                        .severity = r->severity,
                        .source = source,
                        .text = arena_strdup(list->arena, text),
                        .fix = r->fix};
    lint_list_take(list, &f, 1);
}

void lint_list_release(struct lint_list *list)
{
    free(list->rows);
}

/* ---- application retries ---- */

static bool calls_retry(const struct scenario *s)
{
    for (size_t i = 0; i < s->lab.service_count; i++) {
        for (size_t k = 0; k < s->lab.services[i].call_count; k++) {
            if (s->lab.services[i].calls[k].retries > 0)
                return true;
        }
    }
    return false;
}

static bool target_of(const struct mesh_plan *mesh, struct target *ret, struct error *err)
{
    char text[80];
    snprintf(text, sizeof(text), "%.40s@%.20s", mesh->word, mesh->version);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '_' ? '-' : *c;
    return target_parse(text, ret, err);
}

static void call_layers(const struct policy *policy, const struct service_plan *from,
                        const struct call_plan *call, struct lint_list *list)
{
    struct edge_policy edge;
    policy_resolve(policy, from->name, call->to, call->path, 0, &edge);
    unsigned long long app = call->retries, mesh = edge.retry.attempts.number;
    if (app == 0)
        return;
    if (edge.retry.by_budget)
        lint_list_add(
            list, LINT_RETRY_LAYERS, call->source,
            "%.60s retries %.60s %llu times, and the mesh each of its tries as far as its "
            "budget goes",
            from->name, call->to, app);
    else if (mesh > 0)
        lint_list_add(list, LINT_RETRY_LAYERS, call->source,
                      "%.60s retries %.60s %llu times and the mesh %llu (%.200s): one request can "
                      "become %llu tries",
                      from->name, call->to, app, mesh,
                      edge.retry.attempts.origin == NULL ? "default" : edge.retry.attempts.origin,
                      (app + 1) * (mesh + 1));
}

static bool layers(const struct scenario *s, struct lint_list *list, struct error *err)
{
    struct policy_options options = {0};
    struct policy *policy = NULL;
    if (!calls_retry(s) || s->mesh.policy_count == 0 || s->mesh.version == NULL ||
        !target_of(&s->mesh, &options.target, NULL))
        return true;
    if (!policy_read(s->mesh.policy, s->mesh.policy_count, &options, &policy, err))
        return false;
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *from = &s->lab.services[i];
        for (size_t k = 0; k < from->call_count; k++)
            call_layers(policy, from, &from->calls[k], list);
    }
    policy_free(policy);
    return true;
}

/* ---- rotations ---- */

struct walk {
    const struct scenario *scenario;
    struct rotation *rotation;
    struct lint_list *list;
    const struct step *steps[ROTATION_EVENTS_MOST + 1]; /* by the rotation's number, from 1 */
    bool told[ROTATION_EVENTS_MOST + 1];
    bool refused[ROTATION_PARTIES_MOST]; /* by endpoint: the mesh and it do not shake hands */
    struct rotation_change changes[ROTATION_EVENTS_MOST]; /* of one instant */
};

static bool plan_one(void *cookie, const struct step *s, uint64_t from_ns)
{
    struct walk *w = cookie;
    struct cert_step read;
    if (!cert_step_read(w->scenario, s, from_ns, &read, NULL) ||
        !rotation_plan(w->rotation, &read.step, NULL))
        return false;
    if (w->rotation->step_count <= ROTATION_EVENTS_MOST)
        w->steps[w->rotation->step_count] = s;
    return true;
}

/* Who refuses whom between the mesh and the endpoint ${i}. */
static enum rotation_side refuser(const struct walk *w, size_t i, uint64_t now_ns)
{
    return rotation_expect(w->rotation, cert_party_client(w->scenario), i, true, now_ns).refuses;
}

/* After one instant: the pairs that shook hands before it and do not now, one a step. */
static void look(struct walk *w, size_t change_count, uint64_t now_ns)
{
    const struct rotation *r = w->rotation;
    size_t client = cert_party_client(w->scenario);
    for (size_t i = 0; i < r->party_count; i++) {
        const struct rotation_change *by = NULL;
        enum rotation_side side = i == client ? ROTATION_NOBODY : refuser(w, i, now_ns);
        bool before = w->refused[i];
        w->refused[i] = side != ROTATION_NOBODY;
        for (size_t k = 0; k < change_count && by == NULL; k++) {
            if (w->changes[k].party == client || w->changes[k].party == i)
                by = &w->changes[k];
        }
        if (before || side == ROTATION_NOBODY || by == NULL || by->step > ROTATION_EVENTS_MOST ||
            w->told[by->step])
            continue;
        const struct rotation_party *shows = &r->parties[side == ROTATION_CLIENT ? i : client],
                                    *refuses = &r->parties[side == ROTATION_CLIENT ? client : i];
        w->told[by->step] = true;
        lint_list_add(w->list, LINT_ROTATION_NO_OVERLAP, w->steps[by->step]->source,
                      "cert.%.20s: from here %.63s refuses %.63s, whose leaf is of %.63s: nothing "
                      "overlaps",
                      w->steps[by->step]->word, refuses->name, shows->name,
                      r->roots[shows->leaf_root]);
    }
}

static void rotations(const struct scenario *s, struct lint_list *list)
{
    struct walk *w;
    if (!plan_lab_tls(s) || s->lab.service_count == 0)
        return;
    w = check_alloc_zero(1, sizeof(*w));
    *w = (struct walk){.scenario = s, .rotation = check_alloc(sizeof(*w->rotation)), .list = list};
    rotation_init(w->rotation, AUTHORITY_FIRST_ROOT);
    bool ok = cert_parties(s, w->rotation, NULL);
    for (size_t i = 0; ok && i < s->phase_count; i++) {
        uint64_t at_ns = 0;
        ok = cert_steps_each(s->phases[i].steps, s->phases[i].step_count, 0, plan_one, w);
        while (ok && rotation_next(w->rotation, &at_ns)) {
            size_t count = 0;
            while (count < ROTATION_EVENTS_MOST &&
                   rotation_advance(w->rotation, at_ns, &w->changes[count]))
                count++;
            look(w, count, at_ns);
        }
    }
    free(w->rotation);
    free(w);
}

bool lint_suite(const char *path, struct lint_list *list,
                bool (*on_scenario)(void *cookie, struct scenario *s, struct error *err),
                void *cookie, struct error *err)
{
    struct error errors[ERRORS_MOST] = {0};
    struct suite_options options = {0};
    struct plan *plan = NULL;
    size_t count = 0;
    bool good = true;
    bool loads = suite_load(path, &options, &plan, errors, &count);
    for (size_t i = 0; !loads && i < count && i < ERRORS_MOST; i++)
        lint_list_add(list, LINT_SUITE_LOAD, errors[i].source, "%s", errors[i].text);
    good = !loads || plan_split_arms(plan, err);
    for (size_t i = 0; loads && good && i < plan->scenario_count; i++) {
        if (plan_is_control_arm(&plan->scenarios[i]))
            continue;
        good = layers(&plan->scenarios[i], list, err);
        rotations(&plan->scenarios[i], list);
        good = good && (on_scenario == NULL || on_scenario(cookie, &plan->scenarios[i], err));
    }
    plan_free(plan); /* the errors' file names live in it */
    return good;
}
