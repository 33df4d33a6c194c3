#include "kube/revert_inside.h"

#include "kube/objects.h"

#include <stdlib.h>

enum doing { READ, PUT_BACK, REMOVE, MARK, OVER };

static struct revert_all *of(struct chore *c)
{
    return (struct revert_all *)(void *)c;
}

static struct revert_entry *current(const struct revert_all *r)
{
    return r->journal->entries[r->left - 1];
}

/* On to the next older one that is not reverted. */
static void advance(struct revert_all *r)
{
    while (r->left > 0 && current(r)->state == REVERT_REVERTED)
        r->left--;
    r->tries = 0;
    r->wake_ns = 0;
    r->doing = r->left > 0 ? READ : OVER;
    r->over = r->left == 0;
}

static void pass(struct revert_all *r)
{
    r->left--;
    advance(r);
}

static void mark(struct revert_all *r, enum revert_state state)
{
    struct revert_entry *e = current(r);
    e->state = state;
    if (state == REVERT_REVERTED) {
        free(e->diff);
        e->diff = NULL;
    }
    r->doing = MARK;
    if (!revert_write_begin(&r->write, r->journal, &r->err))
        pass(r);
}

static void failed(struct revert_all *r, const struct api_answer *a)
{
    const struct revert_entry *e = current(r);
    r->failed++;
    error_set(&r->err, ERROR_PEER, "reverting %s %s: %s", e->gvr->kind, e->name, a->sentence);
    pass(r);
}

static void diverged(struct revert_all *r, const json_t *is)
{
    struct revert_entry *e = current(r);
    char *now = is != NULL ? json_dumps(is, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *was = e->old != NULL ? json_dumps(e->old, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *ours = e->new != NULL ? json_dumps(e->new, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    struct text diff;
    text_init(&diff, 16 * 1024);
    text_add(&diff,
             "%s %s %s is %.2000s; it was %.2000s before the run, and the run made it %.2000s",
             e->gvr->kind, e->name, e->path, now != NULL ? now : "not there",
             was != NULL ? was : "not there", ours != NULL ? ours : "not there");
    free(now);
    free(was);
    free(ours);
    free(e->diff);
    e->diff = text_take(&diff);
    r->diverged++;
    error_set(&r->err, ERROR_PEER, "%s", e->diff);
    mark(r, REVERT_DIVERGED);
}

static bool equal(const json_t *a, const json_t *b)
{
    return a == NULL || b == NULL ? a == b : json_equal(a, b) != 0;
}

static void keep(char *to, size_t size, const json_t *meta, const char *key)
{
    const char *found = json_string_value(json_object_get(meta, key));
    snprintf(to, size, "%s", found != NULL ? found : "");
}

/* An object that the run made: ours by its uid, or, where the run died before it knew that, by its
 * label. */
static bool made_by_us(const struct revert_all *r, const json_t *body)
{
    const struct revert_entry *e = current(r);
    const char *run = objects_run_of(body), *meant = objects_run_of(e->new);
    if (e->uid != NULL)
        return strcmp(e->uid, r->uid) == 0;
    return run != NULL && meant != NULL && strcmp(run, meant) == 0;
}

static void read_it(struct revert_all *r, const json_t *body)
{
    struct revert_entry *e = current(r);
    const json_t *meta = json_object_get(body, "metadata");
    keep(r->version, sizeof(r->version), meta, "resourceVersion");
    keep(r->uid, sizeof(r->uid), meta, "uid");
    if (e->verb == REVERT_CREATE ? !made_by_us(r, body) : strcmp(e->uid, r->uid) != 0) {
        r->gone++;
        mark(r, REVERT_REVERTED);
        return;
    }
    if (e->verb == REVERT_CREATE) {
        r->doing = REMOVE;
        return;
    }
    const json_t *is = revert_value(body, e->path);
    if (equal(is, e->old)) {
        r->reverted++;
        mark(r, REVERT_REVERTED);
    } else if (equal(is, e->new)) {
        r->doing = PUT_BACK;
    } else {
        diverged(r, is);
    }
}

static void was_read(struct revert_all *r, const struct api_answer *a)
{
    if (a->outcome == API_DONE) {
        read_it(r, a->body);
    } else if (a->outcome == API_NOT_FOUND) {
        r->gone++;
        mark(r, REVERT_REVERTED);
    } else {
        failed(r, a);
    }
}

static void put_back(struct revert_all *r, uint64_t now_ns, const struct api_answer *a)
{
    if (a->outcome == API_DONE && r->doing == REMOVE) {
        r->reverted++;
        mark(r, REVERT_REVERTED);
    } else if ((a->outcome == API_DONE || a->outcome == API_CONFLICT ||
                a->outcome == API_NOT_FOUND) &&
               r->tries++ < REVERT_TRIES_MOST) {
        /* Read back, or read again: an unrelated change in between is no reason to give up. */
        r->doing = READ;
        r->wake_ns = a->outcome == API_DONE ? 0 : now_ns + REVERT_AGAIN_NS;
    } else {
        failed(r, a);
    }
}

static void call(struct revert_all *r, struct chore_step *ret)
{
    const struct revert_entry *e = current(r);
    ret->want = CHORE_CALL;
    ret->request = (struct api_request){
        .verb = API_GET, .gvr = e->gvr, .namespace = e->namespace, .name = e->name, .urgent = true};
    if (r->doing == REMOVE) {
        ret->request.verb = API_DELETE;
        ret->request.uid = r->uid;
    } else if (r->doing == PUT_BACK) {
        json_decref(r->body);
        r->body = revert_patch(e->path, e->new, e->old, r->version);
        ret->request.verb = API_PATCH_MERGE;
        ret->request.body = r->body;
    }
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct revert_all *r = of(c);
    if (r->doing == OVER) {
        ret->want = CHORE_OVER;
    } else if (r->doing == MARK) {
        revert_write_next(&r->write, r->journal, now_ns, ret);
    } else if (now_ns < r->wake_ns) {
        ret->want = CHORE_WAIT;
        ret->wake_ns = r->wake_ns;
    } else {
        call(r, ret);
    }
}

static void answer(struct chore *c, uint64_t now_ns, const struct api_answer *a)
{
    struct revert_all *r = of(c);
    switch ((enum doing)r->doing) {
    case READ:
        was_read(r, a);
        return;
    case PUT_BACK:
    case REMOVE:
        put_back(r, now_ns, a);
        return;
    case MARK:
        switch (revert_write_answer(&r->write, r->journal, now_ns, a, &r->err)) {
        case WRITE_GOES_ON:
            return;
        case WRITE_FAILED:
            /* The object is back; the entry will be looked at again by the next who recovers. */
            r->failed++;
            pass(r);
            return;
        case WRITE_DONE:
            pass(r);
            return;
        }
        break;
    case OVER:
        break;
    }
    UNREACHABLE();
}

void revert_all_init(struct revert_all *r, struct revert_journal *j)
{
    *r = (struct revert_all){.chore = {next, answer}, .journal = j, .left = j->count};
    advance(r);
}

void revert_all_release(struct revert_all *r)
{
    json_decref(r->body);
    revert_write_release(&r->write);
    *r = (struct revert_all){0};
}
