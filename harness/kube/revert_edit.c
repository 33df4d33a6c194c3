#include "kube/revert_inside.h"

#include <stdlib.h>

enum doing { READ, TRY, PROMISE, CHANGE, MARK, OVER };

static struct revert_edit *of(struct chore *c)
{
    return (struct revert_edit *)(void *)c;
}

static void end(struct revert_edit *e)
{
    e->doing = OVER;
    e->over = true;
}

static void fail(struct revert_edit *e, const struct api_answer *a, const char *doing)
{
    error_set(&e->err, a->outcome == API_INVALID ? ERROR_INPUT : ERROR_PEER, "%s %s %s: %s", doing,
              e->entry->gvr->kind, e->entry->name, a->sentence);
    end(e);
}

static void write(struct revert_edit *e, enum doing doing)
{
    e->doing = (int)doing;
    if (!revert_write_begin(&e->write, e->journal, &e->err))
        end(e);
}

static void call(struct revert_edit *e, struct chore_step *ret)
{
    const struct revert_entry *entry = e->entry;
    ret->want = CHORE_CALL;
    ret->request = (struct api_request){.gvr = entry->gvr,
                                        .namespace = entry->namespace,
                                        .name = entry->name,
                                        .dry_run = e->doing == TRY};
    if (e->doing == READ)
        return;
    json_decref(e->body);
    if (entry->verb == REVERT_CREATE) {
        e->body = json_incref(entry->new);
        ret->request.name = NULL;
        ret->request.verb = API_POST;
    } else {
        e->body = revert_patch(entry->path, entry->old, e->wanted, entry->rv_before);
        ret->request.verb = API_PATCH_MERGE;
    }
    ret->request.body = e->body;
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct revert_edit *e = of(c);
    if (e->doing == OVER) {
        ret->want = CHORE_OVER;
    } else if (e->doing == PROMISE || e->doing == MARK) {
        revert_write_next(&e->write, e->journal, now_ns, ret);
    } else if (now_ns < e->wake_ns) {
        ret->want = CHORE_WAIT;
        ret->wake_ns = e->wake_ns;
    } else {
        call(e, ret);
    }
}

static void replace_text(char **at, const json_t *meta, const char *key)
{
    const char *found = json_string_value(json_object_get(meta, key));
    free(*at);
    *at = found != NULL ? check_strdup(found) : NULL;
}

/* The maps that lead to the value must be there: a patch would make them, and nothing would take
 * them away again. Annotations are the exception: without one the map is not printed. */
static bool has_parent(const json_t *object, const char *path)
{
    char parent[1024];
    snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
    return strcmp(parent, "/metadata/annotations") == 0 ||
           json_is_object(revert_value(object, parent));
}

static void read_it(struct revert_edit *e, const json_t *body)
{
    struct revert_entry *entry = e->entry;
    const json_t *meta = json_object_get(body, "metadata");
    const char *uid = json_string_value(json_object_get(meta, "uid"));
    if (e->entered && (uid == NULL || strcmp(uid, entry->uid) != 0)) {
        error_set(&e->err, ERROR_PEER, "%s %s is another object than it was", entry->gvr->kind,
                  entry->name);
        end(e);
        return;
    }
    if (uid == NULL || !has_parent(body, entry->path)) {
        error_set(&e->err, ERROR_INPUT, "%s %s has nothing that %s could be in", entry->gvr->kind,
                  entry->name, entry->path);
        end(e);
        return;
    }
    replace_text(&entry->uid, meta, "uid");
    replace_text(&entry->rv_before, meta, "resourceVersion");
    json_decref(entry->old);
    entry->old = json_incref(revert_value(body, entry->path));
    e->doing = TRY;
}

static void enter(struct revert_edit *e)
{
    struct revert_journal *j = e->journal;
    if (e->entered)
        return;
    INVARIANT(j->count < REVERT_ENTRIES_MOST);
    e->entry->n = j->count + 1;
    j->entries[j->count++] = e->entry;
    e->entered = true;
}

/* Nothing was done, and nothing is promised any more. The last entry can only be ours. */
static void withdraw(struct revert_edit *e)
{
    if (!e->entered || e->journal->entries[e->journal->count - 1] != e->entry)
        return;
    e->journal->count--;
    e->entered = false;
}

static void keep_new(struct revert_edit *e, const json_t *body)
{
    if (e->entry->verb == REVERT_CREATE)
        return;
    json_decref(e->entry->new);
    e->entry->new = json_incref(revert_value(body, e->entry->path));
}

static void tried(struct revert_edit *e, uint64_t now_ns, const struct api_answer *a)
{
    if (a->outcome == API_CONFLICT && e->entry->verb == REVERT_PATCH &&
        ++e->tries < REVERT_TRIES_MOST) {
        e->doing = READ;
        e->wake_ns = now_ns + REVERT_AGAIN_NS;
        return;
    }
    if (a->outcome != API_DONE) {
        fail(e, a, e->doing == TRY ? "trying to edit" : "editing");
        return;
    }
    keep_new(e, a->body);
    if (e->doing == TRY) {
        enter(e);
        write(e, PROMISE);
        if (e->over)
            withdraw(e);
        return;
    }
    const json_t *meta = json_object_get(a->body, "metadata");
    e->made = true;
    if (e->entry->verb == REVERT_CREATE)
        replace_text(&e->entry->uid, meta, "uid");
    replace_text(&e->entry->rv_after, meta, "resourceVersion");
    e->entry->state = REVERT_DONE;
    write(e, MARK);
}

static void answer(struct chore *c, uint64_t now_ns, const struct api_answer *a)
{
    struct revert_edit *e = of(c);
    switch ((enum doing)e->doing) {
    case READ:
        if (a->outcome == API_DONE)
            read_it(e, a->body);
        else
            fail(e, a, "reading");
        return;
    case TRY:
    case CHANGE:
        tried(e, now_ns, a);
        return;
    case PROMISE:
    case MARK:
        switch (revert_write_answer(&e->write, e->journal, now_ns, a, &e->err)) {
        case WRITE_GOES_ON:
            return;
        case WRITE_DONE:
            if (e->doing == PROMISE)
                e->doing = CHANGE;
            else
                end(e);
            return;
        case WRITE_FAILED:
            /* It may stand in the anchor: an entry that was not kept is reverted as one. */
            end(e);
            return;
        }
        break;
    case OVER:
        break;
    }
    UNREACHABLE();
}

static struct revert_entry *entry_new(const struct gvr *gvr, const char *namespace,
                                      const char *name, enum revert_verb verb)
{
    struct revert_entry *entry = check_alloc_zero(1, sizeof(*entry));
    entry->gvr = gvr;
    entry->namespace = check_strdup(namespace);
    entry->name = check_strdup(name);
    entry->verb = verb;
    return entry;
}

static bool room(const struct revert_journal *j, struct error *err)
{
    return j->count < REVERT_ENTRIES_MOST ||
           error_set(err, ERROR_LIMIT, "a run edits at most %d times", REVERT_ENTRIES_MOST);
}

bool revert_edit_patch(struct revert_edit *e, struct revert_journal *j, const struct gvr *gvr,
                       const char *namespace, const char *name, const char *path, json_t *take_new,
                       struct error *err)
{
    *e = (struct revert_edit){.chore = {next, answer}, .journal = j, .wanted = take_new};
    if (!room(j, err) || !revert_path_check(path, err)) {
        json_decref(take_new);
        e->wanted = NULL;
        return false;
    }
    e->entry = entry_new(gvr, namespace, name, REVERT_PATCH);
    e->entry->path = check_strdup(path);
    e->doing = READ;
    return true;
}

bool revert_edit_create(struct revert_edit *e, struct revert_journal *j, const struct gvr *gvr,
                        json_t *take_object, struct error *err)
{
    const json_t *meta = json_object_get(take_object, "metadata");
    const char *namespace = json_string_value(json_object_get(meta, "namespace"));
    const char *name = json_string_value(json_object_get(meta, "name"));
    *e = (struct revert_edit){.chore = {next, answer}, .journal = j};
    INVARIANT(namespace != NULL && name != NULL);
    if (!room(j, err)) {
        json_decref(take_object);
        return false;
    }
    e->entry = entry_new(gvr, namespace, name, REVERT_CREATE);
    e->entry->new = take_object;
    e->doing = TRY;
    return true;
}

void revert_edit_release(struct revert_edit *e)
{
    if (!e->entered)
        revert_entry_free(e->entry);
    json_decref(e->wanted);
    json_decref(e->body);
    revert_write_release(&e->write);
    *e = (struct revert_edit){0};
}
