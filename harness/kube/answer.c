#include "kube/answer.h"

#include "base/clock.h"
#include "base/units.h"
#include "kube/body.h"

const char *answer_verb(enum api_verb verb)
{
    switch (verb) {
    case API_GET:
        return "get";
    case API_LIST:
        return "list";
    case API_POST:
        return "create";
    case API_PUT:
        return "update";
    case API_PATCH_MERGE:
    case API_PATCH_STRATEGIC:
        return "patch";
    case API_DELETE:
        return "delete";
    }
    UNREACHABLE();
}

const char *answer_method(enum api_verb verb)
{
    switch (verb) {
    case API_GET:
    case API_LIST:
        return "GET";
    case API_POST:
        return "POST";
    case API_PUT:
        return "PUT";
    case API_PATCH_MERGE:
    case API_PATCH_STRATEGIC:
        return "PATCH";
    case API_DELETE:
        return "DELETE";
    }
    UNREACHABLE();
}

/* The server knows nothing of the path: its text is no Status, or one that names no object. */
static bool no_kind(const json_t *body)
{
    const json_t *details = json_object_get(body, "details");
    return *body_text(details, "name") == '\0';
}

enum api_outcome answer_outcome(uint32_t status, const json_t *body)
{
    if (status >= 200 && status < 300)
        return API_DONE;
    if (status == 401)
        return API_UNAUTHORISED;
    if (status == 403)
        return strstr(body_text(body, "message"), "violates PodSecurity") != NULL ? API_POD_SECURITY
                                                                                  : API_FORBIDDEN;
    if (status == 404)
        return no_kind(body) ? API_NO_KIND : API_NOT_FOUND;
    if (status == 409)
        return strcmp(body_text(body, "reason"), "AlreadyExists") == 0 ? API_EXISTS : API_CONFLICT;
    if (status == 410)
        return API_EXPIRED;
    if (status == 429 || status == 500 || (status >= 502 && status <= 504))
        return API_OVERLOADED;
    if (status >= 400)
        return API_INVALID;
    /* 1xx are curl's, and 3xx are not followed: whoever redirects is no API server. */
    return API_BAD_ANSWER;
}

/* The server's text, in one line, without what a terminal would obey. */
static void add_theirs(struct text *to, const char *theirs)
{
    size_t from = to->len;
    text_add(to, "%.2000s", theirs);
    for (size_t i = from; i < to->len; i++)
        if ((unsigned char)to->at[i] < 0x20 || to->at[i] == 0x7f)
            to->at[i] = to->at[i] == '\n' ? ' ' : '?';
}

static void add_message(struct text *to, uint32_t status, const json_t *body)
{
    const char *message = body_text(body, "message");
    if (*message == '\0')
        text_add(to, "the API server answered %u without a word", (unsigned)status);
    else
        add_theirs(to, message);
}

static const char *namespace_of(const struct answer_asked *asked)
{
    return asked->request->namespace != NULL ? asked->request->namespace : asked->namespace;
}

/* "system:serviceaccount:meshproof:meshproof-conductor" in the server's words is the account, for a
 * run from outside has whatever user it has. */
static void add_account(struct text *to, const struct answer_asked *asked, const char *message)
{
    const char *user = strstr(message, "User \"");
    struct bytes who = bytes_of(asked->account);
    if (user != NULL) {
        who = bytes_of(user + 6);
        who.len = strcspn(user + 6, "\"");
    }
    if (bytes_starts(who, BYTES("system:serviceaccount:")))
        for (size_t at; (at = bytes_find(who, ':')) != SIZE_MAX;)
            who = (struct bytes){who.at + at + 1, who.len - at - 1};
    char name[200];
    snprintf(name, sizeof(name), "%.*s", (int)(who.len < 199 ? who.len : 199),
             (const char *)who.at);
    add_theirs(to, name);
}

static void forbidden(const struct answer_asked *asked, uint32_t status, const json_t *body,
                      struct text *to)
{
    const struct api_request *r = asked->request;
    const char *message = body_text(body, "message"), *verb = answer_verb(r->verb);
    char what[160];
    /* A quota, a namespace that ends, an admission rule: the server's own words are the best. */
    if (r->gvr == NULL || strstr(message, " cannot ") == NULL) {
        add_message(to, status, body);
        return;
    }
    snprintf(what, sizeof(what), "%s%s%s", r->gvr->resource, r->subresource != NULL ? "/" : "",
             r->subresource != NULL ? r->subresource : "");
    add_account(to, asked, message);
    text_add(to, " may not %s %s", verb, what);
    if (r->gvr->namespaced)
        text_add(to, " in %s", namespace_of(asked));
    text_add(to, "; add to %s meshproof-%s: - {apiGroups: ['%s'], resources: [%s], verbs: [%s]}",
             r->gvr->namespaced ? "role" : "cluster role",
             r->gvr->namespaced ? (asked->mode != NULL ? asked->mode : "observe") : "namespaces",
             r->gvr->group, what, verb);
}

static void pod_security(const struct answer_asked *asked, const json_t *body, struct text *to)
{
    static const char *const injected[] = {"istio-init", "istio-validation", "istio-proxy",
                                           "linkerd-init", "linkerd-proxy"};
    const char *message = body_text(body, "message");
    const char *level = strstr(message, "violates PodSecurity \"");
    char enforced[40] = "restricted";
    if (level != NULL) {
        level += strlen("violates PodSecurity \"");
        snprintf(enforced, sizeof(enforced), "%.*s", (int)strcspn(level, ":\""), level);
    }
    /* What comes after `"restricted:latest": ` is the list of fields. */
    const char *fields = level != NULL ? strstr(level, "\": ") : NULL;
    text_add(to, "namespace %s enforces %s and pod %s breaks it: ", namespace_of(asked), enforced,
             *body_text(json_object_get(body, "details"), "name") != '\0'
                 ? body_text(json_object_get(body, "details"), "name")
                 : "of the run");
    add_theirs(to, fields != NULL ? fields + 3 : message);
    for (size_t i = 0; i < COUNT_OF(injected); i++)
        if (strstr(message, injected[i]) != NULL) {
            text_add(to, ": container %s is the mesh's: install the mesh's CNI plug-in",
                     injected[i]);
            return;
        }
}

static void no_kind_sentence(const struct answer_asked *asked, struct text *to)
{
    const struct gvr *g = asked->request->gvr;
    char version[96];
    if (g == NULL) {
        text_add(to, "the API server has no %.200s", asked->request->path);
        return;
    }
    text_add(to, "the cluster has no %s %s", g->kind, gvr_api_version(g, version, sizeof(version)));
    if (*g->install != '\0')
        text_add(to, ": install %s", g->install);
}

static void invalid(uint32_t status, const json_t *body, struct text *to)
{
    const json_t *causes = json_object_get(json_object_get(body, "details"), "causes"), *cause;
    size_t i, said = 0;
    json_array_foreach(causes, i, cause)
    {
        const char *field = body_text(cause, "field"), *message = body_text(cause, "message");
        if (*field == '\0' && *message == '\0')
            continue;
        text_add(to, "%s", said > 0 ? "\n" : "");
        if (said++ == ANSWER_CAUSES_MOST) {
            text_add(to, "and %zu more", json_array_size(causes) - i);
            return;
        }
        add_theirs(to, field);
        text_add(to, "%s", *field != '\0' ? ": " : "");
        add_theirs(to, message);
    }
    if (said == 0)
        add_message(to, status, body);
}

static void overloaded(const struct answer_asked *asked, uint32_t status, struct text *to)
{
    char took[32];
    text_add(to, "the API server is overloaded (%u answer%s of %u in %s)", asked->overloaded,
             asked->overloaded == 1 ? "" : "s", (unsigned)status,
             units_print_duration(asked->took_ns / NS_PER_MS * NS_PER_MS, took, sizeof(took)));
}

void answer_sentence(enum api_outcome outcome, const struct answer_asked *asked, uint32_t status,
                     const json_t *body, struct text *to)
{
    switch (outcome) {
    case API_DONE:
    case API_UNREACHABLE:
    case API_NOT_SENT:
        return;
    case API_UNAUTHORISED:
        text_add(to, "the %s refused: expired, or the account was deleted",
                 asked->in_cluster ? "service account token was" : "kubeconfig's credentials were");
        return;
    case API_FORBIDDEN:
        forbidden(asked, status, body, to);
        return;
    case API_POD_SECURITY:
        pod_security(asked, body, to);
        return;
    case API_NO_KIND:
        no_kind_sentence(asked, to);
        return;
    case API_EXISTS:
        if (asked->run != NULL) {
            text_add(to, "run %s exists already: meshproof recover --on kubernetes -n %s --run %s",
                     asked->run, namespace_of(asked), asked->run);
            return;
        }
        add_message(to, status, body);
        return;
    case API_INVALID:
        invalid(status, body, to);
        return;
    case API_OVERLOADED:
        overloaded(asked, status, to);
        return;
    case API_BAD_ANSWER:
        text_add(to, "the API server answered %u, with what is no answer of an API server",
                 (unsigned)status);
        return;
    case API_NOT_FOUND:
    case API_CONFLICT:
    case API_EXPIRED:
        add_message(to, status, body);
        return;
    }
    UNREACHABLE();
}

uint64_t answer_retry_after_ns(struct bytes value)
{
    uint64_t seconds;
    if (!bytes_to_u64(bytes_trim(value), &seconds))
        return 0;
    return (seconds < 86400 ? seconds : 86400) * NS_PER_S;
}
