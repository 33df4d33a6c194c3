#include "faults/fault_test.h"

static struct arena arena;

static bool parse(const char *json, struct match *ret, struct error *err)
{
    json_t *from = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(from);
    bool ok = match_from_json(from, &arena, ret, err);
    json_decref(from);
    return ok;
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static void match_takes_the_whole_grammar(void **state)
{
    struct match m;
    struct error err = {0};
    (void)state;
    assert_true(parse(
        "{\"method\":[\"GET\",\"HEAD\"],\"path\":\"/api/*\",\"authority\":\"*.shop\","
        "\"header\":{\"x-tier\":\"gold\"},\"without\":[\"x-internal\"],\"query\":{\"k\":\"v*\"},"
        "\"tag\":\"f1:503\",\"attempt\":\"1..3\",\"status\":\"5xx\",\"from\":\"checkout\","
        "\"protocol\":[\"http1\",\"grpc\"],\"grpc\":\"shop.Payments/*\"}",
        &m, &err));
    assert_int_equal(m.protocols, MATCH_HTTP1 | MATCH_GRPC);
    assert_string_equal(m.grpcs[0], "shop.Payments/*");
    assert_int_equal(m.method_count, 2);
    assert_string_equal(m.methods[1], "HEAD");
    assert_string_equal(m.paths[0], "/api/*");
    assert_string_equal(m.authorities[0], "*.shop");
    assert_string_equal(m.headers[0].name, "x-tier");
    assert_string_equal(m.headers[0].glob, "gold");
    assert_string_equal(m.without[0], "x-internal");
    assert_string_equal(m.queries[0].glob, "v*");
    assert_string_equal(m.tags[0], "f1:503");
    assert_string_equal(m.froms[0], "checkout");
    assert_int_equal(m.attempt_least, 1);
    assert_int_equal(m.attempt_most, 3);
    assert_int_equal(m.status_least, 500);
    assert_int_equal(m.status_most, 599);
}

static void match_attempt_is_a_number_or_a_span(void **state)
{
    static const struct {
        const char *json;
        uint32_t least, most;
    } good[] = {{"{\"attempt\":1}", 1, 1},
                {"{\"attempt\":\"2..\"}", 2, UINT32_MAX},
                {"{\"attempt\":\"2..2\"}", 2, 2}};
    static const char *const bad[] = {"{\"attempt\":0}",         "{\"attempt\":-1}",
                                      "{\"attempt\":\"3..2\"}",  "{\"attempt\":\"..2\"}",
                                      "{\"attempt\":\"1...2\"}", "{\"attempt\":1.5}",
                                      "{\"attempt\":\"x\"}",     "{\"attempt\":[1]}"};
    struct match m;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct error err = {0};
        assert_true(parse(good[i].json, &m, &err));
        assert_int_equal(m.attempt_least, good[i].least);
        assert_int_equal(m.attempt_most, good[i].most);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};
        assert_false(parse(bad[i], &m, &err));
        assert_non_null(strstr(err.text, "it must be a number from 1, or a span such as \"2..\""));
    }
}

static void match_names_what_is_wrong(void **state)
{
    static const struct {
        const char *json, *text;
    } rows[] = {
        {"{\"verb\":\"GET\"}",
         "match has no key \"verb\"; it has attempt authority from grpc header method path "
         "protocol query status tag without"},
        {"{\"pathe\":\"/\"}",
         "match has no key \"pathe\" (did you mean \"path\"?); it has attempt authority from "
         "grpc header method path protocol query status tag without"},
        {"{\"path\":5}", "match: path is 5; it must be a text, or a list of texts"},
        {"{\"status\":99}",
         "match: status is 99; it must be a code such as 503, or a class such as \"5xx\""},
        {"{\"status\":\"6xx\"}",
         "match: status is \"6xx\"; it must be a code such as 503, or a class such as \"5xx\""},
        {"{\"header\":\"x\"}", "match: header is \"x\"; it must be a table of names and globs"},
        {"{\"header\":{\"a\":[\"b\"]}}",
         "match: header is [\"b\"]; it must be a table of names and globs, one glob a name"},
        {"{\"grpc\":5}", "match: grpc is 5; it must be a text, or a list of texts"},
        {"{\"protocol\":\"http3\"}",
         "match: protocol is \"http3\"; it must be http1, http2, grpc or tcp"},
        {"{\"protocol\":[]}", "match: protocol is []; it must be http1, http2, grpc or tcp"},
        {"\"x\"", "match must be a table such as { path = \"/api/*\" }"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct match m;
        struct error err = {0};
        assert_false(parse(rows[i].json, &m, &err));
        assert_string_equal(err.text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(match_takes_the_whole_grammar, setup, teardown),
        cmocka_unit_test_setup_teardown(match_attempt_is_a_number_or_a_span, setup, teardown),
        cmocka_unit_test_setup_teardown(match_names_what_is_wrong, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
