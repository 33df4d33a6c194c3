/* What an author gets wrong, and the sentence that says so. */

#include "lua/suite_fixture_test.h"

#define PHASE(step) "return scenario \"s\" { phase \"p\" { lasting = \"9s\",\n  " step " } }"

/* scenario-language.md 1.10, each in the smallest suite that has it; 19 with a world fault that is
 * built. */
static const struct golden golden[] = {
    {"01_unit.lua", PHASE("fault.latency { on = \"b\", add = 400 }"),
     "01_unit.lua:2: fault.latency: add is 400; it must be a duration such as \"250ms\" or "
     "\"1m30s\""},
    {"02_key.lua", PHASE("fault.latency { on = \"b\", add = \"4ms\", jiter = \"1ms\" }"),
     "02_key.lua:2: fault.latency has no key \"jiter\" (did you mean \"jitter\"?); it has add "
     "distribution existing first "
     "jitter match mode name note on per share streak times to_end_of ttl when"},
    {"03_word.lua", PHASE("fault.delay { on = \"b\" }"),
     "03_word.lua:2: there is no fault.delay; there is abort bandwidth blackhole cert "
     "control_plane_cut corrupt goaway hook "
     "kill latency limit_data malformed netem partition pause refuse replace reset restart "
     "rst_stream slicer slow_close "
     "tls_alert tls_stall"},
    {"04_place.lua", PHASE("fault.reset { on = \"b/0\" }"),
     "04_place.lua:2: fault.reset: on is \"b/0\"; it must be a place: \"a -> b\", \"b\", \"b/2\", "
     "\"b/any\", \"zone:a\""},
    {"05_both.lua",
     "return scenario \"s\" {\n  phase \"p\" { lasting = \"1s\", await.steady { " EDGE
     ", within = \"9s\" } } }",
     "05_both.lua:2: phase \"p\" has both lasting and await; a phase ends one way"},
    {"06_end.lua", "return scenario \"s\" {\n  phase \"p\" { fault.reset { on = \"b\" } } }",
     "06_end.lua:2: phase \"p\" has no end: give it lasting = \"...\" or an await"},
    {"07_nested.lua", PHASE("at \"1s\" { expect.success { " EDGE ", atleast = \"99%\" } }"),
     "07_nested.lua:2: expect.success cannot stand in at; it stands in scenario phase during list"},
    {"08_global.lua", "return scenario \"s\" {\n  load = load.open { " EDGE ", rate = rate } }",
     "08_global.lua:2: there is no word \"rate\" in a scenario file"},
    {"09_abort.lua", PHASE("fault.abort { on = \"b\" }"),
     "09_abort.lua:2: fault.abort needs exactly one of status and grpc"},
    {"10_enum.lua", PHASE("fault.reset { on = \"b\", when = \"headers\" }"),
     "10_enum.lua:2: fault.reset: when is \"headers\"; it is one of accept, request_head, "
     "request_body, response_head, "
     "response_body"},
    {"11_need.lua", PHASE("expect.success { " EDGE " }"),
     "11_need.lua:2: expect.success needs atleast"},
    {"12_toend.lua", PHASE("fault.reset { on = \"b\", to_end_of = \"q\" }"),
     "12_toend.lua:1: to_end_of names no phase: \"q\""},
    {"13_during.lua", PHASE("during \"20s\" { fault.reset { on = \"b\" } }"),
     "13_during.lua:2: during needs a span such as during \"20s..50s\""},
    {"14_match.lua", PHASE("fault.reset { on = \"b\", match = { verb = \"GET\" } }"),
     "14_match.lua:2: match has no key \"verb\"; it has attempt authority from grpc header method "
     "path protocol query status "
     "tag without"},
    {"15_same.lua",
     "return scenario \"s\" { phase \"p\" { lasting = \"1s\" },\n  phase \"p\" { lasting = \"1s\" "
     "} }",
     "15_same.lua:1: two phases are called \"p\""},
    {"16_share.lua", PHASE("fault.reset { on = \"b\", share = 0.3 }"),
     "16_share.lua:2: fault.reset: share is 0.3; it must be a share such as \"30%\""},
    {"17_assign.lua", "x = 1", "17_assign.lua:1: \"x\" would be a global; write local x"},
    {"18_require.lua", "return require \"../secret\"",
     "18_require.lua:1: require \"../secret\": only names below the suite's folder, or std/"},
    {"19_world.lua", PHASE("fault.refuse { on = \"b\", share = \"30%\" }"),
     "19_world.lua:2: fault.refuse takes no share: it acts on a whole endpoint or edge, not on "
     "requests"},
    {"20_mode.lua", PHASE("fault.reset { on = \"b/1\", mode = \"one\" }"),
     "20_mode.lua:2: fault.reset: mode is for a service, and on = \"b/1\" is one endpoint"},
    {"21_expect.lua", PHASE("expect.sucess { " EDGE " }"),
     "21_expect.lua:2: there is no expect.sucess; there is amplification balance breaker budget "
     "ejection fallback human "
     "idempotency lint metrics mtls path probe rate_limit recovery refused retries rotation status "
     "success tail timeout"},
};

/* Guards, limits and probes (scenario-language.md section 2, and 1.10's plan-time texts). */
#define GUARDED(guard, steps) \
    "return scenario \"s\" { mesh = mesh.none {}, load = load.open { on = \"client -> b\", rate " \
    "= " \
    "\"100/s\" },\n lab = lab { service \"b\" { endpoints = 3 } },\n guard = { " guard " },\n" \
    " phase \"p\" { lasting = \"9s\",\n  " steps " } }"
static const struct golden guards[] = {
    {"endpoints.lua", GUARDED("guard.limits { endpoints = \"34%\" }", "fault.reset { on = \"b\" }"),
     "endpoints.lua:5: fault.reset: mode \"all\" touches 3 of 3 endpoints of b, more than "
     "guard.limits endpoints 34%: at most 1"},
    {"at_once.lua",
     GUARDED(
         "guard.limits { endpoints = 1 }",
         "during \"0s..3s\" { fault.reset { on = \"b/1\" } }, during \"2s..\" { fault.reset { on "
         "= \"b/2\" } }"),
     "at_once.lua:5: fault.reset: the faults in force at once touch 2 of 3 endpoints of b, more "
     "than guard.limits endpoints 1: at most 1"},
    {"keep.lua", GUARDED("guard.limits { keep = 2 }", "fault.reset { on = \"b\", mode = 2 }"),
     "keep.lua:5: fault.reset: mode 2 touches 2 of 3 endpoints of b, and guard.limits keep is 2: "
     "at most 1"},
    {"count.lua", GUARDED("", "fault.reset { on = \"b\", mode = 4 }"),
     "count.lua:5: fault.reset: mode is 4; b has 3 endpoints"},
    {"dead.lua",
     GUARDED("", "fault.refuse { on = \"b/2\", name = \"bad one\" }, fault.kill { on = \"b/2\" }"),
     "dead.lua:5: two faults hold b/2 dead at once: \"bad one\" and fault.kill; a dead endpoint "
     "shows no other fault"},
    {"dead_all.lua",
     GUARDED("", "fault.kill { on = \"b\", mode = 2 }, during \"2s..\" { fault.refuse { on = "
                 "\"b\", mode = 2 } }"),
     "dead_all.lua:5: two faults hold b dead at once: fault.kill and fault.refuse; a dead endpoint "
     "shows no other fault"},
    {"dead_apart.lua",
     GUARDED("guard.limits { delay = \"1ms\" }",
             "during \"0s..2s\" { fault.kill { on = \"b/2\" } }, during \"2s..\" { fault.refuse { "
             "on = \"b/2\" } }, fault.kill { on = \"b/1\" }, fault.latency { on = \"b/3\", add = "
             "\"2ms\" }"),
     "dead_apart.lua:5: fault.latency: add \"2ms\" is longer than guard.limits delay 1ms"},
    {"share.lua", GUARDED("guard.limits { share = \"30%\" }", "fault.reset { on = \"b/any\" }"),
     "share.lua:5: fault.reset: share 100% on 1 of 3 endpoints of b faults 33.333% of the "
     "requests, more than guard.limits share 30%: at most 90%"},
    {"delay.lua", GUARDED("", "fault.latency { on = \"b\", add = \"31s\" }"),
     "delay.lua:5: fault.latency: add \"31s\" is longer than guard.limits delay 30s"},
    {"ttl.lua", GUARDED("", "fault.reset { on = \"b\", ttl = \"20m\" }"),
     "ttl.lua:5: fault.reset: ttl \"20m\" is longer than guard.limits ttl 15m"},
    {"services.lua", GUARDED("guard.limits { services = { \"c\" } }", "fault.reset { on = \"b\" }"),
     "services.lua:3: guard.limits: services names \"c\": the lab has b (did you mean \"b\"?)"},
    {"requests.lua", GUARDED("guard.limits { requests = \"50/s\" }", "fault.reset { on = \"b\" }"),
     "requests.lua:1: load.open: rate 100/s is more than guard.limits requests 50/s"},
    {"limit_key.lua", GUARDED("guard.limits { delays = \"5s\" }", ""),
     "limit_key.lua:3: guard.limits has no key \"delays\" (did you mean \"delay\"?); it has delay "
     "endpoints keep namespaces requests services share ttl"},
    {"mode.lua", GUARDED("guard.limits { endpoints = \"some\" }", ""),
     "mode.lua:3: guard.limits: endpoints is \"some\"; it must be \"all\", \"one\", a count or a "
     "share such as \"30%\""},
    {"place.lua", GUARDED("fault.reset { on = \"b\" }", ""),
     "place.lua:3: fault.reset cannot stand in guard; it takes guard.approval, guard.limits, "
     "guard.stop or guard.window"},
    {"name.lua", GUARDED("guard.stop { probe = \"up\", below = 1 }", ""),
     "name.lua:3: guard.stop: probe names no probe of the scenario: \"up\""},
    {"unit.lua",
     GUARDED("guard.stop { probe = probe.client { on = \"client -> b\", value = \"errors\" }, "
             "above = 5 }",
             ""),
     "unit.lua:3: guard.stop: above is \"5\"; it must be a share such as \"30%\""},
    {"range.lua", GUARDED("guard.stop { probe = probe.tcp { address = \"127.0.0.1:1\" } }", ""),
     "range.lua:3: guard.stop needs above or below"},
    {"blind.lua",
     GUARDED("guard.stop { probe = probe.tcp { address = \"127.0.0.1:1\", timeout = \"5s\" }, "
             "below = 1, over = \"3s\" }",
             ""),
     "blind.lua:3: guard.stop: over is 3s, and its probe waits up to its timeout of 5s for a "
     "sample: it would be blind for longer than that; give the probe a timeout of at most 3s, or a "
     "longer over"},
    {"blind_named.lua",
     GUARDED("guard.stop { probe = \"up\", below = 1, over = \"1s\" } },\n probes = { up = "
             "probe.http { url = \"http://127.0.0.1:1/\" }",
             ""),
     "blind_named.lua:3: guard.stop: over is 1s, and its probe waits up to its timeout of 2s for a "
     "sample: it would be blind for longer than that; give the probe a timeout of at most 1s, or a "
     "longer over"},
    {"secret.lua",
     GUARDED("guard.stop { probe = probe.http { url = \"http://me:pw@h/x\" }, below = 1 }", ""),
     "secret.lua:3: probe.http: url holds a user or a password, which would be in the journal"},
    {"plain_ca.lua",
     GUARDED("guard.stop { probe = probe.http { url = \"http://h/\", ca = \"r.pem\" }, below = 1 }",
             ""),
     "plain_ca.lua:3: probe.http: ca is for a url of https://"},
    {"ftp.lua", GUARDED("guard.stop { probe = probe.http { url = \"ftp://h/\" }, below = 1 }", ""),
     "ftp.lua:3: probe.http: url is \"ftp://h/\"; it must be such as "
     "\"http://127.0.0.1:9090/ready\""},
    {"window.lua", GUARDED("guard.window { allow = { \"weekdays\" } }", ""),
     "window.lua:3: guard.window: allow is \"weekdays\"; it must be such as \"Mon-Fri "
     "09:00-17:00\" or \"2026-12-20..2027-01-03\""},
    {"await_probe.lua", GUARDED("", "expect.probe { probe = \"up\", above = 1 }"),
     "await_probe.lua:5: expect.probe: probe names no probe of the scenario: \"up\""},
};

#define WAITS(steps) \
    "return scenario \"s\" { mesh = mesh.none {}, load = load.open { on = \"client -> b\", rate " \
    "= \"100/s\" }, lab = lab { service \"b\" {} }, phase \"p\" {\n  " steps " } }"
#define TOLD(notify) \
    "return scenario \"s\" { mesh = mesh.none {}, load = load.open { on = \"client -> b\", rate " \
    "= \"100/s\" },\n notify = { " notify " },\n lab = lab { service \"b\" {} },\n phase \"p\" { " \
    "lasting = \"9s\" } }"

/* What is of the language and not of this version; and what else an author gets wrong. */
static const struct golden others[] = {
    {"cut.lua", PHASE("fault.control_plane_cut { on = \"b\", what = { \"xds\" } }"),
     "cut.lua:2: fault.control_plane_cut: what must be a list of: config, identity"},
    {"event.lua", TOLD("notify.kubernetes_event { events = { \"verdicts\" } }"),
     "event.lua:2: notify.kubernetes_event: events holds \"verdicts\"; it is of start, phase, "
     "fault, "
     "human, guard, abort, verdict, end"},
    {"event2.lua", TOLD("notify.kubernetes_event { url = \"http://a\" }"),
     "event2.lua:2: notify.kubernetes_event has no key \"url\"; it has events"},
    {"approval.lua", "return scenario \"s\" {\n  guard = { guard.approval { role = \"lead\" } } }",
     "approval.lua:2: guard.approval needs ask"},
    {"empty.lua", GUARDED("guard.approval { ask = \"\" }", ""),
     "empty.lua:3: guard.approval: ask is empty; it must be a question"},
    {"nobody.lua", GUARDED("guard.approval { ask = \"go?\", count = 0 }", ""),
     "nobody.lua:3: guard.approval: count is 0; it must be at least 1"},
    {"role.lua", GUARDED("guard.approval { ask = \"go?\", role = \"the lead\" }", ""),
     "role.lua:3: guard.approval: role is \"the lead\"; it must be a name such as "
     "\"incident-lead\""},
    {"within.lua", WAITS("await.human { ask = \"go?\" }"),
     "within.lua:2: await.human needs within"},
    {"hold.lua", WAITS("await.human { ask = \"go?\", within = \"9s\", hold_faults = \"off\" }"),
     "hold.lua:2: await.human: hold_faults is \"off\"; it is one of keep, disarm"},
    {"held.lua",
     WAITS(
         "await.human { ask = \"go?\", within = \"9s\", hold_faults = \"disarm\" },\n"
         "expect.human { ask = \"?\" }, group \"g\" { fault.abort { on = \"b\", status = 503 } },\n"
         "expect.success { on = \"client -> b\", atleast = \"9%\" }"),
     "held.lua:2: await.human: hold_faults = \"disarm\" takes the faults out, and expect.success "
     "would be judged without them: give it a phase of its own"},
    {"place.lua", PHASE("expect.human { ask = \"?\", on = \"b\" }"),
     "place.lua:2: expect.human has no key \"on\"; it has answer ask enough gates match note role "
     "within"},
    {"answer.lua", PHASE("expect.human { ask = \"?\", answer = \"\" }"),
     "answer.lua:2: expect.human: answer has 0 bytes; it must be 1 to 200"},
    {"tell.lua", "return scenario \"s\" {\n  notify = { notify.slack { } } }",
     "tell.lua:2: notify.slack needs url_from"},
    {"tell_whom.lua", "return scenario \"s\" {\n  notify = { guard.limits { } } }",
     "tell_whom.lua:2: guard.limits cannot stand in notify; it takes notify.grafana, "
     "notify.kubernetes_event, notify.slack "
     "or "
     "notify.webhook"},
    {"tell_what.lua", TOLD("notify.slack { url_from = \"SLACK\", events = { \"stop\" } }"),
     "tell_what.lua:2: notify.slack: events holds \"stop\"; it is of start, phase, fault, human, "
     "guard, abort, verdict, end"},
    {"tell_secret.lua", TOLD("notify.slack { url_from = \"https://hooks.example/T0/B0/x\" }"),
     "tell_secret.lua:2: notify.slack: url_from must be the name of an environment variable, such "
     "as \"SLACK_GAMEDAY\", and never what is in it"},
    {"tell_where.lua", TOLD("notify.webhook { url = \"hooks.example\" }"),
     "tell_where.lua:2: notify.webhook: url is \"hooks.example\"; it must be such as "
     "\"https://hooks.example/run\""},
    {"tell_me.lua", TOLD("notify.webhook { url = \"https://me:pw@hooks.example/\" }"),
     "tell_me.lua:2: notify.webhook: url holds a user or a password, which would be in the "
     "journal"},
    {"cert_word.lua", PHASE("cert.revoke { }"),
     "cert_word.lua:2: there is no cert.revoke; there is issue rotate trust"},
    {"cert_key.lua", PHASE("cert.rotate { root = \"root-b\", overlap = \"1s\" }"),
     "cert_key.lua:2: cert.rotate has no key \"overlap\"; it has reconnect root stagger to"},
    {"arms.lua", "return scenario \"s\" { mesh = { mesh.none {}, mesh.none {} } }",
     "arms.lua:1: two arms are called \"none\": give one of them a name"},
    {"needs.lua", "return scenario \"s\" { needs = { \"net_admin\", \"root\" } }",
     "needs.lua:1: scenario: needs has \"root\"; it may have net_admin, tls_owned, zones, human"},
    {"zone_word.lua", PHASE("fault.reset { on = \"zone:a\" }"),
     "zone_word.lua:2: fault.reset: on is \"zone:a\"; only fault.netem and fault.partition take "
     "zones"},
    {"zone_none.lua", PHASE("fault.netem { on = \"zone:a\", delay = \"1ms\" }"),
     "zone_none.lua:2: fault.netem: on names zone:a: no service of the lab has zones, such as "
     "zones "
     "= { \"a\", \"b\" }"},
    {"zone_other.lua",
     "return scenario \"s\" { mesh = mesh.none {}, load = load.open { on = \"client -> b\", rate = "
     "\"1/s\" },\n lab = lab { isolation = \"netns\", service \"b\" { endpoints = 3, zones = { "
     "\"a\", \"b\" } } },\n phase \"p\" { lasting = \"9s\", fault.netem { on = \"zone:a -> "
     "zone:c\", delay = \"1ms\" } } }",
     "zone_other.lua:3: fault.netem: on names zone:c: no endpoint is there; the lab's are in a b"},
    {"zone_name.lua",
     "return scenario \"s\" {\n lab = lab { service \"b\" { zones = { \"A\" } } } }",
     "zone_name.lua:2: service \"b\": zones: \"A\" is no name; a name has only a-z 0-9 and -, and "
     "at "
     "most 63 of them"},
    {"isolation.lua", "return scenario \"s\" {\n lab = lab { isolation = \"vm\" } }",
     "isolation.lua:2: lab: isolation is \"vm\"; it is one of none, netns"},
    {"isolation_external.lua",
     "return scenario \"s\" {\n lab = lab { isolation = \"netns\", driver = \"external\" } }",
     "isolation_external.lua:2: lab: isolation = \"netns\" cannot hold the proxies of driver = "
     "\"external\": they are where their owner put them"},
    {"syntax.lua", "return scenario \"s\" {\n\n  phase \"p\" { ) }",
     "syntax.lua:3: unexpected symbol near ')'"},
    {"at.lua", PHASE("at \"soon\" { fault.reset { on = \"b\" } }"),
     "at.lua:2: at needs a time such as at \"20s\""},
    {"name.lua", "return scenario { }",
     "name.lua:1: scenario needs a name first: scenario \"name\" { ... }"},
    {"curry.lua", PHASE("phase \"q\""),
     "curry.lua:1: phase: position 1 is a word without its table, or a function; it must be a step "
     "or a list of steps"},
    {"text.lua", "return scenario \"s\" {\n  \"a phase\" }",
     "text.lua:1: scenario: position 1 is a string; it must be a step or a list of steps"},
    {"lab.lua", PHASE("lab {}"), "lab.lua:2: lab cannot stand in phase; it takes steps"},
    {"mesh.lua", "return scenario \"s\" {\n  mesh = mesh.istio { version = \"1.31\" } }",
     "mesh.lua:2: mesh.istio needs policy"},
    {"meshes.lua", "return mesh.consul {}",
     "meshes.lua:1: there is no mesh.consul; there is gateway_api istio istio_ambient linkerd "
     "none"},
    {"rate.lua", "return scenario \"s\" {\n load = load.open { " EDGE ", rate = 200 } }",
     "rate.lua:2: load.open: rate is 200; it must be a rate such as \"200/s\""},
    {"users.lua", "return scenario \"s\" {\n load = load.closed { " EDGE ", users = \"3\" } }",
     "users.lua:2: load.closed: users is \"3\"; it must be a count such as 3"},
    {"closed.lua",
     "return scenario \"s\" {\n load = load.closed { " EDGE ", users = 3, rate = \"1/s\" } }",
     "closed.lua:2: load.closed has no key \"rate\" (did you mean \"path\"?); it has body call "
     "clients connections headers method on path protocol "
     "reuse tag_every tagged think timeout users warmup"},
    {"service.lua", "return scenario \"s\" { lab = lab {\n service \"b\" { endpoint = 3 } } }",
     "service.lua:2: service has no key \"endpoint\" (did you mean \"endpoints\"?); it has address "
     "body calls effects "
     "endpoints identity jitter meshed protocol run slots status versions work zones"},
    {"lasting.lua", "return scenario \"s\" {\n phase \"p\" { lasting = 90 } }",
     "lasting.lua:2: phase: lasting is 90; it must be a duration such as \"250ms\" or \"1m30s\""},
    {"target.lua", "return scenario.from_policy { policy = \"k8s/\", target = \"istio\" }",
     "target.lua:1: scenario.from_policy: target is \"istio\"; it must be a target such as "
     "\"istio@1.31\", "
     "\"istio-ambient@1.22\", \"linkerd@2.15\", \"gateway-api@1.6\""},
    {"nothing.lua", "local x = 1",
     "nothing.lua: a suite file returns one scenario, one list of scenario.from_policy, or one "
     "suite"},
    {"whole.lua", "return scenario \"s\" {}",
     "whole.lua:1: scenario \"s\" has no mesh: give it mesh = mesh.istio { ... } or mesh.none {}"},
    {"boolean.lua", PHASE("fault.abort { on = \"b\", status = true }"),
     "boolean.lua:2: fault.abort: status must be one value, not a table"},
    {"value.lua", "return scenario \"s\" {\n tags = { print } }",
     "value.lua:2: there is no word \"print\" in a scenario file"},
};

static void load_errors_read_as_the_language_says(void **unused)
{
    (void)unused;
    check_golden(golden, COUNT_OF(golden));
}

static void other_mistakes_are_one_sentence_with_their_line(void **unused)
{
    (void)unused;
    check_golden(others, COUNT_OF(others));
}

static void guards_and_limits_are_checked_before_a_run(void **unused)
{
    (void)unused;
    check_golden(guards, COUNT_OF(guards));
}

static void all_errors_of_a_file_are_said_in_order_at_most_twenty(void **unused)
{
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    char path[128];
    struct text suite;
    (void)unused;
    text_init(&suite, 65536);
    text_add(&suite, "return scenario \"s\" { phase \"p\" { lasting = \"9s\",\n");
    for (int i = 0; i < 30; i++)
        text_add(&suite, "  fault.abort { on = \"b\", status = \"%d\" },\n", 500 + i);
    text_add(&suite, "} }\n");
    write_file("many.lua", text_get(&suite));
    text_release(&suite);
    assert_false(suite_load(in_folder("many.lua", path, sizeof(path)), NULL, &p, errors, &count));
    assert_int_equal(count, 20);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(errors[i].source.line, i + 2);
    plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_errors_read_as_the_language_says),
        cmocka_unit_test(other_mistakes_are_one_sentence_with_their_line),
        cmocka_unit_test(guards_and_limits_are_checked_before_a_run),
        cmocka_unit_test(all_errors_of_a_file_are_said_in_order_at_most_twenty),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
