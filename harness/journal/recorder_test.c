#include "journal/recorder.h"

#include "base/map.h"
#include "journal/journal.h"
#include "journal/store.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* What came out of a recorder. */
struct seen {
    uint64_t records, seqs[64], lost_count, lost_records, name_losses;
    struct lost_record losts[64];
    uint32_t last_seq, names, gaps, pressed;
    uint32_t path_of_last;
};

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct seen *s = cookie;
    struct attempt_record a;
    (void)err;
    s->pressed += (frame->flags & FRAME_PRESSED) != 0;
    if (frame->kind < 16)
        return true;
    if (frame->kind == RECORD_NAME) {
        s->names++;
        return true;
    }
    assert_int_equal(body.len, record_type_of(frame->kind)->bytes);
    assert_true(frame->seq > s->last_seq);
    s->gaps += frame->seq - s->last_seq - 1;
    s->last_seq = frame->seq;
    if (frame->kind == RECORD_LOST) {
        struct lost_record l;
        memcpy(&l, body.at, sizeof(l));
        if (l.kind == RECORD_NAME)
            s->name_losses += l.count;
        else
            s->lost_count += l.count;
        if (s->lost_records < COUNT_OF(s->losts))
            s->losts[s->lost_records] = l;
        s->lost_records++;
        return true;
    }
    s->records++;
    if (frame->kind == RECORD_ATTEMPT) {
        memcpy(&a, body.at, sizeof(a));
        s->path_of_last = a.path;
        assert_true(a.path <= s->names); /* a name comes before its first use */
    }
    return true;
}

static void take(struct recorder *r, struct seen *seen)
{
    struct buffer bytes;
    struct frame_reader reader;
    buffer_init(&bytes, SIZE_MAX / 2);
    frame_reader_init(&reader, on_frame, seen);
    recorder_take(r, &bytes);
    assert_true(frame_reader_feed(&reader, buffer_view(&bytes), NULL));
    assert_int_equal(reader.in.len, 0);
    frame_reader_release(&reader);
    buffer_release(&bytes);
}

static void emit(struct recorder *r, uint64_t i, uint32_t path)
{
    struct attempt_record a = {.at = 1000 + i, .id_lo = i, .path = path};
    recorder_emit(r, RECORD_ATTEMPT, &a);
}

static void names_are_sent_once_and_before_their_first_use(void **state)
{
    struct recorder *r = recorder_new(-1, 0);
    struct seen seen = {0};
    (void)state;
    uint32_t cart = recorder_name(r, BYTES("/cart"));
    assert_int_equal(cart, 1);
    assert_int_equal(recorder_name(r, BYTES("/pay")), 2);
    assert_int_equal(recorder_name(r, BYTES("/cart")), cart);
    assert_int_equal(recorder_name(r, BYTES("")), 0);
    emit(r, 1, cart);
    emit(r, 2, 2);
    take(r, &seen);
    assert_int_equal(seen.names, 2);
    assert_int_equal(seen.records, 2);
    assert_int_equal(seen.last_seq, 2);
    assert_int_equal(recorder_count(r, RECORD_ATTEMPT), 2);
    recorder_free(r);
}

static void long_names_are_cut_and_those_past_the_maximum_are_counted(void **state)
{
    struct recorder *r = recorder_new(-1, 0);
    struct seen seen = {0};
    static uint8_t text[5000];
    struct error err = {0};
    (void)state;
    memset(text, 'n', sizeof(text));
    uint32_t cut = recorder_name(r, (struct bytes){text, sizeof(text)});
    assert_int_equal(recorder_name(r, (struct bytes){text, NAME_MOST_BYTES}), cut);
    for (uint32_t i = 2; i <= NAMES_MOST; i++)
        assert_int_equal(recorder_name(r, (struct bytes){(const uint8_t *)&i, sizeof(i)}), i);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(recorder_name(r, (struct bytes){text, 100 + i}), 0);
    emit(r, 1, 0);
    assert_true(recorder_control(r, 9, BYTES("{}"), &err));
    take(r, &seen);
    assert_int_equal(seen.names, NAMES_MOST);
    assert_int_equal(seen.name_losses, 5);
    recorder_free(r);
}

static void a_full_ring_drops_whole_records_and_says_how_many(void **state)
{
    enum { N = 1000 };
    struct recorder *r = recorder_new(-1, 16384);
    struct seen seen = {0};
    (void)state;
    for (uint64_t i = 1; i <= N; i++)
        emit(r, i, 0);
    take(r, &seen);
    uint64_t kept = seen.records;
    assert_true(kept > 60 && kept < 90);
    assert_true(seen.pressed > 0);
    assert_int_equal(recorder_count(r, RECORD_ATTEMPT), kept);
    emit(r, N + 1, 0); /* there is room now: `lost` goes first */
    take(r, &seen);
    assert_int_equal(seen.records, kept + 1);
    assert_int_equal(seen.lost_records, 1);
    assert_int_equal(seen.losts[0].count, N - kept);
    assert_int_equal(seen.losts[0].kind, RECORD_ATTEMPT);
    assert_int_equal(seen.losts[0].first_seq, kept + 1);
    assert_int_equal(seen.losts[0].last_seq, N);
    assert_true(seen.losts[0].at <= seen.losts[0].to && seen.losts[0].at > 0);
    assert_int_equal(seen.gaps, N - kept);
    assert_int_equal(seen.last_seq, N + 2);
    recorder_free(r);
}

static void losses_are_counted_by_kind(void **state)
{
    struct recorder *r = recorder_new(-1, 8192);
    struct seen seen = {0};
    struct stall_record stall = {.at = 5};
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        emit(r, i, 0);
        recorder_emit(r, RECORD_STALL, &stall);
    }
    take(r, &seen);
    struct error err = {0};
    assert_true(recorder_control(r, 9, BYTES("{}"), &err));
    take(r, &seen);
    assert_int_equal(seen.lost_records, 2);
    assert_int_equal(seen.records + seen.lost_count, 200);
    assert_int_equal(recorder_count(r, RECORD_ATTEMPT) + recorder_count(r, RECORD_STALL),
                     seen.records);
    assert_int_equal(recorder_count(r, RECORD_LOST), 2);
    recorder_free(r);
}

static void a_name_that_waits_for_room_holds_back_the_records_that_use_it(void **state)
{
    struct recorder *r = recorder_new(-1, 8192);
    struct seen seen = {0};
    uint32_t made = 0;
    char text[600];
    (void)state;
    memset(text, 'x', sizeof(text));
    for (uint64_t i = 0; i < 400; i++) { /* each asserts in on_frame that its name came first */
        snprintf(text, sizeof(text), "name %llu", (unsigned long long)i);
        text[strlen(text)] = '-';
        uint32_t id = recorder_name(r, (struct bytes){(const uint8_t *)text, sizeof(text)});
        made += id != 0;
        emit(r, i, id);
        if (i % 50 == 49)
            take(r, &seen);
    }
    take(r, &seen);
    emit(r, 400, 1);
    take(r, &seen);
    assert_true(seen.records > 0 && seen.lost_count > 0);
    assert_int_equal(seen.records + seen.lost_count, 401);
    assert_int_equal(seen.names, made);
    recorder_free(r);
}

static void a_record_is_dropped_where_it_would_fit_but_its_name_does_not(void **state)
{
    struct recorder *r = recorder_new(-1, 8192);
    struct seen seen = {0};
    static uint8_t text[600] = {'x'};
    (void)state;
    for (uint64_t i = 1; i <= 37; i++) /* of 7168 bytes, 360 are left: an attempt is 184 */
        emit(r, i, 0);
    emit(r, 38, recorder_name(r, (struct bytes){text, sizeof(text)}));
    take(r, &seen); /* asserts that no record came before its name */
    assert_int_equal(seen.records, 37);
    emit(r, 39, 1);
    take(r, &seen);
    assert_int_equal(seen.records, 38);
    assert_int_equal(seen.names, 1);
    assert_int_equal(seen.lost_count, 1);
    recorder_free(r);
}

static void a_partial_write_goes_on_where_it_stopped(void **state)
{
    enum { N = 3000 };
    int fds[2], small = 1;
    struct seen seen = {0};
    struct frame_reader reader;
    size_t cut = 0;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    struct recorder *r = recorder_new(fds[0], 0);
    frame_reader_init(&reader, on_frame, &seen);
    for (uint64_t i = 1; i <= N; i++)
        emit(r, i, 0);
    while (recorder_pending(r) || seen.records < N) {
        uint8_t in[777];
        ssize_t n;
        size_t whole = 0;
        assert_true(recorder_flush(r));
        while ((n = read(fds[1], in, sizeof(in))) > 0) {
            whole += (size_t)n;
            assert_true(frame_reader_feed(&reader, (struct bytes){in, (size_t)n}, NULL));
        }
        assert_true(whole > 0);
        cut += reader.in.len > 0; /* a frame was written in part */
    }
    assert_int_equal(seen.records, N);
    assert_int_equal(seen.gaps, 0);
    assert_true(cut > 0);
    frame_reader_release(&reader);
    recorder_free(r);
    close(fds[0]);
    close(fds[1]);
}

static void control_goes_out_though_the_ring_is_full_of_records(void **state)
{
    struct recorder *r = recorder_new(-1, 8192);
    struct seen seen = {0};
    struct error err = {0};
    static uint8_t large[9000];
    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        emit(r, i, 0);
    assert_true(recorder_control(r, 9, BYTES("{\"last\":1000}"), &err));
    assert_false(recorder_control(r, 9, (struct bytes){large, sizeof(large)}, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    take(r, &seen);
    assert_int_equal(seen.records + seen.lost_count, 1000);
    recorder_free(r);
}

static void a_peer_that_is_gone_is_told_and_kills_nobody(void **state)
{
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct recorder *r = recorder_new(fds[0], 0);
    emit(r, 1, 0);
    close(fds[1]);
    assert_false(recorder_flush(r));
    assert_false(recorder_flush(r));
    assert_false(recorder_pending(r));
    struct error err = {0};
    assert_false(recorder_control(r, 9, BYTES("{}"), &err));
    assert_int_equal(err.kind, ERROR_PEER);
    recorder_free(r);
    close(fds[0]);
}

/* ---- an agent process, a slow conductor ---- */

#define AGENT_RECORDS 100000
#define AGENT_NAMES 300

static uint32_t agent_name(struct recorder *r, uint64_t i)
{
    char text[32];
    snprintf(text, sizeof(text), "/path/%llu", (unsigned long long)(i % AGENT_NAMES));
    return recorder_name(r, bytes_of(text));
}

static void agent_drain(struct recorder *r, int fd)
{
    while (recorder_pending(r)) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, 60000) != 1 || !recorder_flush(r))
            _exit(3);
    }
}

/* Never returns. Tells on ${half} when the first half is emitted: nobody reads until then. */
static void agent(int fd, int half)
{
    struct error err = {0};
    char bye[64];
    struct recorder *r = recorder_new(fd, (size_t)128 * 1024);
    for (uint64_t i = 1; i <= AGENT_RECORDS; i++) {
        emit(r, i, agent_name(r, i));
        if (i % 500 == 0) /* as the loop's tick would */
            recorder_flush(r);
        if (i == AGENT_RECORDS / 2 && write(half, "h", 1) != 1)
            _exit(4);
    }
    snprintf(bye, sizeof(bye), "%llu", (unsigned long long)recorder_count(r, RECORD_ATTEMPT));
    if (!recorder_control(r, 9, bytes_of(bye), &err))
        _exit(5);
    agent_drain(r, fd);
    recorder_free(r);
    _exit(0);
}

struct conductor {
    struct store *store;
    uint64_t bye;
};

static bool to_store(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct conductor *c = cookie;
    if (frame->kind < 16)
        return bytes_to_u64(body, &c->bye);
    return store_frame(c->store, 7, frame->seq, frame->kind, body, err);
}

static void conduct(int fd, struct conductor *c)
{
    struct error err = {0};
    struct frame_reader reader;
    uint8_t in[3001]; /* frames are cut everywhere */
    ssize_t n;
    frame_reader_init(&reader, to_store, c);
    while ((n = read(fd, in, sizeof(in))) > 0) {
        if (!frame_reader_feed(&reader, (struct bytes){in, (size_t)n}, &err))
            fail_msg("%s", err.text);
    }
    assert_int_equal(n, 0);
    assert_int_equal(reader.in.len, 0); /* no partial frame at the end */
    frame_reader_release(&reader);
}

static void check_run(const struct journal *j, uint64_t bye)
{
    uint64_t lost = 0, last = 0, gaps = 0, seq_before = 0;
    assert_true(journal_checksum_good(j));
    assert_int_equal(j->attempt_count, bye);
    for (size_t i = 0; i < j->lost_count; i++) {
        assert_int_equal(j->losts[i].r.kind, RECORD_ATTEMPT);
        lost += j->losts[i].r.count;
        last = j->losts[i].seq > last ? j->losts[i].seq : last;
    }
    assert_true(lost > 0);
    assert_int_equal(j->attempt_count + lost, AGENT_RECORDS);
    /* every gap in seq is inside a `lost`, and they add up to its count */
    for (size_t i = 0, l = 0; i < j->attempt_count || l < j->lost_count;) {
        bool is_lost =
            i >= j->attempt_count || (l < j->lost_count && j->losts[l].seq < j->attempts[i].seq);
        uint64_t seq = is_lost ? j->losts[l++].seq : j->attempts[i++].seq;
        if (seq != seq_before + 1) {
            assert_true(is_lost);
            assert_int_equal(j->losts[l - 1].r.first_seq, seq_before + 1);
            assert_int_equal(j->losts[l - 1].r.last_seq, seq - 1);
            assert_int_equal(j->losts[l - 1].r.count, seq - 1 - seq_before);
        }
        gaps += seq - seq_before - 1;
        seq_before = seq;
    }
    assert_int_equal(gaps, lost);
    for (size_t i = 0; i < j->attempt_count; i++) {
        char want[32];
        snprintf(want, sizeof(want), "/path/%llu",
                 (unsigned long long)(j->attempts[i].r.id_lo % AGENT_NAMES));
        assert_string_equal(journal_name(j, j->attempts[i].r.path), want);
    }
}

static void a_slow_conductor_loses_records_that_are_counted_exactly(void **state)
{
    int fds[2], half[2], status;
    char path[] = "/tmp/meshproof-recorder-XXXXXX", byte;
    struct conductor c = {0};
    struct journal *j = NULL;
    struct error err = {0};
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(pipe(half), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[1]);
        agent(fds[0], half[1]);
    }
    close(fds[0]);
    close(half[1]);
    close(mkstemp(path));
    unlink(path);
    assert_true(store_open(path, &c.store, &err));
    assert_int_equal(read(half[0], &byte, 1), 1); /* half is emitted before a byte is read */
    conduct(fds[1], &c);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(store_count(c.store, 7, RECORD_ATTEMPT), c.bye);
    assert_true(store_close(c.store, true, &err));
    assert_true(journal_open(path, &j, &err));
    check_run(j, c.bye);
    journal_free(j);
    unlink(path);
    close(fds[1]);
    close(half[0]);
}

/* A connection of an agent that dialled: what it has been given, and how much it still takes. */
struct far {
    struct buffer got;
    size_t room;
};

static ssize_t far_send(void *cookie, const void *from, size_t size)
{
    struct far *f = cookie;
    size_t n = size < f->room ? size : f->room;
    if (n == 0) {
        errno = EAGAIN;
        return -1;
    }
    assert_true(buffer_add(&f->got, from, n, NULL));
    f->room -= n;
    return (ssize_t)n;
}

/* What the conductor makes of the bytes: whole messages, and how far it is. */
static uint64_t far_read(struct frame_reader *reader, struct far *f)
{
    assert_true(frame_reader_feed(reader, buffer_view(&f->got), NULL));
    f->got.len = 0;
    return reader->taken;
}

static void a_stream_goes_on_over_another_connection_where_it_was(void **state)
{
    struct recorder *r = recorder_new(-1, 0);
    struct frame_reader reader;
    struct seen seen = {0};
    struct far far = {0};
    struct error err = {0};
    (void)state;
    buffer_init(&far.got, SIZE_MAX / 2);
    frame_reader_init(&reader, on_frame, &seen);
    recorder_keep(r);
    uint32_t path = recorder_name(r, BYTES("/cart"));
    for (uint64_t i = 0; i < 10; i++)
        emit(r, i, path);
    assert_false(recorder_is_empty(r));
    for (size_t round = 0; round < 40; round++) { /* cut at every place of a frame */
        recorder_park(r);
        frame_reader_restart(&reader);
        far.room = 100 + 37 * round;
        assert_true(recorder_resume(r, reader.taken, far_send, &far));
        assert_true(recorder_control(r, 9, BYTES("{}"), &err));
        emit(r, 100 + round, path);
        assert_true(recorder_flush(r));
        uint64_t have = far_read(&reader, &far);
        if (round % 3 == 0)
            recorder_acknowledge(r, have);
    }
    recorder_park(r);
    frame_reader_restart(&reader);
    far.room = SIZE_MAX;
    assert_true(recorder_resume(r, reader.taken, far_send, &far));
    assert_true(recorder_flush(r));
    recorder_acknowledge(r, far_read(&reader, &far));
    assert_true(recorder_is_empty(r));
    assert_int_equal(seen.records, 50);
    assert_int_equal(seen.names, 1);
    assert_int_equal(seen.gaps, 0);
    assert_int_equal(seen.lost_records, 0);
    frame_reader_release(&reader);
    buffer_release(&far.got);
    recorder_free(r);
}

static void what_is_not_kept_is_not_resumed(void **state)
{
    struct recorder *r = recorder_new(-1, 8192);
    struct frame_reader reader;
    struct seen seen = {0};
    struct far far = {.room = SIZE_MAX};
    (void)state;
    buffer_init(&far.got, SIZE_MAX / 2);
    frame_reader_init(&reader, on_frame, &seen);
    recorder_keep(r);
    assert_true(recorder_resume(r, 0, far_send, &far));
    for (uint64_t i = 0; i < 10; i++)
        emit(r, i, 0);
    assert_true(recorder_flush(r));
    uint64_t have = far_read(&reader, &far);
    recorder_acknowledge(r, have);
    recorder_park(r);
    assert_false(recorder_resume(r, have - 1, far_send, &far));
    assert_false(recorder_resume(r, have + 1, far_send, &far));
    /* Away for longer than the ring holds: whole records are lost, counted, and told of. */
    for (uint64_t i = 0; i < 200; i++)
        emit(r, 100 + i, 0);
    frame_reader_restart(&reader);
    assert_true(recorder_resume(r, have, far_send, &far));
    assert_true(recorder_flush(r));
    recorder_acknowledge(r, far_read(&reader, &far));
    emit(r, 1000, 0); /* there is room again: the loss is told first */
    assert_true(recorder_flush(r));
    far_read(&reader, &far);
    assert_true(seen.lost_count > 100);
    assert_int_equal(seen.records + seen.lost_count, 211);
    frame_reader_release(&reader);
    buffer_release(&far.got);
    recorder_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_sent_once_and_before_their_first_use),
        cmocka_unit_test(long_names_are_cut_and_those_past_the_maximum_are_counted),
        cmocka_unit_test(a_full_ring_drops_whole_records_and_says_how_many),
        cmocka_unit_test(losses_are_counted_by_kind),
        cmocka_unit_test(a_name_that_waits_for_room_holds_back_the_records_that_use_it),
        cmocka_unit_test(a_record_is_dropped_where_it_would_fit_but_its_name_does_not),
        cmocka_unit_test(a_partial_write_goes_on_where_it_stopped),
        cmocka_unit_test(control_goes_out_though_the_ring_is_full_of_records),
        cmocka_unit_test(a_peer_that_is_gone_is_told_and_kills_nobody),
        cmocka_unit_test(a_slow_conductor_loses_records_that_are_counted_exactly),
        cmocka_unit_test(a_stream_goes_on_over_another_connection_where_it_was),
        cmocka_unit_test(what_is_not_kept_is_not_resumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
