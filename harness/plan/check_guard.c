#include "plan/check.h"

#include "base/units.h"
#include "plan/probe.h"
#include "plan/window.h"

/* Probes, guard.stop and guard.window: what their keys may say. */

static const char *const words[] = {"client", "grpc_health", "http", "promql", "tcp"};

/* A password in an address would be in the plan, and so in every journal. */
static bool check_url(const char *url, struct error *err)
{
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : "";
    if (*host == '\0')
        return error_set(err, ERROR_INPUT,
                         "url is \"%.60s\"; it must be such as \"http://127.0.0.1:9090/ready\"",
                         url);
    if (memchr(host, '@', strcspn(host, "/")) != NULL)
        return error_set(err, ERROR_INPUT,
                         "url holds a user or a password, which would be in the journal");
    for (const char *c = host; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f)
            return error_set(err, ERROR_INPUT, "url has a character that no address has");
    }
    return true;
}

static bool check_kind(const struct scenario *s, const struct probe_plan *p, struct error *err)
{
    switch (p->kind) {
    case PROBE_CLIENT:
        if (p->on.text == NULL || p->value == NULL)
            return error_set(err, ERROR_INPUT, "needs on and value");
        if (p->on.from.service == NULL || p->on.to.service == NULL || p->on.to.endpoint != 0 ||
            p->on.to.any)
            return error_set(err, ERROR_INPUT,
                             "on is \"%.80s\"; it must be an edge such as \"client -> b\"",
                             p->on.text);
        return check_place(s, "on", &p->on, err);
    case PROBE_HTTP:
        if (p->ca != NULL && p->url != NULL && strncmp(p->url, "https://", 8) != 0)
            return error_set(err, ERROR_INPUT, "ca is for a url of https://");
        if (p->value != NULL && p->value[0] != '/')
            return error_set(err, ERROR_INPUT,
                             "value is \"%.60s\"; it must be a JSON pointer such as \"/orders\"",
                             p->value);
        return p->url != NULL ? check_url(p->url, err) : error_set(err, ERROR_INPUT, "needs url");
    case PROBE_PROMQL:
        if (p->query == NULL)
            return error_set(err, ERROR_INPUT, "needs query");
        return p->url == NULL || check_url(p->url, err);
    case PROBE_GRPC_HEALTH:
    case PROBE_TCP:
        return (p->address != NULL && strrchr(p->address, ':') != NULL) ||
               error_set(err, ERROR_INPUT,
                         "address is \"%.60s\"; it must be such as \"127.0.0.1:8080\"",
                         p->address != NULL ? p->address : "");
    }
    UNREACHABLE();
}

static bool check_probe(const struct scenario *s, const struct probe_plan *p, struct errors *errors)
{
    struct error err = {0};
    if (check_kind(s, p, &err))
        return true;
    bool key = strncmp(err.text, "needs", 5) == 0;
    error_prefix(&err, key ? "probe.%s " : "probe.%s: ", words[p->kind]);
    return errors_take(errors, p->source, &err);
}

static bool check_bound(const struct probe_plan *p, const char *key, const char *text,
                        struct error *err)
{
    double value;
    if (text == NULL || probe_bound(p, text, &value, err))
        return true;
    error_prefix(err, "%s ", key);
    return false;
}

bool check_probe_step(const struct scenario *s, const struct step *step, struct error *err)
{
    const char *name = json_string_value(json_object_get(step->keys, "probe"));
    const struct probe_plan *p = probe_find(s, name);
    const char *family = step->kind == STEP_AWAIT ? "await" : "expect";
    if (p == NULL)
        return error_set(err, ERROR_INPUT,
                         "%s.probe: probe names no probe of the scenario: \"%.60s\"", family,
                         name != NULL ? name : "");
    if (probe_check_bounds(p, step->keys, err))
        return true;
    error_prefix(err, strncmp(err->text, "needs", 5) == 0 ? "%s.probe " : "%s.probe: ", family);
    return false;
}

static bool check_range(const struct probe_plan *p, const struct guard_plan *g, struct error *err)
{
    if (g->above == NULL && g->below == NULL)
        return error_set(err, ERROR_INPUT, "needs above or below");
    return check_bound(p, "above", g->above, err) && check_bound(p, "below", g->below, err);
}

/* One sample that is waited for longer than what it is to notice may last: a guard that is blind.
 * Our own load answers at once. */
static bool check_sight(const struct probe_plan *p, const struct guard_plan *g, struct error *err)
{
    char timeout[32], over[32];
    if (p->kind == PROBE_CLIENT || p->timeout_ns <= g->over_ns)
        return true;
    units_print_duration(p->timeout_ns, timeout, sizeof(timeout));
    units_print_duration(g->over_ns, over, sizeof(over));
    return error_set(err, ERROR_INPUT,
                     "over is %s, and its probe waits up to its timeout of %s for a sample: it "
                     "would be blind for longer than that; give the probe a timeout of at most %s, "
                     "or a longer over",
                     over, timeout, over);
}

static void check_stop(const struct scenario *s, const struct guard_plan *g, struct errors *errors)
{
    struct error err = {0};
    const struct probe_plan *p = g->probe != NULL ? probe_find(s, g->probe) : &g->own;
    if (p == NULL)
        error_set(&err, ERROR_INPUT, "probe names no probe of the scenario: \"%.60s\"", g->probe);
    else if (g->probe != NULL || check_probe(s, p, errors))
        (void)!(check_range(p, g, &err) && check_sight(p, g, &err));
    if (err.kind == ERROR_NONE)
        return;
    error_prefix(&err, strncmp(err.text, "needs", 5) == 0 ? "guard.stop " : "guard.stop: ");
    errors_take(errors, g->source, &err);
}

static void check_window(const struct guard_plan *g, struct errors *errors)
{
    struct error err = {0};
    if (window_check(g, &err))
        return;
    error_prefix(&err, "guard.window: ");
    errors_take(errors, g->source, &err);
}

static void check_people(const struct guard_plan *g, struct errors *errors)
{
    struct error err = {0};
    if (!check_approval(g, &err))
        errors_take(errors, g->source, &err);
}

void check_guards(const struct scenario *s, struct errors *errors)
{
    for (size_t i = 0; i < s->probe_count; i++)
        check_probe(s, &s->probes[i], errors);
    for (size_t i = 0; i < s->guard_count; i++) {
        if (s->guards[i].kind == GUARD_STOP)
            check_stop(s, &s->guards[i], errors);
        else if (s->guards[i].kind == GUARD_WINDOW)
            check_window(&s->guards[i], errors);
        else if (s->guards[i].kind == GUARD_APPROVAL)
            check_people(&s->guards[i], errors);
    }
}
