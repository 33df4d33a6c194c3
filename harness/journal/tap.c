#include "journal/tap.h"

#include <stdlib.h>

/* The arena counts its own overhead: a name is never refused for want of it. */
#define ARENA_MOST_BYTES (TAP_NAME_BYTES * 4)

struct tap_names {
    struct record_source source;
    char *words[3]; /* what ${source} points to */
    const char **texts;
    size_t count;
};

struct tap {
    tap_on_row *on_row;
    void *cookie;
    struct tap_names **procs;
    size_t proc_count, name_bytes;
    struct arena arena;
};

const char *record_name(const struct record_source *from, uint32_t id)
{
    return from->name == NULL || id == 0 ? "" : from->name(from->names, id);
}

static const char *find_name(const void *names, uint32_t id)
{
    const struct tap_names *p = names;
    return id > p->count || p->texts[id - 1] == NULL ? "" : p->texts[id - 1];
}

struct tap *tap_new(tap_on_row *on_row, void *cookie)
{
    struct tap *t = check_alloc_zero(1, sizeof(*t));
    t->on_row = on_row;
    t->cookie = cookie;
    arena_init(&t->arena, ARENA_MOST_BYTES);
    return t;
}

void tap_free(struct tap *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->proc_count; i++) {
        for (size_t k = 0; k < COUNT_OF(t->procs[i]->words); k++)
            free(t->procs[i]->words[k]);
        free(t->procs[i]->texts);
        free(t->procs[i]);
    }
    free(t->procs);
    arena_release(&t->arena);
    free(t);
}

struct tap_names *tap_names_new(struct tap *t, uint32_t proc)
{
    struct tap_names *p = check_alloc_zero(1, sizeof(*p));
    p->source = (struct record_source){
        .proc = proc, .role = "", .arm = "", .service = "", .name = find_name, .names = p};
    t->procs = check_realloc(t->procs, (t->proc_count + 1) * sizeof(*t->procs));
    t->procs[t->proc_count++] = p;
    return p;
}

static void own_row(struct tap *t, enum record_kind kind, const void *row)
{
    t->on_row(t->cookie, &(struct record_source){.role = "", .arm = "", .service = ""}, kind, row);
}

void tap_proc(struct tap *t, struct tap_names *p, const struct journal_proc *proc)
{
    const char *words[] = {proc->role, proc->arm, proc->service};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        free(p->words[i]);
        p->words[i] = check_strdup(words[i]);
    }
    p->source.role = p->words[0];
    p->source.arm = p->words[1];
    p->source.service = p->words[2];
    own_row(t, RECORD_PROC, proc);
}

void tap_name(struct tap *t, struct tap_names *p, const char *text, size_t len)
{
    bool room = t->name_bytes + len <= TAP_NAME_BYTES;
    if ((p->count & (p->count - 1)) == 0) /* doubles at each power of two */
        p->texts = check_realloc(p->texts, (p->count * 2 + 1) * sizeof(*p->texts));
    p->texts[p->count++] = room ? arena_strndup(&t->arena, text, len) : NULL;
    t->name_bytes += room ? len : 0;
}

void tap_record(struct tap *t, const struct tap_names *p, enum record_kind kind, const void *record)
{
    t->on_row(t->cookie, &p->source, kind, record);
}

void tap_phase(struct tap *t, const struct journal_phase *phase)
{
    own_row(t, RECORD_PHASE, phase);
}

void tap_event(struct tap *t, uint32_t phase, uint64_t t_ns, const char *what, const char *json)
{
    struct journal_event event = {
        .phase = phase, .t_ns = t_ns, .what = what, .json = json_loads(json, 0, NULL)};
    own_row(t, RECORD_EVENT, &event);
    json_decref(event.json);
}

void tap_end(struct tap *t, const struct journal_end *end)
{
    own_row(t, RECORD_END, end);
}
