#include "journal/recorder.h"

#include "base/clock.h"
#include "base/map.h"
#include "journal/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RING_BYTES ((size_t)16 * 1024 * 1024)
#define RING_LEAST_BYTES ((size_t)4096)
#define FLUSH_BYTES ((size_t)32 * 1024)
#define RESERVE_BYTES ((size_t)64 * 1024)
/* Name frames that wait for room; beyond it a new name is 0 and counted. */
#define OWED_MOST_BYTES ((size_t)4 * 1024 * 1024)

/* Records of one kind that were dropped since the last `lost` record of that kind. */
struct loss {
    uint64_t from_ns, to_ns, first_seq, last_seq, count;
};

struct recorder {
    int fd;
    bool blocked; /* the socket took less than it was given: wait for recorder_flush */
    bool gone;    /* the peer is */
    bool losing;  /* records are dropped until there is real room: one gap and not a sieve */
    uint8_t *ring;
    size_t size,
        reserve; /* reserve: the end of the ring that only control frames and `lost` may use */
    uint64_t head, tail; /* bytes ever put in, ever taken out */
    uint64_t kept; /* the ring has the bytes from here on: what is not acknowledged, or tail */
    bool keeps, parked;
    ssize_t (*send)(void *cookie, const void *from, size_t size); /* NULL: ${fd} */
    void *send_cookie;
    uint64_t seq;
    uint64_t counts[RECORD_KINDS];
    struct loss losses[RECORD_KINDS];
    struct map names;
    struct buffer owed;
};

struct recorder *recorder_new(int fd, size_t ring_bytes)
{
    struct recorder *r = check_alloc_zero(1, sizeof(*r));
    r->fd = fd;
    r->size = ring_bytes == 0 ? RING_BYTES : ring_bytes;
    r->size = r->size < RING_LEAST_BYTES ? RING_LEAST_BYTES : r->size;
    r->reserve = r->size / 8 < RESERVE_BYTES ? r->size / 8 : RESERVE_BYTES;
    r->ring = check_alloc(r->size);
    map_init(&r->names, NAMES_MOST);
    buffer_init(&r->owed, r->size / 2 < OWED_MOST_BYTES ? r->size / 2 : OWED_MOST_BYTES);
    return r;
}

void recorder_free(struct recorder *r)
{
    if (r == NULL)
        return;
    map_release(&r->names);
    buffer_release(&r->owed);
    free(r->ring);
    free(r);
}

static size_t used(const struct recorder *r)
{
    return (size_t)(r->head - r->kept);
}

static size_t unsent(const struct recorder *r)
{
    return (size_t)(r->head - r->tail);
}

static void sent(struct recorder *r, size_t len)
{
    r->tail += len;
    if (!r->keeps)
        r->kept = r->tail;
}

/* There is nobody to write to: taken out by recorder_take, or waiting for a connection. */
static bool is_mute(const struct recorder *r)
{
    return r->parked || (r->fd < 0 && r->send == NULL);
}

static void copy_in(struct recorder *r, const void *from, size_t len)
{
    size_t at = (size_t)(r->head % r->size);
    size_t n = r->size - at < len ? r->size - at : len;
    memcpy(r->ring + at, from, n);
    if (n < len)
        memcpy(r->ring, (const uint8_t *)from + n, len - n);
    r->head += len;
}

/* A whole frame, or nothing. */
static bool put(struct recorder *r, uint8_t kind, uint64_t seq, const void *body, size_t len,
                size_t reserve)
{
    if (used(r) + sizeof(struct frame) + len > r->size - reserve)
        return false;
    struct frame frame = {.len = (uint16_t)len,
                          .kind = kind,
                          .flags = used(r) > r->size / 2 ? FRAME_PRESSED : 0,
                          .seq = (uint32_t)seq};
    copy_in(r, &frame, sizeof(frame));
    copy_in(r, body, len);
    return true;
}

static void count_loss(struct recorder *r, uint8_t kind, uint64_t seq)
{
    struct loss *l = &r->losses[kind];
    l->to_ns = clock_now_ns();
    l->last_seq = seq;
    if (l->count++ == 0) {
        l->from_ns = l->to_ns;
        l->first_seq = seq;
    }
    r->losing = true;
}

/* Name frames that waited, all or none: a record must never come before the names it uses. */
static bool pay_names(struct recorder *r)
{
    if (r->owed.len == 0)
        return true;
    if (used(r) + r->owed.len > r->size - r->reserve)
        return false;
    copy_in(r, r->owed.at, r->owed.len);
    buffer_release(&r->owed);
    return true;
}

static void pay_losses(struct recorder *r)
{
    for (uint8_t kind = 0; kind < RECORD_KINDS; kind++) {
        struct loss *l = &r->losses[kind];
        struct lost_record lost = {.at = l->from_ns,
                                   .to = l->to_ns,
                                   .first_seq = l->first_seq,
                                   .last_seq = l->last_seq,
                                   .count = l->count,
                                   .kind = kind};
        if (l->count == 0)
            continue;
        if (!put(r, RECORD_LOST, r->seq + 1, &lost, sizeof(lost), 0))
            return;
        r->seq++;
        r->counts[RECORD_LOST]++;
        *l = (struct loss){0};
    }
    r->losing = false;
}

/* Room enough to leave the losing state: the names that wait, and an eighth of the ring. */
static void pay_when_roomy(struct recorder *r)
{
    if (r->losing && used(r) + r->owed.len + r->size / 8 <= r->size - r->reserve)
        pay_losses(r);
}

void recorder_emit(struct recorder *r, enum record_kind kind, const void *record)
{
    const struct record_type *type = record_type_of((uint8_t)kind);
    INVARIANT(type != NULL);
    pay_when_roomy(r);
    bool room = !r->losing && pay_names(r);
    uint64_t seq = ++r->seq;
    if (!room || !put(r, type->kind, seq, record, type->bytes, r->reserve)) {
        count_loss(r, type->kind, seq);
        return;
    }
    r->counts[kind]++;
    if (unsent(r) >= FLUSH_BYTES && !r->blocked && !r->gone && !is_mute(r))
        recorder_flush(r);
}

uint32_t recorder_name(struct recorder *r, struct bytes name)
{
    if (name.len == 0)
        return 0;
    name.len = name.len > NAME_MOST_BYTES ? NAME_MOST_BYTES : name.len;
    struct map_key key = {digest_bytes(1, name.at, name.len), digest_bytes(2, name.at, name.len)};
    uint64_t *known = map_find(&r->names, key);
    if (known != NULL)
        return (uint32_t)*known;
    uint32_t id = (uint32_t)r->names.count + 1;
    struct frame frame = {
        .len = (uint16_t)(sizeof(id) + name.len), .kind = RECORD_NAME, .seq = (uint32_t)r->seq};
    uint8_t *to =
        r->names.count >= NAMES_MOST ? NULL : buffer_room(&r->owed, sizeof(frame) + frame.len);
    if (to == NULL) {
        bool was = r->losing; /* a name without a number is told, but records go on */
        count_loss(r, RECORD_NAME, r->seq);
        r->losing = was;
        return 0;
    }
    memcpy(to, &frame, sizeof(frame));
    memcpy(to + sizeof(frame), &id, sizeof(id));
    memcpy(to + sizeof(frame) + sizeof(id), name.at, name.len);
    r->owed.len += sizeof(frame) + frame.len;
    *map_at(&r->names, key, NULL) = id;
    return id;
}

bool recorder_control(struct recorder *r, uint8_t kind, struct bytes json, struct error *err)
{
    struct buffer whole;
    pay_names(r);
    pay_losses(r);
    buffer_init(&whole, r->size);
    bool ok = frame_add_control(&whole, kind, json, err);
    if (ok && whole.len > r->size - used(r))
        ok = error_set(err, ERROR_LIMIT,
                       "a message of %zu bytes does not fit the journal queue of %zu", whole.len,
                       r->size);
    if (ok)
        copy_in(r, whole.at, whole.len);
    buffer_release(&whole);
    if (ok && !is_mute(r) && !recorder_flush(r))
        ok = error_set(err, ERROR_PEER, "the conductor has closed the journal connection");
    return ok;
}

static ssize_t write_some(struct recorder *r, const void *from, size_t len)
{
    if (r->send != NULL)
        return r->send(r->send_cookie, from, len);
    return send(r->fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool recorder_flush(struct recorder *r)
{
    if (r->gone || is_mute(r))
        return !r->gone;
    pay_when_roomy(r);
    if (!r->losing)
        pay_names(r);
    r->blocked = false;
    while (unsent(r) > 0) {
        size_t at = (size_t)(r->tail % r->size);
        size_t n = r->size - at < unsent(r) ? r->size - at : unsent(r);
        ssize_t took = write_some(r, r->ring + at, n);
        if (took < 0 && errno == EINTR)
            continue;
        if (took < 0) {
            r->blocked = errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS;
            r->gone = !r->blocked;
            return r->blocked;
        }
        sent(r, (size_t)took);
    }
    return true;
}

bool recorder_pending(const struct recorder *r)
{
    return unsent(r) > 0 && !r->gone;
}

void recorder_keep(struct recorder *r)
{
    INVARIANT(r->head == 0 && r->fd < 0);
    r->keeps = r->parked = true;
}

bool recorder_resume(struct recorder *r, uint64_t position,
                     ssize_t (*send_some)(void *cookie, const void *from, size_t size),
                     void *cookie)
{
    INVARIANT(r->keeps);
    if (position < r->kept || position > r->tail)
        return false;
    r->kept = r->tail = position;
    r->send = send_some;
    r->send_cookie = cookie;
    r->parked = r->gone = r->blocked = false;
    return true;
}

void recorder_park(struct recorder *r)
{
    r->parked = true;
    r->gone = r->blocked = false;
    r->send = NULL;
}

void recorder_acknowledge(struct recorder *r, uint64_t position)
{
    if (r->keeps && position > r->kept && position <= r->tail)
        r->kept = position;
}

bool recorder_is_empty(const struct recorder *r)
{
    return used(r) == 0;
}

uint64_t recorder_count(const struct recorder *r, enum record_kind kind)
{
    return r->counts[kind];
}

void recorder_take(struct recorder *r, struct buffer *to)
{
    pay_names(r);
    pay_when_roomy(r);
    while (unsent(r) > 0) {
        size_t at = (size_t)(r->tail % r->size);
        size_t n = r->size - at < unsent(r) ? r->size - at : unsent(r);
        if (!buffer_add(to, r->ring + at, n, NULL))
            return;
        sent(r, n);
    }
}
