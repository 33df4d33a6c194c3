#include "load/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct wire_config config_of(const struct load_plan *plan)
{
    return (struct wire_config){.plan = plan,
                                .authority = "checkout",
                                .from = "client",
                                .id_hi = UINT64_C(0xabc) << 32 | 5,
                                .seed = 3};
}

/* The bytes of one request. */
static void print(struct wire *w, uint64_t seq, const char *tag, char *to, size_t size)
{
    struct iovec parts[WIRE_PARTS];
    size_t count = wire_parts(w, seq, tag, parts), used = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(used + parts[i].iov_len < size);
        memcpy(to + used, parts[i].iov_base, parts[i].iov_len);
        used += parts[i].iov_len;
    }
    to[used] = '\0';
}

static void only_the_digits_change(void **state)
{
    struct load_plan plan = {.path = "/pay?x=1"};
    struct wire_config config = config_of(&plan);
    struct wire w;
    struct error err = {0};
    char text[1024];
    (void)state;
    assert_true(wire_init(&w, &config, &err));
    print(&w, 1, NULL, text, sizeof(text));
    assert_string_equal(text, "GET /pay?x=1 HTTP/1.1\r\nhost: checkout\r\n"
                              "x-meshproof-id: 00000abc-0005-0000000000000001\r\n"
                              "x-meshproof-from: client\r\n\r\n");
    print(&w, UINT64_C(0xfedcba9876543210), "f1:503", text, sizeof(text));
    assert_string_equal(text, "GET /pay?x=1 HTTP/1.1\r\nhost: checkout\r\n"
                              "x-meshproof-id: 00000abc-0005-fedcba9876543210\r\n"
                              "x-meshproof-from: client\r\nx-meshproof-tag: f1:503\r\n\r\n");
    wire_release(&w);
}

static void places_in_the_path_are_filled_in(void **state)
{
    struct load_plan plan = {.path = "/{seed}/{n}/{uuid}/{x}"};
    struct wire_config config = config_of(&plan);
    struct wire w;
    struct error err = {0};
    char text[1024], again[1024];
    (void)state;
    assert_true(wire_init(&w, &config, &err));
    print(&w, 17, NULL, text, sizeof(text));
    assert_memory_equal(text, "GET /3/17/", 10);
    const char *uuid = text + 10;
    assert_true(uuid[8] == '-' && uuid[13] == '-' && uuid[14] == '4' && uuid[18] == '-' &&
                uuid[23] == '-');
    assert_memory_equal(uuid + 36, "/{x} HTTP/1.1\r\n", 15);
    print(&w, 18, NULL, again, sizeof(again));
    assert_memory_not_equal(uuid, again + 10, 36);
    print(&w, 17, NULL, again, sizeof(again));
    assert_string_equal(text, again);
    wire_release(&w);
}

static void headers_and_bodies_are_framed(void **state)
{
    json_t *headers = json_pack("{s:s}", "x-tier", "gold");
    struct load_plan plan = {.method = "POST",
                             .path = "/",
                             .headers = headers,
                             .body_text = "hello",
                             .reuse = REUSE_EACH};
    struct wire_config config = config_of(&plan);
    struct wire w;
    struct error err = {0};
    char text[4096];
    (void)state;
    assert_true(wire_init(&w, &config, &err));
    print(&w, 1, NULL, text, sizeof(text));
    assert_non_null(strstr(text, "x-meshproof-from: client\r\nx-tier: gold\r\ncontent-length: "
                                 "5\r\nconnection: close\r\n\r\nhello"));
    wire_release(&w);
    plan.body_text = NULL;
    plan.body_bytes = 1000;
    assert_true(wire_init(&w, &config, &err));
    print(&w, 1, NULL, text, sizeof(text));
    assert_non_null(strstr(text, "content-length: 1000\r\n"));
    assert_int_equal(strlen(strstr(text, "\r\n\r\n") + 4), 1000);
    wire_release(&w);
    json_decref(headers);
}

static void what_would_break_the_request_is_refused(void **state)
{
    json_t *ours = json_pack("{s:s}", "X-Meshproof-Id", "1"),
           *broken = json_pack("{s:s}", "a", "b\r\nc: d");
    struct {
        struct load_plan plan;
        const char *text;
    } rows[] = {
        {{.headers = ours}, "headers: X-Meshproof-Id is set by the load itself"},
        {{.headers = broken}, "headers has \"a\", which is no header with a text of one line"},
        {{.path = "no"}, "\"GET no\" is no request line; path begins with /"},
        {{.path = "/a b"}, "\"GET /a b\" is no request line; path begins with /"},
        {{.method = "", .path = "/"}, "\" /\" is no request line; path begins with /"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct wire_config config = config_of(&rows[i].plan);
        struct wire w;
        struct error err = {0};
        assert_false(wire_init(&w, &config, &err));
        assert_string_equal(err.text, rows[i].text);
        wire_release(&w);
    }
    json_decref(ours);
    json_decref(broken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_digits_change),
        cmocka_unit_test(places_in_the_path_are_filled_in),
        cmocka_unit_test(headers_and_bodies_are_framed),
        cmocka_unit_test(what_would_break_the_request_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
