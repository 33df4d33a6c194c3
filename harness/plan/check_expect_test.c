/* Keys of expectations that would do nothing are refused, each with a sentence. */

#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)

/* One phase "calm" of ten seconds with an expectation on "client -> b"; NULL: it is taken. */
static void says(const char *word, const char *keys, const char *text)
{
    struct plan *p = plan_new();
    struct error err = {0};
    struct source at = {"x.lua", 3, 0};
    p->suite = "x.lua";
    p->scenario_count = 1;
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    struct scenario *s = &p->scenarios[0];
    *s = (struct scenario){.name = "s", .source = at, .mesh = {.word = "istio", .version = "1.31"}};
    s->lab.service_count = 1;
    s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    s->lab.services[0] = (struct service_plan){
        .name = "b", .endpoints = 3, .slots = 256, .status = 200, .protocol = "http1"};
    s->phase_count = 1;
    s->phases = ARENA_ARRAY(&p->arena, struct phase, 1);
    s->phases[0] =
        (struct phase){.name = "calm", .source = at, .ends = PHASE_BY_CLOCK, .lasting_ns = 10 * S};
    s->phases[0].load_count = 1;
    s->phases[0].loads = ARENA_ARRAY(&p->arena, struct load_plan, 1);
    s->phases[0].loads[0] = (struct load_plan){.rate_per_h = 360000,
                                               .timeout_ns = S,
                                               .connections = 8,
                                               .clients = 1,
                                               .method = "GET",
                                               .path = "/",
                                               .protocol = "http1"};
    assert_true(place_parse("client -> b", &p->arena, &s->phases[0].loads[0].on, NULL));
    s->phases[0].steps = ARENA_ARRAY(&p->arena, struct step, 1);
    s->phases[0].step_count = 1;
    struct step *step = &s->phases[0].steps[0];
    *step =
        step_make(p, STEP_EXPECT, word, strcmp(word, "lint") == 0 ? NULL : "client -> b", at, NULL);
    json_t *given = json_loads(keys, 0, NULL), *value;
    const char *key;
    assert_non_null(given);
    json_object_foreach(given, key, value)
    {
        step_set_json(p, step, key, json_incref(value));
    }
    bool good = plan_check(p, &err);
    if (text == NULL ? !good : good || strcmp(err.text, text) != 0)
        fail_msg("expect.%s %s: %s", word, keys, good ? "(taken)" : err.text);
    json_decref(given);
    plan_free(p);
}

static void a_match_holds_what_a_journal_tells(void **state)
{
    (void)state;
    says("success", "{\"atleast\": \"99%\", \"match\": {\"path\": \"/a\", \"status\": 503}}", NULL);
    says("success", "{\"atleast\": \"99%\", \"match\": {\"header\": {\"x-tier\": \"gold\"}}}",
         "expect.success: match has no header here: of a finished request the journal tells from "
         "grpc method path protocol status tag");
    says("retries", "{\"match\": {\"attempt\": 1}}",
         "expect.retries: match has no attempt here: of a finished request the journal tells from "
         "grpc method path protocol status tag");
    says("metrics", "{\"match\": {\"path\": \"/a\"}}",
         "expect.metrics has no match: it judges all that the place gets; match is for "
         "amplification fallback idempotency path recovery retries status success tail timeout");
}

static void answers_are_words_that_can_hold(void **state)
{
    (void)state;
    says("success", "{\"atleast\": \"99%\", \"good\": \"2xx,304,grpc:unavailable,any\"}", NULL);
    says("success", "{\"atleast\": \"99%\", \"good\": \"grpc:OKAY\"}",
         "expect.success: good is \"grpc:OKAY\"; it must be a comma list of such as 2xx, 204, "
         "grpc:OK, any");
    says("fallback", "{\"within\": \"1s\", \"answers\": [\"2xx\", \"503,grpc:UNAVAILABLE\"]}",
         NULL);
    says("fallback", "{\"within\": \"1s\", \"answers\": [\"2xx\", \"5xxx\"]}",
         "expect.fallback: answers is \"5xxx\"; it must be a comma list of such as 2xx, 204, "
         "grpc:OK, any");
}

static void enough_is_for_claims_that_count(void **state)
{
    (void)state;
    says("retries", "{\"enough\": 50}", NULL);
    says("recovery", "{\"enough\": 50}", "expect.recovery has no enough: it counts no instances");
    says("lint", "{\"enough\": 50}", "expect.lint has no enough: it counts no instances");
}

static void balance_names_endpoints_of_its_own_service(void **state)
{
    (void)state;
    says("balance", "{\"less\": \"b/2\"}", NULL);
    says("balance", "{\"less\": [\"b/2\", \"b/3\"], \"atmost\": \"50%\"}", NULL);
    says("balance", "{\"less\": \"c/2\"}",
         "expect.balance: less names \"c\": the lab has b (did you mean \"b\"?)");
    says("balance", "{\"less\": [\"b/2\", \"b/4\"]}",
         "expect.balance: less names \"b/4\": b has 3 endpoints");
    says("balance", "{\"less\": \"client -> b\"}",
         "expect.balance: less is \"client -> b\"; it must be an endpoint of \"b\"");
    says("balance", "{\"less\": \"b/2\", \"atmost\": \"95%\"}",
         "expect.balance: atmost is 95%, looser than the claim's 90% of a fair share; leave it "
         "out");
}

static void a_tail_is_against_something_that_there_is(void **state)
{
    static const char *const wrong = "expect.tail: against is '%s'; it must be phase \"NAME\", "
                                     "arm \"NAME\" or run \"FILE\"";
    char text[200];
    (void)state;
    says("tail", "{\"against\": \"phase \\\"calm\\\"\"}", NULL);
    says("tail", "{\"against\": \"run \\\"old.db\\\"\"}", NULL);
    says("tail", "{\"against\": \"phase \\\"clam\\\"\"}",
         "expect.tail: against names no phase: \"clam\"");
    says("tail", "{\"against\": \"run \\\"last\\\"\"}",
         "expect.tail: against is run \"last\", which would be the run itself: name a journal or a "
         "run id");
    snprintf(text, sizeof(text), wrong, "calm");
    says("tail", "{\"against\": \"calm\"}", text);
    snprintf(text, sizeof(text), wrong, "run \"old.db");
    says("tail", "{\"against\": \"run \\\"old.db\"}", text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_holds_what_a_journal_tells),
        cmocka_unit_test(answers_are_words_that_can_hold),
        cmocka_unit_test(enough_is_for_claims_that_count),
        cmocka_unit_test(balance_names_endpoints_of_its_own_service),
        cmocka_unit_test(a_tail_is_against_something_that_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
