#include "journal/rows.h"

#include <stdlib.h>

struct slot { /* by kind; zero: no record */
    size_t array, count;
};
static const struct slot slots[RECORD_KINDS] = {
#define RECORD(name, kind, help) \
    [kind] = {offsetof(struct journal, name##s), offsetof(struct journal, name##_count)},
#define FIELD(record, field, kind, type, help)
#define END(name)
#include "journal/records.def"
#undef RECORD
#undef FIELD
#undef END
};

/* proc and seq follow the record at once: generic code finds them at the record's size. */
#define RECORD(name, kind, help) \
    _Static_assert(offsetof(struct name##_row, proc) == sizeof(struct name##_record) && \
                       sizeof(struct name##_row) == sizeof(struct name##_record) + 8, \
                   "padding in the row of " #name);
#define FIELD(record, field, kind, type, help)
#define END(name)
#include "journal/records.def"
#undef RECORD
#undef FIELD
#undef END

#define ROOM_LEAST ((size_t)16)
#define ROOM_QUADRUPLES ((size_t)65536) /* up to here: small arrays are copied less often */

size_t rows_room(size_t count)
{
    size_t room = ROOM_LEAST;
    while (room < count)
        room *= room < ROOM_QUADRUPLES ? 4 : 2;
    return room;
}

void *rows_grow(void *at, size_t count, size_t bytes)
{
    if (count != 0 &&
        (count < ROOM_LEAST || (count & (count - 1)) != 0 || rows_room(count) != count))
        return at;
    return check_realloc(at, (count == 0 ? ROOM_LEAST : rows_room(count + 1)) * bytes);
}

uint64_t *rows_seq(struct journal *j, uint32_t proc)
{
    if (proc < ROWS_FEW_PROCS)
        return &j->index->few_seqs[proc];
    uint64_t *seq = map_at(&j->index->seqs, (struct map_key){1, proc}, NULL);
    INVARIANT(seq != NULL);
    return seq;
}

size_t rows_bytes(const struct record_type *type)
{
    return (size_t)type->bytes + 2 * sizeof(uint32_t);
}

static const struct slot *slot_of(uint8_t kind)
{
    INVARIANT(kind < COUNT_OF(slots) && slots[kind].count != 0);
    return &slots[kind];
}

uint8_t *rows_of(const struct journal *j, uint8_t kind, size_t *ret_count)
{
    const struct slot *s = slot_of(kind);
    uint8_t *at;
    /* by memcpy: the fields have other pointer types, and reading them as one would break aliasing
     */
    memcpy(&at, (const uint8_t *)j + s->array, sizeof(at));
    memcpy(ret_count, (const uint8_t *)j + s->count, sizeof(*ret_count));
    return at;
}

void rows_set(struct journal *j, uint8_t kind, void *at, size_t count)
{
    const struct slot *s = slot_of(kind);
    memcpy((uint8_t *)j + s->array, &at, sizeof(at));
    memcpy((uint8_t *)j + s->count, &count, sizeof(count));
}

void rows_origin(const struct record_type *type, const void *row, uint32_t *ret_proc,
                 uint32_t *ret_seq)
{
    memcpy(ret_proc, (const uint8_t *)row + type->bytes, sizeof(*ret_proc));
    memcpy(ret_seq, (const uint8_t *)row + type->bytes + sizeof(*ret_proc), sizeof(*ret_seq));
}

struct place {
    uint64_t key; /* process, seq */
    size_t at;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static uint64_t place_of(const struct record_type *type, const void *row)
{
    uint32_t proc, seq;
    rows_origin(type, row, &proc, &seq);
    return (uint64_t)proc << 32 | seq;
}

static bool is_sorted(const struct record_type *type, const uint8_t *rows, size_t count)
{
    size_t bytes = rows_bytes(type);
    for (size_t i = 1; i < count; i++)
        if (place_of(type, rows + i * bytes) < place_of(type, rows + (i - 1) * bytes))
            return false;
    return true;
}

void rows_sort(struct journal *j, const struct record_type *type)
{
    size_t count, bytes = rows_bytes(type);
    uint8_t *rows = rows_of(j, type->kind, &count);
    if (is_sorted(type, rows, count))
        return;
    struct place *places = check_alloc(count * sizeof(*places));
    for (size_t i = 0; i < count; i++)
        places[i] = (struct place){place_of(type, rows + i * bytes), i};
    uint8_t *to = check_alloc(rows_room(count) * bytes);
    j->index->rooms[type->kind] = 0;
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * bytes, rows + places[i].at * bytes, bytes);
    free(rows);
    rows_set(j, type->kind, to, count);
    free(places);
}
