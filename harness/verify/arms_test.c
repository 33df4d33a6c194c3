/* Arms of one scenario, judged from a journal: three of them send in turn, blocks of 4 s, 12 s
 * each. */

#include "base/clock.h"
#include "verify/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define T0 (1000 * NS_PER_S)
#define BLOCK (4 * NS_PER_S)
#define ROUNDS 3
#define EVERY (20 * NS_PER_MS)

struct arm {
    const char *name, *word;
    uint64_t took_ns;
};
static const struct arm all[] = {{"quick", "istio", 10 * NS_PER_MS},
                                 {"slow", "istio", 30 * NS_PER_MS},
                                 {"none", "none", 10 * NS_PER_MS}};
#define ARMS COUNT_OF(all)

struct rig {
    struct journal *j;
    struct plan *plan;
    struct judgement *g;
    uint64_t seq;
};

static struct step expectation(struct plan *p, const char *word, const char *const *keys)
{
    return step_make(p, STEP_EXPECT, word, "client -> payments", (struct source){"arms.lua", 9, 0},
                     keys);
}

static void make_scenario(struct plan *p, size_t at)
{
    static const char *const tail[] = {"against", "arm \"none\"", NULL},
                             *const good[] = {"atleast", "99%", NULL},
                             *const few[] = {"atleast", "50%", NULL};
    struct scenario *s = &p->scenarios[at];
    *s = (struct scenario){.name = arena_printf(&p->arena, "tails, arm %s", all[at].name),
                           .arm = all[at].name,
                           .arms_of = "tails",
                           .deadline_ns = 600 * NS_PER_S};
    s->mesh.word = all[at].word;
    s->mesh.version = strcmp(all[at].word, "none") == 0 ? NULL : "1.31";
    s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    s->lab.service_count = 1;
    s->lab.services[0] = (struct service_plan){
        .name = "payments", .endpoints = 3, .slots = 256, .protocol = "http1", .status = 200};
    s->phases = ARENA_ARRAY(&p->arena, struct phase, 1);
    s->phase_count = 1;
    s->phases[0] = (struct phase){
        .name = "quiet", .ends = PHASE_BY_CLOCK, .lasting_ns = ROUNDS * BLOCK, .step_count = 4};
    struct step *steps = s->phases[0].steps = ARENA_ARRAY(&p->arena, struct step, 4);
    steps[0] = expectation(p, "tail", tail);
    step_set_json(p, &steps[0], "p50", json_real(1.5));
    steps[1] = expectation(p, "success", good);
    steps[2] = expectation(p, "retries", NULL);
    struct step *during = &steps[3];
    *during = step_make(p, STEP_DURING, "during", NULL, (struct source){"arms.lua", 10, 0}, NULL);
    during->from_ns = BLOCK;
    during->to_ns = 2 * BLOCK;
    during->steps = ARENA_ARRAY(&p->arena, struct step, 1);
    during->step_count = 1;
    during->steps[0] = expectation(p, "success", few);
}

static void add_block(struct rig *r, size_t at, uint32_t round, uint64_t begin_ns)
{
    uint32_t load = (uint32_t)at * 2 + 2, proxy = load + 1, phase = (uint32_t)at + 1;
    char *arm = arena_printf(&r->plan->arena, "arm:%s", all[at].name);
    journal_add_event(r->j, phase, begin_ns, "block.begin",
                      json_pack("{s:s, s:i}", "arm", arm, "block", (int)round + 1));
    for (uint64_t t = 0; t < BLOCK; t += EVERY) {
        struct request_record q = {.due = begin_ns + t,
                                   .id_hi = load,
                                   .id_lo = ++r->seq,
                                   .start = 1,
                                   .sent = 2,
                                   .first = all[at].took_ns,
                                   .head = all[at].took_ns,
                                   .done = all[at].took_ns,
                                   .edge = journal_add_name(r->j, "client -> payments"),
                                   .status = 200,
                                   .verb = VERB_GET,
                                   .conn = 1};
        struct attempt_record a = {.at = begin_ns + t + NS_PER_MS,
                                   .id_hi = load,
                                   .id_lo = r->seq,
                                   .body = 1,
                                   .out = NS_PER_MS,
                                   .head_out = NS_PER_MS,
                                   .done = NS_PER_MS + 1,
                                   .conn = (uint32_t)r->seq,
                                   .sequence = 1,
                                   .endpoint = (uint16_t)(r->seq % 3 + 1),
                                   .status = 200,
                                   .outcome = OUTCOME_ANSWERED,
                                   .k = 1,
                                   .n_mesh = 1,
                                   .how_tied = TIED_OWN_ID,
                                   .verb = VERB_GET};
        journal_add(r->j, load, RECORD_REQUEST, &q);
        journal_add(r->j, proxy, RECORD_ATTEMPT, &a);
    }
    journal_add_event(r->j, phase, begin_ns + BLOCK, "block.end",
                      json_pack("{s:s, s:i}", "arm", arm, "block", (int)round + 1));
}

static void rig_make(struct rig *r)
{
    json_t *edges = json_array();
    *r = (struct rig){.j = journal_new(), .plan = plan_new()};
    r->plan->suite = "arms.lua";
    r->plan->scenarios = ARENA_ARRAY(&r->plan->arena, struct scenario, ARMS);
    r->plan->scenario_count = ARMS;
    for (size_t i = 0; i < ARMS; i++) {
        char *arm = arena_printf(&r->plan->arena, "arm:%s", all[i].name);
        struct edge_policy edge = {.from = "client",
                                   .to = "payments",
                                   .path = "/",
                                   .route = "payments",
                                   .target = {MESH_ISTIO, 1, 31},
                                   .endpoints = 3,
                                   .retry = {.attempts = {.number = 2, .set = true}}};
        make_scenario(r->plan, i);
        journal_add_proc(r->j, (uint32_t)i * 2 + 2, "load", arm, "client");
        journal_add_proc(r->j, (uint32_t)i * 2 + 3, "proxy", arm, "payments");
        journal_add_phase(
            r->j, &(struct journal_phase){.phase = (uint32_t)i + 1,
                                          .scenario = (uint32_t)i,
                                          .arm = arm,
                                          .name = "quiet",
                                          .why = "clock",
                                          .t0_ns = T0 + i * BLOCK,
                                          .t1_ns = T0 + ((ROUNDS - 1) * ARMS + i + 1) * BLOCK});
        json_array_append_new(edges, json_pack("{s:s, s:i, s:o}", "arm", arm, "scenario", (int)i,
                                               "edge", edge_policy_to_json(&edge)));
    }
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < ARMS; i++)
            add_block(r, i, round, T0 + (round * ARMS + i) * BLOCK);
    r->j->end_how = "complete";
    r->j->plan = plan_to_json(r->plan);
    r->j->policy = json_pack("{s:o, s:[]}", "edges", edges, "findings");
}

static void rig_judge(struct rig *r)
{
    struct error err = {0};
    journal_sort(r->j);
    if (!judge_run(r->j, NULL, &r->g, &err))
        fail_msg("%s", err.text);
}

static void rig_open(struct rig *r)
{
    rig_make(r);
    rig_judge(r);
}

static void rig_close(struct rig *r)
{
    judgement_free(r->g);
    journal_free(r->j);
    plan_free(r->plan);
}

static const struct judged *find(const struct rig *r, size_t arm, const char *id, bool during)
{
    const struct judged *found = NULL;
    for (size_t i = 0; i < r->g->verdict_count; i++) {
        const struct judged *d = &r->g->verdicts[i];
        if (d->scenario != arm || strcmp(d->claim->id, id) != 0)
            continue;
        if (found == NULL || during)
            found = d;
    }
    return found;
}

static void each_arm_is_compared_with_the_one_that_was_named(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    assert_int_equal(find(&r, 0, "tail", false)->verdict.kind, VERDICT_PASS);
    assert_int_equal(find(&r, 1, "tail", false)->verdict.kind, VERDICT_FAIL);
    assert_int_equal(find(&r, 2, "tail", false)->verdict.kind, VERDICT_NOT_APPLICABLE);
    assert_string_equal(find(&r, 1, "tail", false)->arm, "arm:slow");
    assert_int_equal(find(&r, 1, "tail", false)->verdict.seen, 600);
    rig_close(&r);
}

static void what_a_policy_promises_is_not_asked_where_there_is_no_mesh(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    assert_non_null(find(&r, 0, "retry.max", false));
    assert_null(find(&r, 2, "retry.max", false));
    assert_true(find(&r, 0, "success", false)->gates);
    assert_false(find(&r, 2, "success", false)->gates);
    assert_int_equal(find(&r, 2, "success", false)->verdict.kind, VERDICT_PASS);
    rig_close(&r);
}

static void the_clock_of_a_phase_stands_between_its_blocks(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    assert_int_equal(r.g->phase_count, ARMS);
    for (size_t i = 0; i < ARMS; i++) {
        assert_int_equal(r.g->phases[i].blocks, ROUNDS);
        assert_int_equal(r.g->phases[i].active_ns, ROUNDS * BLOCK);
        assert_int_equal(r.g->phases[i].requests, ROUNDS * (BLOCK / EVERY));
        assert_int_equal(r.g->phases[i].tainted_ppm, 0);
        /* The second block, by the arm's own clock. */
        assert_int_equal(find(&r, i, "success", true)->verdict.seen, BLOCK / EVERY);
    }
    rig_close(&r);
}

/* A proxy of the arm stood still for a second and a half: of the twelve in which it had its turn
 * that would be too many, while another arm has its own it is none. */
static void a_loop_that_stands_still_in_the_turn_of_others_is_nothing_to_the_arm(void **state)
{
    (void)state;
    for (uint64_t block = 0; block < 2; block++) {
        struct rig r;
        struct stall_record stall = {.at = T0 + block * BLOCK + NS_PER_S,
                                     .fired = 3 * NS_PER_S / 2};
        rig_make(&r);
        journal_add(r.j, 3, RECORD_STALL, &stall);
        rig_judge(&r);
        const struct verdict *tail = &find(&r, 0, "tail", false)->verdict;
        assert_int_equal(tail->kind, block == 0 ? VERDICT_INCONCLUSIVE : VERDICT_PASS);
        rig_close(&r);
    }
}

/* A tail has the rows of the arm that it is against, though each arm is judged by itself. */
static void judged_walk_by_walk_from_a_file_it_is_the_same(void **state)
{
    char path[] = "/tmp/meshproof-arms-XXXXXX";
    struct rig whole, r;
    struct error err = {0};
    (void)state;
    rig_open(&whole);
    rig_make(&r);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    bool good = journal_save(r.j, path, &err);
    journal_free(r.j);
    good = good && journal_open_sliced(path, 0, &r.j, &err);
    unlink(path);
    if (!good || journal_is_whole(r.j) || !judge_sliced(r.j, NULL, &r.g, &err))
        fail_msg("%s", err.text);
    assert_int_equal(r.g->verdict_count, whole.g->verdict_count);
    for (size_t i = 0; i < r.g->verdict_count; i++) {
        const struct judged *a = &whole.g->verdicts[i], *b = &r.g->verdicts[i];
        assert_ptr_equal(a->claim, b->claim);
        assert_int_equal(a->verdict.kind, b->verdict.kind);
        assert_int_equal(a->verdict.seen, b->verdict.seen);
        if (a->verdict.text != NULL)
            assert_string_equal(a->verdict.text, b->verdict.text);
    }
    rig_close(&whole);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_arm_is_compared_with_the_one_that_was_named),
        cmocka_unit_test(what_a_policy_promises_is_not_asked_where_there_is_no_mesh),
        cmocka_unit_test(the_clock_of_a_phase_stands_between_its_blocks),
        cmocka_unit_test(a_loop_that_stands_still_in_the_turn_of_others_is_nothing_to_the_arm),
        cmocka_unit_test(judged_walk_by_walk_from_a_file_it_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
