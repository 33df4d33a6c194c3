#include "faults/netem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The rows' values as the plan's check reads them. */
struct netem_case {
    struct arena arena;
    void *params;
    struct error err;
};

static void begin(struct netem_case *c, const struct fault_type *type)
{
    memset(c, 0, sizeof(*c));
    arena_init(&c->arena, 1 << 16);
    c->params = arena_take(&c->arena, type->params_bytes);
    param_defaults(type->params, type->param_count, c->params, &c->arena);
}

static void give(struct netem_case *c, const struct fault_type *type, const char *key,
                 const char *value)
{
    const struct param *row = param_find(type->params, type->param_count, key);
    assert_non_null(row);
    assert_true(param_parse(row, value, c->params, &c->arena, &c->err));
}

static void netem_is_of_the_peer_and_to_it_unless_the_suite_says_otherwise(void **unused)
{
    struct netem_case c;
    struct fault_netem f;
    const uint64_t seed = 77;
    (void)unused;
    begin(&c, &fault_netem);
    give(&c, &fault_netem, "delay", "40ms");
    give(&c, &fault_netem, "jitter", "8ms");
    give(&c, &fault_netem, "distribution", "normal");
    assert_true(fault_netem.check(c.params, &c.err));
    assert_true(fault_netem_read(c.params, &seed, &f, &c.err));
    assert_false(f.device);
    assert_int_equal(f.direction, NETEM_TO);
    assert_int_equal(f.netem.delay_ns, 40000000);
    assert_int_equal(f.netem.distribution, NETEM_NORMAL);
    assert_true(f.netem.has_seed && f.netem.seed == 77);
    give(&c, &fault_netem, "seed", "mine");
    assert_true(fault_netem_read(c.params, &seed, &f, &c.err));
    assert_true(f.netem.seed != 77);
    give(&c, &fault_netem, "scope", "device");
    give(&c, &fault_netem, "direction", "both");
    assert_true(fault_netem_read(c.params, NULL, &f, &c.err));
    assert_true(f.device && f.direction == NETEM_BOTH);
    arena_release(&c.arena);
}

static void netem_reads_its_maps(void **unused)
{
    struct netem_case c;
    struct fault_netem f;
    (void)unused;
    begin(&c, &fault_netem);
    give(&c, &fault_netem, "gemodel", "{\"p\":\"1%\",\"r\":\"20%\",\"h\":\"0%\",\"k\":\"5%\"}");
    assert_true(fault_netem_read(c.params, NULL, &f, &c.err));
    assert_int_equal(f.netem.losses, NETEM_LOSS_GEMODEL);
    assert_int_equal(f.netem.ge_p_ppm, 10000);
    assert_int_equal(f.netem.ge_r_ppm, 200000);
    assert_int_equal(f.netem.ge_h_ppm, 0);
    assert_int_equal(f.netem.ge_k_ppm, 50000);
    arena_release(&c.arena);
    begin(&c, &fault_netem);
    give(&c, &fault_netem, "slot", "{\"max\":\"3ms\",\"min\":\"1ms\"}");
    assert_true(fault_netem_read(c.params, NULL, &f, &c.err));
    assert_int_equal(f.netem.slot_min_ns, 1000000);
    assert_int_equal(f.netem.slot_max_ns, 3000000);
    arena_release(&c.arena);
}

static void refused(const char *key, const char *value, const char *text)
{
    struct netem_case c;
    begin(&c, &fault_netem);
    give(&c, &fault_netem, key, value);
    assert_false(fault_netem.check(c.params, &c.err));
    if (strstr(c.err.text, text) == NULL || strncmp(c.err.text, "fault.netem: ", 13) != 0)
        fail_msg("no \"%s\" in \"%s\"", text, c.err.text);
    arena_release(&c.arena);
}

static void netem_refuses_what_cannot_be(void **unused)
{
    (void)unused;
    refused("loss", "0%", "does nothing");
    refused("distribution", "normal", "does nothing");
    refused("gemodel", "{\"q\":\"1%\"}", "gemodel has no \"q\"; it has p r h k");
    refused("gemodel", "{\"p\":3}", "p must be a text such as \"5%\"");
    refused("gemodel", "{\"r\":\"3%\"}", "gemodel needs p");
    refused("state", "{\"p13\":\"3\"}", "state: p13 is \"3\"");
    refused("slot", "{}", "slot needs a min or a max");
    refused("delay", "2h", "more than the 1h allowed");
}

static void netem_says_what_it_does(void **unused)
{
    struct netem_case c;
    char shown[200];
    (void)unused;
    begin(&c, &fault_netem);
    give(&c, &fault_netem, "delay", "40ms");
    give(&c, &fault_netem, "loss", "3%");
    fault_netem.print(c.params, shown, sizeof(shown));
    assert_string_equal(shown, "netem delay 40ms loss 3%");
    arena_release(&c.arena);
}

static void partition_loses_every_packet_of_both_ways(void **unused)
{
    struct netem_case c;
    char shown[64];
    (void)unused;
    begin(&c, &fault_partition);
    struct fault_netem f = fault_partition_read(c.params);
    assert_int_equal(f.netem.loss_ppm, 1000000);
    assert_int_equal(f.direction, NETEM_BOTH);
    assert_false(f.device);
    give(&c, &fault_partition, "direction", "from");
    assert_int_equal(fault_partition_read(c.params).direction, NETEM_FROM);
    fault_partition.print(c.params, shown, sizeof(shown));
    assert_string_equal(shown, "partition from");
    assert_true(netem_check(&f.netem, &(struct netem_scope){.device = true}, &c.err));
    arena_release(&c.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(netem_is_of_the_peer_and_to_it_unless_the_suite_says_otherwise),
        cmocka_unit_test(netem_reads_its_maps),
        cmocka_unit_test(netem_refuses_what_cannot_be),
        cmocka_unit_test(netem_says_what_it_does),
        cmocka_unit_test(partition_loses_every_packet_of_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
