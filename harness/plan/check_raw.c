/* Raw TCP (scenario-language.md 3: "tcp echo"): what has a meaning on a service that speaks it.
 * What has none is refused, never ignored. */
#include "plan/check.h"

#define TAGS_MOST 9999  /* four digits in the first line of a stream (spec/verifier.md 1.3) */
#define BODY_BYTES 1024 /* of a service that says nothing */

static bool in_list(const char *const *list, const char *word)
{
    for (; *list != NULL; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

static const struct service_plan *raw_service(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *service = &s->lab.services[i];
        if (name != NULL && strcmp(service->name, name) == 0)
            return plan_is_raw(service->protocol) ? service : NULL;
    }
    return NULL;
}

/* All that have a number, whichever load sends them. */
static size_t tags_of(const struct scenario *s)
{
    json_t *tags = plan_tags(s);
    size_t count = json_array_size(tags);
    json_decref(tags);
    return count;
}

bool check_raw_load(const struct scenario *s, const struct load_plan *l, struct error *err)
{
    const char *key = NULL;
    if (!plan_is_raw(l->protocol))
        return true;
    if (l->method != NULL && strcmp(l->method, "GET") != 0)
        key = "method";
    else if (l->path != NULL && strcmp(l->path, "/") != 0)
        key = "path";
    else if (json_object_size(l->headers) > 0)
        key = "headers";
    if (key != NULL)
        return error_set(err, ERROR_INPUT,
                         "%s is of HTTP; a load of protocol \"tcp\" sends its body, and its answer "
                         "is the echo",
                         key);
    size_t tags = l->tagged_count > 0 ? tags_of(s) : 0;
    return tags <= TAGS_MOST ||
           error_set(
               err, ERROR_INPUT,
               "the scenario has %zu kinds of tags, more than the %d that raw TCP has numbers "
               "for",
               tags, TAGS_MOST);
}

/* What a stub of HTTP answers with; an echo has nothing of it. */
static const char *idle_key(const struct service_plan *service)
{
    if (service->body_text != NULL || service->body_bytes != BODY_BYTES)
        return "body";
    if (service->status != 200)
        return "status";
    if (service->effects != NULL)
        return "effects";
    return service->call_count > 0 ? "calls" : NULL;
}

void check_raw_services(const struct scenario *s, struct errors *errors)
{
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *service = &s->lab.services[i];
        bool stub = service->run == NULL && service->address_count == 0;
        const char *key = stub && plan_is_raw(service->protocol) ? idle_key(service) : NULL;
        if (key != NULL)
            errors_add(errors, service->source, ERROR_INPUT,
                       "service \"%.60s\": %s is of HTTP; a stub of protocol \"tcp\" gives back "
                       "what it gets",
                       service->name, key);
        for (size_t k = 0; k < service->call_count; k++)
            if (raw_service(s, service->calls[k].to) != NULL)
                errors_add(errors, service->calls[k].source, ERROR_INPUT,
                           "call \"%.60s\": it speaks tcp, and a stub's calls are of HTTP",
                           service->calls[k].to);
    }
}

/* ---- steps ---- */

static bool check_fault(const struct step *s, const char *name, struct error *err)
{
    static const char *const of_http[] = {"abort",   "goaway",     "malformed",
                                          "replace", "rst_stream", NULL};
    static const char *const keys[] = {"attempt", "protocol", "tag", NULL};
    const char *key;
    json_t *value;
    if (in_list(of_http, s->word))
        return error_set(err, ERROR_INPUT, "fault.%s is of HTTP, and \"%s\" speaks tcp", s->word,
                         name);
    json_object_foreach(json_object_get(s->keys, "match"), key, value)
    {
        if (!in_list(keys, key))
            return error_set(err, ERROR_INPUT,
                             "fault.%s: match has no %.40s on \"%s\", which speaks tcp; it has "
                             "attempt protocol tag",
                             s->word, key, name);
    }
    return true;
}

/* A caller of ${service} that is not ${caller}; NULL: there is none. */
static const char *other_caller(const struct load_plan *loads, size_t count, const char *service,
                                const char *caller)
{
    for (size_t i = 0; i < count; i++) {
        const struct place *on = &loads[i].on;
        if (on->from.service != NULL && on->to.service != NULL &&
            strcmp(on->to.service, service) == 0 && strcmp(on->from.service, caller) != 0)
            return on->from.service;
    }
    return NULL;
}

/* "a -> b" is "b" where a is the only one who calls. */
static bool check_caller(const struct scenario *s, const struct step *step, struct error *err)
{
    const char *caller = step->on.from.service, *name = step->on.to.service, *other = NULL;
    if (caller == NULL)
        return true;
    other = other_caller(s->loads, s->load_count, name, caller);
    for (size_t i = 0; i < s->phase_count && other == NULL; i++)
        other = other_caller(s->phases[i].loads, s->phases[i].load_count, name, caller);
    return other == NULL ||
           error_set(
               err, ERROR_INPUT,
               "fault.%s: \"%s -> %s\": the caller cannot be told on this edge (raw TCP has no "
               "x-meshproof-from, and %s calls too): write on = \"%s\"",
               step->word, caller, name, other, name);
}

/* Only of handshakes. */
static bool is_connect_alone(const struct step *s)
{
    const json_t *only = json_object_get(s->keys, "only");
    const json_t *one =
        json_is_array(only) && json_array_size(only) == 1 ? json_array_get(only, 0) : only;
    return json_is_string(one) && strcmp(json_string_value(one), "connect") == 0;
}

static bool check_expect(const struct step *s, const char *name, struct error *err)
{
    static const char *const of_requests[] = {
        "amplification", "budget", "idempotency", "rate_limit", "retries", "status", NULL};
    const char *good = json_string_value(json_object_get(s->keys, "good"));
    if (in_list(of_requests, s->word))
        return error_set(err, ERROR_INPUT,
                         "expect.%s is of requests, and \"%s\" speaks tcp: a mesh knows only "
                         "connections there",
                         s->word, name);
    if (strcmp(s->word, "timeout") == 0 && !is_connect_alone(s))
        return error_set(err, ERROR_INPUT,
                         "expect.timeout: \"%s\" speaks tcp, where a mesh times connects alone: "
                         "only = { \"connect\" }",
                         name);
    if (good != NULL && strcmp(good, "any") != 0)
        return error_set(err, ERROR_INPUT,
                         "expect.success: good is \"%.60s\", and \"%s\" speaks tcp: an echo has no "
                         "status; leave good out",
                         good, name);
    return true;
}

bool check_raw_step(const struct scenario *s, const struct step *step, struct error *err)
{
    const char *name = step->has_on ? step->on.to.service : NULL;
    if (raw_service(s, name) == NULL)
        return true;
    if (step->kind == STEP_FAULT)
        return check_fault(step, name, err) && check_caller(s, step, err);
    return step->kind != STEP_EXPECT || check_expect(step, name, err);
}
