#include "cli/cluster_in_force.h"
#include "cli/cluster_interpose.h"

#include "base/log.h"
#include "engine/fleet.h"

#include <stdlib.h>
#include <unistd.h>

const char *const cluster_places[] = {"local", "kubernetes", NULL};
const char *const cluster_modes[] = {"canary", "interpose", NULL};
const char *const cluster_endpoints[] = {"pods", "ports", NULL};
const char *const cluster_allows[] = {"edit", "kill", NULL};

#define SERVICE_PORT 80

bool cluster_asked(const struct arguments *args)
{
    const char *on = arguments_get(args, "on");
    return on != NULL && strcmp(on, "kubernetes") == 0;
}

int cluster_check(const struct arguments *args)
{
    static const char *const only[] = {"mode", "namespace", "context",   "insecure",    "image",
                                       "swap", "allow",     "endpoints", "netem-agents"};
    struct error err = {0};
    const char *driver = arguments_get(args, "driver");
    for (size_t i = 0; !cluster_asked(args) && i < COUNT_OF(only); i++)
        if (arguments_given(args, only[i]))
            error_set(&err, ERROR_USAGE, "--%s is for --on kubernetes", only[i]);
    /* On the line itself: MESHPROOF_JOB is the Job's name, in its pod. */
    bool manifests = arguments_given(args, "as-manifests"), job = arguments_given(args, "job");
    if (job && !manifests)
        error_set(&err, ERROR_USAGE, "--job goes with --as-manifests");
    if (manifests && !cluster_asked(args))
        error_set(&err, ERROR_USAGE, "--as-manifests is for --on kubernetes");
    if (err.kind == ERROR_NONE && !cluster_interpose_check(args, &err))
        return command_fail(&err);
    if (cluster_asked(args) && driver != NULL && strcmp(driver, "builtin") != 0 &&
        strcmp(driver, "external") != 0)
        error_set(&err, ERROR_USAGE,
                  "--driver %s is for --on local: in a cluster the mesh is there already", driver);
    return err.kind == ERROR_NONE ? EXIT_PASS : command_fail(&err);
}

struct credentials_options cluster_credentials(const struct arguments *args)
{
    return (struct credentials_options){.context = arguments_get(args, "context"),
                                        .insecure = arguments_has(args, "insecure")};
}

/* ---- what the plan wants ---- */

static enum objects_mesh mesh_of(const struct prepared *p)
{
    if (p->scenarios[0].driver == DRIVER_BUILTIN)
        return OBJECTS_NO_MESH;
    switch (p->scenarios[0].target.mesh) {
    case MESH_ISTIO:
        return OBJECTS_ISTIO;
    case MESH_ISTIO_AMBIENT:
        return OBJECTS_AMBIENT;
    case MESH_LINKERD:
        return OBJECTS_LINKERD;
    case MESH_NONE:
    case MESH_GATEWAY_API: /* whose it is, the policy does not say */
        return OBJECTS_NO_MESH;
    }
    return OBJECTS_NO_MESH;
}

static const char *app_protocol(const struct service_plan *s)
{
    if (s->protocol == NULL || strcmp(s->protocol, "http1") == 0)
        return "http";
    return strcmp(s->protocol, "http2") == 0 ? "kubernetes.io/h2c" : s->protocol;
}

static bool interposes(const struct cluster *c)
{
    return c->options.run.mode == OBJECTS_INTERPOSE;
}

static bool add_service(struct cluster *c, const struct service_plan *s, struct error *err)
{
    struct conduct_options *o = &c->options;
    if (s->run != NULL)
        return error_at(err, s->source, ERROR_USAGE,
                        "service \"%s\": run is a program of this machine; a pod of ours has stubs "
                        "only: --on local",
                        s->name);
    if (strcmp(s->name, "load") == 0) /* mp-RUN-load-1 */
        return error_at(err, s->source, ERROR_USAGE,
                        "service \"load\": in a cluster the agents of the load have that name");
    for (size_t i = 0; i < o->service_count; i++) {
        if (strcmp(c->services[i].name, s->name) != 0)
            continue;
        if (s->endpoints > c->services[i].endpoints)
            c->services[i].endpoints = s->endpoints;
        return true;
    }
    if (o->service_count == CONDUCT_SERVICES_MOST)
        return error_at(err, s->source, ERROR_LIMIT,
                        "more than the %d services that a run may have in a cluster",
                        CONDUCT_SERVICES_MOST);
    c->services[o->service_count++] =
        interposes(c) /* the Service that is there says the rest */
            ? (struct objects_service){.name = s->name, .endpoints = s->endpoints}
            : (struct objects_service){.name = s->name,
                                       .endpoints = s->endpoints,
                                       .port = SERVICE_PORT,
                                       .port_name = "http",
                                       .app_protocol = app_protocol(s)};
    return true;
}

/* Where the client sends is known when the Service is made; where the endpoints listen, always. */
static void fill_external(const struct cluster *c, struct prepared *p, struct scenario *s)
{
    if (s->lab.external == NULL) {
        s->lab.external = json_object();
        json_array_append_new(p->plan->owned, s->lab.external);
    }
    json_t *to = json_object(), *endpoint = json_object(), *host = json_object();
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *service = &s->lab.services[i];
        char name[OBJECTS_NAME_MOST + 1];
        json_object_set_new(to, service->name, json_sprintf("0.0.0.0:%d", SERVICE_PORT));
        /* By its own name a mesh would send to the real service. */
        objects_name(&c->options.run, service->name, 0, name, sizeof(name));
        json_object_set_new(host, service->name, json_string(name));
        for (uint32_t n = 1; n <= service->endpoints; n++) {
            char key[300];
            snprintf(key, sizeof(key), "%s/%u", service->name, n);
            json_object_set_new(
                endpoint, key,
                json_sprintf("0.0.0.0:%u",
                             OBJECTS_LISTEN_PORT + (c->options.run.ports ? (unsigned)n - 1 : 0)));
        }
    }
    json_object_set_new(s->lab.external, "to", to);
    json_object_set_new(s->lab.external, "endpoint", endpoint);
    json_object_set_new(s->lab.external, "host", host);
}

/* More than some are made by the cluster's Job controller, for all scenarios of the run alike. */
static bool count_agents(struct cluster *c, const struct scenario *s, struct error *err)
{
    size_t wanted = c->load_agents;
    for (size_t k = 0; k < s->lab.service_count; k++) {
        uint32_t endpoints = s->lab.services[k].endpoints;
        if (c->options.run.ports && endpoints > OBJECTS_ENDPOINTS_MOST)
            return error_at(err, s->lab.services[k].source, ERROR_LIMIT,
                            "service \"%s\" has %u endpoints; one pod has at most %d ports",
                            s->lab.services[k].name, endpoints, OBJECTS_ENDPOINTS_MOST);
        wanted += c->options.run.ports ? 1 : endpoints;
    }
    if (wanted > FLEET_AGENTS_MOST)
        return error_at(err, s->lab.source, ERROR_LIMIT,
                        "scenario \"%s\" needs %zu agents (%zu endpoints, %zu of load); at most %d "
                        "agents are allowed",
                        s->name, wanted, wanted - c->load_agents, c->load_agents,
                        FLEET_AGENTS_MOST);
    c->options.run.indexed = c->options.run.indexed || wanted > OBJECTS_BARE_MOST;
    return true;
}

static bool plan_scenario(struct cluster *c, struct prepared *p, size_t i, struct error *err)
{
    struct scenario *s = &p->plan->scenarios[i];
    if (s->arm != NULL) /* each would have its own policy of the same service */
        return error_at(err, s->source, ERROR_USAGE,
                        "scenario \"%.80s\" has several meshes: arms are not built yet for --on "
                        "kubernetes",
                        s->arms_of);
    if (p->scenarios[i].driver != p->scenarios[0].driver)
        return error_at(err, s->source, ERROR_USAGE,
                        "scenario \"%s\" has another driver than the first: one run in a cluster "
                        "has one",
                        s->name);
    for (size_t k = 0; k < s->lab.service_count; k++)
        if (!add_service(c, &s->lab.services[k], err))
            return false;
    if (!count_agents(c, s, err))
        return false;
    if (p->scenarios[i].driver == DRIVER_EXTERNAL)
        fill_external(c, p, s);
    return true;
}

static const char *from_env(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* Another pod of the same Job is another holder. */
static void name_holder(struct cluster *c)
{
    char host[64] = "";
    const char *uid = from_env("MESHPROOF_POD_UID"), *pod = from_env("MESHPROOF_POD");
    gethostname(host, sizeof(host) - 1);
    if (uid != NULL || pod != NULL)
        snprintf(c->holder, sizeof(c->holder), "%s", uid != NULL ? uid : pod);
    else
        snprintf(c->holder, sizeof(c->holder), "%s-%ld", host, (long)getpid());
    c->options.holder = c->holder;
}

static void on_service(void *cookie, const char *service, const char *address)
{
    struct cluster *c = cookie;
    const struct prepared *p = c->prepared;
    if (interposes(c)) {
        cluster_interpose_leg(c, service, address);
        return;
    }
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        json_t *to = json_object_get(p->plan->scenarios[i].lab.external, "to");
        if (p->scenarios[i].driver == DRIVER_EXTERNAL && json_object_get(to, service) != NULL)
            json_object_set_new(to, service, json_string(address));
    }
}

static void on_view(void *cookie, const struct preflight_view *view, struct preflight_findings *to)
{
    cluster_in_force(((const struct cluster *)cookie)->prepared, view, to);
}

static void say(void *cookie, const char *line)
{
    (void)cookie;
    command_say(line);
}

static void on_call(void *cookie, const struct api_record *r)
{
    struct cluster *c = cookie;
    json_t *note = json_pack("{ss ss sI sI sI}", "verb", r->verb, "path", r->path, "code",
                             (json_int_t)r->status, "ms", (json_int_t)(r->took_ns / 1000000),
                             "at_ns", (json_int_t)r->start_ns);
    log_info("kube", "%s %s: %u in %llu ms", r->verb, r->path, r->status,
             (unsigned long long)(r->took_ns / 1000000));
    if (note != NULL && c->steer != NULL)
        steer_note(c->steer, "api_call", note);
    else if (note != NULL && json_array_size(c->calls) < CLUSTER_CALLS_MOST)
        json_array_append_new(c->calls, note);
    else
        json_decref(note);
}

bool cluster_namespace(const struct arguments *args, const struct credentials *credentials,
                       char *to, size_t size, struct error *err)
{
    const char *found = arguments_get(args, "namespace");
    struct credentials_view view = {.namespace = "meshproof"};
    if (credentials != NULL)
        credentials_view(credentials, &view);
    if (found == NULL)
        found = view.namespace;
    return snprintf(to, size, "%s", found) < (int)size ||
           error_set(err, ERROR_USAGE, "namespace \"%.80s\" is longer than %zu characters", found,
                     size - 1);
}

/* Copies of policies name it, so it must be known before anything is asked. */
static bool find_namespace(struct cluster *c, const struct arguments *args, struct error *err)
{
    struct credentials *credentials = NULL;
    bool asked = arguments_get(args, "namespace") != NULL || arguments_given(args, "as-manifests");
    if (!asked && !credentials_open(&c->options.credentials, &credentials, err))
        return false;
    bool fits = cluster_namespace(args, credentials, c->namespace, sizeof(c->namespace), err);
    credentials_free(credentials);
    return fits;
}

/* Hand-made endpoints of ambient are entries without a workload's policy, and shared by all. */
static bool find_ports(struct cluster *c, const struct arguments *args, struct error *err)
{
    const char *how = arguments_get(args, "endpoints");
    c->options.run.ports = how != NULL && strcmp(how, "ports") == 0;
    return !c->options.run.ports || c->options.run.mesh != OBJECTS_AMBIENT ||
           error_set(err, ERROR_USAGE,
                     "--endpoints ports: in ambient mode endpoints that are made by hand have no "
                     "policy of their own: --endpoints pods");
}

struct event_target cluster_events(const struct cluster *c)
{
    return (struct event_target){.credentials = c->options.credentials,
                                 .namespace = c->namespace,
                                 .run = c->prepared == NULL ? "" : c->prepared->run,
                                 .services = c->services,
                                 .service_count = c->options.service_count};
}

bool cluster_plan(struct cluster *c, const struct arguments *args, struct prepared *p,
                  uint64_t deadline_ns, struct error *err)
{
    const char *mode = arguments_get(args, "mode");
    bool interpose = mode != NULL && strcmp(mode, "interpose") == 0;
    uint64_t deadline_s = (deadline_ns == 0 ? CLUSTER_DEADLINE_NS : deadline_ns) / 1000000000;
    struct conduct_options *o = &c->options;
    uint64_t loads = 1;
    *c = (struct cluster){.prepared = p, .calls = json_array(), .kept = json_array()};
    o->credentials = cluster_credentials(args);
    if (!arguments_count(args, "load-agents", &loads, err) || !find_namespace(c, args, err))
        return false;
    c->load_agents = loads;
    o->run = (struct objects_run){.run = p->run,
                                  .namespace = c->namespace,
                                  .image = arguments_get(args, "image"),
                                  .conductor = "0.0.0.0:7400",
                                  .mesh = mesh_of(p),
                                  .mode = interpose ? OBJECTS_INTERPOSE : OBJECTS_CANARY,
                                  .netem = arguments_has(args, "netem-agents"),
                                  .job_name = from_env("MESHPROOF_JOB"),
                                  .job_uid = from_env("MESHPROOF_JOB_UID"),
                                  .deadline_s = (uint32_t)deadline_s + 60};
    if (!find_ports(c, args, err))
        return false;
    for (size_t i = 0; i < p->plan->scenario_count; i++)
        if (!plan_scenario(c, p, i, err))
            return false;
    o->services = c->services;
    o->guardian = true;
    o->pod = from_env("MESHPROOF_POD");
    /* A Job's pods are one after the other (podReplacementPolicy: Failed), and have one run. */
    o->again = o->run.job_uid != NULL;
    o->say = say;
    o->on_call = on_call;
    o->on_service = on_service;
    o->on_view = interpose ? on_view : NULL;
    o->cookie = c;
    name_holder(c);
    /* What is in force there is under test in interpose, and nothing is copied. */
    return interpose ? cluster_interpose_plan(c, args, p, err) : cluster_policies(c, err);
}

void cluster_release(struct cluster *c)
{
    json_decref(c->policies);
    json_decref(c->kept);
    json_decref(c->calls);
}

/* ---- the run ---- */

static int exit_of(enum conduct_end end, const struct error *err)
{
    int code = end == CONDUCT_GOOD ? EXIT_PASS : command_fail(err);
    if (end == CONDUCT_STOPPED)
        return EXIT_ABORTED;
    return end == CONDUCT_NOT_BACK ? EXIT_NOT_UNDONE : code;
}

int cluster_ask(struct cluster *c)
{
    struct error err = {0};
    enum conduct_end end = conduct_plan(&c->options, &err);
    if (end == CONDUCT_GOOD)
        puts("kubernetes: every object would be taken; nothing was written");
    return exit_of(end, &err);
}

int cluster_open(struct cluster *c)
{
    struct error err = {0};
    const char *ip = from_env("MESHPROOF_POD_IP");
    if (ip == NULL) {
        error_set(&err, ERROR_SYSTEM,
                  "the agents' pods dial us: MESHPROOF_POD_IP must be an address of ours that they "
                  "reach (in harness/deploy's Job it is the pod's own)");
        return command_fail(&err);
    }
    snprintf(c->listen, sizeof(c->listen), strchr(ip, ':') != NULL ? "[%.60s]:%d" : "%.60s:%d", ip,
             OBJECTS_AGENT_PORT);
    c->options.run.conductor = c->listen;
    int code = exit_of(conduct_open(&c->options, &c->conduct, &err), &err);
    if (code == EXIT_PASS && interposes(c))
        cluster_interpose_opened(c);
    return code;
}

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    struct cluster *c = cookie;
    size_t i;
    json_t *call;
    json_array_foreach(c->calls, i, call)
    {
        steer_note(steer, "api_call", json_incref(call));
    }
    json_array_clear(c->calls);
    c->steer = steer;
    conduct_begin(c->conduct, loop, steer);
}

static void on_end(void *cookie)
{
    struct cluster *c = cookie;
    conduct_end(c->conduct);
    c->steer = NULL;
}

void cluster_hook(struct cluster *c, struct engine_options *options, struct onlookers *onlookers)
{
    const struct onlooker row = {.on_begin = on_begin, .on_end = on_end, .cookie = c};
    struct fleet *fleet = conduct_fleet(c->conduct);
    fleet->listen = c->listen;
    fleet->token = conduct_token(c->conduct);
    fleet->hello_within_ns = CONDUCT_READY_WITHIN_NS;
    fleet->relays = interposes(c);
    fleet->together = c->options.run.ports;
    fleet->impairs = c->options.run.netem;
    fleet->guarded = c->options.guardian;
    fleet->plays_mesh = c->options.run.mesh == OBJECTS_NO_MESH;
    /* Of a Service that is swapped they are the only endpoints: none of them ends by itself before
     * the selector is back. */
    if (c->options.run.swap)
        options->linger_ns = (uint64_t)c->options.run.deadline_s * 1000000000;
    options->fleet = fleet;
    onlookers_add(onlookers, &row);
}

static json_t *result_of(const struct cluster *c, const struct outcome *told, int code)
{
    struct text t;
    text_init(&t, (size_t)2 * TERMINATION_MOST_BYTES);
    outcome_print(told, code, NULL, &t);
    json_t *data = json_pack("{ss ss ss ss ss}", "run", c->prepared->run, "verdict",
                             outcome_word(code), "outcome.json", text_get(&t), "suite",
                             c->prepared->plan->suite, "seed", c->prepared->seed_text);
    text_release(&t);
    return data;
}

int cluster_close(struct cluster *c, const struct outcome *told, bool judged, int code)
{
    struct error err = {0};
    if (c->conduct == NULL)
        return code;
    json_t *result = judged ? result_of(c, told, code) : NULL;
    enum conduct_end end = conduct_close(c->conduct, result, &err);
    c->conduct = NULL;
    return end == CONDUCT_GOOD ? code : command_worse(exit_of(end, &err), code);
}
