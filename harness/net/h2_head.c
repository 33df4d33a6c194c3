#include "net/h2_head.h"

#include <stdlib.h>

#define FIELDS_AT_FIRST 32
#define FIELD_OVERHEAD_BYTES 32 /* RFC 9113 6.5.2 */
#define KEEP_CAPACITY 8192

void h2_block_init(struct h2_block *b)
{
    *b = (struct h2_block){0};
    buffer_init(&b->text, H2_HEAD_MOST_BYTES);
}

void h2_block_release(struct h2_block *b)
{
    buffer_release(&b->text);
    free(b->field);
    free(b->flags);
    h2_block_init(b);
}

static void grow(struct h2_block *b)
{
    b->capacity = b->capacity == 0 ? FIELDS_AT_FIRST : b->capacity * 2;
    b->field = check_realloc(b->field, b->capacity * sizeof(*b->field));
    b->flags = check_realloc(b->flags, b->capacity);
}

void h2_block_begin(struct h2_block *b)
{
    if (b->text.capacity > KEEP_CAPACITY)
        h2_block_release(b);
    if (b->capacity == 0) {
        grow(b);
        INVARIANT(buffer_room(&b->text, 1) != NULL);
    }
    b->text.len = b->count = b->list_bytes = 0;
    b->too_large = false;
}

void h2_block_add(struct h2_block *b, struct bytes name, struct bytes value, uint8_t flags)
{
    b->list_bytes += name.len + value.len + FIELD_OVERHEAD_BYTES;
    if (b->list_bytes > H2_HEAD_MOST_BYTES) {
        b->too_large = true;
        return;
    }
    if (b->count == b->capacity)
        grow(b);
    INVARIANT(buffer_add(&b->text, name.at, name.len, NULL) &&
              buffer_add(&b->text, value.at, value.len, NULL));
    b->field[b->count] = (struct field){{NULL, name.len}, {NULL, value.len}};
    b->flags[b->count++] = flags;
}

static struct bytes keep(struct bytes text, struct arena *arena)
{
    return (struct bytes){(const uint8_t *)arena_strndup(arena, (const char *)text.at, text.len),
                          text.len};
}

static bool is_named(struct bytes name, const char *wanted)
{
    return bytes_equal(name, bytes_of(wanted));
}

/* Fills in the pseudo-fields; what stands in ${all} stays there. */
static struct h2_head head_of(struct fields all, const uint8_t *flags)
{
    struct h2_head head = {.all = all, .flags = flags};
    size_t i = 0;
    for (; i < all.count && all.at[i].name.len > 0 && all.at[i].name.at[0] == ':'; i++) {
        const struct field *f = &all.at[i];
        uint64_t status = 0;
        if (is_named(f->name, ":method"))
            head.method = f->value;
        else if (is_named(f->name, ":path"))
            head.path = f->value;
        else if (is_named(f->name, ":authority"))
            head.authority = f->value;
        else if (is_named(f->name, ":scheme"))
            head.scheme = f->value;
        else if (is_named(f->name, ":protocol"))
            head.protocol = f->value;
        else if (is_named(f->name, ":status") && bytes_to_u64(f->value, &status) && status < 1000)
            head.status = (uint16_t)status;
    }
    head.fields = (struct fields){all.at + i, all.count - i};
    if (head.authority.at == NULL)
        head.authority = fields_find(head.fields, "host");
    return head;
}

struct h2_head h2_block_head(struct h2_block *b)
{
    const uint8_t *at = b->text.at;
    for (size_t i = 0; i < b->count; i++) {
        b->field[i].name.at = at;
        b->field[i].value.at = at + b->field[i].name.len;
        at += b->field[i].name.len + b->field[i].value.len;
    }
    return head_of((struct fields){b->field, b->count}, b->flags);
}

struct h2_head *h2_head_copy(const struct h2_head *head, struct arena *arena)
{
    struct field *field = ARENA_ARRAY(arena, struct field, head->all.count + 1);
    uint8_t *flags = ARENA_ARRAY(arena, uint8_t, head->all.count + 1);
    struct h2_head *copy = arena_take(arena, sizeof(*copy));
    for (size_t i = 0; i < head->all.count; i++) {
        field[i] =
            (struct field){keep(head->all.at[i].name, arena), keep(head->all.at[i].value, arena)};
        flags[i] = head->flags != NULL ? head->flags[i] : 0;
    }
    *copy = head_of((struct fields){field, head->all.count}, flags);
    return copy;
}

/* Names are lower case on HTTP/2 (RFC 9113 8.2.1), as whoever wrote an edit need not know. */
static struct bytes lower(struct bytes name, struct arena *arena)
{
    uint8_t *to = arena_take(arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        to[i] = name.at[i] >= 'A' && name.at[i] <= 'Z' ? (uint8_t)(name.at[i] | 0x20) : name.at[i];
    return (struct bytes){to, name.len};
}

static struct bytes number(uint64_t value, struct arena *arena)
{
    return bytes_of(arena_printf(arena, "%llu", (unsigned long long)value));
}

struct h2_head h2_head_edited(const struct h2_head *head, const struct head_edits *edits,
                              uint64_t length, struct arena *arena)
{
    if (edits == NULL)
        return *head;
    size_t pseudo = head->all.count - head->fields.count, count = 0;
    struct fields fields = head_edited(head->fields, edits, arena);
    uint16_t status = head_edited_status(head->status, edits);
    struct field *to = ARENA_ARRAY(arena, struct field, pseudo + fields.count + 1);
    for (size_t i = 0; i < pseudo; i++) {
        to[count] = head->all.at[i];
        if (status != head->status && is_named(to[count].name, ":status"))
            to[count].value = number(status, arena);
        count++;
    }
    for (size_t i = 0; i < fields.count; i++) {
        struct field field = {lower(fields.at[i].name, arena), fields.at[i].value};
        if (length == UINT64_MAX || !is_named(field.name, "content-length"))
            to[count++] = field;
    }
    if (length != UINT64_MAX)
        to[count++] = (struct field){BYTES("content-length"), number(length, arena)};
    return head_of((struct fields){to, count}, NULL);
}

nghttp2_nv *h2_head_spell(struct fields fields, const uint8_t *flags)
{
    nghttp2_nv *nv = check_alloc(sizeof(*nv) * (fields.count + 1));
    for (size_t i = 0; i < fields.count; i++) {
        const struct field *f = &fields.at[i];
        nv[i] = (nghttp2_nv){.namelen = f->name.len,
                             .valuelen = f->value.len,
                             .flags = flags != NULL ? flags[i] : NGHTTP2_NV_FLAG_NONE};
        memcpy(&nv[i].name, &f->name.at, sizeof(f->name.at)); /* nghttp2 has no const; it copies */
        memcpy(&nv[i].value, &f->value.at, sizeof(f->value.at));
    }
    return nv;
}
