#include "cli/netem_spec.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct fault_netem parsed(const char *a, const char *b)
{
    const char *words[] = {a, b};
    struct fault_netem f = {0};
    struct arena arena;
    struct error err = {0};
    arena_init(&arena, 1 << 16);
    if (!netem_spec_parse(words, b == NULL ? 1 : 2, &arena, &f, &err))
        fail_msg("%s", err.text);
    arena_release(&arena);
    return f;
}

static void refused(const char *word, const char *text)
{
    struct fault_netem f;
    struct arena arena;
    struct error err = {0};
    arena_init(&arena, 1 << 16);
    assert_false(netem_spec_parse(&word, 1, &arena, &f, &err));
    if (strstr(err.text, text) == NULL)
        fail_msg("no \"%s\" in \"%s\"", text, err.text);
    arena_release(&arena);
}

static void one_word_or_many_say_the_same(void **unused)
{
    (void)unused;
    struct fault_netem a = parsed("delay=40ms loss=3%", NULL), b = parsed("delay=40ms", "loss=3%");
    assert_int_equal(a.netem.delay_ns, 40000000);
    assert_int_equal(a.netem.loss_ppm, 30000);
    assert_int_equal(b.netem.delay_ns, a.netem.delay_ns);
    assert_int_equal(b.netem.loss_ppm, a.netem.loss_ppm);
    assert_int_equal(a.direction, NETEM_TO);
    assert_false(a.netem.has_seed);
}

static void maps_have_their_keys_and_their_remainders(void **unused)
{
    (void)unused;
    struct netem n = parsed("gemodel=p:1%,k:5% direction=both", "slot=min:1ms").netem;
    assert_int_equal(n.losses, NETEM_LOSS_GEMODEL);
    assert_int_equal(n.ge_r_ppm, 990000);
    assert_int_equal(n.ge_k_ppm, 50000);
    assert_int_equal(n.slot_max_ns, 1000000);
    n = parsed("state=p13:5%,p32:40%", NULL).netem;
    assert_int_equal(n.p31_ppm, 600000); /* p31 and p32 leave one state together */
    assert_int_equal(n.p23_ppm, 1000000);
    assert_int_not_equal(parsed("loss=1% seed=a", NULL).netem.seed,
                         parsed("loss=1% seed=b", NULL).netem.seed);
}

static void what_cannot_be_read_is_one_sentence(void **unused)
{
    (void)unused;
    refused("delay", "key=value");
    refused("delay=4", "delay is \"4\"");
    refused("scope=peer loss=1%", "takes no scope");
    refused("dleay=4ms", "did you mean \"delay\"");
    refused("loss=1% loss=1%", "twice");
    refused("gemodel=p", "it must be such as p:1%,r:20%");
    refused("gemodel=q:1%", "gemodel has no \"q\"; it has p r h k");
    refused("gemodel=p:1", "p is \"1\"");
    refused("slot=min:0ms", "slot needs a min or a max");
    refused("gemodel=p:1% state=p13:1%", "one of loss, gemodel and state");
    refused("distribution=normal delay=1ms", "distribution is of jitter");
}

static void ends_make_flows(void **unused)
{
    static struct netem_scope s;
    struct error err = {0};
    const char *peers[] = {"10.0.0.2:80", "[fd00::2]:81"}, *any[] = {":7001"},
               *bare[] = {"fd00::2"};
    (void)unused;
    assert_true(netem_spec_scope(NULL, 0, NULL, 0, NULL, &s, &err));
    assert_true(s.device);
    assert_true(netem_spec_scope(peers, 2, NULL, 0, NULL, &s, &err));
    assert_int_equal(s.flow_count, 2);
    assert_int_equal(s.flows[0].peer[3], 2);
    assert_int_equal(s.flows[0].peer_port, 80);
    assert_int_equal(s.flows[0].protocol, IPPROTO_TCP);
    assert_int_equal(s.flows[1].family, AF_INET6);
    assert_int_equal(s.flows[1].peer[15], 2);
    assert_true(netem_spec_scope(NULL, 0, any, 1, "udp", &s, &err));
    assert_int_equal(s.flow_count, 2); /* both families */
    assert_false(s.flows[0].has_local);
    assert_int_equal(s.flows[1].local_port, 7001);
    assert_true(netem_spec_scope(bare, 1, NULL, 0, NULL, &s, &err));
    assert_int_equal(s.flows[0].protocol, 0);
    assert_int_equal(s.flows[0].peer_port, 0);
}

static void ends_that_are_none_are_refused(void **unused)
{
    static const char *const bad[] = {"",
                                      ":",
                                      "10.0.0",
                                      "10.0.0.2:0",
                                      "10.0.0.2:65536",
                                      "[::1",
                                      "[::1]80",
                                      "10.0.0.2:http",
                                      "::1:80:x",
                                      "a very long name that is no address at all, and longer"};
    static struct netem_scope s;
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};
        if (netem_spec_scope(&bad[i], 1, NULL, 0, NULL, &s, &err))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    struct error err = {0};
    assert_false(netem_spec_scope(NULL, 0, NULL, 0, "tcp", &s, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_word_or_many_say_the_same),
        cmocka_unit_test(maps_have_their_keys_and_their_remainders),
        cmocka_unit_test(what_cannot_be_read_is_one_sentence),
        cmocka_unit_test(ends_make_flows),
        cmocka_unit_test(ends_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
