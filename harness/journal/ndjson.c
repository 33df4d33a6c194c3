#include "journal/journal.h"

#include "journal/rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* A line of the output: a record, or a row of the conductor's. */
enum line_kind { LINE_RECORD, LINE_PHASE, LINE_PHASE_END, LINE_EVENT };
struct line {
    uint64_t t_ns;
    size_t at;
    uint8_t kind;
    const struct record_type *type; /* LINE_RECORD */
};

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->t_ns != y->t_ns)
        return x->t_ns < y->t_ns ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind > y->kind ? -1 : 1; /* a phase begins before what it holds */
    return x->at < y->at ? -1 : x->at > y->at;
}

static json_t *integer(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *enum_value(const char *field, uint64_t value)
{
    const char *word = record_enum_name(field, value);
    return word == NULL ? integer(value) : json_string(word);
}

/* A hash does not survive a reader's doubles as a number, so 64 bits are hex digits. */
static json_t *bits_value(const struct record_field *f, uint64_t value)
{
    char hex[24];
    if (f->width < 8)
        return integer(value);
    snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)value);
    return json_string(hex);
}

static json_t *real_value(uint64_t bits)
{
    double real;
    memcpy(&real, &bits, sizeof(real));
    return isfinite(real) ? json_real(real) : json_null(); /* JSON has no NaN and no infinity */
}

/* NULL: the field is left out, for it says "did not happen" or "none". */
static json_t *field_value(const struct journal *j, const struct record_field *f, uint64_t value)
{
    switch (f->kind) {
    case FIELD_SPAN:
        return value == 0 ? NULL : integer(value);
    case FIELD_NAME:
        return value == 0 ? NULL : json_string(journal_name(j, (uint32_t)value));
    case FIELD_ENUM:
        return enum_value(f->name, value);
    case FIELD_BITS:
        return bits_value(f, value);
    case FIELD_SIGNED:
        return json_integer((json_int_t)value);
    case FIELD_REAL:
        return real_value(value);
    case FIELD_TIME:
    case FIELD_ID:
    case FIELD_COUNT:
    case FIELD_MS:
        return strcmp(f->name, "spare") == 0 ? NULL : integer(value);
    }
    UNREACHABLE();
}

static json_t *record_line(const struct journal *j, const struct line *line)
{
    size_t count;
    uint32_t proc, seq;
    const struct record_type *type = line->type;
    const uint8_t *row = rows_of(j, type->kind, &count) + line->at * rows_bytes(type);
    rows_origin(type, row, &proc, &seq);
    json_t *o = json_object();
    json_object_set_new(o, "kind", json_string(type->name));
    json_object_set_new(o, "proc", json_integer(proc));
    json_object_set_new(o, "seq", json_integer(seq));
    for (size_t i = 0; i < type->count; i++) {
        const struct record_field *f = &type->fields[i];
        uint64_t value = record_get(f, row);
        if (f->kind == FIELD_ID) { /* halves are neighbours: NAME_hi, NAME_lo */
            char name[32], id[48];
            snprintf(name, sizeof(name), "%.*s", (int)strlen(f->name) - 3, f->name);
            record_id_print(value, record_get(&type->fields[++i], row), id, sizeof(id));
            json_object_set_new(o, name, json_string(id));
            continue;
        }
        if (strcmp(f->name, "kind") == 0) { /* of `lost`; "kind" is the line's own */
            const struct record_type *of = record_type_of((uint8_t)value);
            json_object_set_new(o, "lost", json_string(of == NULL ? "name" : of->name));
            continue;
        }
        json_t *v = field_value(j, f, value);
        if (v != NULL)
            json_object_set_new(o, f->name, v);
    }
    return o;
}

static json_t *phase_line(const struct journal_phase *p, bool end)
{
    json_t *o = json_pack("{s:s, s:I, s:I, s:s, s:s, s:I}", "kind", end ? "phase end" : "phase",
                          "phase", (json_int_t)p->phase, "scenario", (json_int_t)p->scenario, "arm",
                          p->arm, "name", p->name, "ordinal", (json_int_t)p->ordinal);
    if (o == NULL)
        return NULL;
    json_object_set_new(o, "at", integer(end ? p->t1_ns : p->t0_ns));
    if (end)
        json_object_set_new(o, "why", json_string(p->why));
    return o;
}

static json_t *event_line(const struct journal_event *e)
{
    json_t *o = json_pack("{s:s, s:I, s:s}", "kind", "event", "phase", (json_int_t)e->phase, "what",
                          e->what);
    if (o == NULL)
        return NULL;
    json_object_set_new(o, "at", integer(e->t_ns));
    if (e->json != NULL)
        json_object_set(o, "json", e->json);
    return o;
}

static bool print_line(json_t *take, FILE *to, struct error *err)
{
    bool ok = take != NULL && json_dumpf(take, to, JSON_COMPACT | JSON_ENSURE_ASCII) == 0 &&
              fputc('\n', to) != EOF;
    json_decref(take);
    return ok || error_system(err, errno, "writing JSON");
}

static bool print_document(const char *kind, json_t *json, FILE *to, struct error *err)
{
    return json == NULL || print_line(json_pack("{s:s, s:O}", "kind", kind, kind, json), to, err);
}

static bool print_procs(const struct journal *j, FILE *to, struct error *err)
{
    bool ok = true;
    for (size_t i = 0; i < j->proc_count && ok; i++) {
        const struct journal_proc *p = &j->procs[i];
        ok = print_line(json_pack("{s:s, s:I, s:s, s:s, s:s, s:I}", "kind", "proc", "proc",
                                  (json_int_t)p->proc, "role", p->role, "arm", p->arm, "service",
                                  p->service, "pid", (json_int_t)p->pid),
                        to, err);
    }
    return ok;
}

static bool print_tail(const struct journal *j, FILE *to, struct error *err)
{
    if (j->end_how == NULL)
        return true;
    json_t *o = json_pack("{s:s, s:s}", "kind", "end", "how", j->end_how);
    if (o != NULL)
        json_object_set_new(o, "at", integer(j->end_ns));
    if (o != NULL && j->end != NULL)
        json_object_set(o, "json", j->end);
    return print_line(o, to, err);
}

static bool keeps(const struct ndjson_pick *pick, const struct record_type *type,
                  const uint8_t *row)
{
    return (pick->kinds & NDJSON_KIND(type->kind)) != 0 &&
           (pick->keeps == NULL || pick->keeps(pick->cookie, (enum record_kind)type->kind, row));
}

/* All that has a time and is picked; the caller frees. */
static struct line *lines_of(const struct journal *j, const struct ndjson_pick *pick,
                             size_t *ret_count)
{
    size_t kinds, count, total = 2 * j->phase_count + j->event_count, n = 0;
    const struct record_type *types = record_types(&kinds);
    for (size_t i = 0; i < kinds; i++) {
        rows_of(j, types[i].kind, &count);
        total += count;
    }
    struct line *lines = check_alloc((total + 1) * sizeof(*lines));
    for (size_t i = 0; i < j->phase_count && pick->phases; i++) {
        lines[n++] = (struct line){.t_ns = j->phases[i].t0_ns, .at = i, .kind = LINE_PHASE};
        if (j->phases[i].why != NULL)
            lines[n++] = (struct line){.t_ns = j->phases[i].t1_ns, .at = i, .kind = LINE_PHASE_END};
    }
    for (size_t i = 0; i < j->event_count && pick->events; i++)
        lines[n++] = (struct line){.t_ns = j->events[i].t_ns, .at = i, .kind = LINE_EVENT};
    for (size_t i = 0; i < kinds; i++) {
        const uint8_t *row = rows_of(j, types[i].kind, &count);
        for (size_t k = 0; k < count; k++, row += rows_bytes(&types[i]))
            if (keeps(pick, &types[i], row))
                lines[n++] = (struct line){.t_ns = record_get(&types[i].fields[0], row),
                                           .at = k,
                                           .kind = LINE_RECORD,
                                           .type = &types[i]};
    }
    qsort(lines, n, sizeof(*lines), compare_lines);
    *ret_count = n;
    return lines;
}

bool journal_print_picked(const struct journal *j, const struct ndjson_pick *pick, FILE *to,
                          struct error *err)
{
    size_t count;
    bool ok = print_procs(j, to, err);
    struct line *lines = lines_of(j, pick, &count);
    for (size_t i = 0; i < count && ok; i++) {
        const struct line *l = &lines[i];
        json_t *o = l->kind == LINE_RECORD ? record_line(j, l)
                    : l->kind == LINE_EVENT
                        ? event_line(&j->events[l->at])
                        : phase_line(&j->phases[l->at], l->kind == LINE_PHASE_END);
        ok = print_line(o, to, err);
    }
    free(lines);
    return ok;
}

bool journal_print_ndjson(const struct journal *j, FILE *to, struct error *err)
{
    static const struct ndjson_pick all = {.kinds = UINT64_MAX, .phases = true, .events = true};
    return print_document("run", j->run, to, err) && print_document("plan", j->plan, to, err) &&
           print_document("policy", j->policy, to, err) && journal_print_picked(j, &all, to, err) &&
           print_tail(j, to, err);
}
