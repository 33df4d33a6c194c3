#include "net/toxic_pipe.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* All in virtual time: ms(n) are n milliseconds from the start. */
#define MS(n) ((uint64_t)(n)*NS_PER_MS)

struct end_of {
    struct toxic_pipe *pipe;
    struct buffer out;
    size_t puts, largest, smallest;
    bool blocked;
};

static bool is_ready(void *cookie)
{
    return !((struct end_of *)cookie)->blocked;
}

static void put(void *cookie, struct bytes chunk)
{
    struct end_of *e = cookie;
    struct error err = {0};
    assert_true(buffer_add(&e->out, chunk.at, chunk.len, &err));
    e->puts++;
    e->largest = chunk.len > e->largest ? chunk.len : e->largest;
    e->smallest = e->smallest == 0 || chunk.len < e->smallest ? chunk.len : e->smallest;
}

static struct toxic toxic(uint32_t id, enum toxic_kind kind, int64_t a, int64_t b, int64_t c)
{
    return (struct toxic){.id = id,
                          .version = 1,
                          .kind = kind,
                          .side = SIDE_RESPONSE,
                          .toxicity = 1,
                          .value = {a, b, c}};
}

static void set(struct end_of *e, const struct toxic *toxics, size_t count, uint64_t at_ns)
{
    struct toxic_list *l = toxic_list_new(count);
    for (size_t i = 0; i < count; i++)
        l->at[l->count++] = toxics[i];
    if (e->pipe == NULL)
        e->pipe = toxic_pipe_new(SIDE_RESPONSE, l, rng_of(7), (struct toxic_sink){is_ready, put, e},
                                 at_ns);
    else
        toxic_pipe_set(e->pipe, l, at_ns);
    toxic_list_release(l);
}

static struct end_of *open_end(const struct toxic *toxics, size_t count)
{
    struct end_of *e = calloc(1, sizeof(*e));
    buffer_init(&e->out, (size_t)64 * 1024 * 1024);
    set(e, toxics, count, 0);
    return e;
}

static void close_end(struct end_of *e)
{
    toxic_pipe_free(e->pipe);
    buffer_release(&e->out);
    free(e);
}

static void feed(struct end_of *e, const char *text, uint64_t at_ns)
{
    assert_true(toxic_pipe_takes(e->pipe));
    toxic_pipe_feed(e->pipe, bytes_of(text), at_ns);
    (void)toxic_pipe_run(e->pipe, at_ns);
}

static void feed_many(struct end_of *e, size_t len, uint64_t at_ns)
{
    uint8_t *bytes = calloc(1, len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7);
    toxic_pipe_feed(e->pipe, (struct bytes){bytes, len}, at_ns);
    free(bytes);
}

static void has_out(struct end_of *e, const char *text)
{
    assert_int_equal(e->out.len, strlen(text));
    if (e->out.len > 0)
        assert_memory_equal(e->out.at, text, e->out.len);
}

/* Runs at each due time up to ${until_ns}. */
static void run_until(struct end_of *e, uint64_t from_ns, uint64_t until_ns)
{
    uint64_t at_ns = from_ns;
    for (int i = 0; i < 100000 && at_ns <= until_ns; i++) {
        uint64_t next_ns = toxic_pipe_run(e->pipe, at_ns);
        assert_true(next_ns > at_ns);
        at_ns = next_ns;
    }
    (void)toxic_pipe_run(e->pipe, until_ns);
}

static void without_toxics_bytes_and_the_end_pass_at_once(void **state)
{
    struct end_of *e = open_end(NULL, 0);
    (void)state;
    feed(e, "abc", 0);
    has_out(e, "abc");
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_OPEN);
    toxic_pipe_end(e->pipe, TOXIC_END_FIN);
    assert_int_equal(toxic_pipe_run(e->pipe, 0), UINT64_MAX);
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_FIN);
    close_end(e);
}

static void a_sink_that_is_not_ready_is_not_given_bytes_and_the_source_is_told(void **state)
{
    struct end_of *e = open_end(NULL, 0);
    (void)state;
    e->blocked = true;
    feed(e, "abc", 0);
    assert_false(toxic_pipe_takes(e->pipe));
    has_out(e, "");
    e->blocked = false;
    (void)toxic_pipe_run(e->pipe, 1);
    has_out(e, "abc");
    assert_true(toxic_pipe_takes(e->pipe));
    close_end(e);
}

static void latency_delays_each_chunk_from_when_it_came_and_does_not_slow_the_source(void **state)
{
    struct toxic t = toxic(1, TOXIC_LATENCY, 100, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed(e, "a", MS(0));
    feed(e, "b", MS(40));
    assert_int_equal(toxic_pipe_run(e->pipe, MS(99)), MS(100));
    has_out(e, "");
    assert_int_equal(toxic_pipe_run(e->pipe, MS(100)), MS(140));
    has_out(e, "a");
    (void)toxic_pipe_run(e->pipe, MS(140));
    has_out(e, "ab");
    feed_many(e, 30000, MS(200));
    feed_many(e, 30000, MS(200));
    feed_many(e, 30000, MS(201));
    run_until(e, MS(201), MS(301));
    assert_int_equal(e->out.len, 90002);
    close_end(e);
}

static void latency_takes_no_more_than_its_limits(void **state)
{
    struct toxic t = toxic(1, TOXIC_LATENCY, 1000, 0, 0);
    struct end_of *e = open_end(&t, 1);
    size_t fed = 0;
    (void)state;
    for (; toxic_pipe_takes(e->pipe); fed += TOXIC_CHUNK_MOST_BYTES)
        feed_many(e, TOXIC_CHUNK_MOST_BYTES, 0);
    assert_int_equal(fed, TOXIC_PIPE_MOST_BYTES);
    run_until(e, 0, MS(1000));
    assert_int_equal(e->out.len, fed);
    for (fed = 0; toxic_pipe_takes(e->pipe); fed++)
        feed_many(e, 1, MS(1000));
    assert_int_equal(fed, 1024);
    close_end(e);
}

static void latency_of_two_toxics_adds_up(void **state)
{
    struct toxic t[] = {toxic(1, TOXIC_LATENCY, 100, 0, 0), toxic(2, TOXIC_LATENCY, 50, 0, 0)};
    struct end_of *e = open_end(t, 2);
    (void)state;
    feed(e, "a", MS(10));
    run_until(e, MS(10), MS(159));
    has_out(e, "");
    run_until(e, MS(159), MS(160));
    has_out(e, "a");
    close_end(e);
}

static void jitter_stays_within_its_bounds_and_varies(void **state)
{
    struct toxic t = toxic(1, TOXIC_LATENCY, 100, 20, 0);
    uint64_t least_ns = UINT64_MAX, most_ns = 0;
    struct end_of *e = open_end(&t, 1);
    (void)state;
    for (uint64_t n = 0; n < 200; n++) {
        uint64_t at_ns = MS(n * 1000);
        toxic_pipe_feed(e->pipe, BYTES("x"), at_ns);
        uint64_t due_ns = toxic_pipe_run(e->pipe, at_ns) - at_ns;
        least_ns = due_ns < least_ns ? due_ns : least_ns;
        most_ns = due_ns > most_ns ? due_ns : most_ns;
        (void)toxic_pipe_run(e->pipe, at_ns + due_ns);
    }
    assert_true(least_ns >= MS(80) && least_ns < MS(85));
    assert_true(most_ns < MS(120) && most_ns > MS(115));
    close_end(e);
}

static void bandwidth_lets_so_much_through(void **state)
{
    struct toxic t = toxic(1, TOXIC_BANDWIDTH, 10, 0, 0); /* 10 KB/s */
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed_many(e, 2500, 0); /* 1000 at 100 ms, 1000 at 200, 500 at 250 */
    run_until(e, 0, MS(99));
    assert_int_equal(e->out.len, 0);
    run_until(e, MS(99), MS(100));
    assert_int_equal(e->out.len, 1000);
    run_until(e, MS(100), MS(249));
    assert_int_equal(e->out.len, 2000);
    run_until(e, MS(249), MS(250));
    assert_int_equal(e->out.len, 2500);
    assert_true(toxic_pipe_takes(e->pipe));
    close_end(e);
}

static void bandwidth_of_nothing_holds_all_until_it_goes(void **state)
{
    struct toxic t = toxic(1, TOXIC_BANDWIDTH, 0, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed(e, "abc", 0);
    run_until(e, 0, MS(100000));
    has_out(e, "");
    set(e, NULL, 0, MS(100000));
    (void)toxic_pipe_run(e->pipe, MS(100000));
    has_out(e, "abc");
    close_end(e);
}

static void slow_close_delays_the_end_and_no_byte(void **state)
{
    struct toxic t = toxic(1, TOXIC_SLOW_CLOSE, 300, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed(e, "abc", MS(5));
    has_out(e, "abc");
    toxic_pipe_end(e->pipe, TOXIC_END_FIN);
    assert_int_equal(toxic_pipe_run(e->pipe, MS(10)), MS(310));
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_OPEN);
    (void)toxic_pipe_run(e->pipe, MS(310));
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_FIN);
    close_end(e);
}

static void timeout_drops_bytes_and_each_puts_its_close_off(void **state)
{
    struct toxic t = toxic(1, TOXIC_TIMEOUT, 100, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    assert_int_equal(toxic_pipe_run(e->pipe, 0), MS(100));
    feed(e, "abc", MS(60));
    assert_int_equal(toxic_pipe_run(e->pipe, MS(100)), MS(160));
    (void)toxic_pipe_run(e->pipe, MS(160));
    has_out(e, "");
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_CLOSED);
    close_end(e);
}

static void timeout_of_zero_never_closes_but_when_it_goes(void **state)
{
    struct toxic t = toxic(1, TOXIC_TIMEOUT, 0, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed(e, "abc", MS(60));
    assert_int_equal(toxic_pipe_run(e->pipe, MS(1000000)), UINT64_MAX);
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_OPEN);
    set(e, NULL, 0, MS(1000000));
    (void)toxic_pipe_run(e->pipe, MS(1000000));
    has_out(e, "");
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_CLOSED);
    close_end(e);
}

static void reset_peer_waits_for_the_first_byte_then_cuts(void **state)
{
    struct toxic t = toxic(1, TOXIC_RESET_PEER, 100, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    assert_int_equal(toxic_pipe_run(e->pipe, MS(500)), UINT64_MAX);
    feed(e, "abc", MS(500));
    assert_int_equal(toxic_pipe_run(e->pipe, MS(599)), MS(600));
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_OPEN);
    (void)toxic_pipe_run(e->pipe, MS(600));
    has_out(e, "");
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_CUT);
    close_end(e);
}

static void slicer_cuts_within_its_variation_and_waits_after_each_slice(void **state)
{
    struct toxic t = toxic(1, TOXIC_SLICER, 100, 20, 1000); /* 1 ms */
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed_many(e, 20000, 0);
    (void)toxic_pipe_run(e->pipe, 0);
    assert_int_equal(e->puts, 1);
    run_until(e, 0, MS(1000));
    assert_int_equal(e->out.len, 20000);
    for (size_t i = 0; i < e->out.len; i++)
        assert_int_equal(e->out.at[i], (uint8_t)(i * 7));
    assert_true(e->largest <= 120);
    assert_true(e->smallest >= 20 && e->puts > 166 && e->puts < 500);
    close_end(e);
}

static void slicer_of_size_zero_ends(void **state)
{
    struct toxic t = toxic(1, TOXIC_SLICER, 0, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed(e, "abcdef", 0);
    run_until(e, 0, MS(1));
    has_out(e, "abcdef");
    assert_int_equal(e->puts, 6);
    close_end(e);
}

static void limit_data_closes_behind_its_last_byte(void **state)
{
    struct toxic t = toxic(1, TOXIC_LIMIT_DATA, 5, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed(e, "abc", 0);
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_OPEN);
    feed(e, "defg", 0);
    has_out(e, "abcde");
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_CLOSED);
    assert_false(toxic_pipe_takes(e->pipe));
    close_end(e);
}

static void limit_data_counts_on_when_its_limit_changes(void **state)
{
    struct toxic t = toxic(1, TOXIC_LIMIT_DATA, 5, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed(e, "abc", 0);
    t.value[0] = 7;
    t.version = 2;
    set(e, &t, 1, 0);
    feed(e, "defg", 0);
    has_out(e, "abcdefg");
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_CLOSED);
    close_end(e);
}

static void a_toxic_that_goes_lets_its_bytes_go_at_once_and_in_order(void **state)
{
    struct toxic t[] = {toxic(1, TOXIC_LATENCY, 1000, 0, 0), toxic(2, TOXIC_LATENCY, 500, 0, 0),
                        toxic(3, TOXIC_BANDWIDTH, 1, 0, 0)};
    struct end_of *e = open_end(t, 3);
    (void)state;
    feed(e, "a", MS(0));
    feed(e, "b", MS(600));
    run_until(e, MS(600), MS(1100)); /* a is in the second, b in the first */
    feed(e, "c", MS(1100));
    set(e, NULL, 0, MS(1100));
    (void)toxic_pipe_run(e->pipe, MS(1100));
    has_out(e, "abc");
    toxic_pipe_end(e->pipe, TOXIC_END_FIN);
    (void)toxic_pipe_run(e->pipe, MS(1100));
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_FIN);
    close_end(e);
}

static void an_update_begins_anew_and_lets_the_chunk_in_work_go(void **state)
{
    struct toxic t = toxic(1, TOXIC_LATENCY, 1000, 0, 0);
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed(e, "a", MS(0));
    feed(e, "b", MS(1));
    t.value[0] = 50;
    t.version = 2;
    set(e, &t, 1, MS(10));
    (void)toxic_pipe_run(e->pipe, MS(10));
    has_out(e, "a");
    (void)toxic_pipe_run(e->pipe, MS(51));
    has_out(e, "ab");
    close_end(e);
}

static void a_toxic_that_comes_acts_on_an_open_connection(void **state)
{
    struct toxic t[] = {toxic(1, TOXIC_LATENCY, 10, 0, 0), toxic(2, TOXIC_TIMEOUT, 100, 0, 0)};
    struct end_of *e = open_end(t, 1);
    (void)state;
    feed(e, "a", 0);
    set(e, t, 2, MS(5));
    run_until(e, MS(5), MS(50));
    has_out(e, "");
    run_until(e, MS(50), MS(110));
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_CLOSED);
    close_end(e);
}

static void a_toxic_that_comes_after_the_end_changes_nothing(void **state)
{
    struct toxic t = toxic(1, TOXIC_TIMEOUT, 100, 0, 0);
    struct end_of *e = open_end(NULL, 0);
    (void)state;
    toxic_pipe_end(e->pipe, TOXIC_END_FIN);
    (void)toxic_pipe_run(e->pipe, 0);
    set(e, &t, 1, 0);
    run_until(e, 0, MS(200));
    assert_int_equal(toxic_pipe_ended(e->pipe), TOXIC_END_FIN);
    close_end(e);
}

static void toxicity_is_drawn_for_each_connection(void **state)
{
    struct toxic t = toxic(1, TOXIC_LIMIT_DATA, 0, 0, 0);
    size_t hit = 0;
    (void)state;
    t.toxicity = 0.3;
    for (uint64_t i = 0; i < 1000; i++) {
        struct end_of e = {.out.max_bytes = 10};
        struct toxic_list *l = toxic_list_new(1);
        l->at[l->count++] = t;
        e.pipe = toxic_pipe_new(SIDE_RESPONSE, l, rng_for(1, 1, i, 0, 0),
                                (struct toxic_sink){is_ready, put, &e}, 0);
        feed(&e, "a", 0);
        hit += toxic_pipe_ended(e.pipe) == TOXIC_END_CLOSED;
        toxic_pipe_free(e.pipe);
        buffer_release(&e.out);
        toxic_list_release(l);
    }
    assert_in_range(hit, 240, 360);
}

static void toxics_of_the_other_side_do_nothing(void **state)
{
    struct toxic t = toxic(1, TOXIC_TIMEOUT, 1, 0, 0);
    t.side = SIDE_REQUEST;
    struct end_of *e = open_end(&t, 1);
    (void)state;
    feed(e, "a", 0);
    has_out(e, "a");
    close_end(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_toxics_bytes_and_the_end_pass_at_once),
        cmocka_unit_test(a_sink_that_is_not_ready_is_not_given_bytes_and_the_source_is_told),
        cmocka_unit_test(latency_delays_each_chunk_from_when_it_came_and_does_not_slow_the_source),
        cmocka_unit_test(latency_takes_no_more_than_its_limits),
        cmocka_unit_test(latency_of_two_toxics_adds_up),
        cmocka_unit_test(jitter_stays_within_its_bounds_and_varies),
        cmocka_unit_test(bandwidth_lets_so_much_through),
        cmocka_unit_test(bandwidth_of_nothing_holds_all_until_it_goes),
        cmocka_unit_test(slow_close_delays_the_end_and_no_byte),
        cmocka_unit_test(timeout_drops_bytes_and_each_puts_its_close_off),
        cmocka_unit_test(timeout_of_zero_never_closes_but_when_it_goes),
        cmocka_unit_test(reset_peer_waits_for_the_first_byte_then_cuts),
        cmocka_unit_test(slicer_cuts_within_its_variation_and_waits_after_each_slice),
        cmocka_unit_test(slicer_of_size_zero_ends),
        cmocka_unit_test(limit_data_closes_behind_its_last_byte),
        cmocka_unit_test(limit_data_counts_on_when_its_limit_changes),
        cmocka_unit_test(a_toxic_that_goes_lets_its_bytes_go_at_once_and_in_order),
        cmocka_unit_test(an_update_begins_anew_and_lets_the_chunk_in_work_go),
        cmocka_unit_test(a_toxic_that_comes_acts_on_an_open_connection),
        cmocka_unit_test(a_toxic_that_comes_after_the_end_changes_nothing),
        cmocka_unit_test(toxicity_is_drawn_for_each_connection),
        cmocka_unit_test(toxics_of_the_other_side_do_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
