#include "journal/align.h"

#include "journal/rows.h"

#include <stdlib.h>

/* Times of another clock on the conductor's: kubernetes.md section 7, "across hosts ... declared
 * offset bounds". */

/* An offset beyond this was never measured (an agent says half the range when it does not know). */
#define OFFSET_MOST (INT64_MAX / 4)

struct offset {
    uint64_t at_ns; /* of its process */
    int64_t ahead;  /* its clock less the conductor's: the middle of the bounds */
};
struct clock {
    uint32_t proc;
    struct offset *offsets; /* by time */
    size_t count;
};
struct clocks {
    struct clock *at;
    size_t count;
};

static const struct clock_record *conductors(const struct journal *j)
{
    for (size_t i = 0; i < j->clock_count; i++) {
        const struct journal_proc *p = journal_proc_of(j, j->clocks[i].proc);
        if (p != NULL && strcmp(p->role, "conductor") == 0)
            return &j->clocks[i].r;
    }
    return NULL;
}

static bool is_measured(const struct clock_record *c)
{
    return c->offset_lo > -OFFSET_MOST && c->offset_hi < OFFSET_MOST &&
           c->offset_lo <= c->offset_hi;
}

static struct clock *clock_of(struct clocks *all, uint32_t proc)
{
    if (all->count > 0 && all->at[all->count - 1].proc == proc) /* rows are by process */
        return &all->at[all->count - 1];
    all->at = rows_grow(all->at, all->count, sizeof(*all->at));
    all->at[all->count] = (struct clock){.proc = proc};
    return &all->at[all->count++];
}

static int compare_offsets(const void *a, const void *b)
{
    const struct offset *x = a, *y = b;
    return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

static void collect(const struct journal *j, struct clocks *all)
{
    const struct clock_record *ours = conductors(j);
    for (size_t i = 0; ours != NULL && i < j->clock_count; i++) {
        const struct clock_record *c = &j->clocks[i].r;
        bool same = c->boot_id == ours->boot_id && c->time_ns_inode == ours->time_ns_inode;
        if (same || !is_measured(c))
            continue;
        struct clock *to = clock_of(all, j->clocks[i].proc);
        to->offsets = rows_grow(to->offsets, to->count, sizeof(*to->offsets));
        to->offsets[to->count++] =
            (struct offset){c->at, c->offset_lo + (c->offset_hi - c->offset_lo) / 2};
    }
    for (size_t i = 0; i < all->count; i++)
        qsort(all->at[i].offsets, all->at[i].count, sizeof(struct offset), compare_offsets);
}

/* The offset that was measured nearest to that time: clocks drift. */
static int64_t ahead_at(const struct clock *c, uint64_t at_ns)
{
    size_t from = 0, to = c->count;
    while (to - from > 1) {
        size_t mid = from + (to - from) / 2;
        *(c->offsets[mid].at_ns <= at_ns ? &from : &to) = mid;
    }
    if (from + 1 < c->count && c->offsets[from].at_ns < at_ns &&
        c->offsets[from + 1].at_ns - at_ns < at_ns - c->offsets[from].at_ns)
        from++;
    return c->offsets[from].ahead;
}

static const struct clock *find(const struct clocks *all, uint32_t proc)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->at[i].proc == proc)
            return &all->at[i];
    return NULL;
}

static void align_row(const struct clock *c, const struct record_type *type, uint8_t *row)
{
    for (size_t k = 0; k < type->count; k++) {
        const struct record_field *f = &type->fields[k];
        if (f->kind != FIELD_TIME)
            continue;
        uint64_t at_ns = record_get(f, row);
        at_ns -= (uint64_t)ahead_at(c, at_ns);
        memcpy(row + f->offset, &at_ns, sizeof(at_ns));
    }
}

static void align_rows(struct journal *j, const struct clocks *all, const struct record_type *type)
{
    size_t count, bytes = rows_bytes(type);
    uint8_t *row = rows_of(j, type->kind, &count);
    const struct clock *c = NULL;
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++, row += bytes) {
        uint32_t proc, seq;
        rows_origin(type, row, &proc, &seq);
        if (i == 0 || proc != last)
            c = find(all, proc);
        last = proc;
        if (c != NULL)
            align_row(c, type, row);
    }
}

struct clocks *clocks_new(const struct journal *j)
{
    struct clocks *all = check_alloc_zero(1, sizeof(*all));
    collect(j, all);
    return all;
}

void clocks_free(struct clocks *all)
{
    if (all == NULL)
        return;
    for (size_t i = 0; i < all->count; i++)
        free(all->at[i].offsets);
    free(all->at);
    free(all);
}

uint64_t clocks_most_ns(const struct clocks *all)
{
    uint64_t most = 0;
    for (size_t i = 0; i < all->count; i++)
        for (size_t k = 0; k < all->at[i].count; k++) {
            int64_t ahead = all->at[i].offsets[k].ahead;
            uint64_t far = (uint64_t)(ahead < 0 ? -ahead : ahead);
            most = far > most ? far : most;
        }
    return most;
}

void clocks_align(const struct clocks *all, uint32_t proc, const struct record_type *type,
                  uint8_t *row)
{
    const struct clock *c = find(all, proc);
    if (c != NULL)
        align_row(c, type, row);
}

void clocks_align_all(const struct clocks *all, struct journal *j)
{
    size_t kinds;
    const struct record_type *types = record_types(&kinds);
    for (size_t i = 0; all->count > 0 && i < kinds; i++)
        align_rows(j, all, &types[i]);
}
