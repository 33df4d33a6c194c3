#include "engine/walk.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* client -> checkout -> payments, checkout -> stock; payments in zones a, b, a; no process. */
enum { CHECKOUT, PAYMENTS, STOCK, SERVICES };

static const char *zones_a[] = {"a"}, *zones_ab[] = {"a", "b"};

struct lab {
    struct walk walk;
    struct walk_plan plan;
    struct scenario scenario;
    struct service_plan plans[SERVICES];
    struct walk_service services[SERVICES];
    struct edge_policy edges[5];
    struct arena arena;
};

static void add_edge(struct lab *lab, const char *from, const char *to)
{
    struct edge_policy *e = &lab->edges[lab->plan.mesh_edge_count++];
    e->from = from;
    e->to = to;
}

static void lab_init(struct lab *lab)
{
    static const char *const names[] = {"checkout", "payments", "stock"};
    *lab = (struct lab){0};
    arena_init(&lab->arena, 64 * 1024);
    for (size_t i = 0; i < SERVICES; i++) {
        lab->plans[i] = (struct service_plan){.name = names[i], .endpoints = i == CHECKOUT ? 2 : 3};
        lab->services[i].plan = &lab->plans[i];
    }
    lab->plans[CHECKOUT].zones = zones_a;
    lab->plans[CHECKOUT].zone_count = 1;
    lab->plans[PAYMENTS].zones = zones_ab;
    lab->plans[PAYMENTS].zone_count = 2;
    add_edge(lab, "client", "checkout");
    add_edge(lab, "checkout", "payments");
    add_edge(lab, "checkout", "stock");
    lab->scenario.lab.netns = true;
    lab->plan.mesh_edges = lab->edges;
    lab->walk = (struct walk){.plan = &lab->plan,
                              .scenario = &lab->scenario,
                              .services = lab->services,
                              .service_count = SERVICES};
}

/* "HOME: local>peer local>peer; HOME: ..." */
static const char *found(struct lab *lab, const char *on, const uint16_t *drawn, size_t drawn_count)
{
    static char text[512];
    struct place place;
    struct walk_flows flows;
    struct error err = {0};
    size_t n = 0;
    assert_true(place_parse(on, &lab->arena, &place, &err));
    text[0] = '\0';
    if (!walk_places(&lab->walk, &place, drawn, drawn_count, &flows, &err)) {
        snprintf(text, sizeof(text), "%s", err.text);
        return text;
    }
    for (size_t i = 0; i < flows.count; i++) {
        const struct walk_flow *f = &flows.at[i];
        assert_string_equal(f->device, "eth0");
        assert_false(f->scope.device);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s:", i == 0 ? "" : "; ",
                              f->home == SIZE_MAX ? "client" : lab->plans[f->home].name);
        for (size_t k = 0; k < f->scope.flow_count; k++) {
            char local[INET_ADDRSTRLEN], peer[INET_ADDRSTRLEN];
            const struct netem_flow *one = &f->scope.flows[k];
            assert_true(one->has_local && one->has_peer && one->family == AF_INET &&
                        one->protocol == IPPROTO_TCP);
            inet_ntop(AF_INET, one->local, local, sizeof(local));
            inet_ntop(AF_INET, one->peer, peer, sizeof(peer));
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %s>%s", local, peer);
        }
    }
    walk_flows_release(&flows);
    return text;
}

static void lab_release(struct lab *lab)
{
    arena_release(&lab->arena);
}

static void an_edge_is_what_its_caller_sends_to_its_endpoints(void **state)
{
    struct lab lab;
    (void)state;
    lab_init(&lab);
    assert_string_equal(found(&lab, "checkout -> payments", NULL, 0),
                        "checkout: 10.1.0.1>10.2.1.1 10.1.0.1>10.2.1.2 10.1.0.1>10.2.1.3");
    assert_string_equal(found(&lab, "client -> checkout", NULL, 0),
                        "client: 10.0.0.1>10.1.1.1 10.0.0.1>10.1.1.2");
    assert_string_equal(found(&lab, "checkout -> payments/2", NULL, 0),
                        "checkout: 10.1.0.1>10.2.1.2");
    lab_release(&lab);
}

static void a_lone_place_is_what_all_its_callers_send(void **state)
{
    struct lab lab;
    static const uint16_t drawn[] = {1, 3};
    (void)state;
    lab_init(&lab);
    add_edge(&lab, "client", "payments");
    assert_string_equal(found(&lab, "payments/3", NULL, 0),
                        "checkout: 10.1.0.1>10.2.1.3; client: 10.0.0.1>10.2.1.3");
    assert_string_equal(found(&lab, "checkout -> payments", drawn, 2),
                        "checkout: 10.1.0.1>10.2.1.1 10.1.0.1>10.2.1.3");
    lab_release(&lab);
}

static void zones_are_the_endpoints_in_order_repeated(void **state)
{
    struct lab lab;
    (void)state;
    lab_init(&lab);
    assert_string_equal(found(&lab, "zone:a -> zone:b", NULL, 0), "checkout: 10.1.0.1>10.2.1.2");
    assert_string_equal(found(&lab, "zone:a -> zone:a", NULL, 0),
                        "checkout: 10.1.0.1>10.2.1.1 10.1.0.1>10.2.1.3");
    assert_string_equal(found(&lab, "zone:a -> stock/1", NULL, 0), "checkout: 10.1.0.1>10.3.1.1");
    assert_string_equal(found(&lab, "client -> zone:a", NULL, 0),
                        "client: 10.0.0.1>10.1.1.1 10.0.0.1>10.1.1.2");
    assert_string_equal(found(&lab, "zone:b", NULL, 0), "checkout: 10.1.0.1>10.2.1.2");
    lab_release(&lab);
}

static void what_packets_cannot_tell_is_refused(void **state)
{
    struct lab lab;
    (void)state;
    lab_init(&lab);
    assert_string_equal(found(&lab, "stock -> payments", NULL, 0),
                        "\"stock -> payments\": no edge of the mesh leads there");
    assert_string_equal(found(&lab, "checkout/1 -> payments", NULL, 0),
                        "\"checkout/1 -> payments\": the endpoints of checkout call by one proxy: "
                        "write \"checkout -> ...\"");
    lab.plans[CHECKOUT].zones = zones_ab;
    lab.plans[CHECKOUT].zone_count = 2;
    assert_string_equal(found(&lab, "zone:a -> zone:b", NULL, 0),
                        "\"zone:a -> zone:b\": checkout has endpoints in zone:a and elsewhere, and "
                        "calls by one proxy: give it one zone");
    add_edge(&lab, "till", "checkout"); /* played by the load, as the client is */
    assert_string_equal(found(&lab, "client -> checkout", NULL, 0),
                        "\"client -> checkout\": client and till are both played by the load and "
                        "send from one place: make till a service of the lab");
    lab.plans[STOCK].endpoints = 65;
    assert_string_equal(
        found(&lab, "checkout -> stock", NULL, 0),
        "\"checkout -> stock\" has more than the 64 endpoints that one netem may be "
        "scoped to");
    lab.scenario.lab.netns = false;
    assert_string_equal(found(&lab, "stock", NULL, 0),
                        "\"stock\" needs lab { isolation = \"netns\" }");
    lab_release(&lab);
}

static void no_two_endpoints_share_an_address(void **state)
{
    char address[WALK_ADDRESS_BYTES], listen[WALK_LISTEN_BYTES];
    struct lab lab;
    struct in_addr in;
    (void)state;
    walk_place_address(199, 1000, address);
    assert_string_equal(address, "10.200.4.250");
    walk_place_address(0, 250, address);
    assert_string_equal(address, "10.1.1.250");
    walk_place_address(0, 251, address);
    assert_string_equal(address, "10.1.2.1");
    assert_int_equal(inet_pton(AF_INET, address, &in), 1);
    lab_init(&lab);
    assert_string_equal(walk_place_listen(&lab.walk, "payments", 3, listen), "127.0.0.1:0");
    assert_int_equal(walk_place_fd(&lab.walk, "load", ""), -1);
    lab_release(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edge_is_what_its_caller_sends_to_its_endpoints),
        cmocka_unit_test(a_lone_place_is_what_all_its_callers_send),
        cmocka_unit_test(zones_are_the_endpoints_in_order_repeated),
        cmocka_unit_test(what_packets_cannot_tell_is_refused),
        cmocka_unit_test(no_two_endpoints_share_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
