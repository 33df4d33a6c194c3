/* A journal of which the wide rows are read slice by slice: where they are is noted when all is
 * read for the first time. */
#include "journal/reader_inside.h"

#include <stdlib.h>

#define BLOCK_ROWS 1024
/* Beside what lasted longest: nothing of a slice lies further from it. */
#define BESIDE_NS UINT64_C(1000000000)

static const uint8_t wide[READER_WIDE] = {RECORD_ATTEMPT, RECORD_REQUEST, RECORD_CONNECTION,
                                          RECORD_HOP};

size_t reader_wide(uint8_t kind)
{
    size_t i = 0;
    while (i < READER_WIDE && wide[i] != kind)
        i++;
    return i;
}

bool reader_is_wide(uint8_t kind)
{
    return reader_wide(kind) != READER_WIDE;
}

bool reader_has_slices(const struct journal *j)
{
    for (size_t i = 1; i < j->phase_count; i++)
        if (j->phases[i].scenario != j->phases[0].scenario ||
            strcmp(j->phases[i].arm, j->phases[0].arm) != 0)
            return true;
    return false;
}

bool reader_let_go(const struct reader *r)
{
    return r->let_go;
}

uint64_t reader_left(const struct reader *r)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < READER_WIDE; i++)
        for (size_t k = 0; k < r->blocks[i].count; k++)
            rows += r->blocks[i].at[k].count;
    return rows;
}

void reader_drop_wide(struct reader *r)
{
    for (size_t i = 0; i < READER_WIDE; i++) {
        size_t count;
        uint8_t *rows = rows_of(r->j, wide[i], &count);
        free(rows);
        rows_set(r->j, wide[i], NULL, 0);
    }
    free(r->rows);
    r->rows = NULL;
    r->count = 0;
    r->let_go = true;
}

/* How long after its own time a row still tells of something. */
static uint64_t lasts_ns(const struct reader *r)
{
    struct attempt_record a;
    struct request_record q;
    uint64_t most = 0;
    if (r->type->kind == RECORD_ATTEMPT) {
        memcpy(&a, r->row, sizeof(a));
        most = a.out > a.done ? a.out : a.done;
        most = a.left > most ? a.left : most;
    } else if (r->type->kind == RECORD_REQUEST) {
        memcpy(&q, r->row, sizeof(q));
        most = q.start > q.done ? q.start : q.done;
    }
    return most;
}

static uint64_t own_ns(const struct reader *r)
{
    uint64_t at_ns;
    memcpy(&at_ns, r->row + r->type->fields[0].offset, sizeof(at_ns));
    return at_ns;
}

void reader_place(struct reader *r, size_t kind, int64_t rowid)
{
    struct reader_blocks *b = &r->blocks[kind];
    uint64_t at_ns = own_ns(r), lasts = lasts_ns(r);
    r->longest_ns = lasts > r->longest_ns ? lasts : r->longest_ns;
    if (b->count == 0 || b->at[b->count - 1].count == BLOCK_ROWS) {
        b->at = rows_grow(b->at, b->count, sizeof(*b->at));
        b->at[b->count++] = (struct reader_block){.first = rowid, .from_ns = at_ns, .to_ns = at_ns};
    }
    struct reader_block *last = &b->at[b->count - 1];
    last->last = rowid;
    last->from_ns = at_ns < last->from_ns ? at_ns : last->from_ns;
    last->to_ns = at_ns > last->to_ns ? at_ns : last->to_ns;
    last->count++;
}

static uint64_t before(uint64_t t_ns, uint64_t by_ns)
{
    return t_ns > by_ns ? t_ns - by_ns : 0;
}

static uint64_t after(uint64_t t_ns, uint64_t by_ns)
{
    return t_ns > UINT64_MAX - by_ns ? UINT64_MAX : t_ns + by_ns;
}

bool reader_is_in_time(struct reader *r, uint32_t proc)
{
    clocks_align(r->clocks, proc, r->type, r->row);
    uint64_t at_ns = own_ns(r);
    return at_ns >= r->slice->from_ns && at_ns <= r->slice->to_ns;
}

static void choose_procs(struct reader *r, const char *arm)
{
    for (size_t i = 0; i < r->proc_count; i++) {
        const struct journal_proc *p = journal_proc_of(r->j, r->procs[i].proc);
        r->procs[i].wanted = arm == NULL || (p != NULL && strcmp(p->arm, arm) == 0);
    }
}

/* The blocks from ${i} on that may hold rows of the slice, up to one that may not. */
static bool load_run(struct reader *r, const struct record_type *type,
                     const struct reader_blocks *b, size_t *i)
{
    uint64_t skew_ns = clocks_most_ns(r->clocks), from_ns = before(r->slice->from_ns, skew_ns),
             to_ns = after(r->slice->to_ns, skew_ns), rows = 0;
    size_t first = *i, end = first;
    for (; end < b->count && b->at[end].to_ns >= from_ns && b->at[end].from_ns <= to_ns; end++)
        rows += b->at[end].count;
    *i = end + 1;
    if (end == first)
        return true;
    r->seen = 0;
    reader_read_range(r, type, b->at[first].first, b->at[end - 1].last);
    if (r->err->kind != ERROR_NONE)
        return false;
    return (!r->odd && r->seen == rows) ||
           error_set(r->err, ERROR_INPUT, "is damaged: table \"%s\" is no more what it was",
                     type->name);
}

static bool load_kind(struct reader *r, size_t kind)
{
    const struct record_type *type = record_type_of(wide[kind]);
    size_t count;
    bool good = true;
    free(rows_of(r->j, type->kind, &count));
    rows_set(r->j, type->kind, NULL, 0);
    r->rows = NULL;
    r->count = 0;
    for (size_t i = 0; i < r->blocks[kind].count && good;)
        good = load_run(r, type, &r->blocks[kind], &i);
    rows_set(r->j, type->kind, r->rows, r->count);
    rows_sort(r->j, type);
    return good;
}

bool reader_load(struct reader *r, const struct journal_slice *slice, struct error *err)
{
    uint64_t beside_ns = after(r->longest_ns, BESIDE_NS);
    struct journal_slice wider = {.arm = slice->arm,
                                  .from_ns = before(slice->from_ns, beside_ns),
                                  .to_ns = after(slice->to_ns, beside_ns)};
    bool good = true;
    r->err = err;
    r->room = r->file_bytes;
    r->row_count = 0;
    r->slice = &wider;
    choose_procs(r, slice->arm);
    for (size_t i = 0; i < READER_WIDE && good; i++)
        good = load_kind(r, i);
    r->slice = NULL;
    return good;
}
