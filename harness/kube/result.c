#include "kube/result.h"

#include "base/clock.h"
#include "kube/body.h"

#include <stdlib.h>
#include <string.h>

enum { RESULT_POST, RESULT_PATCH, RESULT_LIST, RESULT_DELETE };

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct result *r = (struct result *)c;
    const json_t *old = json_array_get(r->old, r->at);
    if (r->until_ns == 0)
        r->until_ns = now_ns + RESULT_WITHIN_NS;
    ret->want = r->over ? CHORE_OVER : now_ns < r->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = r->wake_ns;
    ret->request =
        (struct api_request){.gvr = gvr_get(GVR_CONFIGMAPS), .namespace = r->run->namespace};
    switch (r->doing) {
    case RESULT_POST:
        ret->request.verb = API_POST;
        ret->request.body = r->object;
        break;
    case RESULT_PATCH:
        ret->request.verb = API_PATCH_MERGE;
        ret->request.name = r->name;
        ret->request.body = r->patch;
        break;
    case RESULT_LIST:
        ret->request.verb = API_LIST;
        ret->request.selector = OBJECTS_RESULT_LABEL "=true";
        break;
    default:
        ret->request.verb = API_DELETE;
        ret->request.name = body_meta_text(old, "name");
        ret->request.uid = body_meta_text(old, "uid");
        break;
    }
}

/* RFC 3339 in UTC sorts as text. */
static int by_age(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    return strcmp(body_meta_text(*y, "creationTimestamp"), body_meta_text(*x, "creationTimestamp"));
}

/* Results of runs, the newest first, without those that stay. */
static void take_list(struct result *r, const json_t *list)
{
    const json_t *items = json_object_get(list, "items");
    size_t count = json_array_size(items), found = 0;
    json_t **all = check_alloc_zero(count + 1, sizeof(json_t *));
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(items, i);
        if (strcmp(body_meta_text(item, "name"), r->name) != 0)
            all[found++] = item;
    }
    qsort(all, found, sizeof(json_t *), by_age);
    r->old = json_array();
    for (size_t i = RESULT_KEPT_MOST - 1; i < found; i++)
        json_array_append(r->old, all[i]);
    free(all);
    r->doing = RESULT_DELETE;
    r->at = 0;
    r->over = json_array_size(r->old) == 0;
}

static void written(struct result *r)
{
    r->written = true;
    r->doing = RESULT_LIST;
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct result *r = (struct result *)c;
    bool done = answer->outcome == API_DONE;
    if (r->doing == RESULT_DELETE) { /* what stays a day longer is no harm */
        r->pruned += done;
        r->over = ++r->at >= json_array_size(r->old);
    } else if (r->doing == RESULT_LIST) {
        r->over = !done;
        if (done)
            take_list(r, answer->body);
    } else if (done) {
        written(r);
    } else if (api_is_passing(answer->outcome) && now_ns < r->until_ns) {
        r->wake_ns = now_ns + NS_PER_S;
    } else if (r->doing == RESULT_POST && answer->outcome == API_EXISTS) {
        r->doing = RESULT_PATCH;
        if (r->keep_theirs)
            r->over = true;
    } else {
        api_answer_error(answer, &r->err);
        error_prefix(&r->err, "ConfigMap %s: ", r->name);
        r->over = true;
    }
}

void result_init(struct result *r, const struct objects_run *run, json_t *take_data,
                 bool keep_theirs)
{
    *r = (struct result){.chore = {next, answered}, .run = run, .keep_theirs = keep_theirs};
    r->object = objects_result(run, take_data);
    r->patch = json_pack("{so}", "data", take_data);
    snprintf(r->name, sizeof(r->name), "%s", body_meta_text(r->object, "name"));
}

void result_release(struct result *r)
{
    json_decref(r->object);
    json_decref(r->patch);
    json_decref(r->old);
    *r = (struct result){.over = true};
}
