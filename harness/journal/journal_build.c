#include "journal/journal.h"

#include "journal/digest.h"
#include "journal/reader.h"
#include "journal/rows.h"
#include "journal/store.h"

#include <stdlib.h>

struct journal *journal_new(void)
{
    struct journal *j = check_alloc_zero(1, sizeof(*j));
    j->index = check_alloc_zero(1, sizeof(*j->index));
    arena_init(&j->arena, SIZE_MAX / 2); /* what goes in is bounded by the file, or is our own */
    map_init(&j->index->names, SIZE_MAX / 2);
    map_init(&j->index->seqs, SIZE_MAX / 2);
    j->names = rows_grow(NULL, 0, sizeof(*j->names));
    j->names[0] = "";
    j->name_count = 1;
    return j;
}

void journal_free(struct journal *j)
{
    size_t kinds, count;
    const struct record_type *types = record_types(&kinds);
    if (j == NULL)
        return;
    for (size_t i = 0; i < kinds; i++)
        free(rows_of(j, types[i].kind, &count));
    for (size_t i = 0; i < j->event_count; i++)
        json_decref(j->events[i].json);
    json_decref(j->run);
    json_decref(j->plan);
    json_decref(j->policy);
    json_decref(j->end);
    free(j->procs);
    free(j->phases);
    free(j->events);
    free(j->names);
    map_release(&j->index->names);
    map_release(&j->index->seqs);
    reader_free(j->index->reader);
    free(j->index);
    arena_release(&j->arena);
    free(j);
}

static struct map_key name_key(const char *text)
{
    size_t len = strlen(text);
    return (struct map_key){digest_bytes(1, text, len), digest_bytes(2, text, len)};
}

uint32_t journal_add_name(struct journal *j, const char *text)
{
    bool is_new;
    if (text == NULL || text[0] == '\0')
        return 0;
    uint64_t *at = map_at(&j->index->names, name_key(text), &is_new);
    INVARIANT(at != NULL && j->name_count < UINT32_MAX);
    if (is_new) {
        j->names = rows_grow(j->names, j->name_count, sizeof(*j->names));
        *at = j->name_count;
        j->names[j->name_count++] = arena_strdup(&j->arena, text);
    }
    return (uint32_t)*at;
}

uint32_t journal_find_name(const struct journal *j, const char *text)
{
    const uint64_t *at = map_find(&j->index->names, name_key(text));
    return at == NULL ? 0 : (uint32_t)*at;
}

const char *journal_name(const struct journal *j, uint32_t name)
{
    return name < j->name_count ? j->names[name] : "";
}

const struct journal_proc *journal_proc_of(const struct journal *j, uint32_t proc)
{
    for (size_t i = 0; i < j->proc_count; i++) {
        if (j->procs[i].proc == proc)
            return &j->procs[i];
    }
    return NULL;
}

uint64_t journal_row_count(const struct journal *j)
{
    size_t kinds, count;
    const struct reader *reader = j->index->reader;
    uint64_t sum = reader == NULL ? 0 : reader_left(reader);
    const struct record_type *types = record_types(&kinds);
    for (size_t i = 0; i < kinds; i++) {
        rows_of(j, types[i].kind, &count);
        sum += reader == NULL || !reader_is_wide(types[i].kind) ? count : 0;
    }
    return sum;
}

bool journal_checksum_good(const struct journal *j)
{
    return !j->index->altered;
}

void journal_add(struct journal *j, uint32_t proc, enum record_kind kind, const void *record)
{
    const struct record_type *type = record_type_of((uint8_t)kind);
    INVARIANT(type != NULL);
    size_t count, bytes = rows_bytes(type);
    uint8_t *rows = rows_of(j, type->kind, &count);
    if (count >= j->index->rooms[kind])
        rows = rows_grow(rows, count, bytes);
    uint32_t origin[2] = {proc, (uint32_t)++ * rows_seq(j, proc)};
    memcpy(rows + count * bytes, record, type->bytes);
    memcpy(rows + count * bytes + type->bytes, origin, sizeof(origin));
    rows_set(j, type->kind, rows, count + 1);
}

void journal_expect(struct journal *j, enum record_kind kind, size_t count)
{
    const struct record_type *type = record_type_of((uint8_t)kind);
    size_t have;
    INVARIANT(type != NULL && rows_of(j, type->kind, &have) == NULL && have == 0);
    j->index->rooms[kind] = rows_room(count);
    rows_set(j, type->kind, check_alloc(rows_room(count) * rows_bytes(type)), 0);
}

void journal_sort(struct journal *j)
{
    size_t kinds;
    const struct record_type *types = record_types(&kinds);
    for (size_t i = 0; i < kinds; i++)
        rows_sort(j, &types[i]);
}

void journal_add_proc(struct journal *j, uint32_t proc, const char *role, const char *arm,
                      const char *service)
{
    j->procs = rows_grow(j->procs, j->proc_count, sizeof(*j->procs));
    j->procs[j->proc_count++] = (struct journal_proc){.proc = proc,
                                                      .role = arena_strdup(&j->arena, role),
                                                      .arm = arena_strdup(&j->arena, arm),
                                                      .service = arena_strdup(&j->arena, service)};
}

void journal_add_phase(struct journal *j, const struct journal_phase *phase)
{
    j->phases = rows_grow(j->phases, j->phase_count, sizeof(*j->phases));
    struct journal_phase *to = &j->phases[j->phase_count++];
    *to = *phase;
    to->arm = arena_strdup(&j->arena, phase->arm);
    to->name = arena_strdup(&j->arena, phase->name);
    to->why = phase->why == NULL ? NULL : arena_strdup(&j->arena, phase->why);
}

void journal_add_event(struct journal *j, uint32_t phase, uint64_t t_ns, const char *what,
                       json_t *take_json)
{
    j->events = rows_grow(j->events, j->event_count, sizeof(*j->events));
    j->events[j->event_count++] = (struct journal_event){
        .phase = phase, .t_ns = t_ns, .what = arena_strdup(&j->arena, what), .json = take_json};
}

/* journal_save: the store's own calls, as a conductor would make them. */
struct saver {
    const struct journal *j;
    struct store *store;
    struct map sent; /* (process, name) -> the id under which the process has sent it */
    struct map next; /* process -> names sent */
};

static bool save_name(struct saver *s, uint32_t proc, uint32_t name, uint32_t *ret,
                      struct error *err)
{
    bool is_new;
    uint8_t body[sizeof(uint32_t) + NAME_MOST_BYTES];
    uint64_t *id = map_at(&s->sent, (struct map_key){proc, name}, &is_new);
    INVARIANT(id != NULL);
    if (is_new) {
        uint64_t *count = map_at(&s->next, (struct map_key){1, proc}, NULL);
        INVARIANT(count != NULL);
        const char *text = journal_name(s->j, name);
        size_t len = strlen(text) > NAME_MOST_BYTES ? NAME_MOST_BYTES : strlen(text);
        *id = ++*count;
        uint32_t wire = (uint32_t)*id;
        memcpy(body, &wire, sizeof(wire));
        memcpy(body + sizeof(wire), text, len);
        if (!store_frame(s->store, proc, 0, RECORD_NAME, (struct bytes){body, sizeof(wire) + len},
                         err))
            return false;
    }
    *ret = (uint32_t)*id;
    return true;
}

static bool save_rows(struct saver *s, const struct record_type *type, struct error *err)
{
    uint8_t record[256];
    size_t count, bytes = rows_bytes(type);
    const uint8_t *row = rows_of(s->j, type->kind, &count);
    for (size_t i = 0; i < count; i++, row += bytes) {
        uint32_t proc, seq, name;
        rows_origin(type, row, &proc, &seq);
        memcpy(record, row, type->bytes);
        for (size_t k = 0; k < type->count; k++) {
            const struct record_field *f = &type->fields[k];
            if (f->kind != FIELD_NAME || record_get(f, record) == 0)
                continue;
            if (!save_name(s, proc, (uint32_t)record_get(f, record), &name, err))
                return false;
            memcpy(record + f->offset, &name, sizeof(name));
        }
        if (!store_frame(s->store, proc, seq, type->kind, (struct bytes){record, type->bytes}, err))
            return false;
    }
    return true;
}

static bool save_json(struct store *store, const json_t *json,
                      bool (*put)(struct store *s, const char *json, struct error *err),
                      struct error *err)
{
    if (json == NULL)
        return true;
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    bool ok = text != NULL ? put(store, text, err)
                           : error_set(err, ERROR_INPUT, "JSON that cannot be printed");
    free(text);
    return ok;
}

static bool save_event(struct store *store, const struct journal_event *e, struct error *err)
{
    char *text =
        e->json == NULL ? check_strdup("") : json_dumps(e->json, JSON_COMPACT | JSON_ENCODE_ANY);
    bool ok = text != NULL ? store_event(store, e->phase, e->what, text, e->t_ns, err)
                           : error_set(err, ERROR_INPUT, "JSON that cannot be printed");
    free(text);
    return ok;
}

static bool save_tables(const struct journal *j, struct store *store, struct error *err)
{
    bool ok = save_json(store, j->run, store_run, err) &&
              save_json(store, j->plan, store_plan, err) &&
              save_json(store, j->policy, store_policy, err);
    for (size_t i = 0; i < j->proc_count && ok; i++) {
        const struct journal_proc *p = &j->procs[i];
        ok = store_proc(store, p->proc, p->role, p->arm, p->service, p->pid, err);
    }
    for (size_t i = 0; i < j->phase_count && ok; i++) {
        const struct journal_phase *p = &j->phases[i];
        ok = store_phase_begin(store, p->phase, p->scenario, p->arm, p->name, p->ordinal, p->t0_ns,
                               err) &&
             (p->why == NULL || store_phase_end(store, p->phase, p->why, p->t1_ns, err));
    }
    for (size_t i = 0; i < j->event_count && ok; i++)
        ok = save_event(store, &j->events[i], err);
    return ok;
}

static bool save_end(const struct journal *j, struct store *store, struct error *err)
{
    if (j->end_how == NULL)
        return true;
    char *text =
        j->end == NULL ? check_strdup("") : json_dumps(j->end, JSON_COMPACT | JSON_ENCODE_ANY);
    bool ok = text != NULL ? store_end(store, j->end_how, text, j->end_ns, err)
                           : error_set(err, ERROR_INPUT, "JSON that cannot be printed");
    free(text);
    return ok;
}

bool journal_save(const struct journal *j, const char *path, struct error *err)
{
    struct saver s = {.j = j};
    size_t kinds;
    const struct record_type *types = record_types(&kinds);
    if (!store_open(path, &s.store, err))
        return false;
    map_init(&s.sent, SIZE_MAX / 2);
    map_init(&s.next, SIZE_MAX / 2);
    bool ok = save_tables(j, s.store, err);
    for (size_t i = 0; i < kinds && ok; i++)
        ok = save_rows(&s, &types[i], err);
    ok = ok && save_end(j, s.store, err);
    map_release(&s.sent);
    map_release(&s.next);
    return store_close(s.store, ok, err) && ok;
}
