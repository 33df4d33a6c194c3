#include "net/rig_test.h"

#include "faults/fault.h"
#include "net/http1.h"

/* Each fault as a user writes it, in the real relay, on real sockets: what the client gets of an
 * answer, how the connection ends, and what the record says. Bodies of nothing, 3 bytes, 1 KiB and
 * 300 kB in both directions, by length and in chunks. It stands here because the layers of the
 * faults' own tests have no proxy's rig. */

#define FAULT 9
#define BODY_MOST 300000

enum ends {
    ENDS_WHOLE,    /* late, or in pieces: nothing is lost */
    ENDS_ANSWER,   /* the fault's own answer, of status ${number} */
    ENDS_RAW,      /* bytes that are no answer, at least ${number}, then FIN */
    ENDS_HEAD,     /* RST before any byte */
    ENDS_RESPONSE, /* cut when ${number} bytes of the answer's body have passed */
    ENDS_REQUEST,  /* cut when ${number} bytes of the request's body have passed */
    ENDS_SILENT,   /* nothing, until it is disarmed; then whole */
};
struct row {
    struct {
        const char *word, *keys;
    } fault[3]; /* in declared order */
    enum ends ends;
    uint64_t number;
    bool rst;         /* a cut: by RST, else by FIN */
    bool at_accept;   /* before any request: no attempt */
    size_t size_most; /* 0: any; tiny slices of a large body take their time */
};

#define RESET(when, after) \
    { \
        { \
            "reset", "{\"when\":\"" when "\"" after "}" \
        } \
    }
#define AFTER(bytes) ",\"after\":\"" bytes "\""
#define LIMIT(bytes, ends, side) \
    { \
        { \
            "limit_data", "{\"bytes\":\"" bytes "\",\"ends\":\"" ends "\",\"side\":\"" side "\"}" \
        } \
    }
#define KIB_100 ((uint64_t)102400)

static const struct row rows[] = {
    {.fault = RESET("accept", ""), .ends = ENDS_HEAD, .rst = true, .at_accept = true},
    {.fault = RESET("request_head", ""), .ends = ENDS_HEAD, .rst = true},
    {.fault = RESET("response_head", ""), .ends = ENDS_HEAD, .rst = true},
    {.fault = RESET("request_body", ""), .ends = ENDS_REQUEST, .rst = true},
    {.fault = RESET("request_body", AFTER("3B")), .ends = ENDS_REQUEST, .number = 3, .rst = true},
    {.fault = RESET("request_body", AFTER("100KiB")),
     .ends = ENDS_REQUEST,
     .number = KIB_100,
     .rst = true},
    {.fault = RESET("response_body", ""), .ends = ENDS_RESPONSE, .rst = true},
    {.fault = RESET("response_body", AFTER("0B")), .ends = ENDS_RESPONSE, .rst = true},
    {.fault = RESET("response_body", AFTER("1B")), .ends = ENDS_RESPONSE, .number = 1, .rst = true},
    {.fault = RESET("response_body", AFTER("3B")), .ends = ENDS_RESPONSE, .number = 3, .rst = true},
    {.fault = RESET("response_body", AFTER("4B")), .ends = ENDS_RESPONSE, .number = 4, .rst = true},
    {.fault = RESET("response_body", AFTER("1KiB")),
     .ends = ENDS_RESPONSE,
     .number = 1024,
     .rst = true},
    {.fault = RESET("response_body", AFTER("100KiB")),
     .ends = ENDS_RESPONSE,
     .number = KIB_100,
     .rst = true},
    {.fault = RESET("response_body", AFTER("1MiB")),
     .ends = ENDS_RESPONSE,
     .number = 1048576,
     .rst = true},
    {.fault = LIMIT("0B", "close", "response"), .ends = ENDS_RESPONSE},
    {.fault = LIMIT("3B", "close", "response"), .ends = ENDS_RESPONSE, .number = 3},
    {.fault = LIMIT("100KiB", "close", "response"), .ends = ENDS_RESPONSE, .number = KIB_100},
    {.fault = LIMIT("3B", "reset", "response"), .ends = ENDS_RESPONSE, .number = 3, .rst = true},
    {.fault = LIMIT("100KiB", "reset", "response"),
     .ends = ENDS_RESPONSE,
     .number = KIB_100,
     .rst = true},
    {.fault = LIMIT("0B", "close", "request"), .ends = ENDS_REQUEST},
    {.fault = LIMIT("3B", "close", "request"), .ends = ENDS_REQUEST, .number = 3},
    {.fault = LIMIT("100KiB", "close", "request"), .ends = ENDS_REQUEST, .number = KIB_100},
    {.fault = LIMIT("3B", "reset", "request"), .ends = ENDS_REQUEST, .number = 3, .rst = true},
    {.fault = LIMIT("100KiB", "reset", "request"),
     .ends = ENDS_REQUEST,
     .number = KIB_100,
     .rst = true},
    {.fault = {{"abort", "{\"status\":503}"}}, .ends = ENDS_ANSWER, .number = 503},
    {.fault = {{"abort", "{\"status\":503,\"reply\":\"after\"}"}},
     .ends = ENDS_ANSWER,
     .number = 503},
    {.fault = {{"abort", "{\"status\":429,\"retry_after\":\"1500ms\",\"body\":\"slow down\"}"}},
     .ends = ENDS_ANSWER,
     .number = 429},
    {.fault = {{"abort", "{\"status\":429,\"reply\":\"after\",\"body\":\"slow down\"}"}},
     .ends = ENDS_ANSWER,
     .number = 429},
    {.fault = {{"abort", "{\"status\":204}"}}, .ends = ENDS_ANSWER, .number = 204},
    {.fault = {{"malformed", "{\"kind\":\"empty\"}"}}, .ends = ENDS_RAW},
    {.fault = {{"malformed", "{\"kind\":\"bad_status_line\"}"}}, .ends = ENDS_RAW, .number = 10},
    {.fault = {{"malformed", "{\"kind\":\"bad_chunk\"}"}}, .ends = ENDS_RAW, .number = 10},
    {.fault = {{"malformed", "{\"kind\":\"random\"}"}}, .ends = ENDS_RAW, .number = 65536},
    {.fault = {{"malformed", "{\"kind\":\"random\",\"size\":\"1B\"}"}},
     .ends = ENDS_RAW,
     .number = 1},
    {.fault = {{"malformed", "{\"kind\":\"random\",\"size\":\"1MiB\"}"}},
     .ends = ENDS_RAW,
     .number = 1048576},
    {.fault = {{"malformed", "{\"kind\":\"oversized_header\",\"size\":\"1MiB\"}"}},
     .ends = ENDS_RAW,
     .number = 1048576},
    {.fault = {{"latency", "{\"add\":\"15ms\",\"when\":\"connect\"}"}}},
    {.fault = {{"latency", "{\"add\":\"15ms\",\"when\":\"request\"}"}}},
    {.fault = {{"latency", "{\"add\":\"15ms\",\"when\":\"response\",\"jitter\":\"5ms\"}"}}},
    {.fault = {{"blackhole", "{\"when\":\"accept\"}"}}, .ends = ENDS_SILENT, .at_accept = true},
    {.fault = {{"blackhole", "{\"when\":\"request\"}"}}, .ends = ENDS_SILENT},
    {.fault = {{"blackhole", "{\"when\":\"response\"}"}}, .ends = ENDS_SILENT},
    {.fault = {{"bandwidth", "{\"rate\":\"4MiB/s\",\"side\":\"request\"}"}}},
    {.fault = {{"bandwidth", "{\"rate\":\"4MiB/s\",\"side\":\"response\"}"}}},
    {.fault = {{"slicer", "{\"size\":\"3B\",\"side\":\"request\"}"}}, .size_most = 1024},
    {.fault = {{"slicer", "{\"size\":\"3B\",\"side\":\"response\"}"}}, .size_most = 1024},
    {.fault = {{"slicer", "{\"size\":\"9KiB\",\"vary\":\"8KiB\",\"delay\":\"1ms\",\"side\":"
                          "\"request\"}"}}},
    {.fault = {{"slicer", "{\"size\":\"9KiB\",\"vary\":\"8KiB\",\"delay\":\"1ms\"}"}}},
    /* One over the other: what an earlier one promised arrives before a later one cuts. */
    {.fault = {{"slicer", "{\"size\":\"100B\",\"delay\":\"1ms\"}"},
               {"reset", "{\"when\":\"response_body\",\"after\":\"250B\"}"}},
     .ends = ENDS_RESPONSE,
     .number = 250,
     .rst = true},
    {.fault = {{"reset", "{\"when\":\"response_body\",\"after\":\"3B\"}"},
               {"slicer", "{\"size\":\"1B\",\"delay\":\"2ms\"}"}},
     .ends = ENDS_RESPONSE,
     .number = 3,
     .rst = true},
    {.fault = {{"limit_data", "{\"bytes\":\"2B\"}"},
               {"bandwidth", "{\"rate\":\"1KiB/s\",\"burst\":\"1B\"}"}},
     .ends = ENDS_RESPONSE,
     .number = 2},
    {.fault = {{"reset", "{\"when\":\"response_body\",\"after\":\"5B\"}"},
               {"limit_data", "{\"bytes\":\"4B\"}"},
               {"slicer", "{\"size\":\"1B\",\"delay\":\"2ms\"}"}},
     .ends = ENDS_RESPONSE,
     .number = 4},
    {.fault = {{"slicer", "{\"size\":\"1KiB\",\"side\":\"request\"}"},
               {"slicer", "{\"size\":\"1KiB\"}"},
               {"latency", "{\"add\":\"5ms\"}"}}},
};

/* ---- one exchange ---- */

struct exchange {
    struct peer *client;
    struct buffer request, reply; /* what is still to be sent */
    size_t asked, answered;       /* bytes of ${in} that were looked at */
    bool replied, until_gone;
    uint64_t give_up_ns; /* 0: not */
};

/* What has come of a message. */
struct seen {
    uint16_t status;
    uint64_t payload;
    bool head, done, keep;
};

static uint8_t letter(uint64_t i)
{
    return (uint8_t)('a' + i % 23);
}

static void on_payload(void *cookie, struct bytes payload)
{
    struct seen *seen = cookie;
    if (seen->status / 100 == 2 || seen->status == 0) /* a fault's own answer has its own */
        for (size_t i = 0; i < payload.len; i++)
            assert_int_equal(payload.at[i], letter(seen->payload + i));
    seen->payload += payload.len;
}

static struct seen look(struct bytes in, bool request)
{
    struct seen seen = {0};
    struct http1_head head;
    struct http1_body body;
    struct error err = {0};
    size_t used = 0;
    if (in.len == 0 || (request ? http1_parse_request(in, &head, &err)
                                : http1_parse_response(in, VERB_POST, &head, &err)) != HTTP1_DONE)
        return seen;
    seen.head = true;
    seen.status = request ? 0 : head.status;
    seen.keep = head.keep_alive;
    http1_body_init(&body, &head);
    struct bytes rest = {in.at + head.head_bytes, in.len - head.head_bytes};
    (void)http1_body_feed(&body, rest, &used, on_payload, &seen, &err);
    seen.done = body.done;
    http1_body_release(&body);
    return seen;
}

static void add(struct buffer *to, const char *format, ...) PRINTF(2, 3);
static void add(struct buffer *to, const char *format, ...)
{
    char text[256];
    struct error err = {0};
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_true(buffer_add(to, text, (size_t)n, &err));
}

static void make_message(struct buffer *to, const char *first, size_t size, bool chunked)
{
    static uint8_t body[BODY_MOST];
    struct error err = {0};
    buffer_init(to, 2 * BODY_MOST);
    for (size_t i = 0; i < size; i++)
        body[i] = letter(i);
    add(to, "%s\r\nhost: pay\r\n", first);
    if (!chunked) {
        add(to, "content-length: %zu\r\n\r\n", size);
        assert_true(buffer_add(to, body, size, &err));
        return;
    }
    add(to, "transfer-encoding: chunked\r\n\r\n");
    for (size_t from = 0, len; from < size; from += len) {
        len = size - from < 7000 ? size - from : 7000;
        add(to, "%zx\r\n", len);
        assert_true(buffer_add(to, body + from, len, &err));
        add(to, "\r\n");
    }
    add(to, "0\r\n\r\n");
}

/* As much as the socket takes now. A peer that has gone takes nothing, and that is no mistake. */
static void push(const struct peer *to, struct buffer *out)
{
    while (out->len > 0 && to->open && !to->rst) {
        ssize_t n = send(to->watch.fd, out->at, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0) {
            if (errno != EAGAIN)
                out->len = 0;
            return;
        }
        buffer_consume(out, (size_t)n);
    }
}

static bool is_settled(struct rig *rig, void *cookie)
{
    struct exchange *x = cookie;
    struct peer *c = x->client;
    push(c, &x->request);
    if (rig->accepted > 0) {
        struct peer *s = rig->server[rig->accepted - 1];
        if (!x->replied && s->in.len != x->asked) {
            x->asked = s->in.len;
            x->replied = look(buffer_view(&s->in), true).done;
        }
        if (x->replied)
            push(s, &x->reply);
    }
    if (c->fin || c->rst || (x->give_up_ns != 0 && clock_now_ns() >= x->give_up_ns))
        return true;
    if (x->until_gone || c->in.len == x->answered)
        return false;
    x->answered = c->in.len;
    return look(buffer_view(&c->in), false).done;
}

static bool has_fired(struct rig *rig, void *cookie)
{
    return is_settled(rig, cookie) || proxy_fired(rig->proxy, FAULT) > 0;
}

static void begin(struct exchange *x, struct rig *rig, struct peer *client, size_t size,
                  bool chunked)
{
    *x = (struct exchange){.client = client};
    (void)rig;
    make_message(&x->request, "POST /pay HTTP/1.1", size, chunked);
    make_message(&x->reply, "HTTP/1.1 200 OK", size, chunked);
}

static void end(struct exchange *x)
{
    buffer_release(&x->request);
    buffer_release(&x->reply);
}

/* ---- one case ---- */

static void arm(struct rig *rig, const struct row *row)
{
    struct filter_slot slots[COUNT_OF(row->fault)];
    struct arena arena;
    size_t count = 0;
    uint64_t at_ns;
    arena_init(&arena, COUNT_OF(row->fault) * FAULT_SLOT_MOST_BYTES);
    for (; count < COUNT_OF(row->fault) && row->fault[count].word != NULL; count++) {
        struct fault_use use;
        struct error err = {0};
        json_t *keys = json_loads(row->fault[count].keys, 0, NULL);
        assert_non_null(keys);
        json_object_set_new(keys, "on", json_string("payments"));
        if (!fault_use_from_json(row->fault[count].word, keys, (struct source){0}, &arena, &use,
                                 &err))
            fail_msg("%s", err.text);
        json_decref(keys);
        use.id = (uint16_t)(FAULT + count);
        fault_use_slot(&use, 42, UINT64_MAX, NULL, &arena, &slots[count]);
    }
    proxy_arm(rig->proxy, 1, chain_new(slots, count, 1, &arena), &at_ns);
}

static void disarm(struct rig *rig)
{
    uint64_t at_ns;
    proxy_arm(rig->proxy, 1, NULL, &at_ns);
}

struct at_case {
    struct rig *rig;
    const struct row *row;
    size_t size;
    bool chunked;
    struct exchange x;
};

static bool is_cut(const struct at_case *c)
{
    const struct row *row = c->row;
    if (row->ends == ENDS_REQUEST || row->ends == ENDS_RESPONSE)
        return c->size > 0 && row->number <= c->size;
    return row->ends == ENDS_HEAD || row->ends == ENDS_RAW;
}

static void expect_whole(const struct at_case *c)
{
    struct seen seen = look(buffer_view(&c->x.client->in), false);
    struct peer *s = c->rig->server[c->rig->accepted - 1];
    struct seen asked = look(buffer_view(&s->in), true);
    assert_int_equal(seen.status, 200);
    assert_true(seen.done && asked.done);
    assert_int_equal(seen.payload, c->size);
    assert_int_equal(asked.payload, c->size);
}

static void expect_cut(struct at_case *c)
{
    const struct row *row = c->row;
    const struct peer *client = c->x.client;
    assert_true(row->rst ? client->rst : client->fin);
    if (row->ends == ENDS_RAW) {
        assert_in_range(client->in.len, row->number, row->number + 200);
        assert_int_equal(c->rig->accepted, 0); /* the backend has not run */
        return;
    }
    if (row->ends != ENDS_RESPONSE) {
        assert_int_equal(client->in.len, 0);
    } else {
        struct seen seen = look(buffer_view(&client->in), false);
        assert_int_equal(seen.status, 200);
        assert_int_equal(seen.payload, row->number);
    }
    if (row->ends == ENDS_REQUEST && c->rig->accepted > 0)
        assert_true(look(buffer_view(&c->rig->server[0]->in), true).payload <= row->number);
}

static void expect_record(struct at_case *c, bool cut)
{
    const struct row *row = c->row;
    if (row->at_accept && cut) {
        assert_int_equal(await_connection(c->rig, 1)->fault, FAULT);
        return;
    }
    const struct attempt_record *a = await_attempt(c->rig, 1);
    bool alone = row->fault[1].word == NULL;
    if (row->at_accept) /* that fired on the connection */
        assert_int_equal(a->fired, 0);
    else if (cut || row->ends == ENDS_ANSWER || row->ends == ENDS_SILENT)
        assert_true(a->fired != 0 && (!alone || a->fired == UINT32_C(1) << FAULT));
    else if (alone && (row->ends == ENDS_REQUEST || row->ends == ENDS_RESPONSE))
        assert_int_equal(a->fired, 0); /* chosen, but the body was too short for it to act */
    if (cut)
        assert_int_equal(a->outcome, row->rst ? OUTCOME_RESET_BY_FAULT : OUTCOME_CLOSED_BY_FAULT);
    else
        assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    if (!cut && row->ends != ENDS_ANSWER)
        assert_int_equal(a->fault, 0);
    else if (alone)
        assert_int_equal(a->fault, FAULT);
    if (row->ends == ENDS_RESPONSE && cut)
        assert_int_equal(a->bytes_out, row->number);
}

/* The connection is good for another request when the answer said so; but nobody knows how much of
 * a chunked body is still to come when it is answered early. */
static void ask_again(struct at_case *c)
{
    struct peer *client = c->x.client;
    struct exchange next;
    if (client->fin || client->rst || c->x.request.len > 0 ||
        !look(buffer_view(&client->in), false).keep ||
        (c->row->ends == ENDS_ANSWER && c->chunked && c->size == BODY_MOST))
        return;
    disarm(c->rig);
    if (c->rig->accepted > 0)
        peer_forget(c->rig->server[c->rig->accepted - 1]);
    peer_forget(client);
    begin(&next, c->rig, client, 3, c->chunked);
    rig_await_polling(c->rig, is_settled, &next);
    struct seen seen = look(buffer_view(&client->in), false);
    assert_true(seen.done);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.payload, 3);
    end(&next);
}

static void run_case(const struct row *row, size_t size, bool chunked)
{
    struct at_case c = {.rig = rig_open(), .row = row, .size = size, .chunked = chunked};
    bool cut = is_cut(&c);
    uint64_t silent_ns = 20 * NS_PER_MS;
    print_message("%s %s, %zu bytes%s\n", row->fault[0].word, row->fault[0].keys, size,
                  chunked ? " in chunks" : "");
    arm(c.rig, row);
    begin(&c.x, c.rig, rig_dial(c.rig), size, chunked);
    c.x.until_gone = cut;
    if (row->ends == ENDS_SILENT) {
        rig_await_polling(c.rig, has_fired, &c.x);
        c.x.give_up_ns = clock_now_ns() + silent_ns;
        rig_await_polling(c.rig, is_settled, &c.x);
        assert_false(c.x.client->fin || c.x.client->rst);
        assert_int_equal(c.x.client->in.len, 0);
        c.x.give_up_ns = 0;
        disarm(c.rig);
    }
    rig_await_polling(c.rig, is_settled, &c.x);
    if (cut) {
        expect_cut(&c);
    } else if (row->ends == ENDS_ANSWER) {
        struct seen seen = look(buffer_view(&c.x.client->in), false);
        assert_true(seen.done);
        assert_int_equal(seen.status, row->number);
    } else {
        expect_whole(&c);
    }
    expect_record(&c, cut);
    if (!cut)
        ask_again(&c);
    end(&c.x);
    rig_close(c.rig);
}

static void each_fault_does_what_it_says_on_every_body(void **state)
{
    static const size_t sizes[] = {0, 3, 1024, BODY_MOST};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t k = 0; k < COUNT_OF(sizes); k++)
            for (int chunked = 0; chunked < 2; chunked++)
                if (rows[i].size_most == 0 || sizes[k] <= rows[i].size_most)
                    run_case(&rows[i], sizes[k], chunked == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_does_what_it_says_on_every_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
