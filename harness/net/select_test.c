#include "net/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const get[] = {"GET", "HEAD"};
static const char *const api[] = {"/api/*", "/v2/**"};
static const char *const gold[] = {"gold*"};
static const char *const secret[] = {"x-internal"};
static const struct match_pair tier = {"X-Tier", "go*"};
static const struct match_pair query = {"k", "v*"};

static void a_match_may_name_a_grpc_method_and_a_protocol(void **state)
{
    static const char *const payments[] = {"shop.Payments/*"};
    (void)state;
    struct select_view call = {.target = BYTES("/shop.Payments/Charge"),
                               .protocols = MATCH_HTTP2 | MATCH_GRPC};
    struct select_view page = {.target = BYTES("/shop.Payments/Charge"), .protocols = MATCH_HTTP1};
    struct match m = {.grpcs = payments, .grpc_count = 1};
    assert_true(select_request(&m, &call));
    assert_false(select_is_open(&m));
    assert_false(select_request(&m, &page)); /* the same path, and no gRPC */
    call.target = BYTES("/shop.Orders/Place");
    assert_false(select_request(&m, &call));
    m = (struct match){.protocols = MATCH_HTTP2 | MATCH_TCP};
    assert_true(select_request(&m, &call));
    assert_false(select_request(&m, &page));
    assert_false(select_is_open(&m));
    m.protocols = MATCH_GRPC;
    assert_true(select_request(&m, &call));
}

static void matches_hold_when_all_their_keys_do(void **state)
{
    (void)state;
    struct field fields[] = {{BYTES("x-tier"), BYTES("silver")}, {BYTES("X-TIER"), BYTES("gold")}};
    struct select_view base = {.method = BYTES("GET"),
                               .target = BYTES("/api/a?z=1&k=v1&k2"),
                               .authority = BYTES("pay.shop"),
                               .tag = BYTES("gold:1"),
                               .from = BYTES("checkout"),
                               .fields = {fields, 2},
                               .attempt = 2};
    struct match m = {0};
    assert_true(select_request(&m, &base) && select_is_open(&m));
    m = (struct match){.methods = get,
                       .method_count = 2,
                       .paths = api,
                       .path_count = 2,
                       .tags = gold,
                       .tag_count = 1,
                       .without = secret,
                       .without_count = 1,
                       .headers = &tier,
                       .header_count = 1,
                       .queries = &query,
                       .query_count = 1,
                       .attempt_least = 2,
                       .attempt_most = 3};
    assert_true(select_request(&m, &base));
    assert_false(select_is_open(&m));
    struct select_view v = base;
    v.method = BYTES("POST");
    assert_false(select_request(&m, &v));
    v = base;
    v.target = BYTES("/api/a/b?k=v1");
    assert_false(select_request(&m, &v));
    v.target = BYTES("/v2/a/b?k=v1");
    assert_true(select_request(&m, &v));
    v.target = BYTES("/v2/a/b?kk=v1&k=w");
    assert_false(select_request(&m, &v));
    v.target = BYTES("/v2/a/b");
    assert_false(select_request(&m, &v));
    v = base;
    v.tag = BYTES("");
    assert_false(select_request(&m, &v));
    v = base;
    v.fields.count = 1;
    assert_false(select_request(&m, &v));
    v = base;
    fields[0].name = BYTES("X-Internal");
    assert_false(select_request(&m, &v));
    fields[0].name = BYTES("x-tier");
    for (uint32_t attempt = 0; attempt < 6; attempt++) {
        v.attempt = attempt;
        assert_int_equal(select_request(&m, &v), attempt == 2 || attempt == 3);
    }
    m = (struct match){.status_least = 503};
    assert_true(select_status(&m, 503) && !select_status(&m, 502) && !select_is_open(&m));
    m = (struct match){.status_least = 500, .status_most = 599};
    assert_true(select_status(&m, 500) && select_status(&m, 599) && !select_status(&m, 499));
    m = (struct match){0};
    assert_true(select_status(&m, 200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_may_name_a_grpc_method_and_a_protocol),
        cmocka_unit_test(matches_hold_when_all_their_keys_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
