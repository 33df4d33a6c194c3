#include "plan/check.h"

#include "base/words.h"
#include "net/access.h"
#include "plan/row.h"

/* Everything about a plan that needs no policy, no cluster and no machine. */

const struct phase *check_find_phase(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->phase_count; i++) {
        if (strcmp(s->phases[i].name, name) == 0)
            return &s->phases[i];
    }
    return NULL;
}

static void number_steps(struct step *steps, size_t count, uint32_t *next)
{
    for (size_t i = 0; i < count; i++) {
        if (steps[i].kind == STEP_FAULT)
            steps[i].fault = (uint16_t)(*next < UINT16_MAX ? (*next)++ : UINT16_MAX);
        number_steps(steps[i].steps, steps[i].step_count, next);
    }
}

void plan_number_faults(struct scenario *s)
{
    uint32_t next = 1;
    number_steps(s->steps, s->step_count, &next);
    for (size_t i = 0; i < s->phase_count; i++)
        number_steps(s->phases[i].steps, s->phases[i].step_count, &next);
}

static size_t count_faults(const struct step *steps, size_t count)
{
    size_t faults = 0;
    for (size_t i = 0; i < count; i++)
        faults += (steps[i].kind == STEP_FAULT) + count_faults(steps[i].steps, steps[i].step_count);
    return faults;
}

static bool has_await(const struct phase *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        if (p->steps[i].kind == STEP_AWAIT)
            return true;
    }
    return false;
}

static bool is_grpc(const char *protocol)
{
    return protocol != NULL && strcmp(protocol, "grpc") == 0;
}

/* gRPC and raw TCP have no other form that a mesh could turn them into: who sends and who gets must
 * agree. */
static void check_load_protocol(const struct scenario *s, const struct load_plan *l,
                                struct error *err)
{
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *service = &s->lab.services[i];
        bool raw = plan_is_raw(service->protocol);
        if (strcmp(service->name, l->on.to.service) != 0 ||
            (is_grpc(service->protocol) == is_grpc(l->protocol) && raw == plan_is_raw(l->protocol)))
            continue;
        if (raw && s->from_policy)
            error_set(err, ERROR_INPUT,
                      "the service \"%s\" speaks tcp, and what is made from a policy sends "
                      "requests: write a suite",
                      service->name);
        else
            error_set(err, ERROR_INPUT, "protocol is %s, but the service \"%s\" speaks %s",
                      l->protocol != NULL ? l->protocol : "http1", service->name,
                      service->protocol != NULL ? service->protocol : "http1");
    }
    if (is_grpc(l->protocol) && (l->call == NULL || strchr(l->call, '/') == NULL))
        error_set(err, ERROR_INPUT,
                  "protocol \"grpc\" needs call, such as \"shop.Payments/Charge\"");
    else if (!is_grpc(l->protocol) && l->call != NULL)
        error_set(err, ERROR_INPUT, "call is for protocol \"grpc\" only");
}

static void check_loads(const struct scenario *s, const struct load_plan *loads, size_t count,
                        struct errors *errors)
{
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        const struct load_plan *l = &loads[i];
        const char *word = l->closed ? "load.closed" : "load.open";
        if (l->on.from.service == NULL || l->on.to.service == NULL || l->on.to.endpoint != 0 ||
            l->on.to.any)
            error_set(&err, ERROR_INPUT,
                      "on is \"%.80s\"; it must be an edge such as \"client -> b\"", l->on.text);
        else if (check_place(s, "on", &l->on, &err) && check_raw_load(s, l, &err))
            check_load_protocol(s, l, &err);
        error_prefix(&err, "%s: ", word);
        if (err.kind != ERROR_NONE)
            errors_take(errors, l->source, &err);
    }
}

static void check_ends(const struct phase *p, struct errors *errors)
{
    bool awaits = has_await(p);
    if (p->ends != PHASE_BY_AWAITS && awaits)
        errors_add(errors, p->source, ERROR_INPUT,
                   "phase \"%.80s\" has both lasting and await; a phase ends one way", p->name);
    else if (p->ends == PHASE_DECIDED && p->atmost_ns == 0)
        errors_add(errors, p->source, ERROR_INPUT,
                   "phase \"%.80s\": lasting = \"decided\" needs atmost", p->name);
    else if ((p->ends == PHASE_BY_AWAITS && !awaits) ||
             (p->ends == PHASE_BY_CLOCK && p->lasting_ns == 0))
        errors_add(errors, p->source, ERROR_INPUT,
                   "phase \"%.80s\" has no end: give it lasting = \"...\" or an await", p->name);
}

static bool takes_faults_out(const struct step *s)
{
    const char *hold = json_string_value(json_object_get(s->keys, "hold_faults"));
    return s->kind == STEP_AWAIT && hold != NULL && strcmp(hold, "disarm") == 0;
}

/* What is judged by what happened on the wire; people and the policy's reader are not. */
static const struct step *find_judged(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *in = find_judged(steps[i].steps, steps[i].step_count);
        if (in != NULL)
            return in;
        if (steps[i].kind == STEP_EXPECT && strcmp(steps[i].word, "human") != 0 &&
            strcmp(steps[i].word, "lint") != 0)
            return &steps[i];
    }
    return NULL;
}

/* The faults of a phase are out while people are waited for: what is judged over it would be judged
 * without them. */
static void check_holds(const struct scenario *s, const struct phase *p, struct errors *errors)
{
    const struct step *judged = find_judged(p->steps, p->step_count);
    judged = judged != NULL ? judged : find_judged(s->steps, s->step_count);
    for (size_t i = 0; judged != NULL && i < p->step_count; i++)
        if (takes_faults_out(&p->steps[i])) {
            errors_add(errors, p->steps[i].source, ERROR_INPUT,
                       "await.human: hold_faults = \"disarm\" takes the faults out, and expect.%s "
                       "would be judged without them: give it a phase of its own",
                       judged->word);
            return;
        }
}

static void check_phases(struct scenario *s, struct errors *errors)
{
    for (size_t i = 0; i < s->phase_count; i++) {
        struct phase *p = &s->phases[i];
        if (check_find_phase(s, p->name) != p)
            errors_add(errors, s->source, ERROR_INPUT, "two phases are called \"%.80s\"", p->name);
        check_ends(p, errors);
        check_holds(s, p, errors);
        check_loads(s, p->loads, p->load_count, errors);
        struct check c = {s, p, STANDS_PHASE, errors};
        check_steps(&c, p->steps, p->step_count);
    }
}

static bool is_name(const char *text)
{
    struct arena arena;
    struct place place;
    arena_init(&arena, 16 * 1024);
    bool good = place_parse(text, &arena, &place, NULL) && place.from.service == NULL &&
                place.to.service != NULL && strcmp(place.to.service, text) == 0;
    arena_release(&arena);
    return good;
}

/* gRPC's method stands in the path. */
static bool check_call_protocol(const struct scenario *s, const struct call_plan *call,
                                struct error *err)
{
    const char *path = call->path != NULL ? call->path : "/";
    for (size_t i = 0; i < s->lab.service_count; i++) {
        if (strcmp(s->lab.services[i].name, call->to) == 0 &&
            is_grpc(s->lab.services[i].protocol) &&
            (path[0] != '/' || strchr(path + 1, '/') == NULL))
            return error_set(err, ERROR_INPUT,
                             "call \"%s\": path is \"%.80s\"; for protocol \"grpc\" it must be "
                             "such as \"/shop.Payments/Charge\"",
                             call->to, path);
    }
    return true;
}

/* Its port and the addresses of its calls are known only when it is started. */
static void check_run(const struct service_plan *service, struct errors *errors)
{
    struct error why = {0};
    char **words;
    if (service->run == NULL)
        return;
    if (words_split(service->run, &words, &why))
        words_free(words);
    else
        errors_add(errors, service->source, ERROR_INPUT, "service \"%.60s\": run: %s",
                   service->name, why.text);
}

static void check_service(const struct scenario *s, const struct service_plan *service,
                          struct errors *errors)
{
    if (!is_name(service->name))
        errors_add(errors, service->source, ERROR_INPUT,
                   "service \"%.60s\": a name has only a-z 0-9 and -, and at most 63 of them",
                   service->name);
    else if (strcmp(service->name, "client") == 0)
        errors_add(errors, service->source, ERROR_INPUT,
                   "service \"client\": client is the load generator");
    for (size_t i = 0; i < service->address_count; i++) {
        if (strchr(service->addresses[i], ':') == NULL)
            errors_add(errors, service->source, ERROR_INPUT,
                       "service \"%.60s\": address is \"%.60s\"; it must be such as "
                       "\"127.0.0.1:8080\"",
                       service->name, service->addresses[i]);
    }
    if (service->address_count > 0 && s->lab.netns)
        errors_add(errors, service->source, ERROR_INPUT,
                   "service \"%.60s\": address is out of reach of isolation = \"netns\"",
                   service->name);
    if (service->address_count > 0 && service->address_count != service->endpoints)
        errors_add(errors, service->source, ERROR_INPUT,
                   "service \"%.60s\" has %u endpoints and %zu addresses", service->name,
                   service->endpoints, service->address_count);
    check_run(service, errors);
    for (size_t i = 0; i < service->zone_count; i++) {
        if (!is_name(service->zones[i]))
            errors_add(errors, service->source, ERROR_INPUT,
                       "service \"%.60s\": zones: \"%.60s\" is no name; a name has only a-z 0-9 "
                       "and -, and at most 63 of them",
                       service->name, service->zones[i]);
    }
    for (size_t i = 0; i < service->call_count; i++) {
        struct error err = {0};
        struct place to = {.to.service = service->calls[i].to};
        if (!check_place(s, "call", &to, &err) || !check_call_protocol(s, &service->calls[i], &err))
            errors_take(errors, service->calls[i].source, &err);
    }
}

static void check_external_table(const struct lab_plan *lab, const json_t *table,
                                 struct errors *errors)
{
    const char *key, *inner;
    json_t *value, *address;
    json_object_foreach((json_t *)(uintptr_t)table, key, value)
    {
        if ((strcmp(key, "to") != 0 && strcmp(key, "endpoint") != 0 &&
             strcmp(key, "metrics") != 0) ||
            !json_is_object(value)) {
            errors_add(errors, lab->source, ERROR_INPUT,
                       "lab: external has no key \"%.40s\"; it has endpoint metrics to", key);
            continue;
        }
        json_object_foreach(value, inner, address)
        {
            if (!json_is_string(address) || strchr(json_string_value(address), ':') == NULL)
                errors_add(errors, lab->source, ERROR_INPUT,
                           "lab: external: %.40s must be an address such as \"127.0.0.1:15001\"",
                           inner);
        }
    }
}

static void check_ports(const struct lab_plan *lab, struct errors *errors)
{
    const char *name;
    json_t *value;
    if (lab->ports == NULL)
        return;
    if (!json_is_object(lab->ports) || lab->netns)
        errors_add(errors, lab->source, ERROR_INPUT, "lab: ports %s",
                   lab->netns ? "are the host's own: with isolation = \"netns\" each service has "
                                "those of its namespace"
                              : "must be addresses by name");
    json_object_foreach(lab->ports, name, value)
    {
        bool loopback = false;
        if (!json_is_string(value) ||
            !access_is_loopback(json_string_value(value), &loopback, NULL) || !loopback)
            errors_add(errors, lab->source, ERROR_INPUT,
                       "lab: ports: \"%.60s\" must be an address of this host's loopback such as "
                       "\"127.0.0.1:40001\"",
                       name);
    }
}

static void check_external_of(const struct scenario *s, const struct mesh_plan *mesh,
                              struct errors *errors)
{
    const char *name = mesh->name == NULL ? "" : mesh->name;
    const json_t *table = json_object_get(s->lab.external, name);
    bool none = mesh->word != NULL && strcmp(mesh->word, "none") == 0;
    if (json_is_object(table))
        check_external_table(&s->lab, table, errors);
    else if (!none)
        errors_add(
            errors, s->lab.source, ERROR_INPUT,
            "lab: external has no table \"%.40s\": with arms it has one under each arm's name",
            name);
}

/* Of one mesh; or one table under the name of each. */
static void check_external(const struct scenario *s, struct errors *errors)
{
    const struct lab_plan *lab = &s->lab;
    if (lab->external == NULL)
        return;
    if (lab->driver != DRIVER_EXTERNAL)
        errors_add(errors, lab->source, ERROR_INPUT, "lab: external is for driver = \"external\"");
    if (!plan_external_is_by_arm(lab->external) && s->arm_count == 0) {
        check_external_table(lab, lab->external, errors);
        return;
    }
    if (s->arm_count == 0)
        check_external_of(s, &s->mesh, errors);
    for (size_t i = 0; i < s->arm_count; i++)
        check_external_of(s, &s->arms[i], errors);
}

static void check_lab(const struct scenario *s, struct errors *errors)
{
    const struct lab_plan *lab = &s->lab;
    for (size_t i = 0; i < lab->service_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(lab->services[i].name, lab->services[j].name) == 0)
                errors_add(errors, lab->services[i].source, ERROR_INPUT,
                           "two services are called \"%.60s\"", lab->services[i].name);
        }
        check_service(s, &lab->services[i], errors);
    }
    if (lab->defect_count > 0 && lab->driver != DRIVER_BUILTIN)
        errors_add(errors, lab->source, ERROR_INPUT, "lab: defects are for driver = \"builtin\"");
    if (lab->netns && lab->driver == DRIVER_EXTERNAL)
        errors_add(errors, lab->source, ERROR_INPUT,
                   "lab: isolation = \"netns\" cannot hold the proxies of driver = \"external\": "
                   "they are where their owner put them");
    check_external(s, errors);
    check_ports(lab, errors);
    check_raw_services(s, errors);
    check_planes(s, errors);
    check_lab_tls(s, errors);
}

static void check_edges(const struct scenario *s, struct errors *errors)
{
    for (size_t i = 0; i < s->edge_count; i++) {
        struct error err = {0};
        struct arena arena;
        struct place place;
        arena_init(&arena, 64 * 1024);
        if (!place_parse(s->edges[i], &arena, &place, &err))
            error_prefix(&err, "scenario.from_policy: edges ");
        else if (!check_place(s, "edges", &place, &err))
            error_prefix(&err, "scenario.from_policy: ");
        arena_release(&arena);
        if (err.kind != ERROR_NONE)
            errors_take(errors, s->source, &err);
    }
}

static bool every_phase_has_load(const struct scenario *s)
{
    for (size_t i = 0; i < s->phase_count; i++) {
        if (s->phases[i].load_count == 0)
            return false;
    }
    return true;
}

/* Said last, and only when all that is there is right: a reader with one wrong key wants to hear of
 * that. */
static void check_whole(const struct scenario *s, struct errors *errors)
{
    bool generated = s->from_policy && s->phase_count == 0;
    if (s->mesh.word == NULL)
        errors_add(
            errors, s->source, ERROR_INPUT,
            "scenario \"%.80s\" has no mesh: give it mesh = mesh.istio { ... } or mesh.none {}",
            s->name);
    if (generated)
        return;
    if (s->phase_count == 0)
        errors_add(errors, s->source, ERROR_INPUT, "scenario \"%.80s\" has no phase", s->name);
    else if (s->load_count == 0 && !every_phase_has_load(s))
        errors_add(
            errors, s->source, ERROR_INPUT,
            "scenario \"%.80s\" has no load: give it, or each phase, load = load.open { ... }",
            s->name);
    if (s->lab.service_count == 0)
        errors_add(errors, s->source, ERROR_INPUT,
                   "scenario \"%.80s\" has no lab: give it lab = lab { service \"b\" {} }",
                   s->name);
}

static void check_scenario(struct scenario *s, struct errors *errors)
{
    struct check c = {s, NULL, STANDS_SCENARIO, errors};
    size_t faults = count_faults(s->steps, s->step_count);
    for (size_t i = 0; i < s->phase_count; i++)
        faults += count_faults(s->phases[i].steps, s->phases[i].step_count);
    if (faults >= UINT16_MAX)
        errors_add(errors, s->source, ERROR_LIMIT,
                   "scenario \"%.80s\" has %zu faults; at most 65534", s->name, faults);
    plan_number_faults(s);
    plan_number_tags(s);
    check_arms(s, errors);
    check_lab(s, errors);
    check_edges(s, errors);
    check_loads(s, s->loads, s->load_count, errors);
    check_steps(&c, s->steps, s->step_count);
    check_phases(s, errors);
    check_guards(s, errors);
    check_notify(s, errors);
    check_limits(s, errors);
    if (errors->count == 0)
        check_cert_order(s, errors);
}

static void check_needs(const struct scenario *s, struct errors *errors)
{
    static const char *const names[] = {"net_admin", "tls_owned", "zones", "human"};
    for (size_t i = 0; i < s->need_count; i++) {
        bool known = false;
        for (size_t k = 0; k < COUNT_OF(names); k++)
            known = known || strcmp(names[k], s->needs[i]) == 0;
        if (!known)
            errors_add(errors, s->source, ERROR_INPUT,
                       "scenario: needs has \"%.40s\"; it may have net_admin, tls_owned, zones, "
                       "human",
                       s->needs[i]);
    }
}

void plan_check_all(struct plan *p, struct errors *errors)
{
    for (size_t i = 0; i < p->scenario_count; i++) {
        check_scenario(&p->scenarios[i], errors);
        check_needs(&p->scenarios[i], errors);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(p->scenarios[i].name, p->scenarios[j].name) == 0 &&
                !p->scenarios[i].from_policy)
                errors_add(errors, p->scenarios[i].source, ERROR_INPUT,
                           "two scenarios are called \"%.80s\"", p->scenarios[i].name);
        }
    }
    for (size_t i = 0; i < p->scenario_count && errors->count == 0; i++)
        check_whole(&p->scenarios[i], errors);
}

bool plan_check(struct plan *p, struct error *err)
{
    struct error first = {0};
    struct errors errors = {.at = &first, .most = 1};
    plan_check_all(p, &errors);
    if (errors.count == 0)
        return true;
    if (err != NULL && err->kind == ERROR_NONE)
        *err = first;
    return false;
}
