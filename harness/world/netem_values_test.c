#include "world/netem.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MS UINT64_C(1000000)
static const struct netem_scope all = {.device = true};

static void refused(struct netem n, const char *text)
{
    struct error err = {0};
    assert_false(netem_check(&n, &all, &err));
    assert_non_null(strstr(err.text, text));
    assert_true(err.kind == ERROR_INPUT || err.kind == ERROR_LIMIT);
}

static void what_does_not_fit_is_one_sentence(void **unused)
{
    (void)unused;
    refused((struct netem){0}, "does nothing");
    refused((struct netem){.delay_ns = 3601000 * MS}, "delay is 1h1s, more than the 1h allowed");
    refused((struct netem){.delay_ns = 3000 * MS, .jitter_ns = 2148 * MS}, "jitter is 2s148ms");
    refused((struct netem){.delay_ns = MS, .jitter_ns = 2 * MS}, "more than its delay");
    refused((struct netem){.delay_ns = MS, .delay_corr_ppm = 1}, "correlation is of jitter");
    refused((struct netem){.delay_ns = MS, .distribution = NETEM_NORMAL}, "distribution");
    refused((struct netem){.loss_ppm = 1, .reorder_ppm = 1}, "reorder needs a delay");
    refused((struct netem){.delay_ns = MS, .gap = 5}, "gap is of reorder");
    refused((struct netem){.losses = NETEM_LOSS_GEMODEL}, "gemodel needs p");
    refused((struct netem){.losses = NETEM_LOSS_STATE}, "state needs p13");
    refused(
        (struct netem){.losses = NETEM_LOSS_STATE, .p13_ppm = 1, .p31_ppm = 999999, .p32_ppm = 2},
        "p31 and p32");
    refused((struct netem){.delay_ns = MS, .ecn = true}, "ecn marks");
    refused((struct netem){.rate_bytes_per_s = 999}, "rate is 999 B/s");
    refused((struct netem){.loss_ppm = 1, .limit_packets = 10000001}, "limit is 10000001");
    refused((struct netem){.slot_max_ns = MS, .slot_min_ns = 2 * MS}, "slot");
}

static void a_scope_needs_flows_that_can_be_told(void **unused)
{
    static struct netem_scope s;
    struct netem n = {.loss_ppm = 1};
    struct error err = {0};
    (void)unused;
    assert_false(netem_check(&n, &s, &err));
    s.flow_count = 1;
    err = (struct error){0};
    assert_false(netem_check(&n, &s, &err));
    s.flows[0] = (struct netem_flow){.family = AF_INET, .peer_port = 80};
    err = (struct error){0};
    assert_false(netem_check(&n, &s, &err));
    assert_non_null(strstr(err.text, "port"));
    s.flows[0].protocol = IPPROTO_TCP;
    assert_true(netem_check(&n, &s, &err));
}

static void the_limit_is_what_delay_and_rate_hold_and_half_as_much_again(void **unused)
{
    struct netem n = {.delay_ns = 1000 * MS, .rate_bytes_per_s = 12500000};
    (void)unused;
    assert_int_equal(netem_resolve(&n).limit_packets, 12500);
    n.rate_bytes_per_s = 1000;
    assert_int_equal(netem_resolve(&n).limit_packets, 1000);
    n = (struct netem){.delay_ns = 100 * MS}; /* a device of 1 Gbit/s is assumed */
    assert_int_equal(netem_resolve(&n).limit_packets, 12500);
    n.jitter_ns = 100 * MS; /* four deviations more */
    assert_int_equal(netem_resolve(&n).limit_packets, 62500);
    n = (struct netem){.delay_ns = 3600000 * MS};
    assert_int_equal(netem_resolve(&n).limit_packets, 10000000);
    n.limit_packets = 7;
    assert_int_equal(netem_resolve(&n).limit_packets, 7);
}

static void it_reads_as_add_takes_it(void **unused)
{
    char text[300];
    struct netem n = {.delay_ns = 40 * MS,
                      .jitter_ns = 8 * MS,
                      .delay_corr_ppm = 250000,
                      .distribution = NETEM_PARETONORMAL,
                      .losses = NETEM_LOSS_GEMODEL,
                      .ge_p_ppm = 10000,
                      .ge_r_ppm = 200000,
                      .reorder_ppm = 5000,
                      .gap = 4,
                      .rate_bytes_per_s = 125000,
                      .slot_min_ns = MS,
                      .slot_max_ns = 2 * MS,
                      .limit_packets = 9,
                      .ecn = true};
    (void)unused;
    assert_string_equal(netem_print(&n, text, sizeof(text)),
                        "delay=40ms jitter=8ms correlation=25% distribution=paretonormal "
                        "gemodel=p:1%,r:20%,h:0%,k:0% ecn=yes reorder=0.5% gap=4 rate=125000B/s "
                        "slot=min:1ms,max:2ms limit=9");
    assert_string_equal(netem_print(&(struct netem){0}, text, sizeof(text)), "");
}

static void a_difference_names_its_field(void **unused)
{
    struct netem a = {.delay_ns = MS, .has_seed = true, .seed = 1}, b = a;
    (void)unused;
    assert_null(netem_differs(&a, &b, true));
    b.delay_ns = 3;
    assert_string_equal(netem_differs(&a, &b, true), "delay");
    b = a;
    b.seed = 2;
    assert_string_equal(netem_differs(&a, &b, true), "seed");
    assert_null(netem_differs(&a, &b, false)); /* a kernel that has none */
    b = a;
    b.losses = NETEM_LOSS_STATE;
    assert_string_equal(netem_differs(&a, &b, true), "loss");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_one_sentence),
        cmocka_unit_test(a_scope_needs_flows_that_can_be_told),
        cmocka_unit_test(the_limit_is_what_delay_and_rate_hold_and_half_as_much_again),
        cmocka_unit_test(it_reads_as_add_takes_it),
        cmocka_unit_test(a_difference_names_its_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
