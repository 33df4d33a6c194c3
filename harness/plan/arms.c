#include "plan/check.h"

/* A scenario of several meshes (scenario-language.md 1.2 "Arms"): what its author wrote is split
 * into one scenario an arm, so that each has its own policy, its own lab and its own verdicts; what
 * makes them one is that the engine walks them in turn (harness/adr/0021). */

#define ARM_NAME_MOST 40

static bool is_none(const struct mesh_plan *mesh)
{
    return mesh->word != NULL && strcmp(mesh->word, "none") == 0;
}

bool plan_is_meshless(const struct scenario *s)
{
    return is_none(&s->mesh);
}

bool plan_is_control_arm(const struct scenario *s)
{
    return s->arm != NULL && is_none(&s->mesh);
}

bool plan_same_arms(const struct scenario *a, const struct scenario *b)
{
    return a == b ||
           (a->arms_of != NULL && b->arms_of != NULL && strcmp(a->arms_of, b->arms_of) == 0);
}

static bool is_arm_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return len > 0 && len <= ARM_NAME_MOST && name[len] == '\0';
}

bool check_has_arm(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->arm_count; i++)
        if (strcmp(s->arms[i].name, name) == 0)
            return true;
    return false;
}

void check_arms(const struct scenario *s, struct errors *errors)
{
    bool any = s->arm_count == 0;
    for (size_t i = 0; i < s->arm_count; i++) {
        const struct mesh_plan *arm = &s->arms[i];
        any = any || !is_none(arm);
        if (arm->name == NULL || !is_arm_name(arm->name))
            errors_add(errors, arm->source, ERROR_INPUT,
                       "mesh.%s: name is \"%.60s\"; as an arm it has 1 to %d of a-z A-Z 0-9 - _ .",
                       arm->word == NULL ? "?" : arm->word, arm->name == NULL ? "" : arm->name,
                       ARM_NAME_MOST);
        for (size_t k = 0; k < i; k++)
            if (arm->name != NULL && s->arms[k].name != NULL &&
                strcmp(arm->name, s->arms[k].name) == 0)
                errors_add(errors, arm->source, ERROR_INPUT,
                           "two arms are called \"%.60s\": give one of them a name", arm->name);
    }
    if (!any)
        errors_add(errors, s->source, ERROR_INPUT,
                   "scenario \"%.80s\": no arm has a mesh: mesh.none is there to be compared with",
                   s->name);
}

bool plan_external_is_by_arm(const json_t *external)
{
    return external != NULL && json_object_get(external, "to") == NULL &&
           json_object_get(external, "endpoint") == NULL &&
           json_object_get(external, "metrics") == NULL && json_object_size(external) > 0;
}

/* lab.external may have one table under each mesh's name, for several scenarios and their arms; an
 * arm without a mesh needs none. */
static void take_external(struct scenario *s)
{
    if (plan_is_control_arm(s)) {
        s->lab.external = NULL;
        s->lab.tls = "off";
        if (s->lab.driver == DRIVER_EXTERNAL)
            s->lab.driver = DRIVER_BUILTIN;
    } else if (plan_external_is_by_arm(s->lab.external)) {
        s->lab.external =
            json_object_get(s->lab.external, s->mesh.name == NULL ? "" : s->mesh.name);
    }
}

static void split(struct plan *p, const struct scenario *from, struct scenario *to)
{
    for (size_t i = 0; i < from->arm_count; i++) {
        struct scenario *s = &to[i];
        *s = *from;
        s->mesh = from->arms[i];
        s->arm = s->mesh.name;
        s->arms_of = from->name;
        s->name = arena_printf(&p->arena, "%s, arm %s", from->name, s->arm);
        s->arms = NULL;
        s->arm_count = 0;
        take_external(s);
    }
}

bool plan_split_arms(struct plan *p, struct error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < p->scenario_count; i++) {
        if (p->scenarios[i].arm_count == 0)
            take_external(&p->scenarios[i]);
        count += p->scenarios[i].arm_count == 0 ? 1 : p->scenarios[i].arm_count;
    }
    if (count == p->scenario_count)
        return true;
    struct scenario *all = ARENA_ARRAY(&p->arena, struct scenario, count);
    count = 0;
    for (size_t i = 0; i < p->scenario_count; i++) {
        const struct scenario *s = &p->scenarios[i];
        struct errors errors = {.at = err, .most = 1};
        check_arms(s, &errors);
        if (errors.count > 0)
            return false;
        if (s->arm_count == 0)
            all[count++] = *s;
        else
            split(p, s, all + count);
        count += s->arm_count;
    }
    p->scenarios = all;
    p->scenario_count = count;
    return true;
}
