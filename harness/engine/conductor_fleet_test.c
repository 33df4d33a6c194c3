/* Runs whose agents are a fleet: what such a run refuses before it makes one, and what becomes of
 * the calm request when a connection breaks meanwhile. */

#include "engine/conductor_rig_test.h"

#include "engine/fleet_processes.h"
#include "net/loop.h"

#include <sys/socket.h>

#define WORK_NS (600 * NS_PER_MS)
#define CUT_AFTER_NS (200 * NS_PER_MS)

static bool make_none(struct fleet *f, const struct fleet_agent *agents, size_t count,
                      const struct fleet_call *call, struct error *err)
{
    uint32_t endpoints = 0;
    (void)f;
    (void)call;
    for (size_t i = 0; i < count; i++)
        endpoints += agents[i].endpoints;
    return error_set(err, ERROR_SYSTEM, "%zu agents were asked for, of %u endpoints", count,
                     endpoints);
}

static bool end_none(struct fleet *f, struct error *err)
{
    (void)f;
    (void)err;
    return true;
}

static void fate_unknown(struct fleet *f, const char *id, char *to, size_t size)
{
    (void)f;
    (void)id;
    (void)size;
    to[0] = '\0';
}

static void isolated(struct rig *r)
{
    r->plan->scenarios[0].lab.netns = true;
}

static void running_already(struct rig *r)
{
    static const char *addresses[] = {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"};
    r->plan->scenarios[0].lab.services[0].addresses = addresses;
    r->plan->scenarios[0].lab.services[0].address_count = COUNT_OF(addresses);
}

static void with_fault(struct rig *r, const char *word, const char *on, const char *const *keys)
{
    add_step(r, &r->plan->scenarios[0].phases[0], STEP_FAULT, word, on, keys);
}

static void budget(struct rig *r)
{
    static const char *const keys[] = {"status", "503", "times", "2", NULL};
    with_fault(r, "abort", "payments", keys);
}

static void budget_of_one(struct rig *r)
{
    static const char *const keys[] = {"status", "503", "times", "2", NULL};
    with_fault(r, "abort", "payments/1", keys);
}

static void kill_endpoint(struct rig *r)
{
    with_fault(r, "kill", "payments/1", NULL);
}

static void pause_endpoint(struct rig *r)
{
    with_fault(r, "pause", "payments/1", NULL);
}

static void netem(struct rig *r)
{
    static const char *const keys[] = {"delay", "5ms", NULL};
    with_fault(r, "netem", "payments", keys);
}

/* Another edge to the same service: whose packets are whose an endpoint's pod does not know. */
static void netem_of_one_caller(struct rig *r)
{
    static const char *const keys[] = {"delay", "5ms", NULL};
    static struct edge_policy edges[2];
    edges[0] = edges[1] = r->edge;
    edges[1].from = "checkout";
    r->walk.mesh_edges = edges;
    r->walk.mesh_edge_count = 2;
    with_fault(r, "netem", "client -> payments", keys);
}

static void netem_of_the_device(struct rig *r)
{
    static const char *const keys[] = {"delay", "5ms", "scope", "device", NULL};
    with_fault(r, "netem", "payments", keys);
}

static void netem_of_a_zone(struct rig *r)
{
    static const char *const keys[] = {"delay", "5ms", NULL};
    static const char *zones[] = {"a", "b", "a"};
    r->plan->scenarios[0].lab.services[0].zones = zones;
    r->plan->scenarios[0].lab.services[0].zone_count = COUNT_OF(zones);
    with_fault(r, "netem", "client -> zone:a", keys);
}

static void netem_twice(struct rig *r)
{
    static const char *const keys[] = {"delay", "5ms", NULL};
    with_fault(r, "netem", "payments/2", keys);
    with_fault(r, "partition", "payments", NULL);
}

static void netem_on_two(struct rig *r)
{
    static const char *const keys[] = {"delay", "5ms", NULL};
    with_fault(r, "netem", "payments/2", keys);
    with_fault(r, "netem", "payments/3", keys);
}

static void kill_proxy(struct rig *r)
{
    static const char *const keys[] = {"what", "proxy", NULL};
    with_fault(r, "kill", "client", keys);
}

static void two_of_load(struct rig *r)
{
    r->options.load_agents = 2;
}

static void a_hundred_of_load(struct rig *r)
{
    r->options.load_agents = 98;
}

/* ${row}: of a table, for the message. */
static void refused(size_t row, void (*set)(struct rig *r), struct fleet fleet, const char *why)
{
    struct rig r;
    char ledger[160];
    fleet.listen = "127.0.0.1:0";
    fleet.hello_within_ns = NS_PER_S;
    fleet.start = make_none;
    fleet.fate = fate_unknown;
    fleet.end = end_none;
    rig_init(&r);
    add_phase(&r, "quiet", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    set(&r);
    snprintf(ledger, sizeof(ledger), "%s/run.ledger", r.folder);
    r.options.ledger = ledger;
    r.options.fleet = &fleet;
    r.options.cookie = &r;
    if (!plan_check(r.plan, &r.err))
        fail_msg("%zu: %s", row, r.err.text);
    assert_false(engine_run(r.plan, &r.walk, 1, &r.options, &r.outcome, &r.err));
    if (strstr(r.err.text, why) == NULL)
        fail_msg("%zu: %s", row, r.err.text);
    rig_release(&r);
}

static void what_a_fleet_cannot_do_is_refused_before_it_is_made(void **state)
{
    static const struct {
        void (*set)(struct rig *r);
        bool plays_mesh, together;
        const char *why;
    } cases[] = {
        {isolated, false, false,
         "lab isolation \"netns\" is for agents that are children of the run"},
        {running_already, false, false, "service \"payments\" runs already, at its `address`"},
        {budget, false, false, "fault.abort: `times` is one budget, and each endpoint is an agent"},
        {kill_endpoint, false, false, "4 agents were asked for"},
        {pause_endpoint, false, false, "4 agents were asked for"},
        {pause_endpoint, false, true,
         "fault.pause: with --endpoints ports the endpoints of payments"},
        {netem, false, false,
         "fault.netem: agents that dial in may not impair a network: --on "
         "kubernetes --netem-agents"},
        {kill_proxy, true, false, "fault.kill: processes of agents that dial in are not ours"},
        {two_of_load, true, false, "plays the mesh of one client alone, beside one load agent"},
        {a_hundred_of_load, false, false,
         "needs 101 agents (3 endpoints, 98 of load); at most 100"},
        {budget_of_one, false, false, "4 agents were asked for"}, /* it is fine */
        {two_of_load, false, false, "5 agents were asked for"},
        /* one counter, so one budget */
        {budget, false, true, "2 agents were asked for, of 3 endpoints"},
        {kill_endpoint, false, true,
         "fault.kill: with --endpoints ports the endpoints of payments"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct fleet fleet = {.plays_mesh = cases[i].plays_mesh,
                                    .together = cases[i].together};
        refused(i, cases[i].set, fleet, cases[i].why);
    }
}

static void what_an_endpoint_cannot_impair_is_refused_before_it_is_made(void **state)
{
    static const struct {
        void (*set)(struct rig *r);
        bool together;
        const char *why;
    } cases[] = {
        {netem, false, "4 agents were asked for"}, /* it is fine */
        {netem, true, "2 agents were asked for"},
        {netem_of_one_caller, false, "checkout calls payments as well"},
        {netem_of_the_device, false, "scope \"device\" of an endpoint's pod"},
        {netem_of_a_zone, false, "zones are none: --on local"},
        {netem_twice, false, "fault.partition overlaps the fault.netem of line 3"},
        {netem_on_two, false, "4 agents were asked for"},
        {netem_on_two, true, "fault.netem overlaps the fault.netem of line 3"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct fleet fleet = {.together = cases[i].together, .impairs = true};
        refused(i, cases[i].set, fleet, cases[i].why);
    }
}

/* --- real agents, and the builtin mesh --- */

struct broken {
    struct rig rig; /* first: the cookie of all hooks */
    struct loop *loop;
    struct hold hold;
    unsigned cut;
};

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    (void)steer;
    ((struct broken *)cookie)->loop = loop;
}

static void on_end(void *cookie)
{
    struct broken *b = cookie;
    loop_hold_remove(b->loop, &b->hold);
}

/* All that is connected over TCP in this process are the agents. */
static bool is_agent(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    return getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.ss_family == AF_INET;
}

static void on_cut(struct hold *h, uint64_t now_ns)
{
    struct broken *b = (struct broken *)((char *)h - offsetof(struct broken, hold));
    (void)now_ns;
    for (int fd = 3; fd < 256; fd++)
        b->cut += is_agent(fd) && shutdown(fd, SHUT_RDWR) == 0;
}

static void on_record(void *cookie, const struct record_source *from, enum record_kind kind,
                      const void *record)
{
    struct broken *b = cookie;
    const struct journal_event *e = record;
    (void)from;
    if (kind == RECORD_EVENT && strcmp(e->what, "calm") == 0)
        loop_hold_add(b->loop, &b->hold, clock_now_ns() + CUT_AFTER_NS, on_cut);
}

static void a_calm_request_whose_agent_was_away_is_sent_again(void **state)
{
    struct broken b = {0};
    struct rig *r = &b.rig;
    (void)state;
    rig_init(r);
    add_phase(r, "quiet", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    assert_true(target_parse("istio@1.31", &r->edge.target, &r->err));
    r->edge.flavour = FLAVOUR_ENVOY;
    r->plan->scenarios[0].lab.services[0].work_ns = WORK_NS;
    r->plan->scenarios[0].loads[0].timeout_ns = 20 * NS_PER_S;
    r->options.on_begin = on_begin;
    r->options.on_end = on_end;
    r->options.on_record = on_record;
    r->options.deadline_ns = 30 * NS_PER_S;
    r->options.fleet = fleet_processes_new("/proc/self/exe");
    rig_run(r);
    assert_int_equal(b.cut, 7); /* three endpoints, their stubs, the load */
    assert_int_equal(count_events(r, "agent_back"), 7);
    if (r->outcome != ENGINE_COMPLETE)
        fail_msg("%s\n%s", r->err.text, r->told);
    assert_int_equal(r->read->phase_count, 1);
    fleet_processes_free(r->options.fleet);
    rig_release(r);
}

/* --- endpoints that pass on to what is there --- */

static struct leaving {
    struct loop *loop;
    struct fleet *fleet;
    struct hold hold;
    unsigned asked, there; /* there: agents, when it was left */
    bool left;
} leaving;

static void on_loop(void *cookie, struct steer *steer, struct loop *loop)
{
    (void)cookie;
    (void)steer;
    leaving.loop = loop;
}

static void on_left(struct hold *h, uint64_t now_ns)
{
    (void)h;
    (void)now_ns;
    leaving.left = true;
    for (int fd = 3; fd < 256; fd++)
        leaving.there += is_agent(fd);
    leaving.fleet->on_change(leaving.fleet->cookie, NULL);
}

/* It takes a while, in which the agents must be there. */
static bool leave_later(struct fleet *f)
{
    leaving.fleet = f;
    if (leaving.asked++ == 0)
        loop_hold_add(leaving.loop, &leaving.hold, clock_now_ns() + 300 * NS_PER_MS, on_left);
    return leaving.left;
}

static void endpoints_that_relay_have_no_stub_and_are_left_before_they_end(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    add_phase(&r, "quiet", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    running_already(&r); /* nobody is there: refused, and passed on as that */
    r.walk.uncalm = true;
    r.options.on_begin = on_loop;
    r.options.deadline_ns = 30 * NS_PER_S;
    r.options.fleet = fleet_processes_new("/proc/self/exe");
    r.options.fleet->relays = true;
    r.options.fleet->leave = leave_later;
    rig_run(&r);
    if (r.outcome != ENGINE_COMPLETE)
        fail_msg("%s\n%s", r.err.text, r.told);
    assert_true(leaving.asked >= 2);
    assert_int_equal(leaving.there, 3);                 /* the endpoints; the load had ended */
    assert_int_equal(count_events(&r, "agent"), 3 + 1); /* endpoints, the load: no stub */
    assert_int_equal(count_events(&r, "agent_away"), 0);
    fleet_processes_free(r.options.fleet);
    rig_release(&r);
}

static void keep_ledger(struct rig *r, char *to, size_t size)
{
    snprintf(to, size, "%s/run.ledger", r->folder);
    r->options.ledger = to;
}

/* Promised, done and undone by the conductor; and what the proxy did of its own listener. */
static void assert_done_and_back(const struct rig *r, const char *word, unsigned of_listeners)
{
    const struct journal *j = r->read;
    unsigned steps = 0, listeners = 0;
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *w = &j->worlds[i].r;
        assert_true(w->read_back_ok);
        listeners += w->entry == 0;
        if (w->entry == 0)
            continue;
        assert_int_equal(w->step, steps++);
        assert_string_equal(journal_name(j, w->what), word);
        assert_string_equal(journal_name(j, w->place), "payments/1");
    }
    assert_int_equal(steps, 3);
    assert_int_equal(listeners, of_listeners);
}

/* An endpoint that relays has no process but its proxy: that plays it dead, and goes on. */
static void one_that_relays_is_killed_by_its_proxy(void **state)
{
    static const char *const keys[] = {"ttl", "200ms", NULL};
    struct rig r;
    char ledger[160];
    (void)state;
    rig_init(&r);
    add_phase(&r, "dead", PHASE_BY_CLOCK, 1000 * NS_PER_MS);
    running_already(&r); /* nobody is there: refused, either way */
    with_fault(&r, "kill", "payments/1", keys);
    keep_ledger(&r, ledger, sizeof(ledger));
    r.walk.uncalm = true;
    r.options.deadline_ns = 60 * NS_PER_S;
    r.options.fleet = fleet_processes_new("/proc/self/exe");
    r.options.fleet->relays = true;
    rig_run(&r);
    if (r.outcome != ENGINE_COMPLETE)
        fail_msg("%s\n%s", r.err.text, r.told);
    assert_int_equal(count_events(&r, "agent"), 3 + 1); /* nobody went, and came again */
    assert_int_equal(count_events(&r, "agent_away"), 0);
    assert_done_and_back(&r, "kill", 2);
    assert_int_equal(access(ledger, F_OK), -1); /* nothing is outstanding */
    fleet_processes_free(r.options.fleet);
    rig_release(&r);
}

/* Its backend is the child of its proxy's agent, which stops it, or starts it again. */
static void the_backend_of_one_is_paused_and_restarted(void **state)
{
    static const struct {
        const char *word, *key, *value;
        size_t agents;
        unsigned listeners;
    } cases[] = {{"pause", "ttl", "300ms", 3 + 3 + 1, 0},
                 {"restart", "down", "200ms", 3 + 3 + 1 + 1, 2},
                 {"restart", "grace", "0ms", 3 + 3 + 1 + 1, 2}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *const keys[] = {cases[i].key, cases[i].value, NULL};
        struct rig r;
        char ledger[160];
        rig_init(&r);
        add_phase(&r, "broken", PHASE_BY_CLOCK, 1500 * NS_PER_MS);
        with_fault(&r, cases[i].word, "payments/1", keys);
        keep_ledger(&r, ledger, sizeof(ledger));
        r.walk.uncalm = true;
        r.options.deadline_ns = 60 * NS_PER_S;
        r.options.fleet = fleet_processes_new("/proc/self/exe");
        rig_run(&r);
        if (r.outcome != ENGINE_COMPLETE)
            fail_msg("%zu: %s\n%s", i, r.err.text, r.told);
        assert_int_equal(count_events(&r, "agent"), cases[i].agents);
        assert_int_equal(count_events(&r, "agent_away"), 0);
        assert_int_equal(count_events(&r, "agent_lost"), 0);
        assert_done_and_back(&r, cases[i].word, cases[i].listeners);
        assert_int_equal(access(ledger, F_OK), -1);
        fleet_processes_free(r.options.fleet);
        rig_release(&r);
    }
}

static void a_relay_neither_stands_still_nor_ends_in_order(void **state)
{
    static const struct {
        const char *word, *why;
    } cases[] = {{"pause", "fault.pause: an endpoint of ours that passes on to \"payments\" has no "
                           "process that could stand still: write fault.blackhole"},
                 {"restart", "that could end in order: write fault.kill with a ttl"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig r;
        char ledger[160];
        struct fleet fleet = {.listen = "127.0.0.1:0",
                              .hello_within_ns = NS_PER_S,
                              .relays = true,
                              .start = make_none,
                              .fate = fate_unknown,
                              .end = end_none};
        rig_init(&r);
        add_phase(&r, "quiet", PHASE_BY_CLOCK, 50 * NS_PER_MS);
        running_already(&r);
        with_fault(&r, cases[i].word, "payments/1", NULL);
        keep_ledger(&r, ledger, sizeof(ledger));
        r.options.fleet = &fleet;
        r.options.cookie = &r;
        assert_false(engine_run(r.plan, &r.walk, 1, &r.options, &r.outcome, &r.err));
        if (strstr(r.err.text, cases[i].why) == NULL)
            fail_msg("not \"%s\": %s", cases[i].why, r.err.text);
        rig_release(&r);
    }
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0) {
        struct agent_options options = rig_agent_options(argc, argv);
        return agent_main(&options);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_fleet_cannot_do_is_refused_before_it_is_made),
        cmocka_unit_test(what_an_endpoint_cannot_impair_is_refused_before_it_is_made),
        cmocka_unit_test(endpoints_that_relay_have_no_stub_and_are_left_before_they_end),
        cmocka_unit_test(one_that_relays_is_killed_by_its_proxy),
        cmocka_unit_test(the_backend_of_one_is_paused_and_restarted),
        cmocka_unit_test(a_relay_neither_stands_still_nor_ends_in_order),
        cmocka_unit_test(a_calm_request_whose_agent_was_away_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
