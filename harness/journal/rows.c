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

#define ROW_MOST_BYTES 512

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

/* A process of the rows, while they are sorted. */
struct lane {
    uint32_t proc, last_seq;
    size_t count, next;
};
#define LANES_MOST 64

static int compare_lanes(const void *a, const void *b)
{
    const struct lane *x = a, *y = b;
    return x->proc < y->proc ? -1 : x->proc > y->proc;
}

static struct lane *lane_of(struct lane *lanes, size_t *count, uint32_t proc)
{
    size_t i = 0;
    while (i < *count && lanes[i].proc != proc)
        i++;
    if (i == *count && i < LANES_MOST)
        lanes[(*count)++] = (struct lane){.proc = proc};
    return i == LANES_MOST ? NULL : &lanes[i];
}

/* Rows came in as they were sent: those of one process are in order, and only the processes take
 * turns. Writes where each row goes; false: it is not so. */
static bool order_of_lanes(const struct record_type *type, const uint8_t *rows, size_t count,
                           uint32_t *to)
{
    struct lane lanes[LANES_MOST], *lane;
    size_t lane_count = 0, bytes = rows_bytes(type), next = 0;
    uint32_t proc, seq;
    for (size_t i = 0; i < count; i++) {
        rows_origin(type, rows + i * bytes, &proc, &seq);
        lane = lane_of(lanes, &lane_count, proc);
        if (lane == NULL || seq < lane->last_seq)
            return false;
        lane->last_seq = seq;
        lane->count++;
    }
    qsort(lanes, lane_count, sizeof(lanes[0]), compare_lanes);
    for (size_t i = 0; i < lane_count; i++) {
        lanes[i].next = next;
        next += lanes[i].count;
    }
    for (size_t i = 0; i < count; i++) {
        rows_origin(type, rows + i * bytes, &proc, &seq);
        to[i] = (uint32_t)lane_of(lanes, &lane_count, proc)->next++;
    }
    return true;
}

static void order_of_all(const struct record_type *type, const uint8_t *rows, size_t count,
                         uint32_t *to)
{
    struct place *places = check_alloc(count * sizeof(*places));
    for (size_t i = 0; i < count; i++)
        places[i] = (struct place){place_of(type, rows + i * rows_bytes(type)), i};
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 0; i < count; i++)
        to[places[i].at] = (uint32_t)i;
    free(places);
}

/* In place: a copy of all rows would be the most memory that a judgement takes. */
void rows_sort(struct journal *j, const struct record_type *type)
{
    uint8_t held[ROW_MOST_BYTES];
    size_t count, bytes = rows_bytes(type);
    uint8_t *rows = rows_of(j, type->kind, &count);
    if (is_sorted(type, rows, count))
        return;
    INVARIANT(count < UINT32_MAX && bytes <= sizeof(held));
    uint32_t *to = check_alloc(count * sizeof(*to));
    if (!order_of_lanes(type, rows, count, to))
        order_of_all(type, rows, count, to);
    for (size_t i = 0; i < count; i++)
        while (to[i] != i) {
            size_t k = to[i];
            memcpy(held, rows + k * bytes, bytes);
            memcpy(rows + k * bytes, rows + i * bytes, bytes);
            memcpy(rows + i * bytes, held, bytes);
            to[i] = to[k];
            to[k] = (uint32_t)k;
        }
    free(to);
}
