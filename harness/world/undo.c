#include "world/undo.h"

#include "base/clock.h"
#include "world/ledger.h"
#include "world/process.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 1
#define TRIES 3
#define ENTRIES_MOST 100000

struct undo_entry {
    uint64_t id;
    const struct undo_type *type; /* NULL: of another build */
    char type_name[32];
    json_t *note;
    bool undone;
};
struct undo {
    int fd;
    char *path;
    struct undo_entry *entries;
    size_t count;
    uint64_t last_id;
    bool damaged;
    bool removes;  /* nobody else writes it */
    bool headless; /* no ledger maybe, or one that is just being made: never removed */
};

#define UNDO(name_) extern const struct undo_type undo_##name_;
#include "world/undo_types.def"
#undef UNDO
#define UNDO(name_) &undo_##name_,
static const struct undo_type *const types[] = {
#include "world/undo_types.def"
};
#undef UNDO

const struct undo_type *const *undo_types_extra;

const struct undo_type *undo_type_find(const char *name)
{
    for (const struct undo_type *const *t = undo_types_extra; t != NULL && *t != NULL; t++)
        if (strcmp((*t)->name, name) == 0)
            return *t;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}

static bool append(struct undo *u, enum ledger_kind kind, uint64_t entry, json_t *take_body,
                   struct error *err)
{
    INVARIANT(take_body != NULL);
    bool ok = ledger_append(u->fd, kind, entry, take_body, err);
    json_decref(take_body);
    if (!ok)
        error_prefix(err, "%s: ", u->path);
    return ok;
}

static json_t *now_json(void)
{
    return json_pack("{sI}", "wall_ns", (json_int_t)clock_wall_ns());
}

static struct undo *undo_new(int fd, const char *path)
{
    struct undo *u = check_alloc_zero(1, sizeof(*u));
    u->fd = fd;
    u->path = check_strdup(path);
    return u;
}

bool undo_open(const char *path, const char *run, struct undo **ret, struct error *err)
{
    struct process self;
    int fd;
    *ret = NULL;
    if (!process_read(getpid(), &self, err) || !ledger_make(path, &fd, err))
        return false;
    struct undo *u = undo_new(fd, path);
    u->removes = true;
    json_t *head = json_pack("{si ss so sI}", "version", VERSION, "run", run, "owner",
                             process_note(&self), "wall_ns", (json_int_t)clock_wall_ns());
    if (!append(u, LEDGER_HEAD, 0, head, err)) {
        undo_close(u);
        return false;
    }
    *ret = u;
    return true;
}

/* ${take_note} is kept. */
static struct undo_entry *add_entry(struct undo *u, uint64_t id, const char *type, json_t *note)
{
    u->entries = check_realloc(u->entries, (u->count + 1) * sizeof(*u->entries));
    struct undo_entry *e = &u->entries[u->count++];
    *e = (struct undo_entry){.id = id, .type = undo_type_find(type), .note = note};
    snprintf(e->type_name, sizeof(e->type_name), "%s", type);
    u->last_id = id > u->last_id ? id : u->last_id;
    return e;
}

static struct undo_entry *find(const struct undo *u, uint64_t id)
{
    for (size_t i = 0; i < u->count; i++)
        if (u->entries[i].id == id)
            return &u->entries[i];
    return NULL;
}

bool undo_promise(struct undo *u, const struct undo_type *type, json_t *take_note,
                  uint64_t *ret_entry, struct error *err)
{
    INVARIANT(take_note != NULL);
    *ret_entry = 0;
    if (u->count >= ENTRIES_MOST) {
        json_decref(take_note);
        return error_set(err, ERROR_LIMIT, "more than %d changes in one ledger", ENTRIES_MOST);
    }
    uint64_t id = u->last_id + 1;
    json_t *body = json_pack("{ss sO sI}", "type", type->name, "note", take_note, "wall_ns",
                             (json_int_t)clock_wall_ns());
    if (!append(u, LEDGER_PROMISE, id, body, err)) {
        json_decref(take_note);
        return false;
    }
    add_entry(u, id, type->name, take_note);
    *ret_entry = id;
    return true;
}

bool undo_done(struct undo *u, uint64_t entry, struct error *err)
{
    return append(u, LEDGER_DONE, entry, now_json(), err);
}

bool undo_confirm(struct undo *u, uint64_t entry, struct error *err)
{
    struct undo_entry *e = find(u, entry);
    if (e == NULL || e->undone)
        return true;
    e->undone = true;
    return append(u, LEDGER_UNDONE, entry, now_json(), err);
}

bool undo_died(struct undo *u, struct error *err)
{
    u->removes = true;
    return undo_outstanding(u) == 0 || append(u, LEDGER_DIED, 0, now_json(), err);
}

static bool revert_entry(struct undo *u, struct undo_entry *e, enum undo_result *ret,
                         struct error *err)
{
    struct error why = {0};
    *ret = UNDO_GONE;
    if (e->undone)
        return true;
    if (e->type == NULL)
        return error_set(err, ERROR_SYSTEM, "this build cannot undo \"%s\"", e->type_name);
    for (int i = 0; i < TRIES; i++) {
        why = (struct error){0};
        if (!e->type->revert(e->note, ret, &why))
            continue;
        struct error unwritten = {0}; /* it is back all the same; a second undo finds it gone */
        if (*ret != UNDO_DIVERGED && !undo_confirm(u, e->id, &unwritten))
            e->undone = true;
        return true;
    }
    if (err != NULL && err->kind == ERROR_NONE)
        *err = why;
    return false;
}

bool undo_revert(struct undo *u, uint64_t entry, enum undo_result *ret, struct error *err)
{
    struct undo_entry *e = find(u, entry);
    *ret = UNDO_GONE;
    return e == NULL || revert_entry(u, e, ret, err);
}

static void print_entry(const struct undo_entry *e, char *to, size_t size)
{
    if (e->type == NULL)
        snprintf(to, size, "%s %llu", e->type_name, (unsigned long long)e->id);
    else
        e->type->print(e->note, to, size);
}

bool undo_revert_all(struct undo *u, struct error *err)
{
    bool all = true;
    for (size_t i = u->count; i-- > 0;) {
        struct undo_entry *e = &u->entries[i];
        enum undo_result result;
        struct error why = {0};
        char what[160];
        if (e->undone)
            continue;
        bool ok = revert_entry(u, e, &result, &why);
        if (ok && result != UNDO_DIVERGED)
            continue;
        all = false;
        print_entry(e, what, sizeof(what));
        if (ok)
            error_set(err, ERROR_SYSTEM, "%.120s is no longer ours: left alone", what);
        else
            error_set(err, ERROR_SYSTEM, "%.80s is not undone: %.120s", what, why.text);
    }
    return all;
}

size_t undo_outstanding(const struct undo *u)
{
    size_t n = 0;
    for (size_t i = 0; i < u->count; i++)
        n += !u->entries[i].undone;
    return n;
}

static void release(struct undo *u)
{
    for (size_t i = 0; i < u->count; i++)
        json_decref(u->entries[i].note);
    free(u->entries);
    close(u->fd);
    free(u->path);
    free(u);
}

void undo_close(struct undo *u)
{
    if (u == NULL)
        return;
    if (u->removes && undo_outstanding(u) == 0 && !u->damaged && !u->headless)
        unlink(u->path);
    release(u);
}

/* --- one that is there already --- */
struct taking {
    struct undo *u;
    struct undo_owner *owner;
    bool has_head;
    struct error why; /* the owner cannot be asked for */
};

static void take_head(struct taking *t, const json_t *body)
{
    struct process p;
    bool gone = true;
    const char *run = json_string_value(json_object_get(body, "run"));
    if (t->has_head || json_integer_value(json_object_get(body, "version")) != VERSION)
        return;
    if (!process_from_note(json_object_get(body, "owner"), &p, &gone, &t->why))
        return;
    t->has_head = true;
    t->owner->lives = !gone;
    t->owner->pid = p.pid;
    snprintf(t->owner->run, sizeof(t->owner->run), "%s", run == NULL ? "?" : run);
}

static void take_promise(struct taking *t, uint64_t id, const json_t *body)
{
    const char *type = json_string_value(json_object_get(body, "type"));
    json_t *note = json_object_get(body, "note");
    if (type == NULL || note == NULL || find(t->u, id) != NULL || t->u->count >= ENTRIES_MOST)
        t->u->damaged = true;
    else
        add_entry(t->u, id, type, json_incref(note));
}

static void on_frame(void *cookie, const struct ledger_frame *frame)
{
    struct taking *t = cookie;
    json_t *body =
        json_loadb((const char *)frame->body.at, frame->body.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body)) {
        t->u->damaged = true;
        json_decref(body);
        return;
    }
    json_int_t wall_ns = json_integer_value(json_object_get(body, "wall_ns"));
    struct undo_entry *e = find(t->u, frame->entry);
    if (frame->kind == LEDGER_HEAD)
        take_head(t, body);
    if (frame->kind == LEDGER_PROMISE)
        take_promise(t, frame->entry, body);
    if (frame->kind == LEDGER_UNDONE && e != NULL)
        e->undone = true;
    if (frame->kind != LEDGER_UNDONE || t->owner->died_wall_ns == 0)
        t->owner->died_wall_ns = (uint64_t)wall_ns;
    json_decref(body);
}

static bool read_ledger(struct undo *u, struct bytes all, enum ledger_end end,
                        struct undo_owner *ret_owner, struct error *err)
{
    struct taking t = {.u = u, .owner = ret_owner};
    size_t good;
    ledger_scan(all, on_frame, &t, &good);
    u->damaged = u->damaged || end == LEDGER_DAMAGED;
    u->headless = !t.has_head;
    if (t.why.kind != ERROR_NONE)
        return error_set(err, t.why.kind, "%s: %s", u->path, t.why.text);
    if (!t.has_head && all.len > 0)
        return error_set(err, ERROR_INPUT, "%s is no ledger of this version", u->path);
    if (!t.has_head) /* its owner died while it was being made: nothing was promised */
        snprintf(ret_owner->run, sizeof(ret_owner->run), "?");
    ret_owner->outstanding = undo_outstanding(u);
    ret_owner->damaged = u->damaged;
    return true;
}

/* ${cuts}: to be written on. */
static bool take(const char *path, bool cuts, struct undo **ret, struct undo_owner *ret_owner,
                 struct error *err)
{
    struct buffer all;
    enum ledger_end end;
    int fd;
    *ret = NULL;
    *ret_owner = (struct undo_owner){0};
    if (!ledger_take(path, cuts, &fd, &all, &end, err))
        return false;
    struct undo *u = undo_new(fd, path);
    bool ok = read_ledger(u, buffer_view(&all), end, ret_owner, err);
    buffer_release(&all);
    if (!ok) {
        release(u);
        return false;
    }
    *ret = u;
    return true;
}

bool undo_take(const char *path, struct undo **ret, struct undo_owner *ret_owner, struct error *err)
{
    return take(path, true, ret, ret_owner, err);
}

bool undo_peek(const char *path, struct undo_owner *ret, struct error *err)
{
    struct undo *u;
    if (!take(path, false, &u, ret, err))
        return false;
    release(u);
    return true;
}

static bool take_dead(const char *path, bool cuts, struct undo **ret, struct error *err)
{
    struct undo_owner owner;
    if (!take(path, cuts, ret, &owner, err))
        return false;
    (*ret)->removes = true;
    if (!owner.lives || (!cuts && owner.pid == getpid())) /* who ends may say what is left */
        return true;
    error_set(err, ERROR_SYSTEM, "%s: its run goes on (process %lld): end that first", path,
              (long long)owner.pid);
    release(*ret);
    *ret = NULL;
    return false;
}

static bool recover_one(struct undo *u, struct undo_entry *e,
                        void (*on_line)(void *cookie, const struct undo_line *line), void *cookie)
{
    char what[160], how[200];
    enum undo_result result = UNDO_GONE;
    struct error err = {0};
    print_entry(e, what, sizeof(what));
    bool ok = revert_entry(u, e, &result, &err);
    struct undo_line line = {.word = "undone", .what = what, .how = how};
    if (!ok) {
        line.word = "FAILED";
        snprintf(how, sizeof(how), "%.190s", err.text);
    } else if (result == UNDO_DIVERGED) {
        line.word = "DIVERGED";
        snprintf(how, sizeof(how), "no longer ours: left alone");
    } else if (result == UNDO_GONE) {
        line.word = "gone";
        snprintf(how, sizeof(how), "was not there any more");
    } else {
        snprintf(how, sizeof(how), "read back: %s", e->type->back);
    }
    on_line(cookie, &line);
    return ok && result != UNDO_DIVERGED;
}

static const struct undo_line damaged_line = {"DAMAGED", "the ledger",
                                              "what stands behind that place is not known"};

bool undo_recover(const char *path, void (*on_line)(void *cookie, const struct undo_line *line),
                  void *cookie, unsigned *ret_not_back, struct error *err)
{
    struct undo *u;
    *ret_not_back = 0;
    if (!take_dead(path, true, &u, err))
        return false;
    for (size_t i = u->count; i-- > 0;)
        if (!u->entries[i].undone && !recover_one(u, &u->entries[i], on_line, cookie))
            ++*ret_not_back;
    if (u->damaged) {
        on_line(cookie, &damaged_line);
        ++*ret_not_back;
    }
    undo_close(u);
    return true;
}

bool undo_list(const char *path, void (*on_line)(void *cookie, const struct undo_line *line),
               void *cookie, struct error *err)
{
    struct undo *u;
    if (!take_dead(path, false, &u, err))
        return false;
    for (size_t i = u->count; i-- > 0;) {
        const struct undo_entry *e = &u->entries[i];
        struct error why = {0};
        bool there = true;
        char what[160];
        if (e->undone)
            continue;
        print_entry(e, what, sizeof(what));
        bool known = e->type != NULL && e->type->still_there(e->note, &there, &why);
        struct undo_line line = {.word = there ? "there" : "gone",
                                 .what = what,
                                 .how = e->type == NULL ? "this build cannot undo it"
                                        : known         ? ""
                                                        : why.text};
        on_line(cookie, &line);
    }
    if (u->damaged)
        on_line(cookie, &damaged_line);
    release(u);
    return true;
}
