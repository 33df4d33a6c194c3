#include "kube/revert_inside.h"

#include <stdlib.h>

static const char *const state_words[] = {"intended", "done", "reverted", "diverged", NULL};
static const char *const verb_words[] = {"create", "patch", NULL};

void revert_entry_free(struct revert_entry *e)
{
    if (e == NULL)
        return;
    free(e->namespace);
    free(e->name);
    free(e->uid);
    free(e->rv_before);
    free(e->rv_after);
    free(e->path);
    free(e->diff);
    json_decref(e->old);
    json_decref(e->new);
    free(e);
}

void revert_journal_free(struct revert_journal *j)
{
    if (j == NULL)
        return;
    for (size_t i = 0; i < j->count; i++)
        revert_entry_free(j->entries[i]);
    free(j->namespace);
    free(j->name);
    free(j->uid);
    free(j->written);
    free(j);
}

/* --- reading --- */

static const char *text_at(const json_t *map, const char *key)
{
    return json_string_value(json_object_get(map, key));
}

static char *copy_at(const json_t *map, const char *key)
{
    const char *found = text_at(map, key);
    return found != NULL ? check_strdup(found) : NULL;
}

/* The index of ${word}, or the number of words. */
static unsigned word_of(const char *const *words, const char *word)
{
    unsigned i = 0;
    while (words[i] != NULL && (word == NULL || strcmp(words[i], word) != 0))
        i++;
    return i;
}

/* "networking.istio.io/v1/virtualservices", "/v1/services". */
static const struct gvr *read_gvr(const char *text)
{
    const char *first = text != NULL ? strchr(text, '/') : NULL;
    const char *last = text != NULL ? strrchr(text, '/') : NULL;
    char group[100];
    if (first == NULL || first == last || (size_t)(first - text) >= sizeof(group))
        return NULL;
    snprintf(group, sizeof(group), "%.*s", (int)(first - text), text);
    return gvr_find(group, last + 1);
}

static bool read_entry(const json_t *from, uint64_t n, struct revert_entry *e, struct error *err)
{
    unsigned verb = word_of(verb_words, text_at(from, "verb"));
    unsigned state = word_of(state_words, text_at(from, "state"));
    e->n = n;
    e->gvr = read_gvr(text_at(from, "gvr"));
    e->namespace = copy_at(from, "namespace");
    e->name = copy_at(from, "name");
    e->uid = copy_at(from, "uid");
    e->rv_before = copy_at(from, "rv_before");
    e->rv_after = copy_at(from, "rv_after");
    e->path = copy_at(from, "path");
    e->diff = copy_at(from, "diff");
    e->old = json_incref(json_object_get(from, "old"));
    e->new = json_incref(json_object_get(from, "new"));
    if (json_integer_value(json_object_get(from, "n")) != (json_int_t)n)
        return error_set(err, ERROR_INPUT, "its entry %llu has another number",
                         (unsigned long long)n);
    if (verb_words[verb] == NULL || state_words[state] == NULL || e->gvr == NULL ||
        e->name == NULL || e->namespace == NULL)
        return error_set(err, ERROR_INPUT,
                         "its entry %llu lacks verb, state, gvr, namespace or name",
                         (unsigned long long)n);
    e->verb = (enum revert_verb)verb;
    e->state = (enum revert_state)state;
    if (e->verb == REVERT_CREATE)
        return true;
    if (e->path == NULL || e->uid == NULL)
        return error_set(err, ERROR_INPUT, "its entry %llu lacks path or uid",
                         (unsigned long long)n);
    return revert_path_check(e->path, err);
}

static bool read_entries(struct revert_journal *j, const char *text, struct error *err)
{
    json_t *all = json_loads(text, 0, NULL);
    bool ok = json_is_array(all) || error_set(err, ERROR_INPUT, "it is no JSON array");
    if (ok && json_array_size(all) > REVERT_ENTRIES_MOST)
        ok = error_set(err, ERROR_LIMIT, "it has %zu entries, at most %d are", json_array_size(all),
                       REVERT_ENTRIES_MOST);
    for (size_t i = 0; ok && i < json_array_size(all); i++) {
        j->entries[i] = check_alloc_zero(1, sizeof(struct revert_entry));
        j->count = i + 1;
        ok = read_entry(json_array_get(all, i), i + 1, j->entries[i], err);
    }
    json_decref(all);
    return ok;
}

bool revert_journal_read(const json_t *anchor, struct revert_journal **ret, struct error *err)
{
    struct revert_journal *j = check_alloc_zero(1, sizeof(*j));
    const json_t *meta = json_object_get(anchor, "metadata");
    const char *text = text_at(json_object_get(anchor, "data"), REVERT_JOURNAL_KEY);
    const char *version = text_at(meta, "resourceVersion");
    j->namespace = copy_at(meta, "namespace");
    j->name = copy_at(meta, "name");
    j->uid = copy_at(meta, "uid");
    snprintf(j->version, sizeof(j->version), "%s", version != NULL ? version : "");
    j->written = check_strdup(text != NULL ? text : "");
    bool ok = j->namespace != NULL && j->name != NULL && j->uid != NULL && version != NULL;
    if (!ok)
        error_set(err, ERROR_INPUT, "the anchor has no name, uid or resourceVersion");
    else
        ok = text == NULL || read_entries(j, text, err);
    if (!ok) {
        error_prefix(err, "the journal of %.80s: ", j->name != NULL ? j->name : "a run");
        revert_journal_free(j);
        return false;
    }
    *ret = j;
    return true;
}

size_t revert_journal_count(const struct revert_journal *j)
{
    return j->count;
}

const struct revert_entry *revert_journal_entry(const struct revert_journal *j, size_t at)
{
    INVARIANT(at < j->count);
    return j->entries[at];
}

size_t revert_outstanding(const struct revert_journal *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->count; i++)
        n += j->entries[i]->state != REVERT_REVERTED;
    return n;
}

/* --- writing --- */

static void set_text(json_t *map, const char *key, const char *value)
{
    if (value != NULL)
        json_object_set_new(map, key, json_string(value));
}

static json_t *entry_json(const struct revert_entry *e)
{
    json_t *out = json_object();
    char gvr[160];
    snprintf(gvr, sizeof(gvr), "%s/%s/%s", e->gvr->group, e->gvr->version, e->gvr->resource);
    json_object_set_new(out, "n", json_integer((json_int_t)e->n));
    set_text(out, "verb", verb_words[e->verb]);
    set_text(out, "state", state_words[e->state]);
    set_text(out, "gvr", gvr);
    set_text(out, "namespace", e->namespace);
    set_text(out, "name", e->name);
    set_text(out, "uid", e->uid);
    set_text(out, "rv_before", e->rv_before);
    set_text(out, "rv_after", e->rv_after);
    set_text(out, "path", e->path);
    if (e->old != NULL)
        json_object_set(out, "old", e->old);
    if (e->new != NULL)
        json_object_set(out, "new", e->new);
    set_text(out, "diff", e->diff);
    return out;
}

char *revert_journal_print(const struct revert_journal *j)
{
    json_t *all = json_array();
    for (size_t i = 0; i < j->count; i++)
        json_array_append_new(all, entry_json(j->entries[i]));
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    return text;
}

bool revert_write_begin(struct revert_write *w, const struct revert_journal *j, struct error *err)
{
    revert_write_release(w);
    *w = (struct revert_write){.text = revert_journal_print(j)};
    if (strlen(w->text) <= REVERT_JOURNAL_MOST_BYTES)
        return true;
    return error_set(err, ERROR_LIMIT,
                     "the run's journal would have %zu KiB, more than the 900 that an anchor holds",
                     strlen(w->text) / 1024);
}

void revert_write_next(struct revert_write *w, const struct revert_journal *j, uint64_t now_ns,
                       struct chore_step *ret)
{
    if (now_ns < w->wake_ns) {
        ret->want = CHORE_WAIT;
        ret->wake_ns = w->wake_ns;
        return;
    }
    ret->want = CHORE_CALL;
    ret->request = (struct api_request){.verb = w->looking ? API_GET : API_PATCH_MERGE,
                                        .gvr = gvr_get(GVR_CONFIGMAPS),
                                        .namespace = j->namespace,
                                        .name = j->name,
                                        .urgent = true};
    if (w->looking)
        return;
    json_decref(w->body);
    w->body = json_pack("{s:{s:s, s:s}, s:{s:s}}", "metadata", "uid", j->uid, "resourceVersion",
                        j->version, "data", REVERT_JOURNAL_KEY, w->text);
    ret->request.body = w->body;
}

static void keep_version(struct revert_journal *j, const json_t *anchor)
{
    const char *version = text_at(json_object_get(anchor, "metadata"), "resourceVersion");
    snprintf(j->version, sizeof(j->version), "%s", version != NULL ? version : "");
}

static enum revert_wrote write_done(struct revert_write *w, struct revert_journal *j,
                                    const json_t *anchor)
{
    keep_version(j, anchor);
    free(j->written);
    j->written = w->text;
    w->text = NULL;
    return WRITE_DONE;
}

/* After a 409: a stranger's annotation, our own write whose answer was lost, or another writer. */
static enum revert_wrote looked(struct revert_write *w, struct revert_journal *j, uint64_t now_ns,
                                const json_t *anchor, struct error *err)
{
    const char *uid = text_at(json_object_get(anchor, "metadata"), "uid");
    const char *text = text_at(json_object_get(anchor, "data"), REVERT_JOURNAL_KEY);
    if (uid == NULL || strcmp(uid, j->uid) != 0) {
        error_set(err, ERROR_PEER, "the anchor %s is another one", j->name);
        return WRITE_FAILED;
    }
    if (text != NULL && strcmp(text, w->text) == 0)
        return write_done(w, j, anchor);
    if (strcmp(text != NULL ? text : "", j->written) != 0) {
        error_set(err, ERROR_PEER, "somebody else has written the journal of %s", j->name);
        return WRITE_FAILED;
    }
    keep_version(j, anchor);
    w->looking = false;
    w->wake_ns = now_ns + REVERT_AGAIN_NS;
    return WRITE_GOES_ON;
}

enum revert_wrote revert_write_answer(struct revert_write *w, struct revert_journal *j,
                                      uint64_t now_ns, const struct api_answer *a,
                                      struct error *err)
{
    if (a->outcome == API_DONE && w->looking)
        return looked(w, j, now_ns, a->body, err);
    if (a->outcome == API_DONE)
        return write_done(w, j, a->body);
    if (a->outcome == API_CONFLICT && ++w->tries <= REVERT_TRIES_MOST) {
        w->looking = true;
        return WRITE_GOES_ON;
    }
    error_set(err, ERROR_PEER, "writing the journal of %s: %s", j->name, a->sentence);
    return WRITE_FAILED;
}

void revert_write_release(struct revert_write *w)
{
    free(w->text);
    json_decref(w->body);
    *w = (struct revert_write){0};
}
