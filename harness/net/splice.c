#include "net/splice.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define TURN_BYTES ((uint64_t)256 * 1024)

static void close_pipe(struct splice_pipe *p)
{
    close(p->read_fd);
    close(p->write_fd);
}

void splice_cache_release(struct splice_cache *cache)
{
    INVARIANT(cache->used == 0);
    while (cache->kept_count > 0)
        close_pipe(&cache->kept[--cache->kept_count]);
}

/* A pipe that the kernel will not make as large is no gain over copying. */
static bool open_pipe(struct splice_pipe *ret)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    *ret = (struct splice_pipe){ends[0], ends[1]};
    if (fcntl(ends[1], F_SETPIPE_SZ, SPLICE_PIPE_BYTES) >= SPLICE_PIPE_BYTES)
        return true;
    close_pipe(ret);
    return false;
}

bool splice_begin(struct splice *s, struct splice_cache *cache, uint64_t left)
{
    *s = (struct splice){.cache = cache, .left = left};
    if (left < SPLICE_LEAST_BYTES || cache->used >= SPLICE_PIPES_MOST)
        return false;
    if (cache->kept_count > 0)
        s->pipe = cache->kept[--cache->kept_count];
    else if (!open_pipe(&s->pipe))
        return false;
    cache->used++;
    return true;
}

void splice_end(struct splice *s)
{
    struct splice_cache *cache = s->cache;
    INVARIANT(cache->used > 0);
    cache->used--;
    if (s->piped == 0 && cache->kept_count < SPLICE_KEPT_MOST)
        cache->kept[cache->kept_count++] = s->pipe;
    else
        close_pipe(&s->pipe);
    s->cache = NULL;
}

/* No SPLICE_F_MORE: when the source pauses, it would hold back the last bytes for 200 ms. */
static ssize_t move(int from, int to, uint64_t size)
{
    ssize_t n;
    do
        n = splice(from, NULL, to, NULL, (size_t)size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return n;
}

enum splice_state splice_move(struct splice *s, struct loop *l, int from, int to,
                              uint64_t *ret_read, uint64_t *ret_written)
{
    struct loop_counters *counters = loop_counters(l);
    ssize_t n;
    *ret_read = *ret_written = 0;
    while (s->left > 0 || s->piped > 0) {
        if (s->piped == 0) {
            if (*ret_read >= TURN_BYTES)
                return SPLICE_MORE;
            counters->recv++;
            n = move(from, s->pipe.write_fd, s->left < TURN_BYTES ? s->left : TURN_BYTES);
            /* The pipe is empty, so it is the source that has nothing. */
            if (n < 0 && errno == EAGAIN)
                return SPLICE_FROM_EMPTY;
            if (n < 0)
                return errno == EINVAL ? SPLICE_REFUSED : SPLICE_FROM_BROKEN;
            if (n == 0)
                return SPLICE_FROM_ENDED;
            s->left -= (uint64_t)n;
            s->piped = (size_t)n;
            *ret_read += (uint64_t)n;
        }
        counters->send++;
        n = move(s->pipe.read_fd, to, s->piped);
        if (n < 0 && errno == EAGAIN)
            return SPLICE_TO_FULL;
        if (n <= 0)
            return SPLICE_TO_BROKEN;
        s->piped -= (size_t)n;
        *ret_written += (uint64_t)n;
    }
    return SPLICE_DONE;
}
