/* How many tries of a service one request of the client may lead to. */

#include "verify/amplify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct call_plan to_stock[] = {{.to = "stock", .retries = 1}};
static struct call_plan both[] = {{.to = "cart", .retries = 0}, {.to = "orders", .retries = 0}};
static struct call_plan circle[] = {{.to = "front", .retries = 0}};

static uint64_t bound(struct service_plan *services, size_t count, unsigned layers,
                      const char *want)
{
    struct scenario s = {.lab = {.services = services, .service_count = count}};
    struct edge_policy edges[] = {{.from = "cart", .to = "stock"},
                                  {.from = "orders", .to = "stock"}};
    struct text said;
    edges[1].retry.attempts.number = 2; /* the other edge to stock has none */
    text_init(&said, 200);
    uint64_t ret = amplify_bound(&s, edges, 2, "stock", layers, &said);
    assert_string_equal(text_get(&said), want);
    text_release(&said);
    return ret;
}

static void one_way_is_a_product(void **state)
{
    struct service_plan services[] = {{.name = "cart", .calls = to_stock, .call_count = 1},
                                      {.name = "stock"}};
    (void)state;
    assert_int_equal(bound(services, 2, AMPLIFY_MESH | AMPLIFY_APP, "3 x 2 x 1"), 6);
    assert_int_equal(bound(services, 2, AMPLIFY_MESH, "3 x 1"), 3);
}

/* front calls cart and orders, and both call stock: one request is tries of both. */
static void ways_add_up(void **state)
{
    struct service_plan services[] = {{.name = "front", .calls = both, .call_count = 2},
                                      {.name = "cart", .calls = to_stock, .call_count = 1},
                                      {.name = "orders", .calls = to_stock, .call_count = 1},
                                      {.name = "stock"}};
    (void)state;
    assert_int_equal(
        bound(services, 4, AMPLIFY_MESH | AMPLIFY_APP, "3 x 2 x 1 x 1, 12 over all ways"), 12);
}

static void a_circle_ends(void **state)
{
    struct service_plan services[] = {{.name = "front", .calls = both, .call_count = 2},
                                      {.name = "cart", .calls = circle, .call_count = 1},
                                      {.name = "orders", .calls = to_stock, .call_count = 1},
                                      {.name = "stock"}};
    struct scenario s = {.lab = {.services = services, .service_count = 4}};
    (void)state;
    assert_true(amplify_bound(&s, NULL, 0, "stock", AMPLIFY_APP, NULL) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_way_is_a_product),
        cmocka_unit_test(ways_add_up),
        cmocka_unit_test(a_circle_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
