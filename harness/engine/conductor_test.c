#include "engine/engine.h"

#include "base/clock.h"
#include "engine/protocol.h"
#include "journal/frame.h"
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The conductor against scripted agents: this very program, started as `... agent ROLE --fd 3`.
 * FAKE in the environment says how one of them misbehaves; each message is a line in the file TRACE
 * names. */

/* ---- the scripted agent ---- */

struct fake {
    const char *role, *fault;
    int fd;
    uint32_t seq;
    unsigned requests, attempts;
    bool stop, hushed; /* hushed: the clock is not answered any more */
};

static bool fake_is(const struct fake *f, const char *role, const char *fault)
{
    return strcmp(f->role, role) == 0 && strcmp(f->fault, fault) == 0;
}

static void trace(const struct fake *f, const char *format, ...) PRINTF(2, 3);
static void trace(const struct fake *f, const char *format, ...)
{
    char line[256];
    int n = snprintf(line, sizeof(line), "%s ", f->role);
    va_list args;
    va_start(args, format);
    n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
    va_end(args);
    line[n++] = '\n';
    const char *path = getenv("TRACE");
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (write(fd, line, (size_t)n) != n)
        _exit(9);
    close(fd);
}

static void put(struct fake *f, const void *at, size_t len)
{
    const uint8_t *from = at;
    while (len > 0) {
        ssize_t n = send(f->fd, from, len, MSG_NOSIGNAL);
        if (n <= 0)
            _exit(8);
        from += n;
        len -= (size_t)n;
    }
}

static void reply(struct fake *f, uint8_t kind, json_t *take_json)
{
    struct buffer out;
    char *text = json_dumps(take_json, JSON_COMPACT);
    buffer_init(&out, CONTROL_MOST_BYTES);
    if (!frame_add_control(&out, kind, bytes_of(text), NULL))
        _exit(7);
    put(f, out.at, out.len);
    buffer_release(&out);
    free(text);
    json_decref(take_json);
}

static void record(struct fake *f, uint8_t kind, const void *body, size_t len)
{
    struct frame frame = {.len = (uint16_t)len, .kind = kind, .seq = ++f->seq};
    put(f, &frame, sizeof(frame));
    put(f, body, len);
}

static void fake_setup(struct fake *f, const json_t *body)
{
    size_t count = 0;
    if (strcmp(f->role, "mesh") == 0)
        count = json_array_size(json_object_get(body, "edges"));
    else if (strcmp(f->role, "load") != 0)
        count = 3;
    if (fake_is(f, "mesh", "few_addresses"))
        count = 0;
    if (fake_is(f, "proxy", "port_taken")) {
        reply(f, CONTROL_FAILED, json_pack("{ss}", "error", "127.0.0.1:18080: address in use"));
        return;
    }
    json_t *addresses = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(addresses, json_sprintf("127.0.0.1:%d", 1000 + (int)i));
    reply(f, CONTROL_READY, json_pack("{so}", "addresses", addresses));
}

static void fake_arm(struct fake *f, const json_t *body)
{
    const json_t *faults = json_object_get(body, "faults");
    char ids[64] = "";
    for (size_t i = 0, n = 0; i < json_array_size(faults); i++)
        n += (size_t)snprintf(ids + n, sizeof(ids) - n, " %d",
                              (int)control_number(json_array_get(faults, i), "id"));
    trace(f, "ARM%s", ids);
    if (fake_is(f, "proxy", "dies") && json_array_size(faults) > 0)
        kill(getpid(), SIGKILL);
    f->hushed = fake_is(f, "proxy", "hushes") || fake_is(f, "proxy", "mumbles");
    reply(f, CONTROL_ARMED,
          json_pack("{sI sI sI}", "generation", (json_int_t)control_number(body, "generation"),
                    "at", (json_int_t)clock_now_ns(), "held", (json_int_t)0));
    for (size_t i = 0; i < 3 && json_array_size(faults) > 0; i++) {
        struct attempt_record r = {.at = clock_now_ns(), .endpoint = 2, .status = 503, .fault = 1};
        record(f, RECORD_ATTEMPT, &r, sizeof(r));
        f->attempts++;
    }
}

static void fake_start(struct fake *f, const json_t *body)
{
    trace(f, "START %d", (int)control_number(body, "ordinal"));
    if (fake_is(f, "load", "nonsense"))
        reply(f, CONTROL_DONE, json_pack("[i]", 1));
    if (fake_is(f, "load", "short_record"))
        record(f, RECORD_REQUEST, "abc", 3);
    if (fake_is(f, "load", "exits"))
        _exit(3);
    for (int i = 0; i < 5; i++) {
        struct request_record r = {.due = clock_now_ns(), .done = 1, .status = 200};
        record(f, RECORD_REQUEST, &r, sizeof(r));
        f->requests++;
    }
    reply(f, CONTROL_DONE, json_pack("{sI}", "phase", (json_int_t)control_number(body, "phase")));
    if (fake_is(f, "load", "interrupts"))
        kill(getppid(), SIGINT);
}

static bool fake_frame(void *cookie, const struct frame *frame, struct bytes bytes,
                       struct error *err)
{
    struct fake *f = cookie;
    json_t *body;
    if (!control_parse(frame->kind, bytes, FROM_CONDUCTOR, &body, err))
        return false;
    if (frame->kind == CONTROL_SETUP)
        fake_setup(f, body);
    if (frame->kind == CONTROL_ARM)
        fake_arm(f, body);
    if (frame->kind == CONTROL_START)
        fake_start(f, body);
    if (frame->kind == CONTROL_STOP)
        trace(f, "STOP");
    if (frame->kind == CONTROL_CLOCK && !f->hushed) {
        uint64_t now_ns = clock_now_ns();
        reply(f, CONTROL_CLOCK,
              json_pack("{sI sI sI}", "t1", (json_int_t)control_number(body, "t1"), "t2",
                        (json_int_t)now_ns, "t3", (json_int_t)now_ns));
    }
    if (frame->kind == CONTROL_DRAIN) {
        trace(f, "DRAIN");
        unsigned more = fake_is(f, "load", "miscounts") ? 2 : 0;
        reply(f, CONTROL_BYE,
              json_pack("{s{si si}}", "counts", "request", (int)(f->requests + more), "attempt",
                        (int)f->attempts));
        f->stop = true;
    }
    json_decref(body);
    return true;
}

static int fake_main(const char *role, int fd)
{
    const char *fault = getenv("FAKE");
    struct fake f = {.role = role, .fd = fd, .fault = fault == NULL ? "" : fault};
    struct frame_reader reader;
    uint8_t bytes[4096];
    signal(SIGINT, SIG_IGN);
    if (fake_is(&f, "mesh", "silent_exit"))
        return 0;
    frame_reader_init(&reader, fake_frame, &f);
    reply(&f, CONTROL_HELLO, hello_make(fake_is(&f, "stub", "wrong_role") ? "load" : role));
    while (!f.stop) {
        struct error err = {0};
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (f.hushed && fake_is(&f, "proxy", "mumbles") && poll(&ready, 1, 50) == 0) {
            struct attempt_record r = {.at = clock_now_ns(), .endpoint = 1, .status = 200};
            record(&f, RECORD_ATTEMPT, &r, sizeof(r));
            f.attempts++;
            continue;
        }
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        if (n <= 0)
            break;
        if (!frame_reader_feed(&reader, (struct bytes){bytes, (size_t)n}, &err))
            return 6;
    }
    frame_reader_release(&reader);
    return 0;
}

/* ---- the scenario ---- */

struct rig {
    struct plan *plan;
    struct walk_plan walk;
    struct edge_policy edge;
    char folder[64], journal[128], trace[128];
    struct engine_options options;
    enum engine_outcome outcome;
    struct error err;
    char lines[4096];
    struct journal *read;
    unsigned repeats_asked;
    bool insist;  /* a second SIGINT when the first has its effect */
    int block_ms; /* holds up the loop when the first phase begins */
    char told[2048];
};

static void on_event(void *cookie, const struct engine_event *event)
{
    struct rig *r = cookie;
    size_t n = strlen(r->told);
    snprintf(r->told + n, sizeof(r->told) - n, "%s: %s\n", event->what, event->text);
    if (r->insist && strcmp(event->what, "abort") == 0)
        kill(getpid(), SIGINT);
    if (r->block_ms > 0 && strcmp(event->what, "phase.start") == 0)
        poll(NULL, 0, r->block_ms);
}

static struct phase *add_phase(struct rig *r, const char *name, enum phase_end ends, uint64_t ns)
{
    struct scenario *s = &r->plan->scenarios[0];
    struct phase *p = &s->phases[s->phase_count++];
    p->name = name;
    p->ends = ends;
    if (ends == PHASE_BY_CLOCK)
        p->lasting_ns = ns;
    else
        p->atmost_ns = ns;
    p->steps = ARENA_ARRAY(&r->plan->arena, struct step, 8);
    return p;
}

static struct step *add_step(struct rig *r, struct phase *p, enum step_kind kind, const char *word,
                             const char *on, const char *const *keys)
{
    struct source source = {.file = "s.lua", .line = 3};
    struct step *s = &p->steps[p->step_count++];
    *s = step_make(r->plan, kind, word, on, source, keys);
    return s;
}

static const char *const abort_keys[] = {"status", "503", NULL};

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
    s->lab.services[0] = (struct service_plan){
        .name = "payments", .endpoints = 3, .slots = 16, .protocol = "http1", .status = 200};
    s->loads = ARENA_ARRAY(arena, struct load_plan, 1);
    s->load_count = 1;
    s->loads[0] = (struct load_plan){.rate_per_h = 360000,
                                     .protocol = "http1",
                                     .method = "GET",
                                     .path = "/",
                                     .connections = 4,
                                     .clients = 1,
                                     .timeout_ns = NS_PER_S};
    assert_true(place_parse("client -> payments", arena, &s->loads[0].on, &r->err));
    s->phases = ARENA_ARRAY(arena, struct phase, 8);
    r->edge = (struct edge_policy){
        .from = "client", .to = "payments", .path = "/", .route = "payments", .endpoints = 3};
    r->walk = (struct walk_plan){
        .arm = "subject", .scenario_plan = s, .mesh_edges = &r->edge, .mesh_edge_count = 1};
    snprintf(r->folder, sizeof(r->folder), "/tmp/meshproof-test-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    snprintf(r->journal, sizeof(r->journal), "%s/run.db", r->folder);
    snprintf(r->trace, sizeof(r->trace), "%s/trace", r->folder);
    setenv("TRACE", r->trace, 1);
    setenv("FAKE", "", 1);
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
                                         .inflight_most = 100};
}

static void rig_run(struct rig *r)
{
    r->options.cookie = r;
    assert_true(plan_check(r->plan, &r->err));
    assert_true(engine_run(r->plan, &r->walk, 1, &r->options, &r->outcome, &r->err));
    int fd = open(r->trace, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, r->lines, sizeof(r->lines) - 1);
    r->lines[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    struct error err = {0};
    assert_true(journal_open(r->journal, &r->read, &err));
}

static void rig_release(struct rig *r)
{
    /* No child is left behind. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    journal_free(r->read);
    unlink(r->journal);
    unlink(r->trace);
    assert_int_equal(rmdir(r->folder), 0); /* one file: no WAL beside it */
    plan_free(r->plan);
}

/* The lines, without those of roles that do not matter here. */
static void assert_trace(const struct rig *r, const char *want)
{
    if (strcmp(r->lines, want) != 0)
        print_message("--- got\n%s--- want\n%s", r->lines, want);
    assert_string_equal(r->lines, want);
}

static size_t count_events(const struct rig *r, const char *what)
{
    size_t n = 0;
    for (size_t i = 0; i < r->read->event_count; i++)
        n += strcmp(r->read->events[i].what, what) == 0;
    return n;
}

/* ---- tests ---- */

static void faults_are_armed_before_load_and_disarmed_at_the_end(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    add_step(&r, add_phase(&r, "drags", PHASE_BY_CLOCK, 80 * NS_PER_MS), STEP_FAULT, "abort",
             "payments/2", abort_keys);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_trace(&r, "load START 0\nproxy ARM 1\nload STOP\nload START 1\nproxy ARM\n"
                     "load DRAIN\nmesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    assert_int_equal(r.read->phase_count, 2);
    assert_string_equal(r.read->phases[1].name, "drags");
    assert_string_equal(r.read->phases[1].why, "clock");
    assert_true(r.read->phases[1].t0_ns >= r.read->phases[0].t1_ns);
    assert_true(r.read->phases[1].t1_ns - r.read->phases[1].t0_ns >= 80 * NS_PER_MS);
    assert_string_equal(r.read->end_how, "complete");
    assert_int_equal(r.read->request_count, 10);
    assert_int_equal(r.read->attempt_count, 3);
    assert_int_equal(r.read->lost_count, 0);
    assert_int_equal(count_events(&r, "fault_armed"), 1);
    assert_int_equal(count_events(&r, "fault_disarmed"), 1);
    assert_non_null(strstr(r.told, "fault.first: abort 503 on payments/2"));
    rig_release(&r);
}

static void a_decided_phase_ends_with_its_load(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    add_phase(&r, "one by one", PHASE_DECIDED, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_string_equal(r.read->phases[0].why, "decided");
    rig_release(&r);
}

static void an_await_ends_its_phase_and_a_late_one_too(void **state)
{
    static const char *const firings[] = {
        "fault", "abort payments/2", "times", "3", "within", "30s", NULL};
    static const char *const never[] = {"within", "100ms", NULL};
    struct rig r;
    (void)state;
    rig_init(&r);
    struct phase *p = add_phase(&r, "fires", PHASE_BY_AWAITS, 0);
    add_step(&r, p, STEP_FAULT, "abort", "payments/2",
             (const char *const[]){"status", "503", "name", "abort payments/2", NULL});
    add_step(&r, p, STEP_AWAIT, "fired", NULL, firings);
    add_step(&r, add_phase(&r, "never", PHASE_BY_AWAITS, 0), STEP_AWAIT, "ejected", "payments/2",
             never);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_string_equal(r.read->phases[0].why, "event");
    assert_string_equal(r.read->phases[1].why, "late");
    assert_int_equal(count_events(&r, "await"), 2);
    rig_release(&r);
}

static void during_arms_and_disarms_within_the_phase(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    struct phase *p = add_phase(&r, "steps", PHASE_BY_CLOCK, 300 * NS_PER_MS);
    struct step *d = add_step(&r, p, STEP_DURING, "during", NULL, NULL);
    d->from_ns = 100 * NS_PER_MS;
    d->to_ns = 200 * NS_PER_MS;
    d->steps = ARENA_ARRAY(&r.plan->arena, struct step, 1);
    d->steps[0] = step_make(r.plan, STEP_FAULT, "abort", "payments", d->source, abort_keys);
    d->step_count = 1;
    rig_run(&r);
    assert_trace(
        &r,
        "load START 0\nproxy ARM 1\nproxy ARM\nload DRAIN\nmesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    rig_release(&r);
}

static void to_end_of_carries_a_fault_over(void **state)
{
    static const char *const keys[] = {"status", "503", "to_end_of", "second", NULL};
    struct rig r;
    (void)state;
    rig_init(&r);
    add_step(&r, add_phase(&r, "first", PHASE_BY_CLOCK, 50 * NS_PER_MS), STEP_FAULT, "abort",
             "payments", keys);
    add_phase(&r, "second", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    add_phase(&r, "third", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    assert_trace(
        &r,
        "proxy ARM 1\nload START 0\nload STOP\nload START 1\nproxy ARM\nload STOP\nload START 2\n"
        "load DRAIN\nmesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    rig_release(&r);
}

static void drawn_endpoints_depend_on_the_seed_alone(void **state)
{
    json_t *drawn[2];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(drawn); i++) {
        struct rig r;
        rig_init(&r);
        add_step(&r, add_phase(&r, "any", PHASE_BY_CLOCK, 50 * NS_PER_MS), STEP_FAULT, "abort",
                 "payments/any", abort_keys);
        rig_run(&r);
        drawn[i] = NULL;
        for (size_t k = 0; k < r.read->event_count; k++)
            if (strcmp(r.read->events[k].what, "fault_armed") == 0)
                drawn[i] = json_deep_copy(json_object_get(r.read->events[k].json, "endpoints"));
        assert_int_equal(json_array_size(drawn[i]), 1);
        rig_release(&r);
    }
    assert_true(json_equal(drawn[0], drawn[1]));
    json_decref(drawn[0]);
    json_decref(drawn[1]);
}

static size_t ask_once(void *cookie, const char *journal, uint32_t scenario, uint32_t *ret,
                       size_t most)
{
    struct rig *r = cookie;
    struct journal *read;
    struct error err = {0};
    assert_int_equal(scenario, 0);
    assert_true(most > 0);
    assert_true(journal_open(journal, &read, &err)); /* it is committed and can be read meanwhile */
    assert_int_equal(read->request_count, 5);
    journal_free(read);
    r->repeats_asked++;
    ret[0] = 0;
    return 1;
}

static void a_phase_is_repeated_once_when_asked(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.options.repeats = ask_once;
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    assert_int_equal(r.repeats_asked, 1);
    assert_int_equal(r.read->phase_count, 2);
    assert_string_equal(r.read->phases[1].name, "calm (again)");
    assert_int_equal(r.read->phases[1].ordinal, 0);
    rig_release(&r);
}

/* One agent misbehaves: the run ends as broken, says why, and all others are drained. */
static void run_broken(struct rig *r, const char *fake, const char *why)
{
    rig_init(r);
    setenv("FAKE", fake, 1);
    add_step(r, add_phase(r, "drags", PHASE_BY_CLOCK, 20 * NS_PER_S), STEP_FAULT, "abort",
             "payments/2", abort_keys);
    uint64_t begin_ns = clock_now_ns();
    rig_run(r);
    assert_true(clock_now_ns() - begin_ns < 15 * NS_PER_S);
    assert_int_equal(r->outcome, ENGINE_BROKEN);
    if (strstr(r->err.text, why) == NULL)
        print_message("got: %s\n", r->err.text);
    assert_non_null(strstr(r->err.text, why));
    assert_non_null(strstr(r->read->end_how, "broken: "));
    rig_release(r);
}

static void an_agent_that_dies_breaks_the_run_by_name(void **state)
{
    struct rig r;
    (void)state;
    run_broken(&r, "dies", "the proxy agent of payments ended: killed by signal 9");
    assert_non_null(strstr(r.lines, "load DRAIN"));
    assert_non_null(strstr(r.lines, "stub DRAIN"));
    run_broken(&r, "exits", "the load agent ended: exit 3");
    run_broken(&r, "silent_exit", "the mesh agent ended: exit 0");
}

static void an_agent_that_talks_nonsense_breaks_the_run(void **state)
{
    struct rig r;
    (void)state;
    run_broken(&r, "nonsense", "DONE is not an object");
    run_broken(&r, "short_record", "request record of 3 bytes");
    run_broken(&r, "wrong_role", "the agent says that it is \"load\"");
    run_broken(&r, "few_addresses", "the mesh agent has 0 addresses");
}

static void a_port_in_use_is_named(void **state)
{
    struct rig r;
    (void)state;
    run_broken(&r, "port_taken", "127.0.0.1:18080: address in use");
}

static void records_that_did_not_come_are_lost_records(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    setenv("FAKE", "miscounts", 1);
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_int_equal(r.read->lost_count, 1);
    assert_int_equal(r.read->losts[0].r.count, 2);
    assert_int_equal(r.read->losts[0].r.kind, RECORD_REQUEST);
    rig_release(&r);
}

static void an_interrupt_disarms_at_once_and_drains_afterwards(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    setenv("FAKE", "interrupts", 1);
    add_step(&r, add_phase(&r, "drags", PHASE_BY_CLOCK, 60 * NS_PER_S), STEP_FAULT, "abort",
             "payments/2", abort_keys);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_trace(
        &r,
        "proxy ARM 1\nload START 0\nproxy ARM\nload DRAIN\nmesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    assert_string_equal(r.read->phases[0].why, "abort");
    assert_string_equal(r.read->end_how, "aborted: interrupted");
    rig_release(&r);
}

static void a_second_interrupt_skips_the_recovery(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    setenv("FAKE", "interrupts", 1);
    r.insist = true;
    add_phase(&r, "drags", PHASE_BY_CLOCK, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    uint64_t end_ns = r.read->phases[0].t1_ns, ended_ns = clock_now_ns();
    assert_true(ended_ns - end_ns < 2 * NS_PER_S); /* what the recovery alone would take */
    assert_string_equal(r.read->end_how, "aborted: interrupted");
    rig_release(&r);
}

static void the_deadline_aborts(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.options.deadline_ns = 300 * NS_PER_MS;
    add_phase(&r, "long", PHASE_BY_CLOCK, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_non_null(strstr(r.err.text, "deadline"));
    rig_release(&r);
}

static void a_silent_agent_breaks_the_run_by_name(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    setenv("FAKE", "hushes", 1);
    r.options.silence_ns = 900 * NS_PER_MS;
    add_step(&r, add_phase(&r, "drags", PHASE_BY_CLOCK, 20 * NS_PER_S), STEP_FAULT, "abort",
             "payments/2", abort_keys);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_BROKEN);
    assert_string_equal(r.err.text, "the proxy agent of payments has said nothing for 900ms");
    assert_non_null(strstr(r.lines, "load DRAIN"));
    assert_int_equal(r.read->lost_count, 1); /* what it did not send, nobody may count on */
    rig_release(&r);
}

/* Whoever sends records but is late with the clock is alive, and so is who has no records to send.
 */
static void an_agent_that_is_slow_or_idle_is_not_silent(void **state)
{
    static const char *const fakes[] = {"mumbles", ""};
    struct rig r;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fakes); i++) {
        rig_init(&r);
        setenv("FAKE", fakes[i], 1);
        r.options.silence_ns = 900 * NS_PER_MS;
        add_step(&r, add_phase(&r, "drags", PHASE_BY_CLOCK, 2 * NS_PER_S), STEP_FAULT, "abort",
                 "payments/2", abort_keys);
        rig_run(&r);
        if (r.outcome != ENGINE_COMPLETE)
            fail_msg("\"%s\": %s", fakes[i], r.err.text);
        rig_release(&r);
    }
}

static void a_disk_that_is_nearly_full_aborts(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.options.disk_least_bytes = UINT64_MAX;
    add_phase(&r, "long", PHASE_BY_CLOCK, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_non_null(strstr(r.err.text, "run.db is on a disk with "));
    rig_release(&r);
}

static void a_stalled_loop_of_our_own_aborts(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.options.stall_most_ns = 500 * NS_PER_MS;
    r.block_ms = 700;
    add_phase(&r, "long", PHASE_BY_CLOCK, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_non_null(strstr(r.err.text, "our own loop stalled for "));
    assert_string_equal(r.read->phases[0].why, "abort");
    rig_release(&r);
}

static size_t ask_slowly(void *cookie, const char *journal, uint32_t scenario, uint32_t *ret,
                         size_t most)
{
    struct rig *r = cookie;
    (void)journal;
    (void)scenario;
    (void)most;
    poll(NULL, 0, 1500);
    r->repeats_asked++;
    ret[0] = 0;
    return 1;
}

/* The judge works in our loop while the phases rest: that is no stall of the run. */
static void a_slow_judge_is_no_stall(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.options.repeats = ask_slowly;
    r.options.stall_most_ns = NS_PER_S;
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    if (r.outcome != ENGINE_COMPLETE)
        fail_msg("%s", r.err.text);
    assert_int_equal(r.repeats_asked, 1);
    rig_release(&r);
}

/* A phase has its own; nothing at all is a value too. */
static void a_phase_settles_as_it_says_and_not_as_its_scenario_does(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.plan->scenarios[0].settle_ns = 600 * NS_PER_S;
    add_phase(&r, "at once", PHASE_BY_CLOCK, 50 * NS_PER_MS)->settle_ns = 0;
    add_phase(&r, "a little", PHASE_BY_CLOCK, 50 * NS_PER_MS)->settle_ns = 300 * NS_PER_MS;
    add_phase(&r, "last", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    r.options.deadline_ns = 30 * NS_PER_S;
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_true(r.read->phases[2].t0_ns >= r.read->phases[1].t1_ns + 300 * NS_PER_MS);
    rig_release(&r);
}

static void what_cannot_be_walked_starts_nothing(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    r.edge.to = "orders";
    r.options.cookie = &r;
    assert_false(engine_run(r.plan, &r.walk, 1, &r.options, &r.outcome, &r.err));
    assert_string_equal(r.err.text, "the mesh has no edge \"client -> payments\"");
    assert_int_equal(access(r.trace, F_OK), -1);
    rig_release(&r);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_armed_before_load_and_disarmed_at_the_end),
        cmocka_unit_test(a_decided_phase_ends_with_its_load),
        cmocka_unit_test(an_await_ends_its_phase_and_a_late_one_too),
        cmocka_unit_test(during_arms_and_disarms_within_the_phase),
        cmocka_unit_test(to_end_of_carries_a_fault_over),
        cmocka_unit_test(drawn_endpoints_depend_on_the_seed_alone),
        cmocka_unit_test(a_phase_is_repeated_once_when_asked),
        cmocka_unit_test(an_agent_that_dies_breaks_the_run_by_name),
        cmocka_unit_test(an_agent_that_talks_nonsense_breaks_the_run),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(records_that_did_not_come_are_lost_records),
        cmocka_unit_test(an_interrupt_disarms_at_once_and_drains_afterwards),
        cmocka_unit_test(a_second_interrupt_skips_the_recovery),
        cmocka_unit_test(the_deadline_aborts),
        cmocka_unit_test(a_silent_agent_breaks_the_run_by_name),
        cmocka_unit_test(an_agent_that_is_slow_or_idle_is_not_silent),
        cmocka_unit_test(a_disk_that_is_nearly_full_aborts),
        cmocka_unit_test(a_stalled_loop_of_our_own_aborts),
        cmocka_unit_test(a_slow_judge_is_no_stall),
        cmocka_unit_test(a_phase_settles_as_it_says_and_not_as_its_scenario_does),
        cmocka_unit_test(what_cannot_be_walked_starts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
