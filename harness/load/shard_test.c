#include "load/lab_test.h"
#include "load/load.h"
#include "load/stub.h"

/* Shards of one plan, side by side: their union is what one load sends. */

#define SHARDS_MOST 7
#define SEEN_MOST 600

/* What was sent, by sequence: when, since the start, and with which tag. */
struct sent {
    uint64_t due_ns[SEEN_MOST];
    char tag[SEEN_MOST][16];
    unsigned times[SEEN_MOST];
};

struct shards {
    struct lab lab;
    struct stub *stub;
    struct load_plan plan;
    struct load *loads[SHARDS_MOST];
    size_t count, stopped;
    uint64_t start_ns, seed;
};

static void on_stopped(void *cookie)
{
    struct shards *s = cookie;
    s->stopped++;
    if (s->stopped == s->count)
        loop_stop(s->lab.loop);
}

static void open_shards(struct shards *s, const struct load_plan *plan, size_t count)
{
    static const struct stub_endpoint endpoint = {1, "127.0.0.1:0"};
    static struct service_plan service = {
        .name = "checkout", .slots = 256, .status = 200, .body_text = "hello"};
    struct stub_config stub = {.service = &service, .endpoints = &endpoint, .endpoint_count = 1};
    struct error err = {0};
    lab_init(&s->lab);
    s->count = count;
    s->stopped = 0;
    s->plan = *plan;
    assert_true(stub_open(s->lab.loop, NULL, &stub, &s->stub, &err));
    for (size_t i = 0; i < count; i++) {
        struct load_config config = {.plan = &s->plan,
                                     .address = stub_address(s->stub, 1),
                                     .edge = "client -> checkout",
                                     .run = 0xabc,
                                     .proc = (uint16_t)(5 + i),
                                     .seed = 7,
                                     .pace = LOAD_SLEEP,
                                     .shard = (uint32_t)i,
                                     .shards = (uint32_t)count};
        assert_true(load_open(s->lab.loop, s->lab.recorder, &config, &s->loads[i], &err));
    }
    s->start_ns = clock_now_ns() + 10 * NS_PER_MS;
    for (size_t i = 0; i < count; i++)
        load_start(s->loads[i], s->start_ns);
}

/* On a busy machine much more is sent than is asked for: what is not looked at is not kept. */
static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct request_record r;
    if (frame->kind == RECORD_REQUEST) {
        memcpy(&r, body.at, sizeof(r));
        if (r.id_lo > SEEN_MOST)
            return true;
    }
    return lab_on_frame(cookie, frame, body, err);
}

static void read_records(struct lab *lab)
{
    struct buffer bytes;
    struct frame_reader reader;
    struct error err = {0};
    buffer_init(&bytes, SIZE_MAX / 2);
    frame_reader_init(&reader, on_frame, lab);
    recorder_take(lab->recorder, &bytes);
    assert_true(frame_reader_feed(&reader, buffer_view(&bytes), &err));
    frame_reader_release(&reader);
    buffer_release(&bytes);
}

static void close_shards(struct shards *s)
{
    for (size_t i = 0; i < s->count; i++)
        load_stop(s->loads[i], NS_PER_S, on_stopped, s);
    raw_run(s->lab.loop);
    read_records(&s->lab);
    for (size_t i = 0; i < s->count; i++)
        load_free(s->loads[i]);
    stub_free(s->stub);
}

static void read_sent(const struct shards *s, struct sent *to)
{
    *to = (struct sent){0};
    for (size_t i = 0; i < s->lab.record_count; i++) {
        const struct request_record *r = &s->lab.records[i];
        size_t at = (size_t)r->id_lo - 1;
        to->times[at]++;
        to->due_ns[at] = r->due - s->start_ns;
        snprintf(to->tag[at], sizeof(to->tag[at]), "%s",
                 r->tag == 0 ? "" : lab_name(&s->lab, r->tag));
        assert_int_equal(r->id_hi & 0xffffffff, 5 + at % s->count); /* the id tells the shard */
    }
}

static void run_to(struct shards *s, const struct load_plan *plan, size_t count, struct sent *to)
{
    open_shards(s, plan, count);
    for (bool all = false; !all;) {
        all = true;
        for (size_t i = 0; i < count; i++)
            all = all && load_progress(s->loads[i]).last_seq >= SEEN_MOST;
        raw_run_for(s->lab.loop, NS_PER_MS);
    }
    close_shards(s);
    read_sent(s, to);
    lab_release(&s->lab);
}

static void the_union_of_all_shards_is_the_plan(void **state)
{
    static const size_t counts[] = {2, 3, 7};
    struct tagged tagged[] = {{.tag = "a", .count = 40}, {.tag = "b", .count = 25}};
    struct load_plan plan = {.rate_per_h = UINT64_C(1500) * 3600,
                             .poisson = true,
                             .timeout_ns = 10 * NS_PER_S,
                             .connections = 2,
                             .tagged = tagged,
                             .tagged_count = 2,
                             .tag_every_ns = 4 * NS_PER_MS,
                             .path = "/pay"};
    struct shards *s = check_alloc_zero(1, sizeof(*s));
    struct sent *one = check_alloc(sizeof(*one)), *many = check_alloc(sizeof(*many));
    (void)state;
    run_to(s, &plan, 1, one);
    unsigned tags = 0;
    for (size_t i = 0; i < SEEN_MOST; i++)
        tags += one->tag[i][0] != '\0';
    assert_int_equal(tags, 65);
    for (size_t k = 0; k < COUNT_OF(counts); k++) {
        run_to(s, &plan, counts[k], many);
        for (size_t i = 0; i < SEEN_MOST; i++) {
            assert_int_equal(many->times[i], 1);
            assert_int_equal(many->due_ns[i], one->due_ns[i]);
            assert_string_equal(many->tag[i], one->tag[i]);
        }
    }
    free(one);
    free(many);
    free(s);
}

/* Users and tags are dealt out; a shard without users has nothing to do, and says that it is done.
 */
static void closed_shards_share_the_users_and_the_tags(void **state)
{
    struct tagged tagged[] = {{.tag = "a", .count = 10}};
    struct load_plan plan = {.closed = true,
                             .users = 3,
                             .think_ns = NS_PER_MS,
                             .timeout_ns = 10 * NS_PER_S,
                             .tagged = tagged,
                             .tagged_count = 1,
                             .path = "/pay"};
    struct shards *s = check_alloc_zero(1, sizeof(*s));
    (void)state;
    open_shards(s, &plan, 5);
    for (uint64_t left = 1; left > 0;) {
        raw_run_for(s->lab.loop, NS_PER_MS);
        left = 0;
        for (size_t i = 0; i < 5; i++)
            left += load_progress(s->loads[i]).tags_left;
    }
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(load_progress(s->loads[i]).sent > 0, i < 3);
    close_shards(s);
    unsigned tags[5] = {0};
    for (size_t i = 0; i < s->lab.record_count; i++)
        tags[(s->lab.records[i].id_hi & 0xffffffff) - 5] += s->lab.records[i].tag != 0;
    assert_int_equal(tags[0], 4);
    assert_int_equal(tags[1], 3);
    assert_int_equal(tags[2], 3);
    assert_int_equal(tags[3] + tags[4], 0);
    lab_release(&s->lab);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_union_of_all_shards_is_the_plan),
        cmocka_unit_test(closed_shards_share_the_users_and_the_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
