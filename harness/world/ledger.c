#include "world/ledger.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* How long to wait for another writer. Who holds the lock for longer is stopped, and what it would
 * undo must be undone all the same. */
#define LOCK_TRIES 200
#define LOCK_TRY_MS 10

/* CRC-32C, bit by bit: a ledger has tens of frames. */
static uint32_t checksum(uint32_t crc, const uint8_t *at, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82f63b78U & (0U - (crc & 1U)));
    }
    return ~crc;
}

static void put(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

/* len u32, kind u32, entry u64, checksum of the body u32, checksum of these twenty bytes u32. */
static void put_head(uint8_t *to, enum ledger_kind kind, uint64_t entry, struct bytes body)
{
    put(to, body.len, 4);
    put(to + 4, kind, 4);
    put(to + 8, entry, 8);
    put(to + 16, checksum(0, body.at, body.len), 4);
    put(to + 20, checksum(0, to, 20), 4);
}

/* A power cut can leave room at the end that was never written. */
static bool only_zeros(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.at[i] != 0)
            return false;
    return true;
}

static enum ledger_end scan_frame(struct bytes rest, struct ledger_frame *ret, size_t *ret_len)
{
    if (rest.len < LEDGER_HEAD_BYTES || only_zeros(rest))
        return LEDGER_TORN;
    if (get(rest.at + 20, 4) != checksum(0, rest.at, 20))
        return LEDGER_DAMAGED;
    size_t len = (size_t)get(rest.at, 4);
    if (len > LEDGER_BODY_MOST)
        return LEDGER_DAMAGED;
    if (len > rest.len - LEDGER_HEAD_BYTES)
        return LEDGER_TORN;
    *ret_len = LEDGER_HEAD_BYTES + len;
    *ret = (struct ledger_frame){.kind = (enum ledger_kind)get(rest.at + 4, 4),
                                 .entry = get(rest.at + 8, 8),
                                 .body = {rest.at + LEDGER_HEAD_BYTES, len}};
    if (get(rest.at + 16, 4) == checksum(0, ret->body.at, len))
        return LEDGER_WHOLE;
    return *ret_len == rest.len ? LEDGER_TORN : LEDGER_DAMAGED;
}

enum ledger_end ledger_scan(struct bytes all,
                            void (*on_frame)(void *cookie, const struct ledger_frame *frame),
                            void *cookie, size_t *ret_good)
{
    *ret_good = 0;
    while (*ret_good < all.len) {
        struct ledger_frame frame;
        size_t len = 0;
        struct bytes rest = {all.at + *ret_good, all.len - *ret_good};
        enum ledger_end end = scan_frame(rest, &frame, &len);
        if (end != LEDGER_WHOLE)
            return end;
        on_frame(cookie, &frame);
        *ret_good += len;
    }
    return LEDGER_WHOLE;
}

static void lock(int fd)
{
    for (int i = 0; i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
        poll(NULL, 0, LOCK_TRY_MS);
}

static void unlock(int fd)
{
    flock(fd, LOCK_UN);
}

static bool sync_folder(const char *path, struct error *err)
{
    char *copy = check_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int sys = errno;
    if (fd >= 0)
        close(fd);
    free(copy);
    return ok || error_system(err, sys, "syncing the folder of %.100s", path);
}

bool ledger_make(const char *path, int *ret_fd, struct error *err)
{
    *ret_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (*ret_fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_SYSTEM, "%s is there already: meshproof recover", path);
    if (*ret_fd < 0)
        return error_system(err, errno, "making the ledger %s", path);
    if (sync_folder(path, err))
        return true;
    close(*ret_fd);
    unlink(path);
    return false;
}

static bool read_all(int fd, struct buffer *to, struct error *err)
{
    for (;;) {
        uint8_t *room = buffer_room(to, 4096);
        if (room == NULL)
            return error_set(err, ERROR_LIMIT, "the ledger has more than %zu bytes", to->max_bytes);
        ssize_t n = pread(fd, room, 4096, (off_t)to->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_system(err, errno, "reading the ledger");
        if (n == 0)
            return true;
        to->len += (size_t)n;
    }
}

static void ignore_frame(void *cookie, const struct ledger_frame *frame)
{
    (void)cookie;
    (void)frame;
}

bool ledger_take(const char *path, bool cuts, int *ret_fd, struct buffer *ret_bytes,
                 enum ledger_end *ret_end, struct error *err)
{
    size_t good;
    int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    buffer_init(ret_bytes, LEDGER_MOST_BYTES);
    if (fd < 0)
        return error_system(err, errno, "%s", path);
    lock(fd);
    bool ok = read_all(fd, ret_bytes, err);
    *ret_end = ok ? ledger_scan(buffer_view(ret_bytes), ignore_frame, NULL, &good) : LEDGER_WHOLE;
    /* Without one good frame it may be no ledger at all: nothing is cut off. */
    if (ok && *ret_end == LEDGER_TORN && good > 0 && cuts && ftruncate(fd, (off_t)good) != 0)
        ok = error_system(err, errno, "cutting what was torn off %s", path);
    unlock(fd);
    if (ok && *ret_end == LEDGER_TORN && good > 0)
        ret_bytes->len = good;
    *ret_fd = fd;
    if (!ok) {
        close(fd);
        buffer_release(ret_bytes);
    }
    return ok;
}

bool ledger_append(int fd, enum ledger_kind kind, uint64_t entry, const json_t *body,
                   struct error *err)
{
    char *text = json_dumps(body, JSON_COMPACT);
    INVARIANT(text != NULL);
    size_t len = strlen(text), size = LEDGER_HEAD_BYTES + len;
    if (len > LEDGER_BODY_MOST) {
        free(text);
        return error_set(err, ERROR_LIMIT, "a note of %zu bytes; the ledger takes %zu", len,
                         LEDGER_BODY_MOST);
    }
    uint8_t *frame = check_alloc(size);
    memcpy(frame + LEDGER_HEAD_BYTES, text, len);
    free(text);
    put_head(frame, kind, entry, (struct bytes){frame + LEDGER_HEAD_BYTES, len});
    lock(fd);
    off_t before = lseek(fd, 0, SEEK_END);
    if (kind == LEDGER_PROMISE && before > (off_t)(LEDGER_MOST_BYTES / 2)) {
        unlock(fd);
        free(frame);
        return error_set(err, ERROR_LIMIT,
                         "the ledger has %lld bytes, and takes no promise beyond "
                         "%zu",
                         (long long)before, LEDGER_MOST_BYTES / 2);
    }
    ssize_t n = write(fd, frame, size);
    int sys = n < 0 ? errno : ENOSPC;
    bool ok = n == (ssize_t)size;
    if (ok && fdatasync(fd) != 0) {
        sys = errno;
        ok = false;
    }
    /* A frame that is not whole would hide those after it. */
    if (!ok && before >= 0 && ftruncate(fd, before) != 0)
        sys = errno;
    unlock(fd);
    free(frame);
    return ok || error_system(err, sys, "writing the ledger");
}
