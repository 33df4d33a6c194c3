#include "faults/process.h"

#include "faults/fault_test.h"

static bool read_use(const char *word, const char *keys, struct arena *arena, struct fault_use *ret,
                     struct error *err)
{
    json_t *json = json_loads(keys, 0, NULL);
    assert_non_null(json);
    bool ok = fault_use_from_json(word, json, (struct source){"s.lua", 2, 0}, arena, ret, err);
    json_decref(json);
    return ok;
}

static void what_and_times_are_read(void **state)
{
    struct arena arena;
    struct fault_use use;
    struct error err = {0};
    char text[64];
    (void)state;
    arena_init(&arena, 1024 * 1024);
    assert_true(read_use("restart", "{\"on\": \"b\", \"what\": \"proxy\", \"down\": \"2s\"}",
                         &arena, &use, &err));
    const struct fault_process *p = use.params;
    assert_int_equal(p->what, FAULT_PROXY);
    assert_int_equal(p->grace, 5000000000);
    assert_int_equal(p->down, 2000000000);
    assert_string_equal(fault_use_print(&use, text, sizeof(text)), "restart proxy");
    assert_true(read_use("kill", "{\"on\": \"b/2\"}", &arena, &use, &err));
    assert_string_equal(fault_use_print(&use, text, sizeof(text)), "kill endpoint");
    assert_int_equal(use.common.existing, EXISTING_RESET);
    assert_true(read_use("pause", "{\"on\": \"b\"}", &arena, &use, &err));
    assert_int_equal(use.common.existing, EXISTING_KEEP);
    assert_int_equal(use.type->world, WORLD_PAUSE);
    arena_release(&arena);
}

static void they_refuse_what_chooses_among_requests(void **state)
{
    static const char *const words[] = {"kill", "pause", "restart"};
    static const char *const keys[] = {"\"share\": \"30%\"", "\"first\": 1", "\"times\": 2"};
    static const char *const names[] = {"share", "first", "times"};
    struct arena arena;
    (void)state;
    arena_init(&arena, 1024 * 1024);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        for (size_t k = 0; k < COUNT_OF(keys); k++) {
            struct fault_use use;
            struct error err = {0};
            char json[80], want[160];
            snprintf(json, sizeof(json), "{\"on\": \"b\", %s}", keys[k]);
            snprintf(want, sizeof(want),
                     "fault.%s takes no %s: it acts on a whole endpoint or edge, not on requests",
                     words[i], names[k]);
            assert_false(read_use(words[i], json, &arena, &use, &err));
            assert_string_equal(err.text, want);
        }
    arena_release(&arena);
}

static void wrong_values_are_named(void **state)
{
    struct arena arena;
    struct fault_use use;
    struct error err = {0};
    (void)state;
    arena_init(&arena, 1024 * 1024);
    assert_false(read_use("kill", "{\"on\": \"b\", \"what\": \"pod\"}", &arena, &use, &err));
    assert_string_equal(err.text, "fault.kill: what is \"pod\"; it is one of endpoint, proxy, "
                                  "waypoint, ztunnel, control_plane");
    err = (struct error){0};
    assert_false(read_use("pause", "{\"on\": \"b\", \"down\": \"1s\"}", &arena, &use, &err));
    assert_non_null(strstr(err.text, "fault.pause has no key \"down\""));
    err = (struct error){0};
    assert_false(read_use("restart", "{\"on\": \"b\", \"grace\": \"2h\"}", &arena, &use, &err));
    assert_non_null(strstr(err.text, "fault.restart: grace"));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_and_times_are_read),
        cmocka_unit_test(they_refuse_what_chooses_among_requests),
        cmocka_unit_test(wrong_values_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
