#ifndef ENGINE_CONDUCTOR_RIG_TEST_H
#define ENGINE_CONDUCTOR_RIG_TEST_H

/* One scenario run by the conductor against scripted agents, and the journal that came of it. */

#include "engine/engine.h"

#include "base/clock.h"
#include "engine/fake_agent_test.h"
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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
    bool (*wants)(struct rig *r, uint32_t done); /* the first phase once more (rig_repeats) */
    bool insist;                                 /* a second SIGINT when the first has its effect */
    int block_ms;                                /* holds up the loop when the first phase begins */
    char told[2048];
};

static inline void on_event(void *cookie, const struct engine_event *event)
{
    struct rig *r = cookie;
    size_t n = strlen(r->told);
    snprintf(r->told + n, sizeof(r->told) - n, "%s: %s\n", event->what, event->text);
    if (r->insist && strcmp(event->what, "abort") == 0)
        kill(getpid(), SIGINT);
    if (r->block_ms > 0 && strcmp(event->what, "phase.start") == 0)
        poll(NULL, 0, r->block_ms);
}

static inline struct phase *add_phase(struct rig *r, const char *name, enum phase_end ends,
                                      uint64_t ns)
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

static inline struct step *add_step(struct rig *r, struct phase *p, enum step_kind kind,
                                    const char *word, const char *on, const char *const *keys)
{
    struct source source = {.file = "s.lua", .line = 3};
    struct step *s = &p->steps[p->step_count++];
    *s = step_make(r->plan, kind, word, on, source, keys);
    return s;
}

static const char *const abort_keys[] = {"status", "503", NULL};

static inline void rig_init(struct rig *r)
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

/* engine_options.repeats of a rig that has ${wants}. */
static inline size_t rig_repeats(void *cookie, const char *journal, uint32_t scenario,
                                 const char *arm, uint32_t done, uint32_t *ret, size_t most)
{
    struct rig *r = cookie;
    (void)journal;
    assert_int_equal(scenario, 0);
    assert_string_equal(arm, "subject");
    assert_true(most > 0);
    assert_int_equal(done, r->repeats_asked++);
    ret[0] = 0;
    return r->wants(r, done);
}

static inline void rig_run(struct rig *r)
{
    if (r->wants != NULL)
        r->options.repeats = rig_repeats;
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

static inline void rig_release(struct rig *r)
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

/* What follows the calm request, which comes before all else. */
static inline void assert_trace(const struct rig *r, const char *want)
{
    static const char first[] = "load CALM\n";
    assert_memory_equal(r->lines, first, sizeof(first) - 1);
    const char *got = r->lines + sizeof(first) - 1;
    if (strcmp(got, want) != 0)
        print_message("--- got\n%s--- want\n%s", got, want);
    assert_string_equal(got, want);
}

/* "ARM 1,ARM": what the proxy was told to arm. Between two agents there is no order. Once: it cuts
 * the lines. */
static inline void rig_proxy_was_told(struct rig *r, const char *want)
{
    char told[200] = "", *next = NULL;
    for (char *line = strtok_r(r->lines, "\n", &next); line != NULL;
         line = strtok_r(NULL, "\n", &next)) {
        size_t used = strlen(told);
        if (strncmp(line, "proxy ARM", 9) == 0)
            snprintf(told + used, sizeof(told) - used, "%s%s", used == 0 ? "" : ",", line + 6);
    }
    assert_string_equal(told, want);
}

static inline size_t count_events(const struct rig *r, const char *what)
{
    size_t n = 0;
    for (size_t i = 0; i < r->read->event_count; i++)
        n += strcmp(r->read->events[i].what, what) == 0;
    return n;
}

/* What a test that is its own agent was started with: `agent ROLE --fd N`, or as fleet_processes.c
 * and agent_dial.c have it. */
static inline struct agent_options rig_agent_options(int argc, char **argv)
{
    struct agent_options options = {.role = argv[2], .fd = -1};
    for (int i = 3; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--fd") == 0)
            options.fd = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--id") == 0)
            options.id = value;
        else if (strcmp(name, "--conductor") == 0)
            options.conductor = value;
        else if (strcmp(name, "--psk-file") == 0)
            options.psk_file = value;
        else if (strcmp(name, "--listen") == 0)
            options.listen = value;
        else if (strcmp(name, "--health") == 0 && strcmp(value, "none") != 0)
            options.health = value;
    }
    return options;
}

#endif
