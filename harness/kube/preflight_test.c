#include "kube/preflight.h"

#include "kube/fake_cluster_test.h"

static const struct objects_service payments = {
    .name = "payments", .endpoints = 1, .port = 80, .port_name = "http"};

static void a_rule_for_some_names_or_other_groups_is_no_right(void **state)
{
    static const struct {
        const char *rule;
        bool allows;
    } rules[] = {
        {"{\"verbs\":[\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}", true},
        {"{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}", true},
        {"{\"verbs\":[\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"resourceNames\":["
         "\"a\"]}",
         false},
        {"{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]}", false},
        {"{\"verbs\":[\"list\"],\"apiGroups\":[\"apps\"],\"resources\":[\"pods\"]}", false},
        {"{\"verbs\":[\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"pods/status\"]}", false},
        {"7", false},
    };
    static const struct preflight_right right = {GVR_PODS, "list", NULL, 1, 1, RIGHT_ALWAYS};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        json_t *rule = json_loads(rules[i].rule, JSON_DECODE_ANY, NULL);
        json_t *answer = json_pack("{s:{s:[o]}}", "status", "resourceRules", rule);
        assert_int_equal(preflight_ruled(&right, answer), rules[i].allows);
        json_decref(answer);
    }
    assert_false(preflight_ruled(&right, NULL));
}

/* gvrs.def says which kinds are a mesh's policy: without a right to make each of them canary could
 * not copy it, without one to list it interpose could not compare it with what is in force. */
static void each_kind_of_policy_has_its_rights(void **state)
{
    size_t count, copied = 0;
    const struct preflight_right *all = preflight_rights(&count);
    (void)state;
    for (enum gvr_id kind = 0; kind < GVR_COUNT; kind++) {
        bool made = false, listed = false;
        for (size_t i = 0; i < count; i++) {
            bool of = all[i].gvr == kind, canary = (all[i].modes & 1U << OBJECTS_CANARY) != 0;
            made = made || (of && canary && strcmp(all[i].verb, "create") == 0);
            listed = listed || (of && strcmp(all[i].verb, "list") == 0 &&
                                (all[i].modes & 1U << OBJECTS_INTERPOSE) != 0);
        }
        if (gvr_has(kind, GVR_COPIED) && !made)
            fail_msg("%s cannot be copied", gvr_get(kind)->resource);
        if (gvr_has(kind, GVR_READ) && !listed)
            fail_msg("%s cannot be compared", gvr_get(kind)->resource);
        copied += gvr_has(kind, GVR_COPIED);
    }
    assert_int_equal(copied, 9);
    assert_false(gvr_has(GVR_PEERAUTHENTICATIONS, GVR_COPIED));
    assert_false(gvr_has(GVR_SECRETS, GVR_MADE)); /* it may not be listed */
}

/* --- the chore --- */

struct answers {
    struct api_answer (*say)(struct answers *a, const struct api_request *r);
    unsigned reviews, lists, dry_runs;
    bool no_rules, no_right, no_namespace, no_answer, pod_security;
    char first_dry[80];
    const char *held; /* a Lease that another run has */
};

static struct api_answer done(const char *text)
{
    return (struct api_answer){
        .outcome = API_DONE, .body = json_loads(text, 0, NULL), .sentence = ""};
}

static struct api_answer no(enum api_outcome outcome, const char *sentence)
{
    return (struct api_answer){.outcome = outcome, .sentence = sentence};
}

static struct api_answer serve(struct answers *a, const struct api_request *r)
{
    if (a->no_answer)
        return no(API_UNREACHABLE, "cannot reach it");
    if (r->path != NULL)
        return done("{\"gitVersion\":\"v1.37.2\"}");
    if (r->gvr->id == GVR_RULESREVIEWS)
        return a->no_rules
                   ? no(API_FORBIDDEN, "no")
                   : done("{\"status\":{\"resourceRules\":[{\"verbs\":[\"*\"],\"apiGroups\":["
                          "\"*\"],\"resources\":[\"pods\",\"services\",\"configmaps\","
                          "\"endpointslices\"]}]}}");
    if (r->gvr->id == GVR_ACCESSREVIEWS) {
        const json_t *what =
            json_object_get(json_object_get(r->body, "spec"), "resourceAttributes");
        const char *resource = json_string_value(json_object_get(what, "resource"));
        a->reviews++;
        return done(a->no_right && strcmp(resource, "leases") == 0
                        ? "{\"status\":{\"allowed\":false}}"
                        : "{\"status\":{\"allowed\":true,\"reason\":\"RBAC\"}}");
    }
    if (r->gvr->id == GVR_NAMESPACES)
        return a->no_namespace ? no(API_NOT_FOUND, "namespaces \"shop\" not found")
                               : done("{\"metadata\":{\"name\":\"shop\",\"labels\":{"
                                      "\"meshproof.io/allow\":\"canary\"}}}");
    if (r->verb == API_LIST) {
        a->lists++;
        return r->gvr->id == GVR_HTTPROUTES ? no(API_NO_KIND, "none") : done("{\"items\":[]}");
    }
    if (r->verb == API_GET && a->held != NULL && strcmp(r->name, a->held) == 0)
        return done("{\"spec\":{\"holderIdentity\":\"0badcafe/pod\"}}");
    if (r->verb == API_GET)
        return no(API_NOT_FOUND, "not there");
    assert_int_equal(r->verb, API_POST);
    assert_true(r->dry_run); /* nothing is written */
    if (a->dry_runs++ == 0)
        snprintf(a->first_dry, sizeof(a->first_dry), "%s", r->gvr->kind);
    if (a->pod_security && r->gvr->id == GVR_PODS)
        return no(API_POD_SECURITY, "namespace shop enforces restricted");
    return (struct api_answer){
        .outcome = API_DONE, .body = json_deep_copy(r->body), .sentence = ""};
}

static void drive(struct preflight *p, struct answers *a)
{
    for (;;) {
        struct chore_step step = {0};
        p->chore.next(&p->chore, 0, &step);
        if (step.want == CHORE_OVER)
            return;
        assert_int_equal(step.want, CHORE_CALL);
        struct api_answer answer = serve(a, &step.request);
        p->chore.answer(&p->chore, 0, &answer);
        json_decref((json_t *)(uintptr_t)answer.body);
    }
}

static const char *finding_of(const struct preflight *p, const char *check)
{
    for (size_t i = 0; i < p->findings.count; i++)
        if (strcmp(p->findings.items[i].check, check) == 0)
            return p->findings.items[i].text;
    return NULL;
}

static void flight_of(struct preflight *p, struct answers *a,
                      const struct objects_service *services, size_t count)
{
    static const struct objects_run run = {.run = "7f3a91c2",
                                           .namespace = "shop",
                                           .image = "i",
                                           .conductor = "c:1",
                                           .mesh = OBJECTS_NO_MESH,
                                           .mode = OBJECTS_CANARY};
    json_t *objects = objects_in_order(&run, services, count, NULL, 1, "aa");
    preflight_init(p, &run, services, count, false, 0, objects);
    drive(p, a);
    assert_true(p->over);
    json_decref(objects);
    p->view.objects = NULL;
}

static void flight(struct preflight *p, struct answers *a)
{
    flight_of(p, a, &payments, 1);
}

/* With --netem-agents, and so with what restricted Pod Security refuses. */
static void flight_with_netem(struct preflight *p, struct answers *a)
{
    struct objects_run run = {.run = "7f3a91c2",
                              .namespace = "shop",
                              .image = "i",
                              .conductor = "c:1",
                              .mode = OBJECTS_CANARY,
                              .netem = true};
    json_t *objects = objects_in_order(&run, &payments, 1, NULL, 1, "aa");
    preflight_init(p, &run, &payments, 1, false, 0, objects);
    drive(p, a);
    json_decref(objects);
    p->view.objects = NULL;
    p->view.run = NULL;
}

/* The cluster is asked once, whatever their number, and what holds of all is said once. */
static void of_several_services_each_is_checked(void **state)
{
    struct objects_service services[2] = {payments, payments};
    struct preflight p;
    struct answers a = {.held = "meshproof-shop"}, one = {0};
    (void)state;
    services[1].name = "shop";
    flight_of(&p, &a, services, 2);
    assert_int_equal(p.findings.count, 1);
    assert_non_null(
        strstr(finding_of(&p, "lease_held"), "shop of shop is in the hands of run 0bad"));
    preflight_release(&p);
    flight(&p, &one);
    assert_int_equal(a.lists, one.lists);
    assert_int_equal(a.dry_runs, one.dry_runs + 2); /* its Service, its endpoint */
    preflight_release(&p);
}

static void a_cluster_that_is_ready_is_found_so_and_nothing_is_written(void **state)
{
    struct preflight p;
    struct answers a = {0};
    (void)state;
    flight(&p, &a);
    assert_int_equal(p.findings.count, 0);
    assert_int_equal(p.err.kind, ERROR_NONE);
    assert_string_equal(p.server_version, "v1.37.2");
    assert_string_equal(a.first_dry, "ConfigMap");
    assert_int_equal(a.dry_runs, 6); /* anchor, Secret, guardian, Service, endpoint, load */
    unsigned by_rules = a.reviews;
    preflight_release(&p);
    a = (struct answers){.no_rules = true};
    flight(&p, &a);
    assert_int_equal(p.findings.count, 0);
    assert_true(a.reviews > by_rules + 8);
    preflight_release(&p);
}

static void missing_rights_are_one_ready_rule(void **state)
{
    struct preflight p;
    struct answers a = {.no_right = true};
    (void)state;
    flight(&p, &a);
    assert_string_equal(finding_of(&p, "right"),
                        "the account lacks rights in shop; add to role meshproof-canary:\n"
                        "- {apiGroups: ['coordination.k8s.io'], resources: [leases], verbs: [get, "
                        "create, update, delete]}\n");
    assert_true(preflight_refused(&p.findings));
    preflight_release(&p);
}

static void a_namespace_that_is_not_there_ends_it_with_one_sentence(void **state)
{
    struct preflight p;
    struct answers a = {.no_namespace = true};
    (void)state;
    flight(&p, &a);
    assert_int_equal(p.findings.count, 1);
    assert_non_null(strstr(finding_of(&p, "namespace"), "there is no namespace shop"));
    assert_int_equal(a.dry_runs, 0); /* trap 10 */
    preflight_release(&p);
}

static void a_server_that_does_not_answer_ends_it(void **state)
{
    struct preflight p;
    struct answers a = {.no_answer = true};
    (void)state;
    flight(&p, &a);
    assert_string_equal(p.err.text, "cannot reach it");
    preflight_release(&p);
}

static void a_pod_that_the_namespace_refuses_is_a_finding(void **state)
{
    struct preflight p;
    struct answers a = {.pod_security = true};
    (void)state;
    flight(&p, &a);
    assert_string_equal(finding_of(&p, "dry_run"),
                        "Pod mp-7f3a91c2-guardian: namespace shop enforces restricted");
    preflight_release(&p);
}

static void a_pod_with_net_admin_names_the_label_and_the_overlay(void **state)
{
    struct preflight p;
    struct answers a = {.pod_security = true};
    (void)state;
    flight_with_netem(&p, &a);
    assert_string_equal(finding_of(&p, "dry_run"),
                        "namespace shop enforces restricted; --netem-agents needs NET_ADMIN in "
                        "endpoint pods, so a namespace with the label "
                        "pod-security.kubernetes.io/enforce=privileged: kubectl apply -k "
                        "harness/deploy/netem-canary makes one");
    preflight_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_for_some_names_or_other_groups_is_no_right),
        cmocka_unit_test(each_kind_of_policy_has_its_rights),
        cmocka_unit_test(a_cluster_that_is_ready_is_found_so_and_nothing_is_written),
        cmocka_unit_test(of_several_services_each_is_checked),
        cmocka_unit_test(missing_rights_are_one_ready_rule),
        cmocka_unit_test(a_namespace_that_is_not_there_ends_it_with_one_sentence),
        cmocka_unit_test(a_server_that_does_not_answer_ends_it),
        cmocka_unit_test(a_pod_that_the_namespace_refuses_is_a_finding),
        cmocka_unit_test(a_pod_with_net_admin_names_the_label_and_the_overlay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
