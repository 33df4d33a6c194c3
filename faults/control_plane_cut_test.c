#include "faults/control_plane_cut.h"

#include "faults/fault_test.h"

static bool read_use(const char *keys, struct arena *arena, struct fault_use *ret,
                     struct error *err)
{
    json_t *json = json_loads(keys, 0, NULL);
    assert_non_null(json);
    bool ok = fault_use_from_json("control_plane_cut", json, (struct source){"s.lua", 2, 0}, arena,
                                  ret, err);
    json_decref(json);
    return ok;
}

static void its_channels_are_those_that_are_named_or_both(void **state)
{
    static const struct {
        const char *keys, *print;
        unsigned channels;
    } rows[] = {
        {"{\"on\": \"b\"}", "control_plane_cut", FAULT_CONFIG | FAULT_IDENTITY},
        {"{\"on\": \"b\", \"what\": \"config\"}", "control_plane_cut config", FAULT_CONFIG},
        {"{\"on\": \"b\", \"what\": [\"identity\"]}", "control_plane_cut identity", FAULT_IDENTITY},
        {"{\"on\": \"b\", \"what\": [\"identity\", \"config\"]}", "control_plane_cut",
         FAULT_CONFIG | FAULT_IDENTITY},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena;
        struct fault_use use;
        struct error err = {0};
        char text[64];
        arena_init(&arena, 1024 * 1024);
        assert_true(read_use(rows[i].keys, &arena, &use, &err));
        assert_int_equal(use.type->world, WORLD_CUT);
        assert_int_equal(fault_cut_channels(use.params), rows[i].channels);
        assert_string_equal(fault_use_print(&use, text, sizeof(text)), rows[i].print);
        arena_release(&arena);
    }
}

static void other_names_and_none_are_refused(void **state)
{
    static const struct {
        const char *keys, *text;
    } rows[] = {
        {"{\"on\": \"b\", \"what\": []}",
         "fault.control_plane_cut: what names nothing; it has config, identity"},
        {"{\"on\": \"b\", \"what\": [\"config\", \"xds\"]}",
         "fault.control_plane_cut: what must be a list of: config, identity"},
        {"{\"on\": \"b\", \"what\": [3]}",
         "fault.control_plane_cut: what must be a list of: config, identity"},
        {"{\"on\": \"b\", \"share\": \"30%\"}",
         "fault.control_plane_cut takes no share: it acts on a whole endpoint or edge, not on "
         "requests"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena;
        struct fault_use use;
        struct error err = {0};
        arena_init(&arena, 1024 * 1024);
        assert_false(read_use(rows[i].keys, &arena, &use, &err));
        assert_string_equal(err.text, rows[i].text);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_channels_are_those_that_are_named_or_both),
        cmocka_unit_test(other_names_and_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
