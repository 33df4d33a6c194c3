#include "kube/check_inside.h"

enum doing { VERSION, RULES, REVIEWS, NAMESPACE, LEASE, LISTS, DRY_RUNS, OVER };

static struct preflight *of(struct chore *c)
{
    return (struct preflight *)(void *)c;
}

static const struct preflight_right *right_at(size_t i)
{
    size_t count;
    const struct preflight_right *all = preflight_rights(&count);
    return i < count ? &all[i] : NULL;
}

static bool is_missing(const struct preflight *p, const struct preflight_right *right)
{
    for (size_t i = 0; i < p->missing_count; i++)
        if (p->missing[i] == right)
            return true;
    return false;
}

/* --- what is asked next --- */

/* The next right that the rules do not grant: p->at is its index. */
static const struct preflight_right *next_review(struct preflight *p)
{
    const struct preflight_right *right;
    for (; (right = right_at(p->at)) != NULL; p->at++)
        if (preflight_needs(right, &p->view) && !preflight_ruled(right, p->rules))
            return right;
    return NULL;
}

static const struct preflight_right *next_list(struct preflight *p)
{
    const struct preflight_right *right;
    for (; (right = right_at(p->at)) != NULL; p->at++)
        if (strcmp(right->verb, "list") == 0 && preflight_needs(right, &p->view) &&
            !is_missing(p, right))
            return right;
    return NULL;
}

static void go(struct preflight *p, enum doing doing)
{
    p->doing = (int)doing;
    p->at = 0;
}

static void report_missing(struct preflight *p)
{
    struct text rules;
    if (p->missing_count == 0)
        return;
    text_init(&rules, 16 * 1024);
    preflight_print_rules(p->missing, p->missing_count, &rules);
    preflight_add(&p->findings, "right",
                  "the account lacks rights in %s; add to role meshproof-%s:\n%s",
                  p->view.run->namespace, objects_mode_words[p->view.run->mode], text_get(&rules));
    text_release(&rules);
}

static void end(struct preflight *p)
{
    for (size_t i = 0; p->err.kind == ERROR_NONE && i < p->service_count; i++) {
        json_decref(p->view.lease);
        p->view.lease = json_incref(json_array_get(p->leases, i));
        p->view.service = &p->services[i];
        preflight_check(&p->view, &p->findings);
    }
    go(p, OVER);
    p->over = true;
}

/* Passes over what has nothing (more) to ask. */
static void settle(struct preflight *p)
{
    if (p->doing == REVIEWS && next_review(p) == NULL) {
        report_missing(p);
        go(p, NAMESPACE);
    }
    if (p->doing == LEASE && !lease_name(p->at < p->service_count ? p->services[p->at].name : "", 0,
                                         p->lease, sizeof(p->lease)))
        go(p, LISTS);
    if (p->doing == LISTS && next_list(p) == NULL)
        go(p, DRY_RUNS);
    if (p->doing == DRY_RUNS && p->at >= json_array_size(p->view.objects))
        end(p);
}

static void ask(struct preflight *p, struct api_request *r)
{
    const struct preflight_right *right;
    const json_t *object;
    json_decref(p->body);
    p->body = NULL;
    switch ((enum doing)p->doing) {
    case VERSION:
        *r = (struct api_request){.verb = API_GET, .path = "/version"};
        return;
    case RULES:
        p->body = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "authorization.k8s.io/v1", "kind",
                            "SelfSubjectRulesReview", "spec", "namespace", p->view.run->namespace);
        *r = (struct api_request){
            .verb = API_POST, .gvr = gvr_get(GVR_RULESREVIEWS), .body = p->body};
        return;
    case REVIEWS:
        right = next_review(p);
        p->body = preflight_review(right, p->view.run->namespace);
        *r = (struct api_request){
            .verb = API_POST, .gvr = gvr_get(GVR_ACCESSREVIEWS), .body = p->body};
        return;
    case NAMESPACE:
        *r = (struct api_request){
            .verb = API_GET, .gvr = gvr_get(GVR_NAMESPACES), .name = p->view.run->namespace};
        return;
    case LEASE:
        *r = (struct api_request){.verb = API_GET,
                                  .gvr = gvr_get(GVR_LEASES),
                                  .namespace = p->view.run->namespace,
                                  .name = p->lease};
        return;
    case LISTS:
        *r = (struct api_request){.verb = API_LIST,
                                  .gvr = gvr_get(next_list(p)->gvr),
                                  .namespace = p->view.run->namespace};
        return;
    case DRY_RUNS:
        object = json_array_get(p->view.objects, p->at);
        *r = (struct api_request){
            .verb = API_POST,
            .gvr = gvr_of_kind(body_text(object, "apiVersion"), body_text(object, "kind")),
            .namespace = body_meta_text(object, "namespace"),
            .body = object,
            .dry_run = true};
        INVARIANT(r->gvr != NULL);
        return;
    case OVER:
        break;
    }
    UNREACHABLE();
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct preflight *p = of(c);
    (void)now_ns;
    settle(p);
    ret->want = p->doing == OVER ? CHORE_OVER : CHORE_CALL;
    if (p->doing != OVER)
        ask(p, &ret->request);
}

/* --- what was answered --- */

static void stop(struct preflight *p, const struct api_answer *a)
{
    error_set(&p->err, ERROR_PEER, "%s", a->sentence);
    end(p);
}

static bool no_answer(const struct api_answer *a)
{
    return a->outcome == API_UNREACHABLE || a->outcome == API_OVERLOADED ||
           a->outcome == API_UNAUTHORISED || a->outcome == API_BAD_ANSWER ||
           a->outcome == API_NOT_SENT;
}

static void has_namespace(struct preflight *p, const struct api_answer *a)
{
    /* plan creates nothing (trap 10): objects of a namespace that is not there cannot even be
     * tried. */
    if (a->outcome == API_NOT_FOUND) {
        preflight_add(&p->findings, "namespace",
                      "there is no namespace %s: kubectl apply -k harness/deploy/base, or make it "
                      "yourself",
                      p->view.run->namespace);
        go(p, OVER);
        p->over = true;
        return;
    }
    if (a->outcome == API_DONE)
        p->view.namespace = json_incref((json_t *)(uintptr_t)a->body);
    else
        preflight_add(&p->findings, "namespace", "%s", a->sentence);
    go(p, LEASE);
}

static const char netem_wants[] =
    "--netem-agents needs NET_ADMIN in endpoint pods, so a namespace with the label "
    "pod-security.kubernetes.io/enforce=privileged: kubectl apply -k harness/deploy/netem-canary "
    "makes one";

static void dry_ran(struct preflight *p, const struct api_answer *a)
{
    const json_t *object = json_array_get(p->view.objects, p->at);
    /* Rights that are missing were said already, once. */
    if (a->outcome == API_DONE && strcmp(body_text(object, "kind"), "Pod") == 0)
        json_array_append(p->view.dry_pods, (json_t *)(uintptr_t)a->body);
    else if (a->outcome == API_POD_SECURITY && p->view.run->netem)
        preflight_add(&p->findings, "dry_run", "%s; %s", a->sentence, netem_wants);
    else if (a->outcome != API_DONE && (a->outcome != API_FORBIDDEN || p->missing_count == 0))
        preflight_add(&p->findings, "dry_run", "%s %s: %s", body_text(object, "kind"),
                      name_of(object), a->sentence);
    p->at++;
}

static void answer(struct chore *c, uint64_t now_ns, const struct api_answer *a)
{
    struct preflight *p = of(c);
    const struct preflight_right *right;
    (void)now_ns;
    if (no_answer(a)) {
        stop(p, a);
        return;
    }
    switch ((enum doing)p->doing) {
    case VERSION:
        snprintf(p->server_version, sizeof(p->server_version), "%s",
                 body_text(a->body, "gitVersion"));
        go(p, RULES);
        return;
    case RULES:
        /* Without an answer each right is asked for by itself. */
        p->rules = a->outcome == API_DONE ? json_incref((json_t *)(uintptr_t)a->body) : NULL;
        go(p, REVIEWS);
        return;
    case REVIEWS:
        right = next_review(p);
        if (a->outcome != API_DONE)
            stop(p, a);
        else if (!preflight_allowed(a->body))
            p->missing[p->missing_count++] = right;
        p->at++;
        return;
    case NAMESPACE:
        has_namespace(p, a);
        return;
    case LEASE:
        if (a->outcome == API_DONE)
            json_array_append(p->leases, (json_t *)(uintptr_t)a->body);
        else
            json_array_append_new(p->leases, json_null());
        p->at++;
        return;
    case LISTS:
        right = next_list(p);
        if (a->outcome == API_DONE)
            p->view.lists[right->gvr] = json_incref((json_t *)(uintptr_t)a->body);
        else if (a->outcome != API_NO_KIND && a->outcome != API_NOT_FOUND)
            preflight_add(&p->findings, "right", "%s", a->sentence);
        p->at++;
        return;
    case DRY_RUNS:
        dry_ran(p, a);
        return;
    case OVER:
        break;
    }
    UNREACHABLE();
}

void preflight_init(struct preflight *p, const struct objects_run *run,
                    const struct objects_service *services, size_t service_count, bool edits,
                    uint32_t share_ppm, const json_t *objects)
{
    *p = (struct preflight){.chore = {next, answer},
                            .services = services,
                            .service_count = service_count,
                            .leases = json_array(),
                            .view = {.run = run,
                                     .edits = edits,
                                     .share_ppm = share_ppm,
                                     .controlled = true,
                                     .objects = objects}};
    p->view.dry_pods = json_array();
}

void preflight_release(struct preflight *p)
{
    json_decref(p->body);
    json_decref(p->rules);
    json_decref(p->leases);
    preflight_view_release(&p->view);
    preflight_findings_release(&p->findings);
    *p = (struct preflight){0};
}
