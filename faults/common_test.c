#include "faults/fault_test.h"

static void common_keys_have_their_defaults(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "abort", "{\"status\":503}"));
    assert_int_equal(c.slot.when.share_ppm, 1000000);
    assert_int_equal(c.slot.when.per, SELECT_PER_REQUEST);
    assert_int_equal(c.slot.when.first, 0);
    assert_int_equal(c.slot.when.streak, 0);
    assert_true(c.use.common.times == PARAM_UNSET);
    assert_true(c.use.common.ttl_ns == PARAM_UNSET);
    assert_string_equal(c.use.common.mode, "all");
    assert_int_equal(c.use.common.existing, EXISTING_KEEP);
    fault_case_release(&c);
}

static void common_keys_are_read(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(
        &c, "abort",
        "{\"status\":503,\"on\":\"b\",\"mode\":2,\"share\":\"12.5%\",\"per\":\"connection\","
        "\"first\":3,\"times\":9,\"streak\":4,\"ttl\":\"2s\",\"existing\":\"drain\","
        "\"name\":\"n\",\"note\":\"t\",\"to_end_of\":\"p\",\"match\":{\"tag\":\"x\"}}"));
    assert_int_equal(c.slot.when.share_ppm, 125000);
    assert_int_equal(c.slot.when.per, SELECT_PER_CONNECTION);
    assert_int_equal(c.slot.when.first, 3);
    assert_int_equal(c.slot.when.streak, 4);
    assert_int_equal(c.use.common.times, 9);
    assert_int_equal(c.use.common.ttl_ns, 2000000000);
    assert_int_equal(c.use.common.existing, EXISTING_DRAIN);
    assert_string_equal(c.use.common.mode, "2");
    assert_string_equal(c.use.common.match_json, "{\"tag\":\"x\"}");
    assert_string_equal(c.use.common.name, "n");
    fault_case_release(&c);
}

static void common_errors_are_the_languages(void **state)
{
    (void)state;
    fault_case_refused("reset", "{\"share\":0.3}",
                       "fault.reset: share is 0.3; it must be a share such as \"30%\"");
    struct fault_case unknown;
    assert_false(fault_case_init(&unknown, "delay", "{}"));
    assert_memory_equal(unknown.err.text, "there is no fault.delay; there is abort bandwidth ", 50);
    fault_case_release(&unknown);
    fault_case_refused("reset", "{\"mode\":\"one\",\"on\":\"b/1\"}",
                       "fault.reset: mode is for a service, and on = \"b/1\" is one endpoint");
    fault_case_refused(
        "reset", "{\"mode\":\"some\"}",
        "fault.reset: mode is \"some\"; it must be \"all\", \"one\", a count or a share such as "
        "\"30%\"");
    fault_case_refused("reset", "{\"first\":0}",
                       "fault.reset: first is 0, less than the 1 allowed");
    fault_case_refused("reset", "{\"name\":5}", "fault.reset: name is 5; it must be a text");
    fault_case_refused("reset", "{\"first\":[1]}",
                       "fault.reset: first must be one value, not a table");
    fault_case_refused("reset", "{\"first\":1.5}",
                       "fault.reset: first is 1.5; it must be a count such as 3");
}

static void common_world_faults_choose_no_requests(void **state)
{
    static const char *const keys[] = {"share", "first", "times", "match", "per", "streak"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        char json[64], text[160];
        snprintf(json, sizeof(json), "{\"%s\":1}", keys[i]);
        snprintf(text, sizeof(text),
                 "fault.refuse takes no %s: it acts on a whole endpoint or edge, not on requests",
                 keys[i]);
        fault_case_refused("refuse", json, text);
    }
    fault_case_refused(
        "refuse", "{\"when\":\"x\"}",
        "fault.refuse has no key \"when\"; it has existing mode name note on to_end_of ttl");
    struct fault_case c;
    assert_true(fault_case_init(&c, "refuse", "{\"ttl\":\"1m\"}"));
    assert_true(c.use.type->refuses);
    assert_null(c.use.type->stream);
    assert_int_equal(c.use.common.existing, EXISTING_RESET);
    fault_case_release(&c);
}

static void registry_is_sorted_and_each_fault_is_whole(void **state)
{
    size_t count;
    (void)state;
    const struct fault_type *const *types = fault_types(&count);
    assert_true(count >= 6);
    for (size_t i = 0; i < count; i++) {
        char start[64];
        snprintf(start, sizeof(start), "fault.%s {", types[i]->name);
        if (i > 0)
            assert_true(strcmp(types[i - 1]->name, types[i]->name) < 0);
        assert_ptr_equal(fault_type_find(types[i]->name), types[i]);
        assert_true(bytes_starts(bytes_of(types[i]->example), bytes_of(start)));
        assert_int_equal(
            (types[i]->stream != NULL) + types[i]->refuses + (types[i]->world != WORLD_NONE), 1);
    }
    assert_null(fault_type_find("delay"));
}

static void kept_alive_connections_are_the_faults_own_matter(void **state)
{
    static const struct {
        const char *word, *json;
        enum existing existing;
    } rows[] = {
        {"abort", "{\"status\":503}", EXISTING_KEEP},
        {"bandwidth", "{\"rate\":\"1B/s\"}", EXISTING_KEEP},
        {"blackhole", "{\"when\":\"accept\"}", EXISTING_KEEP},
        {"corrupt", "{}", EXISTING_KEEP},
        {"goaway", "{}", EXISTING_KEEP},
        {"latency", "{\"add\":\"1ms\"}", EXISTING_KEEP},
        {"latency", "{\"add\":\"1ms\",\"when\":\"connect\"}", EXISTING_RESET},
        {"latency", "{\"add\":\"1ms\",\"when\":\"connect\",\"existing\":\"drain\"}",
         EXISTING_DRAIN},
        {"limit_data", "{\"bytes\":\"1B\"}", EXISTING_KEEP},
        {"malformed", "{\"kind\":\"empty\"}", EXISTING_KEEP},
        {"refuse", "{}", EXISTING_RESET},
        {"replace", "{\"status\":404}", EXISTING_KEEP},
        {"reset", "{\"when\":\"accept\"}", EXISTING_KEEP},
        {"reset", "{\"existing\":\"reset\"}", EXISTING_RESET},
        {"rst_stream", "{}", EXISTING_KEEP},
        {"slicer", "{\"size\":\"1B\"}", EXISTING_KEEP},
        {"slow_close", "{\"delay\":\"1s\"}", EXISTING_KEEP},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fault_case c;
        assert_true(fault_case_init(&c, rows[i].word, rows[i].json));
        assert_int_equal(c.use.common.existing, rows[i].existing);
        fault_case_release(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_keys_have_their_defaults),
        cmocka_unit_test(common_keys_are_read),
        cmocka_unit_test(common_errors_are_the_languages),
        cmocka_unit_test(common_world_faults_choose_no_requests),
        cmocka_unit_test(registry_is_sorted_and_each_fault_is_whole),
        cmocka_unit_test(kept_alive_connections_are_the_faults_own_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
