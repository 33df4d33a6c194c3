#ifndef KUBE_FAKE_LIVE_TEST_H
#define KUBE_FAKE_LIVE_TEST_H

/* An API server for tests of chores, in virtual time: objects by resource and name, uids and
 * resourceVersions as the real one gives them, label selectors, merge patches, a garbage collector
 * that takes a second, a kubelet that takes one, EndpointSlices as its controller makes them. It
 * drives chores side by side as chore_run does, one call of each at a time, and refuses what rules
 * say. What it was asked is in ${log}. */

#include "kube/chore.h"
#include "kube/objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FAKE_S UINT64_C(1000000000)

struct fake_rule {
    const char *verb, *part; /* "POST", part of "pods/mp-..."; NULL: any */
    enum api_outcome outcome;
    const char *sentence;
    unsigned after, count; /* so many calls go well first; then so many do not (0: all) */
};
struct fake {
    json_t *objects; /* "pods/mp-1" -> object */
    json_t *log;     /* "POST pods/mp-1" */
    uint64_t now_ns, version;
    uint64_t kubelet_ns, collector_ns; /* UINT64_MAX: they sleep */
    struct fake_rule rules[8];
    size_t rule_count;
    uint64_t away_from_ns, away_to_ns; /* it does not answer */
    /* Called before each call; may change the cluster. */
    void (*before)(struct fake *f, const char *call);
    void *cookie;
};

static inline void fake_open(struct fake *f)
{
    *f = (struct fake){.objects = json_object(),
                       .log = json_array(),
                       .now_ns = 1000 * FAKE_S,
                       .kubelet_ns = FAKE_S,
                       .collector_ns = FAKE_S};
}

static inline void fake_close(struct fake *f)
{
    json_decref(f->objects);
    json_decref(f->log);
}

static inline const char *fake_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static inline json_t *fake_meta(const json_t *object)
{
    return json_object_get(object, "metadata");
}

static inline void fake_touch(struct fake *f, json_t *object)
{
    json_object_set_new(fake_meta(object), "resourceVersion",
                        json_sprintf("%llu", (unsigned long long)++f->version));
}

/* Puts an object there, as if somebody had made it; borrowed. */
static inline json_t *fake_put(struct fake *f, const char *resource, json_t *take_object)
{
    char key[200];
    snprintf(key, sizeof(key), "%s/%s", resource, fake_text(fake_meta(take_object), "name"));
    json_object_set_new(fake_meta(take_object), "uid",
                        json_sprintf("uid-%llu", (unsigned long long)++f->version));
    json_object_set_new(fake_meta(take_object), "born",
                        json_integer((json_int_t)f->now_ns)); /* of the fake's own */
    fake_touch(f, take_object);
    json_object_set_new(f->objects, key, take_object);
    return take_object;
}

static inline json_t *fake_get(const struct fake *f, const char *resource, const char *name)
{
    char key[200];
    snprintf(key, sizeof(key), "%s/%s", resource, name);
    return json_object_get(f->objects, key);
}

/* "k=v,k in (a,b),k" against labels. */
static inline bool fake_selects(const char *selector, const json_t *labels)
{
    while (selector != NULL && *selector != '\0') {
        char key[100], one[100];
        size_t key_len = strcspn(selector, "=, ");
        snprintf(key, sizeof(key), "%.*s", (int)key_len, selector);
        const char *value = json_string_value(json_object_get(labels, key));
        selector += key_len;
        bool good = value != NULL;
        if (*selector == '=') {
            size_t len = strcspn(++selector, ",");
            good = good && strlen(value) == len && strncmp(value, selector, len) == 0;
            selector += len;
        } else if (strncmp(selector, " in (", 5) == 0) {
            size_t end = strcspn(selector, ")");
            snprintf(one, sizeof(one), ",%.*s,", (int)(end - 5), selector + 5);
            char wanted[100];
            snprintf(wanted, sizeof(wanted), ",%s,", value == NULL ? "" : value);
            good = good && strstr(one, wanted) != NULL;
            selector += end + 1;
        }
        if (!good)
            return false;
        selector += *selector == ',';
    }
    return true;
}

static inline bool fake_has_owner(const struct fake *f, const json_t *object)
{
    const json_t *owners = json_object_get(fake_meta(object), "ownerReferences"), *other;
    const char *key, *uid = fake_text(json_array_get(owners, 0), "uid");
    if (json_array_size(owners) == 0)
        return true;
    json_object_foreach((json_t *)(uintptr_t)f->objects, key, other)
    {
        if (strcmp(fake_text(fake_meta(other), "uid"), uid) == 0)
            return true;
    }
    /* the conductor's own Job is not here */
    return strcmp(fake_text(json_array_get(owners, 0), "kind"), "Job") == 0 &&
           strncmp(fake_text(json_array_get(owners, 0), "name"), "meshproof-", 10) == 0;
}

static inline void fake_set_condition(json_t *pod, const char *type, const char *status)
{
    json_t *has = json_object_get(pod, "status"), *list, *one;
    size_t i;
    if (has == NULL) {
        has = json_pack("{s[]}", "conditions");
        json_object_set_new(pod, "status", has);
    }
    list = json_object_get(has, "conditions");
    json_array_foreach(list, i, one)
    {
        if (strcmp(fake_text(one, "type"), type) == 0) {
            json_object_set_new(one, "status", json_string(status));
            return;
        }
    }
    json_array_append_new(list, json_pack("{ssss}", "type", type, "status", status));
}

static inline bool fake_condition(const json_t *pod, const char *type)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(json_object_get(pod, "status"), "conditions"), i, one)
    {
        if (strcmp(fake_text(one, "type"), type) == 0)
            return strcmp(fake_text(one, "status"), "True") == 0;
    }
    return false;
}

/* The pods of an Indexed Job, once: with backoffLimitPerIndex 0 none of them is made again. */
static inline void fake_make_indexed(struct fake *f, json_t *job)
{
    const json_t *spec = json_object_get(job, "spec"),
                 *template = json_object_get(spec, "template");
    json_int_t count = json_integer_value(json_object_get(spec, "completions"));
    if (json_object_get(fake_meta(job), "made") != NULL)
        return;
    json_object_set_new(fake_meta(job), "made", json_true());
    for (json_int_t i = 0; i < count; i++) {
        json_t *pod = json_deep_copy(template), *meta = fake_meta(pod);
        json_object_set_new(meta, "name",
                            json_sprintf("%s-%d-x%dz", fake_text(fake_meta(job), "name"), (int)i,
                                         (int)(i * 7 % 5)));
        json_object_set_new(meta, "namespace", json_string(fake_text(fake_meta(job), "namespace")));
        if (json_object_get(meta, "annotations") == NULL)
            json_object_set_new(meta, "annotations", json_object());
        json_object_set_new(json_object_get(meta, "annotations"),
                            "batch.kubernetes.io/job-completion-index", json_sprintf("%d", (int)i));
        json_object_set_new(meta, "ownerReferences",
                            json_pack("[{ss ss ss sb}]", "kind", "Job", "name",
                                      fake_text(fake_meta(job), "name"), "uid",
                                      fake_text(fake_meta(job), "uid"), "controller", 1));
        fake_put(f, "pods", pod);
    }
}

/* What goes on in a cluster by itself. */
static inline void fake_live(struct fake *f)
{
    const char *key;
    void *next;
    size_t i;
    json_t *object, *jobs = json_array();
    json_object_foreach(f->objects, key, object)
    {
        if (strncmp(key, "jobs/", 5) == 0)
            json_array_append(jobs, object);
    }
    json_array_foreach(jobs, i, object)
    {
        fake_make_indexed(f, object);
    }
    json_decref(jobs);
    json_object_foreach_safe(f->objects, next, key, object)
    {
        uint64_t born = (uint64_t)json_integer_value(json_object_get(fake_meta(object), "born"));
        json_t *orphaned = json_object_get(fake_meta(object), "orphaned");
        if (!fake_has_owner(f, object) && f->collector_ns != UINT64_MAX) {
            if (orphaned == NULL)
                json_object_set_new(fake_meta(object), "orphaned",
                                    json_integer((json_int_t)f->now_ns));
            else if ((uint64_t)json_integer_value(orphaned) + f->collector_ns <= f->now_ns)
                json_object_del(f->objects, key);
            continue;
        }
        if (strncmp(key, "pods/", 5) == 0 && f->kubelet_ns != UINT64_MAX &&
            f->now_ns >= born + f->kubelet_ns) {
            bool gated = json_array_size(json_object_get(json_object_get(object, "spec"),
                                                         "readinessGates")) > 0;
            fake_set_condition(object, "ContainersReady", "True");
            if (json_object_get(json_object_get(object, "status"), "podIP") == NULL)
                json_object_set_new(json_object_get(object, "status"), "podIP",
                                    json_string("10.77.0.9"));
            fake_set_condition(object, "Ready",
                               !gated || fake_condition(object, OBJECTS_ARMED_GATE) ? "True"
                                                                                    : "False");
        }
    }
}

static inline json_t *fake_endpoint(const json_t *pod)
{
    const char *ip = fake_text(json_object_get(pod, "status"), "podIP");
    return json_pack("{s[s] s{sb} s{ssssss}}", "addresses", ip[0] == '\0' ? "10.77.0.9" : ip,
                     "conditions", "ready", fake_condition(pod, "Ready"), "targetRef", "kind",
                     "Pod", "name", fake_text(fake_meta(pod), "name"), "uid",
                     fake_text(fake_meta(pod), "uid"));
}

/* What the EndpointSlice controller has made of a Service; without a selector, what was made by
 * hand. */
static inline json_t *fake_slices(const struct fake *f, const char *selector)
{
    const char *key, *name = strchr(selector, '=') + 1;
    json_t *endpoints = json_array(), *items = json_array(), *object;
    const json_t *service = fake_get(f, "services", name);
    const json_t *wanted = json_object_get(json_object_get(service, "spec"), "selector"), *value;
    json_object_foreach(f->objects, key, object)
    {
        const json_t *labels = json_object_get(fake_meta(object), "labels");
        const char *label;
        bool in = wanted != NULL && strncmp(key, "pods/", 5) == 0;
        json_object_foreach((json_t *)(uintptr_t)wanted, label, value)
        {
            in = in && json_equal(json_object_get(labels, label), value);
        }
        if (in)
            json_array_append_new(endpoints, fake_endpoint(object));
        if (wanted == NULL && strncmp(key, "endpointslices/", 15) == 0 &&
            strcmp(fake_text(labels, "kubernetes.io/service-name"), name) == 0)
            json_array_append_new(items, json_deep_copy(object));
    }
    if (wanted != NULL)
        json_array_append_new(items, json_pack("{s{ss} ss s[{sssi}] sO}", "metadata", "name",
                                               "slice-x", "addressType", "IPv4", "ports", "name",
                                               "http", "port", 8080, "endpoints", endpoints));
    json_decref(endpoints);
    return json_pack("{so}", "items", items);
}

static inline json_t *fake_list(const struct fake *f, const struct api_request *r)
{
    json_t *items = json_array(), *object;
    const char *key;
    char prefix[80];
    if (r->gvr->id == GVR_ENDPOINTSLICES && r->selector != NULL &&
        strstr(r->selector, "service-name") != NULL) {
        json_decref(items);
        return fake_slices(f, r->selector);
    }
    snprintf(prefix, sizeof(prefix), "%s/", r->gvr->resource);
    json_object_foreach(f->objects, key, object)
    {
        if (strncmp(key, prefix, strlen(prefix)) == 0 &&
            fake_selects(r->selector, json_object_get(fake_meta(object), "labels")))
            json_array_append_new(items, json_deep_copy(object));
    }
    return json_pack("{so}", "items", items);
}

static inline void fake_merge(json_t *to, const json_t *patch)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)patch, key, value)
    {
        json_t *old = json_object_get(to, key);
        if (json_is_null(value))
            json_object_del(to, key);
        else if (json_is_object(value) && json_is_object(old))
            fake_merge(old, value);
        else
            json_object_set_new(to, key, json_deep_copy(value));
    }
}

static inline enum api_outcome fake_change(struct fake *f, const struct api_request *r,
                                           json_t *object, json_t **ret)
{
    size_t i;
    const json_t *one;
    const char *seen = fake_text(fake_meta(r->body), "resourceVersion");
    if (object == NULL)
        return API_NOT_FOUND;
    if (r->dry_run) {
        *ret = json_deep_copy(object);
        fake_merge(*ret, r->body);
        return API_DONE;
    }
    if (seen[0] != '\0' && strcmp(seen, fake_text(fake_meta(object), "resourceVersion")) != 0)
        return API_CONFLICT;
    if (r->verb == API_PATCH_STRATEGIC) {
        json_array_foreach(json_object_get(json_object_get(r->body, "status"), "conditions"), i,
                           one)
        {
            fake_set_condition(object, fake_text(one, "type"), fake_text(one, "status"));
        }
    } else {
        fake_merge(object, r->body);
    }
    fake_touch(f, object);
    *ret = json_deep_copy(object);
    return API_DONE;
}

static inline enum api_outcome fake_delete(struct fake *f, const struct api_request *r,
                                           json_t *object)
{
    char key[200];
    assert_non_null(r->uid); /* trap 9 */
    if (object == NULL)
        return API_NOT_FOUND;
    if (strcmp(fake_text(fake_meta(object), "uid"), r->uid) != 0 ||
        (r->version != NULL &&
         strcmp(fake_text(fake_meta(object), "resourceVersion"), r->version) != 0))
        return API_CONFLICT;
    snprintf(key, sizeof(key), "%s/%s", r->gvr->resource, r->name);
    json_object_del(f->objects, key);
    return API_DONE;
}

static inline enum api_outcome fake_serve(struct fake *f, const struct api_request *r, json_t **ret)
{
    const char *name = r->verb == API_POST ? fake_text(fake_meta(r->body), "name") : r->name;
    json_t *object = name == NULL ? NULL : fake_get(f, r->gvr->resource, name);
    switch (r->verb) {
    case API_LIST:
        *ret = fake_list(f, r);
        return API_DONE;
    case API_GET:
        *ret = json_deep_copy(object);
        return object == NULL ? API_NOT_FOUND : API_DONE;
    case API_POST:
        if (object != NULL)
            return API_EXISTS;
        object = fake_put(f, r->gvr->resource, json_deep_copy(r->body));
        if (r->gvr->id == GVR_SERVICES)
            json_object_set_new(json_object_get(object, "spec"), "clusterIP",
                                json_string("10.96.0.7"));
        *ret = json_deep_copy(object);
        return API_DONE;
    case API_DELETE:
        return fake_delete(f, r, object);
    case API_PUT:
    case API_PATCH_MERGE:
    case API_PATCH_STRATEGIC:
        return fake_change(f, r, object, ret);
    }
    return API_INVALID;
}

static inline const char *fake_verb(enum api_verb verb)
{
    static const char *const verbs[] = {"GET", "LIST", "POST", "PUT", "PATCH", "PATCH", "DELETE"};
    return verbs[verb];
}

static inline struct fake_rule *fake_rule_of(struct fake *f, const char *call)
{
    for (size_t i = 0; i < f->rule_count; i++) {
        struct fake_rule *r = &f->rules[i];
        if ((r->verb != NULL && strncmp(call, r->verb, strlen(r->verb)) != 0) ||
            (r->part != NULL && strstr(call, r->part) == NULL))
            continue;
        if (r->after > 0) {
            r->after--;
            continue;
        }
        if (r->count == 1)
            r->part = "no call has this";
        r->count -= r->count > 1;
        return r;
    }
    return NULL;
}

static inline void fake_answer(struct fake *f, struct chore *c, const struct api_request *r)
{
    char call[240];
    json_t *body = NULL;
    const char *name = r->verb == API_POST ? fake_text(fake_meta(r->body), "name") : r->name;
    snprintf(call, sizeof(call), "%s %s%s%s%s%s", fake_verb(r->verb),
             r->gvr == NULL ? r->path : r->gvr->resource, name == NULL ? "" : "/",
             name == NULL ? "" : name, r->subresource == NULL ? "" : "/",
             r->subresource == NULL ? "" : r->subresource);
    if (f->before != NULL)
        f->before(f, call);
    fake_live(f);
    struct fake_rule *rule = fake_rule_of(f, call);
    bool away = f->now_ns >= f->away_from_ns && f->now_ns < f->away_to_ns;
    struct api_answer answer = {.outcome = away           ? API_UNREACHABLE
                                           : rule != NULL ? rule->outcome
                                                          : fake_serve(f, r, &body),
                                .sentence = away           ? "cannot reach it"
                                            : rule != NULL ? rule->sentence
                                                           : "the server said no"};
    json_array_append_new(f->log, json_string(call));
    answer.body = body;
    f->now_ns += FAKE_S / 100;
    c->answer(c, f->now_ns, &answer);
    json_decref(body);
}

/* Until the first of them is over, or the time is: true then. */
static inline bool fake_drive(struct fake *f, struct chore **chores, size_t count,
                              uint64_t until_ns)
{
    for (;;) {
        uint64_t wake_ns = UINT64_MAX;
        bool called = false;
        for (size_t i = 0; i < count; i++) {
            struct chore_step step = {0};
            chores[i]->next(chores[i], f->now_ns, &step);
            if (step.want == CHORE_OVER && i == 0)
                return true;
            if (step.want == CHORE_CALL) {
                fake_answer(f, chores[i], &step.request);
                called = true;
            } else if (step.want == CHORE_WAIT) {
                wake_ns = step.wake_ns < wake_ns ? step.wake_ns : wake_ns;
            }
        }
        if (called)
            continue;
        if (wake_ns == UINT64_MAX || wake_ns > until_ns) {
            f->now_ns = until_ns > f->now_ns && wake_ns != UINT64_MAX ? until_ns : f->now_ns;
            return false;
        }
        f->now_ns = wake_ns > f->now_ns ? wake_ns : f->now_ns + 1;
    }
}

static inline bool fake_do(struct fake *f, struct chore *c)
{
    return fake_drive(f, &c, 1, f->now_ns + 3600 * FAKE_S);
}

/* The ${n}th call (from 0) that begins so; NULL: there is none. */
static inline const char *fake_called(const struct fake *f, const char *begin, size_t n)
{
    for (size_t i = 0; i < json_array_size(f->log); i++) {
        const char *call = json_string_value(json_array_get(f->log, i));
        if (strncmp(call, begin, strlen(begin)) == 0 && n-- == 0)
            return call;
    }
    return NULL;
}

#endif
