/* fault.netem of endpoints that dial in, each in a network namespace of its own, as a pod: what
 * their agents do to it and what the client sees of that. Skipped where the kernel has no netem
 * (suites/selftest/netem boots one that has); what such a kernel's agents refuse is tested
 * anywhere. */

#include "engine/conductor_rig_test.h"

#include "engine/fleet_processes.h"
#include "world/netem.h"
#include "world/netns.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#define DEVICE "eth0"
#define DELAY_NS (250 * NS_PER_MS)
#define PODS 2
#define LOOK_MS 100
#define WITHIN_MS 20000
#define POD_FDS 100 /* of their namespaces, for the children */

struct pods {
    struct netns *hub, *ours, *at[PODS];
    bool there;
};

static bool has_netem(void)
{
    const struct netem_scope port = {
        .flows = {{.family = AF_INET, .local_port = 1, .protocol = IPPROTO_TCP}}, .flow_count = 1};
    struct error err = {0};
    return netem_preflight(&(struct netem){.delay_ns = DELAY_NS}, &port, NETEM_BOTH, &err);
}

static bool join(struct pods *p, const struct netns *n, const char *address)
{
    struct error err = {0};
    return netns_join(p->hub, n, DEVICE, &address, 1, &err);
}

/* We live in one beside them: their conductor is not reached over loopback. */
static int make_pods(void **state)
{
    struct pods *p = check_alloc_zero(1, sizeof(*p));
    struct error err = {0};
    *state = p;
    if (!netns_make_hub(&p->hub, &err) || !netns_make(&p->ours, &err) || !has_netem())
        return 0;
    bool ok = join(p, p->ours, "10.9.0.1");
    for (int i = 0; ok && i < PODS; i++) {
        char address[32];
        snprintf(address, sizeof(address), "10.9.1.%d", i + 1);
        ok = netns_make(&p->at[i], &err) && join(p, p->at[i], address) &&
             dup2(netns_fd(p->at[i]), POD_FDS + i) == POD_FDS + i;
    }
    p->there = ok && setns(netns_fd(p->ours), CLONE_NEWNET) == 0;
    return p->there ? 0 : 1;
}

static int drop_pods(void **state)
{
    struct pods *p = *state;
    for (int i = 0; i < PODS; i++)
        netns_release(p->at[i]);
    netns_release(p->ours);
    netns_release(p->hub);
    free(p);
    return 0;
}

static bool is_impaired(const struct pods *p, int pod)
{
    struct netlink *n = NULL;
    struct netem_seen seen = {0};
    struct error err = {0};
    assert_true(netlink_open(netns_fd(p->at[pod]), &n, &err));
    assert_true(netem_look(n, DEVICE, &seen, &err));
    netlink_close(n);
    return seen.to.ours || seen.has_ifb;
}

static void late_packets(struct rig *r, struct phase *phase, const char *const *keys)
{
    add_step(r, phase, STEP_FAULT, "netem", "payments/1", keys);
}

static void prepare(struct rig *r, char *ledger, size_t size)
{
    assert_true(target_parse("istio@1.31", &r->edge.target, &r->err));
    r->edge.flavour = FLAVOUR_ENVOY;
    r->walk.uncalm = true;
    r->plan->scenarios[0].lab.services[0].endpoints = PODS;
    r->edge.endpoints = PODS;
    r->plan->scenarios[0].loads[0].rate_per_h = 20 * 3600;
    r->plan->scenarios[0].loads[0].connections = 16;
    r->plan->scenarios[0].loads[0].timeout_ns = 10 * NS_PER_S;
    snprintf(ledger, size, "%s/run.ledger", r->folder);
    r->options.ledger = ledger;
    r->options.pace_sleep = true;
    r->options.deadline_ns = 60 * NS_PER_S;
    r->options.fleet = fleet_processes_new("/proc/self/exe");
    r->options.fleet->impairs = true;
}

/* Which endpoint had that request; 0: none that was seen. */
static uint16_t endpoint_of(const struct journal *j, const struct request_record *q)
{
    for (size_t i = 0; i < j->attempt_count; i++)
        if (j->attempts[i].r.id_hi == q->id_hi && j->attempts[i].r.id_lo == q->id_lo)
            return j->attempts[i].r.endpoint;
    return 0;
}

/* The least that a request of that endpoint took which was due in that phase, not before
 * ${since_ns}, and over before its end, for then the answer is late no more; UINT64_MAX: none. No
 * machine is so slow that what waits for nothing is never quick. */
static uint64_t least_ns(const struct rig *r, size_t phase, uint16_t endpoint, uint64_t since_ns)
{
    const struct journal_phase *p = &r->read->phases[phase];
    uint64_t least = UINT64_MAX, from_ns = since_ns > p->t0_ns ? since_ns : p->t0_ns;
    for (size_t i = 0; i < r->read->request_count; i++) {
        const struct request_record *q = &r->read->requests[i].r;
        if (q->due >= from_ns && q->due + q->done < p->t1_ns && q->done > 0 && q->done < least &&
            endpoint_of(r->read, q) == endpoint)
            least = q->done;
    }
    print_message("  %s: at least %llu ms at payments/%u\n", p->name,
                  (unsigned long long)(least / NS_PER_MS), endpoint);
    return least;
}

static void assert_steps(const struct rig *r)
{
    const struct journal *j = r->read;
    unsigned steps = 0;
    unsigned long to = 0, from = 0;
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *w = &j->worlds[i].r;
        if (w->entry == 0)
            continue;
        assert_true(w->read_back_ok);
        assert_string_equal(journal_name(j, w->what), steps < 3 ? "netem" : "partition");
        assert_int_equal(w->step, steps++ % 3);
        assert_string_equal(journal_name(j, w->place), "payments/1");
        if (w->step == 2) {
            static const char first[] = "netem: to ", second[] = " lost; from ";
            const char *said = journal_name(j, w->before), *rest = strstr(said, second);
            assert_memory_equal(said, first, sizeof(first) - 1);
            assert_non_null(rest);
            to += strtoul(said + sizeof(first) - 1, NULL, 10);
            from += strtoul(rest + sizeof(second) - 1, NULL, 10);
            assert_string_equal(journal_name(j, w->after_text), "none");
        }
    }
    assert_int_equal(steps, 6);
    assert_true(to > 0 && from > 0);
}

/* When that was in force and read back. */
static uint64_t in_force_ns(const struct journal *j, const char *what)
{
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *w = &j->worlds[i].r;
        if (w->entry != 0 && w->step == 1 && strcmp(journal_name(j, w->what), what) == 0)
            return w->at + w->after;
    }
    fail_msg("it was never in force");
    return 0;
}

static unsigned tries_at(const struct rig *r, uint16_t endpoint, uint64_t from_ns, uint64_t to_ns)
{
    unsigned count = 0;
    for (size_t i = 0; i < r->read->attempt_count; i++) {
        const struct attempt_record *a = &r->read->attempts[i].r;
        count += a->endpoint == endpoint && a->at >= from_ns && a->at < to_ns;
    }
    return count;
}

/* Then cut off, which its agent is told of, and told to end, all the same. */
static void packets_of_one_endpoint_are_late_then_lost(void **state)
{
    static const char *const keys[] = {"delay", "250ms", "direction", "both", NULL};
    const struct pods *p = *state;
    struct rig r;
    char ledger[160];
    if (!p->there)
        skip();
    rig_init(&r);
    late_packets(&r, add_phase(&r, "late", PHASE_BY_CLOCK, 2 * NS_PER_S), keys);
    add_step(&r, add_phase(&r, "cut", PHASE_BY_CLOCK, NS_PER_S), STEP_FAULT, "partition",
             "payments/1", NULL);
    add_phase(&r, "after", PHASE_BY_CLOCK, 2 * NS_PER_S);
    prepare(&r, ledger, sizeof(ledger));
    r.options.fleet->listen = "10.9.0.1:0";
    rig_run(&r);
    if (r.outcome != ENGINE_COMPLETE)
        fail_msg("%s\n%s", r.err.text, r.told);
    assert_int_equal(r.read->phase_count, 3);
    uint64_t since_ns = in_force_ns(r.read, "netem");
    uint64_t late_ns = least_ns(&r, 0, 1, since_ns), after_ns = least_ns(&r, 2, 1, 0);
    assert_true(late_ns >= 2 * DELAY_NS && late_ns != UINT64_MAX); /* there, and back */
    assert_true(after_ns < 2 * DELAY_NS);
    assert_true(least_ns(&r, 0, 2, since_ns) < 2 * DELAY_NS);
    uint64_t cut_ns = in_force_ns(r.read, "partition"), end_ns = r.read->phases[1].t1_ns;
    assert_int_equal(tries_at(&r, 1, cut_ns, end_ns), 0);
    assert_true(tries_at(&r, 2, cut_ns, end_ns) > 0);
    assert_steps(&r);
    assert_int_equal(count_events(&r, "agent_away"), 0);
    for (int i = 0; i < PODS; i++)
        assert_false(is_impaired(p, i));
    assert_int_equal(access(ledger, F_OK), -1);
    fleet_processes_free(r.options.fleet);
    rig_release(&r);
}

/* --- a conductor that is gone --- */

static bool comes(const struct pods *p, bool wanted)
{
    for (int waited_ms = 0; waited_ms < WITHIN_MS; waited_ms += LOOK_MS) {
        if (is_impaired(p, 0) == wanted)
            return true;
        poll(NULL, 0, LOOK_MS);
    }
    return false;
}

/* The guardian of what died reads it to its end. */
static void await_guardian(const char *folder)
{
    char ledger[160];
    snprintf(ledger, sizeof(ledger), "%s/run.ledger", folder);
    for (int waited_ms = 0; access(ledger, F_OK) == 0 && waited_ms < WITHIN_MS;
         waited_ms += LOOK_MS)
        poll(NULL, 0, LOOK_MS);
    assert_int_equal(access(ledger, F_OK), -1);
}

static void remove_all(const char *folder)
{
    char path[400];
    const struct dirent *entry;
    DIR *all = opendir(folder);
    while (all != NULL && (entry = readdir(all)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    if (all != NULL)
        closedir(all);
    rmdir(folder);
}

/* Its own process, with that fault in force for a minute. */
static pid_t conduct(struct rig *r, const char *const *keys)
{
    char ledger[160];
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    late_packets(r, add_phase(r, "late", PHASE_BY_CLOCK, 60 * NS_PER_S), keys);
    prepare(r, ledger, sizeof(ledger));
    r->options.fleet->listen = "10.9.0.1:0";
    r->options.cookie = r;
    bool ok = plan_check(r->plan, &r->err) &&
              engine_run(r->plan, &r->walk, 1, &r->options, &r->outcome, &r->err);
    fprintf(stderr, "the conductor ended by itself: %d %s\n%s", ok, r->err.text, r->told);
    _exit(1);
}

static void gone_with(const struct pods *p, int signo, const char *const *keys)
{
    struct rig r;
    rig_init(&r);
    pid_t pid = conduct(&r, keys);
    bool set = comes(p, true), alone = !is_impaired(p, 1);
    kill(pid, signo);
    uint64_t since_ns = clock_now_ns();
    bool gone = comes(p, false);
    print_message("  signal %d: gone after %llu ms\n", signo,
                  (unsigned long long)((clock_now_ns() - since_ns) / NS_PER_MS));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(set);
    assert_true(alone);
    assert_true(gone);
    await_guardian(r.folder);
    remove_all(r.folder);
    plan_free(r.plan);
}

static void killed_it_is_gone_at_once(void **state)
{
    static const char *const keys[] = {"delay", "250ms", NULL};
    const struct pods *p = *state;
    if (!p->there)
        skip();
    gone_with(p, SIGKILL, keys);
}

/* Nobody closes its connections: by the agent's own clock, and long before it misses anything. */
static void stopped_it_is_gone_by_its_ttl(void **state)
{
    static const char *const keys[] = {"loss", "10%", "ttl", "2s", NULL};
    const struct pods *p = *state;
    if (!p->there)
        skip();
    gone_with(p, SIGSTOP, keys);
}

/* --- an agent that cannot --- */

/* Over loopback it is this machine's own network; and most kernels here have no netem. */
static void an_agent_that_cannot_says_so_before_it_is_ready(void **state)
{
    static const char *const keys[] = {"delay", "250ms", NULL};
    struct rig r;
    char ledger[160];
    (void)state;
    rig_init(&r);
    late_packets(&r, add_phase(&r, "late", PHASE_BY_CLOCK, NS_PER_S), keys);
    prepare(&r, ledger, sizeof(ledger));
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_BROKEN);
    bool why = strstr(r.err.text, "sch_netem") != NULL ||
               strstr(r.err.text, "CAP_NET_ADMIN") != NULL ||
               strstr(r.err.text, "this agent has no network of its own") != NULL;
    if (!why || strstr(r.err.text, "fault.netem: ") == NULL)
        fail_msg("%s\n%s", r.err.text, r.told);
    assert_int_equal(r.read->phase_count, 0);
    assert_int_equal(r.read->world_count, 0);
    assert_int_equal(r.read->request_count, 0);
    fleet_processes_free(r.options.fleet);
    rig_release(&r);
}

/* An endpoint's goes into its pod, where that was made for it. */
static void move_in(const char *id, char *listen, size_t size)
{
    const char *slash = strrchr(id, '/');
    int pod = slash == NULL ? 0 : (int)strtol(slash + 1, NULL, 10);
    if (fcntl(POD_FDS, F_GETFD) < 0 || pod < 1 || pod > PODS)
        return;
    if (setns(POD_FDS + pod - 1, CLONE_NEWNET) != 0)
        _exit(1);
    snprintf(listen, size, "10.9.1.%d:0", pod);
}

static int agent(int argc, char **argv)
{
    struct agent_options options = rig_agent_options(argc, argv);
    char listen[32] = "";
    if (options.id != NULL && strcmp(options.role, "proxy") == 0)
        move_in(options.id, listen, sizeof(listen));
    if (listen[0] != '\0')
        options.listen = listen;
    return agent_main(&options);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return agent(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_that_cannot_says_so_before_it_is_ready),
        cmocka_unit_test_setup_teardown(packets_of_one_endpoint_are_late_then_lost, make_pods,
                                        drop_pods),
        cmocka_unit_test_setup_teardown(killed_it_is_gone_at_once, make_pods, drop_pods),
        cmocka_unit_test_setup_teardown(stopped_it_is_gone_by_its_ttl, make_pods, drop_pods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
