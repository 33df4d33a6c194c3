#include "kube/teardown.h"

#include "base/clock.h"
#include "kube/body.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_NS (NS_PER_S)

enum { TEAR_GET, TEAR_REVERT, TEAR_DELETE, TEAR_LIST, TEAR_ITEM, TEAR_REST };

_Static_assert(GVR_COUNT <= 64, "teardown.skipped is too small");

/* The run's label is also on what is not its own to take: the Job's pod, results. */
static bool is_owned(const struct teardown *t, const json_t *object)
{
    size_t i, name_len = strlen(t->name);
    const json_t *owner;
    const char *name = body_meta_text(object, "name");
    if (strcmp(name, t->name) == 0)
        return t->kind == GVR_CONFIGMAPS;
    if (t->own_pod != NULL && t->kind == GVR_PODS && strcmp(name, t->own_pod) == 0)
        return false;
    json_array_foreach(json_object_get(body_meta(object), "ownerReferences"), i, owner)
    {
        const char *kind = body_text(owner, "kind"), *by = body_text(owner, "name");
        if (strcmp(kind, "ConfigMap") == 0 && strcmp(by, t->name) == 0)
            return true;
        /* An agent of an Indexed Job of the run; the conductor's Job has another name. */
        if (strcmp(kind, "Job") == 0 && strncmp(by, t->name, name_len) == 0 && by[name_len] == '-')
            return true;
    }
    return false;
}

static void add_left(struct teardown *t, const char *what, const char *name, const char *note)
{
    text_add(&t->left, "%s%s %s%s%s%s", t->left_count == 0 ? "" : ", ", what, name,
             note[0] == '\0' ? "" : " (", note, note[0] == '\0' ? "" : ")");
    t->left_count++;
}

static void finish(struct teardown *t)
{
    if (t->failed > 0)
        add_left(t, "edits in ConfigMap", t->name, t->revert.err.text);
    t->over = true;
}

/* Time is over: what is not known to be gone is left. */
static void give_up(struct teardown *t)
{
    if (t->left_count == 0)
        add_left(t, "ConfigMap", t->name, t->api.text);
    finish(t);
}

static void wait_until(struct teardown *t, uint64_t now_ns, uint64_t for_ns, int then)
{
    if (now_ns >= t->until_ns) {
        give_up(t);
        return;
    }
    t->wake_ns = now_ns + for_ns;
    t->doing = then;
}

static void ask_delete(const struct teardown *t, const struct gvr *gvr, const char *name,
                       const char *uid, struct chore_step *ret)
{
    ret->request = (struct api_request){.verb = API_DELETE,
                                        .gvr = gvr,
                                        .namespace = t->namespace,
                                        .name = name,
                                        .uid = uid,
                                        .urgent = true};
}

/* Of those that a run makes and may list (2.2): a Secret goes with the anchor, unseen. */
static bool next_kind(struct teardown *t)
{
    while (t->kind < GVR_COUNT &&
           (!gvr_has(t->kind, GVR_MADE) || (t->skipped & (UINT64_C(1) << t->kind)) != 0))
        t->kind++;
    return t->kind < GVR_COUNT;
}

static void ask(struct teardown *t, struct chore_step *ret)
{
    const json_t *item = json_array_get(t->items, t->items_at);
    ret->want = CHORE_CALL;
    switch (t->doing) {
    case TEAR_GET:
        ret->request = (struct api_request){.verb = API_GET,
                                            .gvr = gvr_get(GVR_CONFIGMAPS),
                                            .namespace = t->namespace,
                                            .name = t->name,
                                            .urgent = true};
        break;
    case TEAR_DELETE:
        ask_delete(t, gvr_get(GVR_CONFIGMAPS), t->name, t->uid, ret);
        break;
    case TEAR_ITEM:
        ask_delete(t, gvr_get(t->kind), body_meta_text(item, "name"), body_meta_text(item, "uid"),
                   ret);
        break;
    default:
        ret->request = (struct api_request){.verb = API_LIST,
                                            .gvr = gvr_get(t->kind),
                                            .namespace = t->namespace,
                                            .selector = t->selector};
        break;
    }
}

/* All kinds were listed once. */
static void end_round(struct teardown *t, uint64_t now_ns)
{
    if (t->still == 0 || t->list_only)
        finish(t);
    else
        wait_until(t, now_ns, TEARDOWN_POLL_NS, TEAR_REST);
}

static void begin_round(struct teardown *t)
{
    t->doing = TEAR_LIST;
    t->kind = 0;
    t->still = 0;
    t->left_count = 0;
    text_clear(&t->left);
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct teardown *t = (struct teardown *)c;
    if (t->until_ns == 0)
        t->until_ns = now_ns + t->budget_ns;
    if (t->doing == TEAR_REVERT && !t->over) {
        t->revert.chore.next(&t->revert.chore, now_ns, ret);
        if (ret->want != CHORE_OVER)
            return;
        t->reverted = t->revert.reverted + t->revert.gone;
        t->diverged = t->revert.diverged;
        t->failed = t->revert.failed;
        t->doing = TEAR_DELETE;
        if (t->failed > 0) /* its journal is what `recover` goes by */
            finish(t);
    }
    if (t->doing == TEAR_REST && now_ns >= t->wake_ns)
        begin_round(t);
    if (t->doing == TEAR_LIST && !t->over && !next_kind(t))
        end_round(t, now_ns);
    ret->wake_ns = t->wake_ns;
    if (t->over)
        ret->want = CHORE_OVER;
    else if (t->doing == TEAR_REST || now_ns < t->wake_ns)
        ret->want = CHORE_WAIT;
    else
        ask(t, ret);
}

static void take_anchor(struct teardown *t, const struct api_answer *answer)
{
    struct error err = {0};
    if (answer->outcome == API_NOT_FOUND) {
        begin_round(t);
        return;
    }
    if (t->reverting) /* the anchor was made anew in between: read once more */
        revert_all_release(&t->revert);
    revert_journal_free(t->journal);
    t->reverting = false;
    t->found = true;
    snprintf(t->uid, sizeof(t->uid), "%s", body_meta_text(answer->body, "uid"));
    if (!revert_journal_read(answer->body, &t->journal, &err)) {
        t->journal = NULL;
        t->failed = 1; /* nobody knows what it edited: it must stay */
        t->revert.err = err;
        finish(t);
        return;
    }
    if (t->list_only) {
        begin_round(t);
        return;
    }
    revert_all_init(&t->revert, t->journal);
    t->reverting = true;
    t->doing = TEAR_REVERT;
}

static void take_items(struct teardown *t, uint64_t now_ns, const json_t *list)
{
    size_t i;
    json_t *item;
    bool direct = t->deleted_ns == 0 || now_ns >= t->deleted_ns + TEARDOWN_COLLECT_NS;
    json_decref(t->items);
    t->items = json_array();
    t->items_at = 0;
    json_array_foreach(json_object_get(list, "items"), i, item)
    {
        bool going = json_object_get(body_meta(item), "deletionTimestamp") != NULL;
        if (!is_owned(t, item))
            continue;
        add_left(t, gvr_get(t->kind)->kind, body_meta_text(item, "name"),
                 going ? "being deleted" : "");
        t->still++;
        if (direct && !going && !t->list_only)
            json_array_append(t->items, item);
    }
    if (t->still > t->seen)
        t->seen = t->still;
    t->doing = json_array_size(t->items) > 0 ? TEAR_ITEM : TEAR_LIST;
    t->kind += t->doing == TEAR_LIST;
}

static void end_item(struct teardown *t)
{
    if (++t->items_at < json_array_size(t->items))
        return;
    t->doing = TEAR_LIST;
    t->kind++;
}

/* The API refuses a step: for ever, or for now. */
static void take_refusal(struct teardown *t, uint64_t now_ns, const struct api_answer *answer)
{
    t->api = (struct error){0};
    api_answer_error(answer, &t->api);
    if (api_is_passing(answer->outcome)) {
        wait_until(t, now_ns, AGAIN_NS, t->doing);
    } else if (t->doing == TEAR_LIST) { /* no such kind here, or no right to look */
        t->skipped |= UINT64_C(1) << t->kind;
        if (answer->outcome != API_NO_KIND && t->kind == GVR_PODS)
            give_up(t);
    } else if (t->doing == TEAR_ITEM) {
        end_item(t);
    } else if (t->doing == TEAR_DELETE && answer->outcome == API_CONFLICT) {
        t->doing = TEAR_GET; /* another of that name */
        wait_until(t, now_ns, TEARDOWN_POLL_NS, TEAR_GET);
    } else {
        give_up(t);
    }
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct teardown *t = (struct teardown *)c;
    bool done = answer->outcome == API_DONE, not_found = answer->outcome == API_NOT_FOUND;
    if (t->doing == TEAR_REVERT) {
        t->revert.chore.answer(&t->revert.chore, now_ns, answer);
        return;
    }
    t->wake_ns = 0;
    if (!done && !not_found) {
        take_refusal(t, now_ns, answer);
        return;
    }
    switch (t->doing) {
    case TEAR_GET:
        take_anchor(t, answer);
        break;
    case TEAR_DELETE:
        t->deleted_ns = now_ns;
        begin_round(t);
        break;
    case TEAR_ITEM:
        end_item(t);
        break;
    default:
        take_items(t, now_ns, answer->body);
        break;
    }
}

void teardown_init(struct teardown *t, const char *namespace, const char *run, uint64_t budget_ns)
{
    const struct objects_run named = {.run = run, .namespace = namespace};
    *t = (struct teardown){
        .chore = {next, answered}, .namespace = namespace, .run = run, .budget_ns = budget_ns};
    text_init(&t->left, TEARDOWN_LEFT_MOST_BYTES);
    objects_name(&named, NULL, 0, t->name, sizeof(t->name));
    snprintf(t->selector, sizeof(t->selector), OBJECTS_RUN_LABEL "=%s", run);
    t->doing = TEAR_GET;
}

void teardown_release(struct teardown *t)
{
    if (t->reverting)
        revert_all_release(&t->revert);
    revert_journal_free(t->journal);
    json_decref(t->items);
    text_release(&t->left);
}

bool teardown_clean(const struct teardown *t)
{
    return t->over && t->left_count == 0 && t->diverged == 0;
}

static void print_diverged(const struct teardown *t, struct text *to)
{
    for (size_t i = 0; t->journal != NULL && i < revert_journal_count(t->journal); i++) {
        const struct revert_entry *e = revert_journal_entry(t->journal, i);
        if (e->state == REVERT_DIVERGED)
            text_add(to, "\nDIVERGED  %s %s %s: %s: left alone", e->gvr->kind, e->name,
                     e->path == NULL ? "" : e->path, e->diff == NULL ? "" : e->diff);
    }
}

void teardown_print(const struct teardown *t, struct text *to)
{
    if (t->left_count > 0)
        text_add(to, "not everything of run %s is gone from namespace %s: %s", t->run, t->namespace,
                 text_get(&t->left));
    else if (!t->found && t->seen == 0 && t->reverted == 0)
        text_add(to, "nothing of run %s is left in namespace %s", t->run, t->namespace);
    else
        text_add(to, "run %s is gone from namespace %s: %zu objects removed, %zu edits reverted",
                 t->run, t->namespace, t->seen, t->reverted);
    print_diverged(t, to);
}
