/* path: the data planes that each try passed, by their marks and by who brought it. */

#include "verify/whole_fixture_test.h"

#define REQUESTS 400

/* Where whole_try sends it. */
static uint16_t endpoint_of(uint64_t request)
{
    return (uint16_t)(request % 3 + 1);
}

static void mark(struct whole *w, uint64_t request, const char *marks)
{
    struct hop_record hop = {.at = WHOLE_T0,
                             .id_hi = 7,
                             .id_lo = request,
                             .marks = journal_add_name(w->j, marks),
                             .conn = (uint32_t)request,
                             .endpoint = endpoint_of(request),
                             .k = 1};
    journal_add(w->j, WHOLE_PROXY, RECORD_HOP, &hop);
}

static void bring(struct whole *w, uint64_t request, const char *sans)
{
    struct handshake_record shake = {.at = WHOLE_T0,
                                     .done = 1,
                                     .sans = sans == NULL ? 0 : journal_add_name(w->j, sans),
                                     .conn = (uint32_t)request,
                                     .endpoint = endpoint_of(request)};
    journal_add(w->j, WHOLE_PROXY, RECORD_HANDSHAKE, &shake);
}

/* Each request is marked so; every ${nth} (0: none) so in its place. */
static void walk(struct whole *w, const char *word, const char *through, const char *never,
                 const char *marks, unsigned nth, const char *others)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
    whole_open(w, &edge, "http1");
    w->s->mesh.word = word;
    struct phase *p = whole_phase(w, "as deployed", 0, 10 * S);
    struct step *s = whole_step(w, p, STEP_EXPECT, "path", "client -> payments", NULL);
    if (through != NULL)
        step_set_json(w->plan, s, "through", json_pack("[s]", through));
    if (never != NULL)
        step_set_json(w->plan, s, "never", json_pack("[s]", never));
    for (unsigned i = 0; i < REQUESTS; i++) {
        uint64_t id = whole_good(w, (uint64_t)i * 20 * MS, 5 * MS);
        const char *now = nth > 0 && i % nth == 0 ? others : marks;
        if (now != NULL)
            mark(w, id, now);
    }
}

static void all_marked_as_asked_pass(void **state)
{
    struct whole w;
    (void)state;
    walk(&w, "istio_ambient", "waypoint", "sidecar", "waypoint", 0, NULL);
    whole_are(&w, "path", VERDICT_PASS, WHY_NONE, "400 of 400 requests through waypoint");
}

static void one_that_passes_another_fails(void **state)
{
    struct whole w;
    (void)state;
    walk(&w, "istio_ambient", "waypoint", "sidecar", "waypoint", REQUESTS, "waypoint,sidecar");
    whole_are(&w, "path", VERDICT_FAIL, WHY_NONE, "sidecar on 1 of 400 requests");
}

static void one_that_misses_it_fails(void **state)
{
    struct whole w;
    (void)state;
    walk(&w, "istio_ambient", "waypoint", NULL, "waypoint", 100, NULL);
    whole_are(&w, "path", VERDICT_FAIL, WHY_NONE, "no waypoint on 4 of 400 requests");
}

static void no_mark_and_no_identity_is_none(void **state)
{
    struct whole w;
    (void)state;
    walk(&w, "istio", "none", NULL, NULL, 0, NULL);
    whole_are(&w, "path", VERDICT_PASS, WHY_NONE, "through none");
}

static void a_ztunnel_is_told_by_its_identity(void **state)
{
    struct whole w;
    (void)state;
    walk(&w, "istio_ambient", "ztunnel", NULL, "waypoint", 0, NULL);
    whole_are(&w, "path", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "nothing here is TLS");

    walk(&w, "istio_ambient", "ztunnel", NULL, "waypoint", 0, NULL);
    for (uint64_t i = 1; i <= REQUESTS; i++)
        bring(&w, i, "spiffe://cluster.local/ns/shop/sa/checkout");
    whole_are(&w, "path", VERDICT_PASS, WHY_NONE, "through ztunnel");

    walk(&w, "istio_ambient", "ztunnel", NULL, "waypoint", 0, NULL);
    for (uint64_t i = 1; i <= REQUESTS; i++)
        bring(&w, i, i == 9 ? NULL : "spiffe://cluster.local/ns/shop/sa/checkout");
    whole_are(&w, "path", VERDICT_FAIL, WHY_NONE, "no ztunnel on 1 of 400 requests");
}

/* Endpoints may be of several processes, and each numbers its own connections. */
static void a_connection_of_another_endpoint_tells_nothing(void **state)
{
    struct whole w;
    (void)state;
    walk(&w, "istio_ambient", "ztunnel", NULL, "waypoint", 0, NULL);
    for (uint64_t i = 1; i <= REQUESTS; i++)
        bring(&w, i, "spiffe://cluster.local/ns/shop/sa/checkout");
    w.j->handshakes[8].r.endpoint = w.j->handshakes[8].r.endpoint % 3 + 1;
    whole_are(&w, "path", VERDICT_FAIL, WHY_NONE, "no ztunnel on 1 of 400 requests");
}

/* A mark that is missing may be one that was lost; one that is there was not. */
static void lost_records_explain_what_is_missing(void **state)
{
    struct lost_record lost = {
        .at = WHOLE_T0, .to = WHOLE_T0 + NS_PER_S, .count = 4, .kind = RECORD_HOP};
    struct whole w;
    (void)state;
    walk(&w, "istio_ambient", "waypoint", NULL, "waypoint", 100, NULL);
    journal_add(w.j, WHOLE_PROXY, RECORD_LOST, &lost);
    whole_are(&w, "path", VERDICT_INCONCLUSIVE, WHY_LOST, "no waypoint on 4 of 400 requests");

    walk(&w, "istio_ambient", "waypoint", "sidecar", "waypoint", REQUESTS, "waypoint,sidecar");
    journal_add(w.j, WHOLE_PROXY, RECORD_LOST, &lost);
    whole_are(&w, "path", VERDICT_FAIL, WHY_NONE, "sidecar on 1 of 400 requests");
}

/* Somebody else's proxies leave no marks unless they are told to: that they left none says nothing
 * of where a request passed. */
static void without_a_mark_a_foreign_mesh_tells_nothing(void **state)
{
    struct whole w;
    (void)state;
    walk(&w, "istio", NULL, "sidecar", NULL, 0, NULL);
    w.s->lab.driver = DRIVER_EXTERNAL;
    whole_are(&w, "path", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "no try carries a mark");

    walk(&w, "istio", "sidecar", NULL, NULL, 0, NULL);
    w.s->lab.driver = DRIVER_EXTERNAL;
    whole_are(&w, "path", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "no try carries a mark");

    walk(&w, "istio", "sidecar", NULL, "sidecar", 100, NULL);
    w.s->lab.driver = DRIVER_EXTERNAL;
    whole_are(&w, "path", VERDICT_FAIL, WHY_NONE, "no sidecar on 4 of 400 requests");
}

static void few_requests_are_no_census(void **state)
{
    struct whole w;
    (void)state;
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
    whole_open(&w, &edge, "http1");
    struct step *s = whole_step(&w, whole_phase(&w, "short", 0, 10 * S), STEP_EXPECT, "path",
                                "client -> payments", NULL);
    step_set_json(w.plan, s, "through", json_pack("[s]", "sidecar"));
    for (unsigned i = 0; i < 20; i++)
        mark(&w, whole_good(&w, (uint64_t)i * 20 * MS, 5 * MS), "sidecar");
    whole_are(&w, "path", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_marked_as_asked_pass),
        cmocka_unit_test(one_that_passes_another_fails),
        cmocka_unit_test(one_that_misses_it_fails),
        cmocka_unit_test(no_mark_and_no_identity_is_none),
        cmocka_unit_test(without_a_mark_a_foreign_mesh_tells_nothing),
        cmocka_unit_test(a_ztunnel_is_told_by_its_identity),
        cmocka_unit_test(a_connection_of_another_endpoint_tells_nothing),
        cmocka_unit_test(lost_records_explain_what_is_missing),
        cmocka_unit_test(few_requests_are_no_census),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
