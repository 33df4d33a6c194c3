#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/prepare.h"

struct fixture {
    struct prepared p;
    struct prepared_scenario scenario;
    json_t *to;
};

static void make(struct fixture *f, enum driver driver, const char *service, const char *address)
{
    *f = (struct fixture){.scenario = {.driver = driver}};
    f->p.plan = plan_new();
    f->p.plan->scenarios = ARENA_ARRAY(&f->p.plan->arena, struct scenario, 1);
    f->p.plan->scenario_count = 1;
    f->p.scenarios = &f->scenario;
    f->to = json_pack("{s:s, s:s}", "other", "127.0.0.9:9", service, address);
    f->p.plan->scenarios[0].lab.external = json_pack("{s:o}", "to", f->to);
    json_array_append_new(f->p.plan->owned, f->p.plan->scenarios[0].lab.external);
}

static const char *at(const struct fixture *f, const char *service)
{
    return json_string_value(json_object_get(f->to, service));
}

static void a_name_becomes_the_address_that_it_has(void **state)
{
    struct fixture f;
    struct error err = {0};
    (void)state;
    make(&f, DRIVER_EXTERNAL, "payments", "localhost:18080");
    assert_true(prepare_names(&f.p, &err));
    bool v4 = strcmp(at(&f, "payments"), "127.0.0.1:18080") == 0;
    assert_true(v4 || strcmp(at(&f, "payments"), "[::1]:18080") == 0);
    assert_string_equal(at(&f, "other"), "127.0.0.9:9");
    plan_free(f.p.plan);
}

static void addresses_stay_as_they_are(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:1", "[::1]:1", ":80", "nonsense", "a:b:c"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        struct fixture f;
        struct error err = {0};
        make(&f, DRIVER_EXTERNAL, "payments", addresses[i]);
        assert_true(prepare_names(&f.p, &err));
        assert_string_equal(at(&f, "payments"), addresses[i]);
        plan_free(f.p.plan);
    }
}

/* No resolver is asked: a label has at most 63 letters. */
#define NOBODY "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg.example:80"

static void a_name_without_an_address_is_one_sentence(void **state)
{
    struct fixture f;
    struct error err = {0};
    (void)state;
    make(&f, DRIVER_EXTERNAL, "payments", NOBODY);
    assert_false(prepare_names(&f.p, &err));
    assert_int_equal(err.kind, ERROR_SYSTEM);
    assert_non_null(strstr(err.text, "gggg.example\" has no address: "));
    plan_free(f.p.plan);
}

static void other_drivers_ask_nobody(void **state)
{
    struct fixture f;
    struct error err = {0};
    (void)state;
    make(&f, DRIVER_BUILTIN, "payments", NOBODY);
    assert_true(prepare_names(&f.p, &err));
    plan_free(f.p.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_becomes_the_address_that_it_has),
        cmocka_unit_test(addresses_stay_as_they_are),
        cmocka_unit_test(a_name_without_an_address_is_one_sentence),
        cmocka_unit_test(other_drivers_ask_nobody),
    };
    return cmocka_run_group_tests_name("prepare_names", tests, NULL, NULL);
}
