#include "net/splice.h"
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* peer -> from | splice | to -> reader, over TCP. */
struct lines {
    struct loop *loop;
    struct splice_cache cache;
    struct splice splice;
    int peer, from, to, reader;
};

static void connect_pair(struct loop *l, int *ret_near, int *ret_far)
{
    struct error err = {0};
    struct socket_address peer;
    char address[32];
    uint16_t port = 0;
    int listener;
    assert_true(socket_listen("127.0.0.1:0", &listener, &port, &err));
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    assert_true(socket_connect(address, ret_far, &err));
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    *ret_near = socket_accept(l, listener, &peer);
    assert_true(*ret_near >= 0);
    close(listener);
}

static void open_lines(struct lines *x)
{
    struct error err = {0};
    *x = (struct lines){0};
    assert_true(loop_new(&x->loop, &err));
    connect_pair(x->loop, &x->from, &x->peer);
    connect_pair(x->loop, &x->to, &x->reader);
}

static void close_lines(struct lines *x)
{
    splice_cache_release(&x->cache);
    close(x->peer);
    close(x->from);
    close(x->to);
    close(x->reader);
    loop_free(x->loop);
}

static enum splice_state go(struct lines *x, uint64_t *ret_written)
{
    uint64_t got;
    return splice_move(&x->splice, x->loop, x->from, x->to, &got, ret_written);
}

static void await_bytes(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
}

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

/* Sends from ${*sent} on what the socket takes. */
static void feed(const struct lines *x, uint64_t *sent, uint64_t size)
{
    uint8_t block[8192];
    while (*sent < size) {
        size_t len = size - *sent < sizeof(block) ? (size_t)(size - *sent) : sizeof(block);
        for (size_t i = 0; i < len; i++)
            block[i] = byte_at(*sent + i);
        ssize_t n = send(x->peer, block, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            return;
        *sent += (uint64_t)n;
    }
}

static void drain(const struct lines *x, uint64_t *taken)
{
    uint8_t block[8192];
    ssize_t n;
    while ((n = recv(x->reader, block, sizeof(block), MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(block[i], byte_at(*taken + (uint64_t)i));
        *taken += (uint64_t)n;
    }
}

static void a_body_crosses_whole_and_in_order(void **state)
{
    (void)state;
    struct lines x;
    uint64_t size = 3000001, sent = 0, written = 0, taken = 0, now;
    open_lines(&x);
    assert_true(splice_begin(&x.splice, &x.cache, size));
    enum splice_state seen = SPLICE_MORE;
    while (seen != SPLICE_DONE) {
        feed(&x, &sent, size);
        seen = go(&x, &now);
        written += now;
        assert_in_range(seen, SPLICE_DONE, SPLICE_TO_FULL);
        drain(&x, &taken);
    }
    assert_int_equal(written, size);
    while (taken < size) {
        await_bytes(x.reader);
        drain(&x, &taken);
    }
    splice_end(&x.splice);
    assert_int_equal(x.cache.kept_count, 1);
    close_lines(&x);
}

static void bytes_behind_the_body_stay_in_the_source(void **state)
{
    (void)state;
    struct lines x;
    uint64_t size = SPLICE_LEAST_BYTES, sent = 0, now, written = 0;
    char rest[16];
    open_lines(&x);
    assert_true(splice_begin(&x.splice, &x.cache, size));
    feed(&x, &sent, size);
    assert_int_equal(send(x.peer, "next", 4, 0), 4);
    enum splice_state seen;
    do {
        await_bytes(x.from);
        seen = go(&x, &now);
        written += now;
    } while (seen != SPLICE_DONE);
    assert_int_equal(written, size);
    await_bytes(x.from);
    assert_int_equal(recv(x.from, rest, sizeof(rest), 0), 4);
    splice_end(&x.splice);
    close_lines(&x);
}

static void an_empty_source_and_a_full_destination_are_told_apart(void **state)
{
    (void)state;
    struct lines x;
    uint64_t size = (uint64_t)1 << 40, sent = 0, now;
    int small = 4096;
    open_lines(&x);
    setsockopt(x.to, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    setsockopt(x.reader, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_true(splice_begin(&x.splice, &x.cache, size));
    assert_int_equal(go(&x, &now), SPLICE_FROM_EMPTY);
    assert_int_equal(now, 0);
    enum splice_state seen = SPLICE_FROM_EMPTY;
    while (seen != SPLICE_TO_FULL) { /* nobody reads, so it comes */
        feed(&x, &sent, sent + 65536);
        seen = go(&x, &now);
        assert_in_range(seen, SPLICE_MORE, SPLICE_TO_FULL);
    }
    assert_true(x.splice.piped > 0);
    assert_int_equal(go(&x, &now), SPLICE_TO_FULL);
    splice_end(&x.splice);
    close_lines(&x);
}

static void a_pipe_that_holds_bytes_is_not_used_again(void **state)
{
    (void)state;
    struct lines x;
    uint64_t sent = 0, now;
    open_lines(&x);
    assert_true(splice_begin(&x.splice, &x.cache, 1 << 20));
    feed(&x, &sent, 1000);
    await_bytes(x.from);
    shutdown(x.to, SHUT_WR); /* what is piped cannot leave any more */
    assert_int_equal(go(&x, &now), SPLICE_TO_BROKEN);
    assert_int_equal(x.splice.piped, 1000);
    splice_end(&x.splice);
    assert_int_equal(x.cache.kept_count, 0);
    assert_int_equal(x.cache.used, 0);
    close_lines(&x);
}

static void an_early_end_of_the_source_is_told_after_its_bytes(void **state)
{
    (void)state;
    struct lines x;
    uint64_t sent = 0, now, written = 0;
    open_lines(&x);
    assert_true(splice_begin(&x.splice, &x.cache, 1 << 20));
    feed(&x, &sent, 40000);
    close(x.peer);
    x.peer = -1;
    enum splice_state seen;
    do {
        await_bytes(x.from);
        seen = go(&x, &now);
        written += now;
    } while (seen == SPLICE_FROM_EMPTY);
    assert_int_equal(seen, SPLICE_FROM_ENDED);
    assert_int_equal(written, 40000);
    splice_end(&x.splice);
    close_lines(&x);
}

static void a_reset_of_the_source_is_told(void **state)
{
    (void)state;
    struct lines x;
    uint64_t now;
    open_lines(&x);
    assert_true(splice_begin(&x.splice, &x.cache, 1 << 20));
    socket_reset(x.peer);
    x.peer = -1;
    await_bytes(x.from);
    assert_int_equal(go(&x, &now), SPLICE_FROM_BROKEN);
    splice_end(&x.splice);
    close_lines(&x);
}

static void one_turn_moves_a_bounded_part(void **state)
{
    (void)state;
    struct lines x;
    uint64_t size = 8 << 20, sent = 0, taken = 0, got, written;
    open_lines(&x);
    assert_true(splice_begin(&x.splice, &x.cache, size));
    enum splice_state seen = SPLICE_FROM_EMPTY;
    while (seen != SPLICE_DONE) {
        feed(&x, &sent, size);
        seen = splice_move(&x.splice, x.loop, x.from, x.to, &got, &written);
        assert_true(got <= 2 * 256 * 1024);
        drain(&x, &taken);
    }
    splice_end(&x.splice);
    close_lines(&x);
}

static void small_bodies_and_too_many_at_once_are_copied(void **state)
{
    (void)state;
    struct lines x;
    struct splice *many = calloc(SPLICE_PIPES_MOST, sizeof(*many));
    open_lines(&x);
    assert_false(splice_begin(&x.splice, &x.cache, SPLICE_LEAST_BYTES - 1));
    unsigned count = 0;
    while (count < SPLICE_PIPES_MOST && splice_begin(&many[count], &x.cache, SPLICE_LEAST_BYTES))
        count++; /* fewer where the user's pages or descriptors end */
    assert_true(count > 0);
    assert_false(splice_begin(&x.splice, &x.cache, SPLICE_LEAST_BYTES));
    for (unsigned i = 0; i < count; i++)
        splice_end(&many[i]);
    assert_true(x.cache.kept_count <= SPLICE_KEPT_MOST);
    free(many);
    close_lines(&x);
}

static void without_descriptors_it_is_copied(void **state)
{
    (void)state;
    struct lines x;
    struct rlimit was, none;
    open_lines(&x);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool begun = splice_begin(&x.splice, &x.cache, 1 << 20);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_false(begun);
    assert_int_equal(x.cache.used, 0);
    close_lines(&x);
}

static void a_descriptor_that_cannot_is_refused(void **state)
{
    (void)state;
    struct lines x;
    uint64_t got, written;
    open_lines(&x);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_true(splice_begin(&x.splice, &x.cache, 1 << 20));
    assert_int_equal(splice_move(&x.splice, x.loop, epoll, x.to, &got, &written), SPLICE_REFUSED);
    assert_int_equal(x.splice.left, 1 << 20);
    splice_end(&x.splice);
    close(epoll);
    close_lines(&x);
}

static void its_calls_are_counted(void **state)
{
    (void)state;
    struct lines x;
    uint64_t sent = 0, now;
    open_lines(&x);
    assert_true(splice_begin(&x.splice, &x.cache, 1 << 20));
    feed(&x, &sent, 1000);
    await_bytes(x.from);
    struct loop_counters before = *loop_counters(x.loop);
    assert_int_equal(go(&x, &now), SPLICE_FROM_EMPTY);
    struct loop_counters after = *loop_counters(x.loop);
    assert_int_equal(now, 1000);
    assert_int_equal(after.recv - before.recv, 2);
    assert_int_equal(after.send - before.send, 1);
    splice_end(&x.splice);
    close_lines(&x);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_crosses_whole_and_in_order),
        cmocka_unit_test(bytes_behind_the_body_stay_in_the_source),
        cmocka_unit_test(an_empty_source_and_a_full_destination_are_told_apart),
        cmocka_unit_test(a_pipe_that_holds_bytes_is_not_used_again),
        cmocka_unit_test(an_early_end_of_the_source_is_told_after_its_bytes),
        cmocka_unit_test(a_reset_of_the_source_is_told),
        cmocka_unit_test(one_turn_moves_a_bounded_part),
        cmocka_unit_test(small_bodies_and_too_many_at_once_are_copied),
        cmocka_unit_test(without_descriptors_it_is_copied),
        cmocka_unit_test(a_descriptor_that_cannot_is_refused),
        cmocka_unit_test(its_calls_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
