#ifndef KUBE_FAKE_CLUSTER_TEST_H
#define KUBE_FAKE_CLUSTER_TEST_H

/* For tests in virtual time: an API server's memory, with resourceVersion, uid and preconditions as
 * the real one has them (spec/kubernetes.md, traps 3 and 9), and chores that are driven on it. */

#include "kube/chore.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

struct fake_cluster {
    json_t *objects; /* path of the object: object */
    uint64_t version, uid;
    uint64_t now_ns;
    uint64_t call_ns; /* how long a call takes */
    bool down;        /* no answer to anything */
    /* Called before a request is served: others act between our calls. */
    void (*before)(struct fake_cluster *f, const struct api_request *r, void *cookie);
    void *cookie;
    unsigned calls, writes;
    char trace[4096]; /* "POST leases/x 201\n" a call */
};

static inline void fake_open(struct fake_cluster *f)
{
    *f = (struct fake_cluster){.objects = json_object(), .version = 100, .now_ns = 1000 * NS_PER_S};
}

static inline void fake_close(struct fake_cluster *f)
{
    json_decref(f->objects);
}

static inline json_t *fake_meta(json_t *object)
{
    return json_object_get(object, "metadata");
}

static inline void fake_touch(struct fake_cluster *f, json_t *object)
{
    char version[24];
    snprintf(version, sizeof(version), "%llu", (unsigned long long)++f->version);
    json_object_set_new(fake_meta(object), "resourceVersion", json_string(version));
}

/* Puts an object there, as somebody else would. Returns it, borrowed. */
static inline json_t *fake_put(struct fake_cluster *f, enum gvr_id id, json_t *take_object)
{
    struct text path;
    char uid[24];
    json_t *meta = fake_meta(take_object);
    text_init(&path, 500);
    gvr_path(gvr_get(id), json_string_value(json_object_get(meta, "namespace")),
             json_string_value(json_object_get(meta, "name")), NULL, &path);
    snprintf(uid, sizeof(uid), "uid-%llu", (unsigned long long)++f->uid);
    json_object_set_new(meta, "uid", json_string(uid));
    fake_touch(f, take_object);
    json_object_set_new(f->objects, text_get(&path), take_object);
    text_release(&path);
    return take_object;
}

static inline json_t *fake_find(struct fake_cluster *f, enum gvr_id id, const char *namespace,
                                const char *name)
{
    struct text path;
    text_init(&path, 500);
    gvr_path(gvr_get(id), namespace, name, NULL, &path);
    json_t *found = json_object_get(f->objects, text_get(&path));
    text_release(&path);
    return found;
}

/* RFC 7396. */
static inline json_t *fake_merge(json_t *target, const json_t *patch)
{
    const char *key;
    json_t *value;
    if (!json_is_object(patch))
        return json_deep_copy(patch);
    json_t *out = json_is_object(target) ? json_deep_copy(target) : json_object();
    json_object_foreach((json_t *)(uintptr_t)patch, key, value)
    {
        if (json_is_null(value))
            json_object_del(out, key);
        else
            json_object_set_new(out, key, fake_merge(json_object_get(out, key), value));
    }
    return out;
}

struct fake_answer {
    enum api_outcome outcome;
    json_t *body; /* a new reference */
};

static inline bool fake_conflicts(const json_t *there, const json_t *wanted, const char *key)
{
    const char *want = json_string_value(json_object_get(wanted, key));
    const char *is = json_string_value(json_object_get(fake_meta((json_t *)(uintptr_t)there), key));
    return want != NULL && strcmp(want, is) != 0;
}

/* What is written in place of ${there}; without a change the version stays (trap 3). */
static inline struct fake_answer fake_store(struct fake_cluster *f, const char *path, json_t *there,
                                            json_t *take_new)
{
    static const char *const kept[] = {"uid", "resourceVersion"};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        json_object_set(fake_meta(take_new), kept[i], json_object_get(fake_meta(there), kept[i]));
    if (json_equal(there, take_new)) {
        json_decref(take_new);
        return (struct fake_answer){API_DONE, json_deep_copy(there)};
    }
    fake_touch(f, take_new);
    json_object_set_new(f->objects, path, take_new);
    return (struct fake_answer){API_DONE, json_deep_copy(take_new)};
}

static inline struct fake_answer fake_serve(struct fake_cluster *f, const struct api_request *r,
                                            const char *path)
{
    json_t *there = json_object_get(f->objects, path);
    const json_t *meta = json_object_get(r->body, "metadata");
    f->writes += r->verb != API_GET;
    if (r->verb == API_POST) {
        char whole[600];
        snprintf(whole, sizeof(whole), "%s/%s", path,
                 json_string_value(json_object_get(meta, "name")));
        if (json_object_get(f->objects, whole) != NULL)
            return (struct fake_answer){API_EXISTS, NULL};
        return (struct fake_answer){
            API_DONE, json_deep_copy(fake_put(f, r->gvr->id, json_deep_copy(r->body)))};
    }
    if (there == NULL)
        return (struct fake_answer){API_NOT_FOUND, NULL};
    if (r->verb == API_GET)
        return (struct fake_answer){API_DONE, json_deep_copy(there)};
    if (fake_conflicts(there, meta, "resourceVersion"))
        return (struct fake_answer){API_CONFLICT, NULL};
    if (r->verb == API_PUT)
        return fake_store(f, path, there, json_deep_copy(r->body));
    if (r->verb == API_PATCH_MERGE)
        return fake_store(f, path, there, fake_merge(there, r->body));
    json_t *wanted = json_pack("{s:s}", "uid", r->uid);
    if (r->version != NULL)
        json_object_set_new(wanted, "resourceVersion", json_string(r->version));
    bool conflict =
        fake_conflicts(there, wanted, "uid") || fake_conflicts(there, wanted, "resourceVersion");
    json_decref(wanted);
    if (conflict)
        return (struct fake_answer){API_CONFLICT, NULL};
    json_object_del(f->objects, path);
    return (struct fake_answer){API_DONE, NULL};
}

static inline struct fake_answer fake_call(struct fake_cluster *f, const struct api_request *r)
{
    static const char *const verbs[] = {"GET", "LIST", "POST", "PUT", "PATCH", "PATCH", "DELETE"};
    struct text path;
    if (f->before != NULL)
        f->before(f, r, f->cookie);
    text_init(&path, 600);
    gvr_path(r->gvr, r->namespace, r->name, NULL, &path);
    json_t *kept = r->dry_run ? json_deep_copy(f->objects) : NULL;
    struct fake_answer a =
        f->down ? (struct fake_answer){API_UNREACHABLE, NULL} : fake_serve(f, r, text_get(&path));
    if (kept != NULL) {
        json_decref(f->objects);
        f->objects = kept;
    }
    f->calls++;
    size_t used = strlen(f->trace);
    snprintf(f->trace + used, sizeof(f->trace) - used, "%s %s %d\n", verbs[r->verb],
             r->name != NULL ? r->name : r->gvr->resource, (int)a.outcome);
    text_release(&path);
    f->now_ns += f->call_ns;
    return a;
}

/* One thing that the chore wants. False: it is over. A wait is served up to ${until_ns}. */
static inline bool fake_step(struct fake_cluster *f, struct chore *c, uint64_t until_ns)
{
    struct chore_step step = {0};
    c->next(c, f->now_ns, &step);
    if (step.want == CHORE_OVER)
        return false;
    if (step.want == CHORE_WAIT) {
        assert_true(step.wake_ns > f->now_ns);
        f->now_ns = step.wake_ns < until_ns ? step.wake_ns : until_ns;
        return true;
    }
    struct fake_answer a = fake_call(f, &step.request);
    struct api_answer answer = {
        .outcome = a.outcome, .body = a.body, .sentence = a.outcome == API_DONE ? "" : "said no"};
    c->answer(c, f->now_ns, &answer);
    json_decref(a.body);
    return true;
}

static inline void fake_run(struct fake_cluster *f, struct chore *c, uint64_t for_ns)
{
    uint64_t until = f->now_ns + for_ns;
    while (f->now_ns < until && fake_step(f, c, until))
        ;
}

#endif
