#include "kube/conduct_inside.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_LOOK_NS (50 * NS_PER_MS)

void conduct_say(const struct conduct *c, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (c->options.say != NULL)
        c->options.say(c->options.cookie, line);
}

struct errand conduct_errand(struct conduct *c, bool hasty, bool deaf)
{
    return (struct errand){.credentials = &c->options.credentials,
                           .mode = objects_mode_words[c->run.mode],
                           .run = c->run.run,
                           .leases = c->leases,
                           .lease_count = c->lease_count,
                           .on_call = c->options.on_call,
                           .cookie = c->options.cookie,
                           .hasty = hasty,
                           .deaf = deaf};
}

static enum conduct_end stopped(struct error *err)
{
    error_set(err, ERROR_PEER, "stopped by a signal before anything began");
    return CONDUCT_STOPPED;
}

/* The agents are the conductor's own build: another would be refused at its HELLO. */
struct own_pod {
    struct chore chore; /* first */
    struct conduct *conduct;
    bool over;
    struct error err;
};

static void own_next(struct chore *chore, uint64_t now_ns, struct chore_step *ret)
{
    struct own_pod *o = (struct own_pod *)chore;
    (void)now_ns;
    ret->want = o->over ? CHORE_OVER : CHORE_CALL;
    ret->request = (struct api_request){.verb = API_GET,
                                        .gvr = gvr_get(GVR_PODS),
                                        .namespace = o->conduct->run.namespace,
                                        .name = o->conduct->options.pod};
}

static void own_answer(struct chore *chore, uint64_t now_ns, const struct api_answer *answer)
{
    struct own_pod *o = (struct own_pod *)chore;
    struct conduct *c = o->conduct;
    size_t i;
    const json_t *one;
    (void)now_ns;
    o->over = true;
    if (answer->outcome != API_DONE) {
        api_answer_error(answer, &o->err);
        return;
    }
    json_array_foreach(json_object_get(json_object_get(answer->body, "spec"), "containers"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        const char *image = json_string_value(json_object_get(one, "image"));
        if (image != NULL && name != NULL && (i == 0 || strcmp(name, "conductor") == 0))
            snprintf(c->image, sizeof(c->image), "%s", image);
    }
    c->run.image = c->image;
}

static enum conduct_end find_image(struct conduct *c, struct error *err)
{
    struct own_pod own = {.chore = {own_next, own_answer}, .conduct = c};
    struct errand e = conduct_errand(c, true, false);
    if (c->run.image != NULL)
        return CONDUCT_GOOD;
    if (c->options.pod == NULL) {
        error_set(err, ERROR_USAGE,
                  "which image the agents' pods run is not known outside of a "
                  "pod: --image");
        return CONDUCT_REFUSED;
    }
    enum errand_end how = errand_run(&e, &own.chore, err);
    if (how == ERRAND_STOPPED)
        return stopped(err);
    if (own.err.kind != ERROR_NONE) {
        *err = own.err;
        error_prefix(err, "our own pod: ");
    }
    return err->kind == ERROR_NONE ? CONDUCT_GOOD : CONDUCT_REFUSED;
}

/* ---- preflight ---- */

static bool say_findings(const struct conduct *c, const struct preflight *p, struct error *err)
{
    for (size_t i = 0; i < p->findings.count; i++) {
        const struct preflight_finding *f = &p->findings.items[i];
        conduct_say(c, "%s  %s: %s", f->weight == PREFLIGHT_REFUSAL ? "REFUSED" : "warning",
                    f->check, f->text);
    }
    if (!preflight_refused(&p->findings))
        return true;
    for (size_t i = 0; i < p->findings.count; i++)
        if (p->findings.items[i].weight == PREFLIGHT_REFUSAL)
            return error_set(err, ERROR_PEER, "preflight: %s: nothing was written",
                             p->findings.items[i].text);
    return false;
}

static enum conduct_end fly(struct conduct *c, struct error *err)
{
    const struct conduct_options *o = &c->options;
    struct preflight *p = check_alloc_zero(1, sizeof(*p));
    struct errand e = conduct_errand(c, true, false);
    enum conduct_end end = CONDUCT_REFUSED;
    json_t *objects = objects_in_order(&c->run, o->services, o->service_count, o->policies,
                                       o->run.mode == OBJECTS_CANARY, "dry-run");
    json_t *samples = objects_samples(&c->run, o->services, o->service_count, 1);
    json_array_extend(objects, samples);
    json_decref(samples);
    preflight_init(p, &c->run, o->services, o->service_count, o->edits, o->share_ppm, objects);
    enum errand_end how = errand_run(&e, &p->chore, err);
    if (how == ERRAND_DONE && o->on_view != NULL && p->err.kind == ERROR_NONE &&
        !preflight_refused(&p->findings))
        o->on_view(o->cookie, &p->view, &p->findings);
    if (how == ERRAND_STOPPED)
        end = stopped(err);
    else if (how == ERRAND_DONE && p->err.kind != ERROR_NONE)
        *err = p->err;
    else if (how == ERRAND_DONE && say_findings(c, p, err))
        end = CONDUCT_GOOD;
    preflight_release(p);
    free(p);
    json_decref(objects);
    return end;
}

/* ---- the Leases ---- */

/* Over when all are held, or one is refused or lost. */
struct lock {
    struct chore chore; /* first */
    struct conduct *conduct;
    bool told;
};

static void lock_next(struct chore *chore, uint64_t now_ns, struct chore_step *ret)
{
    struct lock *l = (struct lock *)chore;
    struct conduct *c = l->conduct;
    size_t held = 0;
    ret->want = CHORE_WAIT;
    ret->wake_ns = now_ns + LOCK_LOOK_NS;
    for (size_t i = 0; i < c->lease_count; i++) {
        const struct lease *lease = &c->leases[i];
        held += lease->state == LEASE_HELD;
        if (lease->state == LEASE_REFUSED || lease->state == LEASE_LOST)
            ret->want = CHORE_OVER;
        if (lease->state == LEASE_WAITING && !l->told) {
            conduct_say(c, "waiting  Lease %s is held by %s", lease->name, lease->other);
            l->told = true;
        }
    }
    if (held == c->lease_count)
        ret->want = CHORE_OVER;
}

static enum conduct_end take_leases(struct conduct *c, struct error *err)
{
    struct lock lock = {.chore = {.next = lock_next}, .conduct = c};
    for (size_t i = 0; i < c->options.service_count; i++) {
        const struct lease_options o = {.namespace = c->run.namespace,
                                        .service = c->options.services[i].name,
                                        .run = c->run.run,
                                        .pod_uid = c->options.holder,
                                        .wait = c->options.wait,
                                        .again = c->options.again};
        lease_init(&c->leases[i], &o);
    }
    c->lease_count = c->options.service_count;
    struct errand e = conduct_errand(c, true, false);
    enum errand_end how = errand_run(&e, &lock.chore, err);
    for (size_t i = 0; i < c->lease_count; i++)
        if (c->leases[i].state == LEASE_REFUSED || c->leases[i].state == LEASE_LOST) {
            *err = c->leases[i].err;
            return CONDUCT_REFUSED;
        }
    if (how == ERRAND_STOPPED)
        return stopped(err);
    return how == ERRAND_DONE ? CONDUCT_GOOD : CONDUCT_REFUSED;
}

/* The Leases that are held go; what does not go within a while is told by its name. */
static bool leave_leases(struct conduct *c, struct error *err)
{
    bool ok = true;
    struct errand e = conduct_errand(c, false, false);
    e.lease_count = 0;
    for (size_t i = 0; i < c->lease_count; i++) {
        struct lease *l = &c->leases[i];
        if (l->state != LEASE_REFUSED && l->state != LEASE_RELEASED) {
            lease_leave(l);
            ok = errand_run(&e, &l->chore, err) == ERRAND_DONE && l->state == LEASE_RELEASED && ok;
            if (l->state == LEASE_REFUSED)
                error_set(err, l->err.kind, "%s", l->err.text);
        }
        if (!ok)
            error_set(err, ERROR_PEER, "Lease %s of namespace %s could not be deleted", l->name,
                      c->run.namespace);
        lease_release(l);
    }
    c->lease_count = 0;
    return ok;
}

/* ---- what is to be gone ---- */

static bool tear_down(struct conduct *c, const char *run, struct error *err)
{
    struct teardown t;
    struct text how;
    struct errand e = conduct_errand(c, false, false);
    teardown_init(&t, c->run.namespace, run, TEARDOWN_BUDGET_NS);
    bool ran = errand_run(&e, &t.chore, err) != ERRAND_FAILED;
    bool clean = ran && teardown_clean(&t);
    text_init(&how, (size_t)16 * 1024);
    teardown_print(&t, &how);
    if (t.over)
        conduct_say(c, "%s", text_get(&how));
    if (!clean)
        error_set(err, ERROR_PEER, "%s: meshproof recover --on kubernetes -n %s --run %s",
                  t.over ? text_get(&how) : "not everything was taken down", c->run.namespace, run);
    text_release(&how);
    teardown_release(&t);
    return clean;
}

/* "7f3a91c2/uid": the run of a former holder; what it left is undone before anything else. */
static enum conduct_end recover_former(struct conduct *c, struct error *err)
{
    for (size_t i = 0; i < c->lease_count; i++) {
        char run[9] = "";
        if (c->leases[i].former[0] == '\0')
            continue;
        snprintf(run, sizeof(run), "%.8s", c->leases[i].former);
        conduct_say(c, "recover  run %s left Lease %s", run, c->leases[i].name);
        if (!tear_down(c, run, err))
            return CONDUCT_NOT_BACK;
    }
    return CONDUCT_GOOD;
}

static void free_all(struct conduct *c)
{
    if (c->begun)
        build_release(&c->build);
    if (c->has_ports)
        ports_release(&c->ports);
    if (c->has_uptake)
        uptake_release(&c->uptake);
    conduct_join_release(c);
    free(c);
    errand_let_signals();
}

static struct conduct *new_conduct(const struct conduct_options *options)
{
    struct conduct *c = check_alloc_zero(1, sizeof(*c));
    INVARIANT(options->service_count <= CONDUCT_SERVICES_MOST);
    c->fleet = conduct_fleet_of_run;
    c->options = *options;
    c->run = options->run;
    errand_hold_signals();
    return c;
}

enum conduct_end conduct_open(const struct conduct_options *options, struct conduct **ret,
                              struct error *err)
{
    struct conduct *c = new_conduct(options);
    struct error lost = {0};
    enum conduct_end end = find_image(c, err);
    if (end == CONDUCT_GOOD)
        end = conduct_join_survey(c, err);
    if (end == CONDUCT_GOOD)
        end = fly(c, err);
    if (end == CONDUCT_GOOD)
        end = take_leases(c, err);
    if (end == CONDUCT_GOOD)
        end = recover_former(c, err);
    if (end == CONDUCT_GOOD) {
        *ret = c;
        return end;
    }
    if (!leave_leases(c, &lost)) {
        conduct_say(c, "%s", lost.text);
        end = CONDUCT_NOT_BACK;
    }
    free_all(c);
    return end;
}

enum conduct_end conduct_plan(const struct conduct_options *options, struct error *err)
{
    struct conduct *c = new_conduct(options);
    enum conduct_end end = find_image(c, err);
    if (end == CONDUCT_GOOD)
        end = conduct_join_survey(c, err);
    if (end == CONDUCT_GOOD)
        end = fly(c, err);
    free_all(c);
    return end;
}

uint64_t conduct_token(const struct conduct *c)
{
    uint64_t most = 0;
    for (size_t i = 0; i < c->lease_count; i++)
        most = c->leases[i].transitions > most ? c->leases[i].transitions : most;
    return most;
}

const struct objects_service *conduct_services(const struct conduct *c, size_t *ret_count)
{
    *ret_count = c->options.service_count;
    return c->options.services;
}

struct fleet *conduct_fleet(struct conduct *c)
{
    return &c->fleet;
}

static void write_result(struct conduct *c, json_t *take_data)
{
    struct result r;
    struct error err = {0};
    struct errand e = conduct_errand(c, false, false);
    result_init(&r, &c->run, take_data, false);
    if (errand_run(&e, &r.chore, &err) != ERRAND_DONE || !r.written)
        conduct_say(c, "the result is not in the cluster: %s",
                    r.err.kind != ERROR_NONE ? r.err.text : err.text);
    result_release(&r);
}

enum conduct_end conduct_close(struct conduct *c, json_t *take_result, struct error *err)
{
    struct error lost = {0};
    if (take_result != NULL)
        write_result(c, take_result);
    bool clean = !c->begun || tear_down(c, c->run.run, err);
    if (!leave_leases(c, &lost)) {
        if (clean)
            *err = lost;
        clean = false;
    }
    free_all(c);
    return clean ? CONDUCT_GOOD : CONDUCT_NOT_BACK;
}
