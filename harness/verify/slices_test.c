/* A journal of many walks is judged one after the other: the same verdicts, and memory that does
 * not grow with their number. */
#include "base/clock.h"
#include "verify/judge.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define T0 (1000 * NS_PER_S)
#define PHASE (10 * NS_PER_S)
#define PHASES 2
#define REQUESTS 2000 /* of a phase and arm */
#define KEEP_BYTES (UINT64_C(256) * 1024)

static const char *const arms[] = {"subject", "right"};
static const char *const edge_name = "client -> payments";

struct files {
    char folder[64], path[96];
};

static int setup(void **state)
{
    struct files *p = check_alloc_zero(1, sizeof(*p));
    snprintf(p->folder, sizeof(p->folder), "/tmp/meshproof-slices-XXXXXX");
    if (mkdtemp(p->folder) == NULL)
        return -1;
    snprintf(p->path, sizeof(p->path), "%s/run.db", p->folder);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct files *p = *state;
    unlink(p->path);
    int rc = rmdir(p->folder);
    free(p);
    return rc;
}

static struct step expectation(struct plan *p, const char *word, const char *const *keys)
{
    return step_make(p, STEP_EXPECT, word, edge_name, (struct source){"many.lua", 9, 0}, keys);
}

/* Each scenario: a calm phase, and one in which some first tries fail; what is asked of each of
 * them, and of the whole. */
static struct plan *make_plan(uint32_t scenarios)
{
    static const char *const good[] = {"atleast", "99%", NULL};
    static const char *const tail[] = {"against", "phase \"calm\"", NULL};
    struct plan *p = plan_new();
    p->suite = "many.lua";
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, scenarios);
    p->scenario_count = scenarios;
    for (uint32_t i = 0; i < scenarios; i++) {
        struct scenario *s = &p->scenarios[i];
        *s = (struct scenario){.name = arena_printf(&p->arena, "walk %u", i),
                               .deadline_ns = 600 * NS_PER_S};
        s->mesh.word = "istio";
        s->mesh.version = "1.31";
        s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
        s->lab.service_count = 1;
        s->lab.services[0] = (struct service_plan){
            .name = "payments", .endpoints = 3, .slots = 256, .protocol = "http1", .status = 200};
        s->phases = ARENA_ARRAY(&p->arena, struct phase, PHASES);
        s->phase_count = PHASES;
        for (size_t k = 0; k < PHASES; k++) {
            struct phase *phase = &s->phases[k];
            *phase = (struct phase){.name = k == 0 ? "calm" : "first tries fail",
                                    .ends = PHASE_BY_CLOCK,
                                    .lasting_ns = PHASE,
                                    .step_count = 3};
            phase->steps = ARENA_ARRAY(&p->arena, struct step, 3);
            phase->steps[0] = expectation(p, "retries", NULL);
            phase->steps[1] = expectation(p, "success", good);
            phase->steps[2] = expectation(p, "tail", k == 0 ? NULL : tail);
        }
        s->steps = ARENA_ARRAY(&p->arena, struct step, 1);
        s->step_count = 1;
        s->steps[0] = expectation(p, "success", good);
    }
    return p;
}

static struct value number(uint64_t n)
{
    return (struct value){n, true, {"policy.yaml", 7, 3}, "VirtualService payments"};
}

static void add_policy(struct journal *j, uint32_t scenarios)
{
    struct edge_policy edge = {
        .from = "client",
        .to = "payments",
        .path = "/",
        .route = "payments/http[0]",
        .target = {MESH_ISTIO, 1, 31},
        .flavour = FLAVOUR_ENVOY,
        .endpoints = 3,
        .retry = {.attempts = number(2), .conditions = number(0), .on = RETRY_5XX},
    };
    json_t *edges = json_array();
    for (uint32_t i = 0; i < scenarios; i++)
        for (size_t a = 0; a < COUNT_OF(arms); a++)
            json_array_append_new(edges, json_pack("{s:s, s:i, s:o}", "arm", arms[a], "scenario",
                                                   (int)i, "edge", edge_policy_to_json(&edge)));
    j->policy = json_pack("{s:o, s:[]}", "edges", edges, "findings");
}

/* The request's tries: in the second phase one of 20 fails first, and in one walk it is given up,
 * which is a FAIL. */
static void add_request(struct journal *j, size_t arm, uint32_t walk, uint64_t id, uint64_t at_ns,
                        bool fails)
{
    uint32_t load = (uint32_t)arm * 2 + 1;
    bool gives_up = fails && walk % 4 == 3;
    uint64_t took_ns = (id % 7 + 2) * NS_PER_MS;
    struct request_record q = {.due = at_ns,
                               .id_hi = load,
                               .id_lo = id,
                               .root_hi = load,
                               .root_lo = id,
                               .start = 1,
                               .sent = 2,
                               .head = took_ns,
                               .done = took_ns,
                               .edge = journal_add_name(j, edge_name),
                               .status = gives_up ? 503 : 200,
                               .verb = VERB_GET,
                               .end = END_COMPLETE};
    journal_add(j, load, RECORD_REQUEST, &q);
    for (uint16_t k = 1; k <= (fails && !gives_up ? 2 : 1); k++) {
        bool bad = fails && k == 1;
        struct attempt_record a = {.at = at_ns + k * 300 * NS_PER_US,
                                   .id_hi = load,
                                   .id_lo = id,
                                   .out = 100 * NS_PER_US,
                                   .head_out = 100 * NS_PER_US,
                                   .done = 110 * NS_PER_US,
                                   .conn = (uint32_t)(id % 8) + 1,
                                   .sequence = (uint32_t)id,
                                   .endpoint = (uint16_t)((id + k) % 3 + 1),
                                   .status = bad ? 503 : 200,
                                   .verb = VERB_GET,
                                   .k = k,
                                   .n_mesh = k,
                                   .fault = bad ? 1 : 0,
                                   .fired = bad ? 2 : 0,
                                   .how_tied = TIED_OWN_ID};
        journal_add(j, load + 1, RECORD_ATTEMPT, &a);
    }
}

static void save(const char *path, uint32_t scenarios)
{
    struct journal *j = journal_new();
    struct plan *plan = make_plan(scenarios);
    struct error err = {0};
    uint64_t id = 0;
    uint32_t phase = 0;
    j->plan = plan_to_json(plan);
    add_policy(j, scenarios);
    for (uint32_t a = 0; a < COUNT_OF(arms); a++) {
        journal_add_proc(j, a * 2 + 1, "load", arms[a], "client");
        journal_add_proc(j, a * 2 + 2, "proxy", arms[a], "payments");
    }
    for (uint32_t i = 0; i < scenarios; i++)
        for (uint32_t k = 0; k < PHASES; k++)
            for (size_t a = 0; a < COUNT_OF(arms); a++) {
                uint64_t t0 = T0 + (uint64_t)(i * PHASES + k) * PHASE;
                journal_add_phase(j,
                                  &(struct journal_phase){.phase = ++phase,
                                                          .scenario = i,
                                                          .ordinal = k,
                                                          .arm = arms[a],
                                                          .name = plan->scenarios[i].phases[k].name,
                                                          .why = "clock",
                                                          .t0_ns = t0,
                                                          .t1_ns = t0 + PHASE});
                for (uint64_t n = 0; n < REQUESTS; n++)
                    add_request(j, a, i, ++id, t0 + n * (PHASE / REQUESTS), k == 1 && n % 20 == 0);
            }
    j->end_how = "complete";
    j->end_ns = T0 + scenarios * PHASES * PHASE;
    if (!journal_save(j, path, &err))
        fail_msg("%s", err.text);
    plan_free(plan);
    journal_free(j);
}

static struct judgement *judged(const char *path, uint64_t keep_bytes, struct journal **ret)
{
    struct judgement *g = NULL;
    struct error err = {0};
    if (!journal_open_sliced(path, keep_bytes, ret, &err) || !judge_sliced(*ret, NULL, &g, &err))
        fail_msg("%s", err.text);
    return g;
}

static void is_same_text(const char *a, const char *b)
{
    if ((a == NULL) != (b == NULL) || (a != NULL && strcmp(a, b) != 0))
        fail_msg("\"%s\" is \"%s\" in slices", a == NULL ? "" : a, b == NULL ? "" : b);
}

static void is_same(const struct judgement *a, const struct judgement *b)
{
    assert_int_equal(a->verdict_count, b->verdict_count);
    for (size_t i = 0; i < a->verdict_count; i++) {
        const struct judged *x = &a->verdicts[i], *y = &b->verdicts[i];
        assert_ptr_equal(x->claim, y->claim);
        assert_int_equal(x->scenario, y->scenario);
        assert_int_equal(x->ordinal, y->ordinal);
        assert_string_equal(x->arm, y->arm);
        assert_int_equal(x->verdict.kind, y->verdict.kind);
        assert_int_equal(x->verdict.why, y->verdict.why);
        assert_int_equal(x->verdict.seen, y->verdict.seen);
        assert_int_equal(x->verdict.eligible, y->verdict.eligible);
        assert_int_equal(x->verdict.witness_lo, y->verdict.witness_lo);
        is_same_text(x->verdict.text, y->verdict.text);
        is_same_text(x->verdict.certain, y->verdict.certain);
        is_same_text(x->verdict.needs, y->verdict.needs);
    }
    assert_int_equal(a->phase_count, b->phase_count);
    for (size_t i = 0; i < a->phase_count; i++) {
        assert_int_equal(a->phases[i].requests, b->phases[i].requests);
        assert_int_equal(a->phases[i].tries, b->phases[i].tries);
    }
    assert_int_equal(a->fault_count, b->fault_count);
    assert_int_equal(a->control_count, b->control_count);
    assert_int_equal(a->outcome, b->outcome);
}

static void verdicts_are_the_same(void **state)
{
    const struct files *p = *state;
    struct journal *whole = NULL, *sliced = NULL;
    size_t kinds[4] = {0};
    save(p->path, 5);
    struct judgement *a = judged(p->path, UINT64_MAX, &whole),
                     *b = judged(p->path, KEEP_BYTES, &sliced);
    assert_true(journal_is_whole(whole));
    assert_false(journal_is_whole(sliced));
    is_same(a, b);
    for (size_t i = 0; i < a->verdict_count; i++)
        kinds[a->verdicts[i].verdict.kind]++;
    assert_true(kinds[VERDICT_PASS] > 20 && kinds[VERDICT_FAIL] > 2);
    for (size_t i = 0; i < a->phase_count; i++)
        assert_int_equal(a->phases[i].requests, REQUESTS);
    judgement_free(a);
    judgement_free(b);
    journal_free(whole);
    journal_free(sliced);
}

/* In a process of its own: what it needed at most, in KiB. */
static long needed_kib(const char *path, uint32_t scenarios, uint64_t keep_bytes)
{
    struct rusage usage;
    int status = 0;
    unlink(path);
    pid_t pid = fork();
    if (pid == 0) {
        save(path, scenarios);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pid = fork();
    if (pid == 0) {
        struct journal *j = NULL;
        judgement_free(judged(path, keep_bytes, &j));
        journal_free(j);
        _exit(0);
    }
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    assert_int_equal(status, 0);
    return usage.ru_maxrss;
}

/* Of four times as many walks it needs hardly more; with all rows at once it needs far more, so the
 * measure can tell. */
static void memory_is_that_of_one_walk(void **state)
{
    const struct files *p = *state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* what it frees, it keeps for a while */
#endif
    long few = needed_kib(p->path, 6, KEEP_BYTES), many = needed_kib(p->path, 24, KEEP_BYTES),
         all_few = needed_kib(p->path, 6, UINT64_MAX), all = needed_kib(p->path, 24, UINT64_MAX);
    print_message("6 walks %ld KiB, 24 walks %ld KiB; all rows at once %ld and %ld KiB\n", few,
                  many, all_few, all);
    assert_true(all > 2 * all_few);
    assert_true(many < few + few / 2);
    assert_true(many < all / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(verdicts_are_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_that_of_one_walk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
