#include "engine/engine.h"

#include "base/clock.h"
#include "journal/journal.h"
#include "net/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Real agents, real sockets on loopback, the builtin mesh: load -> mesh -> proxies -> stubs, and
 * the journal that comes of it. The agents are this very program (agent_main), so the command line
 * is not needed. */

struct rig {
    struct plan *plan;
    struct walk_plan walk;
    struct edge_policy edge;
    char folder[64], journal[128];
    struct engine_options options;
    enum engine_outcome outcome;
    struct error err;
    struct journal *read;
    bool interrupt;       /* ourselves, when the fault has fired first */
    char told_ends[1024]; /* of faults whose ttl was over */
};

static void on_event(void *cookie, const struct engine_event *event)
{
    struct rig *r = cookie;
    size_t len = strlen(r->told_ends);
    if (strcmp(event->what, "fault.expired") == 0)
        snprintf(r->told_ends + len, sizeof(r->told_ends) - len, "%s\n", event->text);
    if (r->interrupt && strcmp(event->what, "fault.first") == 0)
        kill(getpid(), SIGINT);
}

static struct phase *add_phase(struct rig *r, const char *name, uint64_t lasting_ns)
{
    struct scenario *s = &r->plan->scenarios[0];
    struct phase *p = &s->phases[s->phase_count++];
    p->name = name;
    p->ends = PHASE_BY_CLOCK;
    p->lasting_ns = lasting_ns;
    p->steps = ARENA_ARRAY(&r->plan->arena, struct step, 8);
    return p;
}

static void add_fault(struct rig *r, struct phase *p, const char *word, const char *on,
                      const char *const *keys)
{
    struct source source = {.file = "s.lua", .line = 3};
    p->steps[p->step_count++] = step_make(r->plan, STEP_FAULT, word, on, source, keys);
}

static struct value value_of(uint64_t number)
{
    return (struct value){.number = number, .set = true, .origin = "test"};
}

static void rig_init(struct rig *r)
{
    static const char *const argv[] = {"meshproof", "run"};
    *r = (struct rig){.plan = plan_new()};
    struct arena *arena = &r->plan->arena;
    struct scenario *s = r->plan->scenarios = ARENA_ARRAY(arena, struct scenario, 1);
    r->plan->scenario_count = 1;
    r->plan->suite = "s.lua";
    s->name = "drags";
    s->mesh.word = "istio";
    s->mesh.version = "1.31";
    s->lab.services = ARENA_ARRAY(arena, struct service_plan, 1);
    s->lab.service_count = 1;
    s->lab.services[0] = (struct service_plan){.name = "payments",
                                               .endpoints = 3,
                                               .slots = 64,
                                               .protocol = "http1",
                                               .status = 200,
                                               .body_text = "ok"};
    s->loads = ARENA_ARRAY(arena, struct load_plan, 1);
    s->load_count = 1;
    s->loads[0] = (struct load_plan){.rate_per_h = UINT64_C(100) * 3600,
                                     .protocol = "http1",
                                     .method = "GET",
                                     .path = "/",
                                     .connections = 4,
                                     .clients = 1,
                                     .timeout_ns = 5 * NS_PER_S,
                                     .tag_every_ns = 60 * NS_PER_MS};
    assert_true(place_parse("client -> payments", arena, &s->loads[0].on, &r->err));
    s->phases = ARENA_ARRAY(arena, struct phase, 8);
    r->edge = (struct edge_policy){
        .from = "client", .to = "payments", .path = "/", .route = "payments", .endpoints = 3};
    assert_true(target_parse("istio@1.31", &r->edge.target, &r->err));
    r->edge.flavour = FLAVOUR_ENVOY;
    r->edge.retry.attempts = value_of(2);
    r->edge.retry.on = RETRY_5XX;
    r->edge.retry.backoff_base = value_of(5 * NS_PER_MS);
    r->edge.retry.backoff_max = value_of(20 * NS_PER_MS);
    r->walk = (struct walk_plan){
        .arm = "subject", .scenario_plan = s, .mesh_edges = &r->edge, .mesh_edge_count = 1};
    snprintf(r->folder, sizeof(r->folder), "/tmp/meshproof-test-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    snprintf(r->journal, sizeof(r->journal), "%s/run.db", r->folder);
    r->options = (struct engine_options){.journal = r->journal,
                                         .program = "/proc/self/exe",
                                         .run = "7c1e4a90",
                                         .argv = argv,
                                         .argc = 2,
                                         .seed = 42,
                                         .seed_text = "42",
                                         .version = "test",
                                         .policy_json = "{\"edges\":[],\"findings\":[]}",
                                         .on_event = on_event,
                                         .inflight_most = 1000,
                                         .cookie = r};
}

static void rig_run(struct rig *r)
{
    if (!plan_check(r->plan, &r->err) ||
        !engine_run(r->plan, &r->walk, 1, &r->options, &r->outcome, &r->err))
        fail_msg("%s", r->err.text);
    struct error err = {0};
    if (!journal_open(r->journal, &r->read, &err))
        fail_msg("%s", err.text);
}

static void rig_release(struct rig *r)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    journal_free(r->read);
    unlink(r->journal);
    assert_int_equal(rmdir(r->folder), 0);
    plan_free(r->plan);
}

static size_t faulted(const struct journal *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->attempt_count; i++)
        n += j->attempts[i].r.fault == 1;
    return n;
}

static void a_run_leaves_a_whole_journal(void **state)
{
    static const char *const keys[] = {"status", "503", NULL};
    struct rig r;
    size_t good = 0;
    (void)state;
    rig_init(&r);
    add_phase(&r, "calm", NS_PER_S);
    add_fault(&r, add_phase(&r, "drags", 2 * NS_PER_S), "abort", "payments/2", keys);
    rig_run(&r);
    if (r.outcome != ENGINE_COMPLETE)
        fail_msg("%s", r.err.text);
    assert_string_equal(r.read->end_how, "complete");
    assert_true(journal_checksum_good(r.read));
    assert_int_equal(r.read->phase_count, 2);
    assert_int_equal(r.read->lost_count, 0);
    assert_int_equal(r.read->proc_count, 5); /* conductor, stub, proxy, mesh, load */
    assert_true(r.read->request_count >= 250 && r.read->request_count <= 350);
    for (size_t i = 0; i < r.read->request_count; i++)
        good += r.read->requests[i].r.status == 200;
    assert_true(good * 10 >= r.read->request_count * 9); /* the mesh retries */
    assert_true(r.read->attempt_count > r.read->request_count);
    assert_true(faulted(r.read) >= 20);
    for (size_t i = 0; i < r.read->attempt_count; i++)
        if (r.read->attempts[i].r.fault == 1)
            assert_int_equal(r.read->attempts[i].r.endpoint, 2);
    assert_int_equal(r.read->fault_count, 2);
    assert_int_equal(r.read->faults[0].r.what, 0);
    assert_int_equal(r.read->faults[1].r.what, 1);
    assert_int_equal(r.read->faults[1].r.fired, faulted(r.read));
    assert_true(r.read->clock_count >= 5);
    assert_true(r.read->metric_count > 0);
    rig_release(&r);
}

static void an_interrupt_ends_the_faults_within_100_ms(void **state)
{
    static const char *const keys[] = {"status", "503", NULL};
    struct rig r;
    (void)state;
    rig_init(&r);
    r.interrupt = true;
    add_fault(&r, add_phase(&r, "drags", 60 * NS_PER_S), "abort", "payments", keys);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_string_equal(r.read->phases[0].why, "abort");
    uint64_t aborted_ns = r.read->phases[0].t1_ns, recovered = 0;
    for (size_t i = 0; i < r.read->fault_count; i++)
        if (r.read->faults[i].r.what == 1)
            assert_true(r.read->faults[i].r.at < aborted_ns + 100 * NS_PER_MS);
    for (size_t i = 0; i < r.read->request_count; i++)
        recovered += r.read->requests[i].r.due > aborted_ns + 200 * NS_PER_MS &&
                     r.read->requests[i].r.status == 200;
    assert_true(recovered > 20); /* the load runs on and sees recovery */
    rig_release(&r);
}

/* The dead conductor's children, with the real proxy under the mesh agent. */
static void kill_conductor(struct rig *r, size_t children)
{
    static const char *const keys[] = {"add", "1s", NULL};
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    add_fault(r, add_phase(r, "drags", 600 * NS_PER_S), "latency", "payments", keys);
    assert_true(plan_check(r->plan, &r->err));
    pid_t conductor = fork();
    if (conductor == 0)
        _exit(engine_run(r->plan, &r->walk, 1, &r->options, &r->outcome, &r->err) ? 0 : 1);
    /* When the fault has been journalled as armed, all agents are there. */
    uint64_t until_ns = clock_now_ns() + 60 * NS_PER_S;
    for (bool armed = false; !armed;) {
        struct error err = {0};
        assert_true(clock_now_ns() < until_ns);
        if (journal_open(r->journal, &r->read, &err)) {
            armed = r->read->event_count > 0;
            journal_free(r->read);
        }
    }
    kill(conductor, SIGKILL);
    size_t ended = 0;
    while (waitpid(-1, NULL, 0) >
           0) /* the conductor, and each agent by itself; the test's time limit guards this */
        ended++;
    assert_int_equal(errno, ECHILD);
    assert_true(ended >= children);
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

/* The journal of a run that did not end, and its side files. */
static void leave_torn(struct rig *r)
{
    static const char *const tails[] = {"-wal", "-shm"};
    struct error err = {0};
    char path[160];
    assert_true(journal_open(r->journal, &r->read, &err));
    assert_null(r->read->end_how);
    journal_free(r->read);
    r->read = NULL;
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        snprintf(path, sizeof(path), "%s%s", r->journal, tails[i]);
        unlink(path);
    }
    rig_release(r);
}

static void a_dead_conductor_leaves_no_child(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    kill_conductor(&r, 5);
    leave_torn(&r);
}

static const char *const envoy_path = SOURCE_ROOT "/build/deps/envoy/envoy";

static void envoy_is_walked_and_does_not_outlive_us(void **state)
{
    static const char *const keys[] = {"status", "503", NULL};
    struct rig r;
    (void)state;
    if (access(envoy_path, X_OK) != 0) {
        print_message("skipped: there is no %s (./dev setup fetches it)\n", envoy_path);
        skip();
    }
    rig_init(&r);
    r.options.envoy = envoy_path;
    r.walk.driver = DRIVER_ENVOY;
    add_fault(&r, add_phase(&r, "drags", 2 * NS_PER_S), "abort", "payments/2", keys);
    rig_run(&r);
    if (r.outcome != ENGINE_COMPLETE)
        fail_msg("%s", r.err.text);
    assert_true(faulted(r.read) >= 10);
    assert_true(r.read->metric_count > 0);
    assert_int_equal(r.read->lost_count, 0);
    rig_release(&r);
    rig_init(&r);
    r.options.envoy = envoy_path;
    r.walk.driver = DRIVER_ENVOY;
    kill_conductor(&r, 5);
    leave_torn(&r);
}

static void an_external_port_in_use_is_named(void **state)
{
    struct rig r;
    int fd;
    uint16_t port;
    char taken[64];
    (void)state;
    rig_init(&r);
    assert_true(socket_listen("127.0.0.1:0", &fd, &port, &r.err));
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", port);
    struct lab_plan *lab = &r.plan->scenarios[0].lab;
    lab->external =
        json_pack("{s{ss} s{ss ss ss}}", "to", "payments", "127.0.0.1:1", "endpoint", "payments/1",
                  "127.0.0.1:0", "payments/2", taken, "payments/3", "127.0.0.1:0");
    json_array_append_new(r.plan->owned, lab->external);
    lab->driver = DRIVER_EXTERNAL;
    r.walk.driver = DRIVER_EXTERNAL;
    add_phase(&r, "calm", NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_BROKEN);
    if (strstr(r.err.text, taken) == NULL)
        fail_msg("%s", r.err.text);
    close(fd);
    rig_release(&r);
}

static void add_await(struct rig *r, struct phase *p, const char *word, const char *on)
{
    static const char *const keys[] = {"within", "20s", NULL};
    struct source source = {.file = "s.lua", .line = 4};
    p->ends = PHASE_BY_AWAITS;
    p->lasting_ns = 0;
    p->steps[p->step_count++] = step_make(r->plan, STEP_AWAIT, word, on, source, keys);
}

static void awaits_see_an_ejection_and_the_return(void **state)
{
    static const char *const keys[] = {"status", "503", NULL};
    struct rig r;
    (void)state;
    rig_init(&r);
    r.edge.outlier = (struct outlier_rule){.present = true,
                                           .consecutive_5xx = value_of(3),
                                           .interval = value_of(500 * NS_PER_MS),
                                           .base_ejection = value_of(2 * NS_PER_S),
                                           .max_ejection = value_of(10 * NS_PER_S),
                                           .max_ejection_percent = value_of(40),
                                           .min_health_percent = value_of(0)};
    struct phase *trip = add_phase(&r, "trip", 0);
    add_fault(&r, trip, "abort", "payments/2", keys);
    add_await(&r, trip, "ejected", "payments/2");
    add_await(&r, add_phase(&r, "back", 0), "readmitted", "payments/2");
    rig_run(&r);
    if (r.outcome != ENGINE_COMPLETE)
        fail_msg("%s", r.err.text);
    assert_string_equal(r.read->phases[0].why, "event");
    assert_string_equal(r.read->phases[1].why, "event");
    /* It was out for no less than was declared: the await did not mistake a pause for a return. */
    assert_true(r.read->phases[1].t1_ns - r.read->phases[0].t0_ns > 2 * NS_PER_S);
    rig_release(&r);
}

static void a_refused_endpoint_comes_back_when_its_ttl_ends(void **state)
{
    static const char *const keys[] = {"ttl", "500ms", NULL};
    struct rig r;
    bool expired = false;
    size_t late = 0;
    (void)state;
    rig_init(&r);
    r.edge.retry.on = RETRY_5XX | RETRY_CONNECT_FAILURE;
    add_fault(&r, add_phase(&r, "down", 2 * NS_PER_S), "refuse", "payments/1", keys);
    rig_run(&r);
    if (r.outcome != ENGINE_COMPLETE)
        fail_msg("%s", r.err.text);
    assert_true(r.read->world_count >= 2);
    uint64_t t0_ns = r.read->phases[0].t0_ns;
    for (size_t i = 0; i < r.read->fault_count; i++)
        expired = expired || r.read->faults[i].r.what == FAULT_EXPIRED;
    assert_true(expired);
    assert_string_equal(r.told_ends, "refuse on payments/1: its ttl is over\n");
    for (size_t i = 0; i < r.read->attempt_count; i++) {
        const struct attempt_record *a = &r.read->attempts[i].r;
        late += a->endpoint == 1 && a->at > t0_ns + 500 * NS_PER_MS;
        if (a->endpoint == 1)
            assert_true(a->at < t0_ns + 100 * NS_PER_MS || a->at > t0_ns + 500 * NS_PER_MS);
    }
    assert_true(late > 10);
    rig_release(&r);
}

static size_t count_procs(const struct rig *r, const char *role, const char *service)
{
    size_t n = 0;
    for (size_t i = 0; i < r->read->proc_count; i++)
        n += strcmp(r->read->procs[i].role, role) == 0 &&
             strcmp(r->read->procs[i].service, service) == 0;
    return n;
}

/* client -> checkout -> payments, in two arms at once. */
static void walks_run_side_by_side_and_stubs_call_through_the_mesh(void **state)
{
    struct rig r;
    struct edge_policy edges[2];
    struct walk_plan walks[2];
    size_t called[2] = {0};
    (void)state;
    rig_init(&r);
    struct arena *arena = &r.plan->arena;
    struct scenario *s = &r.plan->scenarios[0];
    struct service_plan *services = ARENA_ARRAY(arena, struct service_plan, 2);
    struct call_plan *call = ARENA_ARRAY(arena, struct call_plan, 1);
    *call = (struct call_plan){.to = "payments",
                               .method = "GET",
                               .path = "/pay",
                               .share_ppm = 1000000,
                               .timeout_ns = NS_PER_S};
    services[0] = (struct service_plan){.name = "checkout",
                                        .endpoints = 1,
                                        .slots = 64,
                                        .protocol = "http1",
                                        .status = 200,
                                        .body_text = "ok",
                                        .calls = call,
                                        .call_count = 1};
    services[1] = s->lab.services[0];
    s->lab.services = services;
    s->lab.service_count = 2;
    assert_true(place_parse("client -> checkout", arena, &s->loads[0].on, &r.err));
    edges[0] = r.edge;
    edges[0].to = "checkout";
    edges[0].endpoints = 1;
    edges[1] = r.edge;
    edges[1].from = "checkout";
    add_phase(&r, "calm", NS_PER_S);
    for (size_t i = 0; i < 2; i++) {
        walks[i] = r.walk;
        walks[i].mesh_edges = edges;
        walks[i].mesh_edge_count = 2;
    }
    walks[1].arm = "right";
    assert_true(plan_check(r.plan, &r.err));
    if (!engine_run(r.plan, walks, 2, &r.options, &r.outcome, &r.err) ||
        r.outcome != ENGINE_COMPLETE)
        fail_msg("%s", r.err.text);
    assert_true(journal_open(r.journal, &r.read, &r.err));
    assert_int_equal(r.read->phase_count, 2);
    /* The conductor, and for each walk two services of two, the mesh's proxy of each caller, and
     * the load. */
    assert_int_equal(r.read->proc_count, 15);
    assert_int_equal(count_procs(&r, "mesh", "client"), 2);
    assert_int_equal(count_procs(&r, "mesh", "checkout"), 2);
    uint64_t gap_ns = r.read->phases[0].t0_ns > r.read->phases[1].t0_ns
                          ? r.read->phases[0].t0_ns - r.read->phases[1].t0_ns
                          : r.read->phases[1].t0_ns - r.read->phases[0].t0_ns;
    assert_true(gap_ns < 500 * NS_PER_MS);
    for (size_t i = 0; i < r.read->request_count; i++) {
        const struct request_row *row = &r.read->requests[i];
        const struct journal_proc *proc = journal_proc_of(r.read, row->proc);
        if (strcmp(journal_name(r.read, row->r.edge), "checkout -> payments") != 0)
            continue;
        assert_string_equal(proc->role, "stub");
        assert_int_equal(row->r.status, 200);
        called[strcmp(proc->arm, "right") == 0]++;
    }
    assert_true(called[0] > 50 && called[1] > 50);
    assert_int_equal(r.read->lost_count, 0);
    rig_release(&r);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return agent_main(
            &(struct agent_options){.role = argv[2], .fd = (int)strtol(argv[4], NULL, 10)});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_leaves_a_whole_journal),
        cmocka_unit_test(an_interrupt_ends_the_faults_within_100_ms),
        cmocka_unit_test(a_dead_conductor_leaves_no_child),
        cmocka_unit_test(envoy_is_walked_and_does_not_outlive_us),
        cmocka_unit_test(an_external_port_in_use_is_named),
        cmocka_unit_test(awaits_see_an_ejection_and_the_return),
        cmocka_unit_test(a_refused_endpoint_comes_back_when_its_ttl_ends),
        cmocka_unit_test(walks_run_side_by_side_and_stubs_call_through_the_mesh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
