#include "journal/btree.h"

#include <math.h>
#include <stdlib.h>

#define HEADER_BYTES 100 /* of the file, before the b-tree header of page 1 */
#define DEPTH_MOST 12    /* a tree of journal rows has three or four levels */
#define WINDOW_PAGES 16
#define BEHIND 8 /* bytes after a record that may be read */
#define LEAF_TABLE 13
#define INTERIOR_TABLE 5

struct btree {
    sqlite3_file *file;
    size_t page_bytes, usable; /* usable: without what other programs reserved */
    uint32_t page_count;
    uint32_t window_at, window_count; /* pages that the window holds */
    uint8_t *window;
    uint8_t *inner[DEPTH_MOST]; /* pages on the way to the leaf */
};

/* One scan. */
struct scan {
    struct btree *b;
    int64_t from, to, last;
    bool any;       /* ${last} is a row's */
    uint32_t pages; /* that it may still visit: those of a ring end here */
    btree_on_row *on_row;
    void *cookie;
};

static uint32_t two(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t four(const uint8_t *p)
{
    return two(p) << 16 | two(p + 2);
}

static bool read_file(struct btree *b, void *to, size_t len, uint64_t offset)
{
    return b->file->pMethods->xRead(b->file, to, (int)len, (sqlite3_int64)offset) == SQLITE_OK;
}

/* Both version bytes are 1 where the last writer left no WAL: what is in the file is all. */
static bool read_header(struct btree *b)
{
    uint8_t h[HEADER_BYTES];
    sqlite3_int64 bytes = 0;
    if (b->file->pMethods == NULL || !read_file(b, h, sizeof(h), 0) || h[18] != 1 || h[19] != 1 ||
        b->file->pMethods->xFileSize(b->file, &bytes) != SQLITE_OK)
        return false;
    b->page_bytes = two(h + 16) == 1 ? 65536 : two(h + 16);
    if (b->page_bytes < 512 || (b->page_bytes & (b->page_bytes - 1)) != 0)
        return false;
    b->usable = b->page_bytes - h[20];
    uint64_t pages = (uint64_t)bytes / b->page_bytes;
    b->page_count = pages > UINT32_MAX ? UINT32_MAX : (uint32_t)pages;
    return b->usable >= 480;
}

struct btree *btree_new(sqlite3 *db)
{
    struct btree *b = check_alloc_zero(1, sizeof(*b));
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &b->file) != SQLITE_OK ||
        b->file == NULL || !read_header(b)) {
        btree_free(b);
        return NULL;
    }
    b->window = check_alloc_zero(1, WINDOW_PAGES * b->page_bytes + BEHIND);
    return b;
}

void btree_free(struct btree *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < DEPTH_MOST; i++)
        free(b->inner[i]);
    free(b->window);
    free(b);
}

/* Good until the next page is asked for; NULL: it cannot be read. */
static const uint8_t *page_at(struct scan *s, uint32_t number)
{
    struct btree *b = s->b;
    if (number == 0 || number > b->page_count || s->pages == 0)
        return NULL;
    s->pages--;
    if (number < b->window_at || number - b->window_at >= b->window_count) {
        uint32_t left = b->page_count - (number - 1);
        b->window_at = number;
        b->window_count = left < WINDOW_PAGES ? left : WINDOW_PAGES;
        if (!read_file(b, b->window, b->window_count * b->page_bytes,
                       (uint64_t)(number - 1) * b->page_bytes)) {
            b->window_count = 0;
            return NULL;
        }
    }
    return b->window + (number - b->window_at) * b->page_bytes;
}

/* SQLite's variable-length number: seven bits a byte, nine bytes at most. NULL: it does not end
 * before ${end}. */
static const uint8_t *varint(const uint8_t *at, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8 && at < end; i++) {
        value = value << 7 | (*at & 0x7f);
        if ((*at++ & 0x80) == 0) {
            *ret = value;
            return at;
        }
    }
    if (at >= end)
        return NULL;
    *ret = value << 8 | *at;
    return at + 1;
}

static bool leaf_cell(struct scan *s, const uint8_t *at, const uint8_t *end)
{
    uint64_t bytes, key;
    at = varint(at, end, &bytes);
    at = at == NULL ? NULL : varint(at, end, &key);
    /* more than this, and SQLite puts the rest on other pages */
    if (at == NULL || bytes > s->b->usable - 35 || bytes > (size_t)(end - at))
        return false;
    int64_t rowid = (int64_t)key;
    if (s->any && rowid <= s->last)
        return false;
    s->any = true;
    s->last = rowid;
    return rowid < s->from || rowid > s->to ||
           s->on_row(s->cookie, rowid, (struct bytes){at, (size_t)bytes});
}

static bool scan_page(struct scan *s, uint32_t number, unsigned depth);

static bool scan_inner(struct scan *s, const uint8_t *page, size_t header, size_t cells,
                       unsigned depth)
{
    const uint8_t *list = page + header + 12, *end = page + s->b->usable;
    for (size_t i = 0; i < cells; i++) {
        uint64_t key;
        const uint8_t *at = page + two(list + 2 * i);
        if (at < list || at + 4 >= end || varint(at + 4, end, &key) == NULL)
            return false;
        if ((int64_t)key < s->from)
            continue;
        if (!scan_page(s, four(at), depth + 1))
            return false;
        if ((int64_t)key >= s->to)
            return true;
    }
    return scan_page(s, four(page + header + 8), depth + 1);
}

static bool scan_page(struct scan *s, uint32_t number, unsigned depth)
{
    struct btree *b = s->b;
    size_t header = number == 1 ? HEADER_BYTES : 0;
    const uint8_t *page = depth < DEPTH_MOST ? page_at(s, number) : NULL;
    if (page == NULL)
        return false;
    uint8_t type = page[header];
    size_t cells = two(page + header + 3), head = header + (type == LEAF_TABLE ? 8 : 12);
    if ((type != LEAF_TABLE && type != INTERIOR_TABLE) || head + 2 * cells > b->usable)
        return false;
    if (type == INTERIOR_TABLE) {
        if (b->inner[depth] == NULL)
            b->inner[depth] = check_alloc(b->page_bytes);
        memcpy(b->inner[depth], page, b->page_bytes);
        return scan_inner(s, b->inner[depth], header, cells, depth);
    }
    for (size_t i = 0; i < cells; i++) {
        size_t at = two(page + head + 2 * i);
        if (at < head || at >= b->usable || !leaf_cell(s, page + at, page + b->usable))
            return false;
    }
    return true;
}

enum btree_end btree_scan(struct btree *b, uint32_t root, int64_t from, int64_t to,
                          btree_on_row *on_row, void *cookie)
{
    struct scan s = {
        .b = b, .from = from, .to = to, .pages = b->page_count, .on_row = on_row, .cookie = cookie};
    return scan_page(&s, root, 0) ? BTREE_DONE : BTREE_ODD;
}

/* The bytes of a value by its serial type; 8 and 9 are the numbers 0 and 1 themselves. */
static const uint8_t value_bytes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
static const uint8_t value_shift[] = {0, 56, 48, 40, 32, 16, 0, 0, 0, 0};
enum { TYPE_NULL = 0, TYPE_REAL = 7, TYPE_ZERO = 8, TYPE_ONE = 9 };

static void put_real(uint8_t *to, uint8_t type, uint64_t bits)
{
    double real = type == TYPE_NULL ? (double)NAN : (double)(int64_t)bits;
    if (type == TYPE_REAL)
        memcpy(&real, &bits, sizeof(real));
    memcpy(to, &real, sizeof(real));
}

/* A copy whose length is known beforehand is one instruction, and there are forty a row. */
static bool put(const struct btree_column *c, uint8_t type, uint64_t value, uint8_t *row)
{
    uint8_t *to = row + c->offset;
    uint32_t thirty_two = (uint32_t)value;
    uint16_t sixteen = (uint16_t)value;
    if (c->real) {
        put_real(to, type, value);
        return true;
    }
    if (type == TYPE_NULL)
        return true;
    switch (c->width) {
    case 0:
        return true;
    case 1:
        *to = (uint8_t)value;
        return value == *to && type != TYPE_REAL;
    case 2:
        memcpy(to, &sixteen, 2);
        return value == sixteen && type != TYPE_REAL;
    case 4:
        memcpy(to, &thirty_two, 4);
        return value == thirty_two && type != TYPE_REAL;
    default:
        memcpy(to, &value, 8);
        return type != TYPE_REAL;
    }
}

bool btree_take(struct bytes record, const struct btree_column *columns, size_t count, size_t first,
                uint8_t *row)
{
    /* A head of 128 bytes or more would have its length in two. */
    size_t head = record.len == 0 ? 0 : record.at[0];
    if (head != count + 1 || head > record.len || head >= 0x80)
        return false;
    const uint8_t *types = record.at + 1, *at = record.at + head, *end = record.at + record.len;
    for (size_t i = 0; i < first; i++) {
        uint8_t type = types[i];
        uint64_t word = 1;
        if (type == TYPE_ZERO) /* most are; the row is zero as it is */
            continue;
        if (type >= COUNT_OF(value_bytes) || value_bytes[type] > end - at)
            return false;
        if (value_bytes[type] > 0) {
            memcpy(&word, at, sizeof(word)); /* big-endian, with bytes of what follows */
            at += value_bytes[type];
            word = (uint64_t)((int64_t)__builtin_bswap64(word) >> value_shift[type]);
        }
        if (!put(&columns[i], type, word, row))
            return false;
    }
    return true;
}
