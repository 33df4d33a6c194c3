#include "kube/api_inside.h"

#include "base/clock.h"
#include "kube/objects.h"

#include <stdlib.h>

/* --- what is asked --- */

static bool part_ok(const char *part)
{
    return part == NULL || (*part != '\0' && strcmp(part, ".") != 0 && strcmp(part, "..") != 0 &&
                            strspn(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789-._:") == strlen(part));
}

static char *query_of(const struct api_request *r)
{
    struct text t;
    text_init(&t, 16 * 1024);
    if (r->verb == API_LIST) {
        text_add(&t, "limit=%u", API_PAGE);
        if (r->selector != NULL) {
            char *coded = curl_easy_escape(NULL, r->selector, 0);
            text_add(&t, "&labelSelector=%s", coded);
            curl_free(coded);
        }
    } else if (r->verb != API_GET && r->verb != API_DELETE) {
        text_add(&t, "fieldManager=meshproof");
        if (r->verb == API_POST || r->verb == API_PUT)
            text_add(&t, "&fieldValidation=Strict");
    }
    if (r->dry_run && r->verb != API_DELETE)
        text_add(&t, "&dryRun=All");
    /* Half a selector would be another one: it is not sent. */
    if (t.full) {
        text_release(&t);
        return NULL;
    }
    return t.at != NULL ? text_take(&t) : check_strdup("");
}

static char *body_of(const struct api_request *r)
{
    if (r->verb != API_DELETE)
        return r->body != NULL ? json_dumps(r->body, JSON_COMPACT) : NULL;
    json_t *options =
        json_pack("{s:s, s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "DeleteOptions",
                  "propagationPolicy", "Background", "preconditions", "uid", r->uid);
    if (r->version != NULL)
        json_object_set_new(json_object_get(options, "preconditions"), "resourceVersion",
                            json_string(r->version));
    if (r->dry_run)
        json_object_set_new(options, "dryRun", json_pack("[s]", "All"));
    char *text = json_dumps(options, JSON_COMPACT);
    json_decref(options);
    return text;
}

static const char *copied(const char *text)
{
    return text != NULL ? check_strdup(text) : NULL;
}

static struct api_call *call_new(struct api *a, const struct api_request *r)
{
    struct api_call *c = check_alloc_zero(1, sizeof(*c));
    struct text path;
    c->api = a;
    c->request = *r;
    c->request.path = copied(r->path);
    c->request.namespace = copied(r->namespace);
    c->request.name = copied(r->name);
    c->request.subresource = copied(r->subresource);
    c->request.selector = c->request.uid = c->request.version = NULL;
    c->request.body = NULL;
    /* A POST's name is its object's. */
    const char *named =
        json_string_value(json_object_get(json_object_get(r->body, "metadata"), "name"));
    if (r->verb == API_POST && r->name == NULL)
        c->request.name = copied(named);
    text_init(&path, 4096);
    if (r->gvr != NULL)
        gvr_path(r->gvr, r->namespace, r->name, r->subresource, &path);
    else
        text_add(&path, "%s", r->path);
    c->path = text_take(&path);
    c->query = query_of(r);
    c->body = body_of(r);
    buffer_init(&c->received, API_BODY_MOST_BYTES);
    return c;
}

static void call_free(struct api_call *c)
{
    free((char *)(uintptr_t)c->request.path);
    free((char *)(uintptr_t)c->request.namespace);
    free((char *)(uintptr_t)c->request.name);
    free((char *)(uintptr_t)c->request.subresource);
    free(c->path);
    free(c->query);
    if (c->body != NULL)
        explicit_bzero(c->body, strlen(c->body));
    free(c->body);
    buffer_release(&c->received);
    json_decref(c->list);
    free(c->continues);
    free(c);
}

static void unlink_call(struct api_call *c)
{
    struct api_call **at = &c->api->calls;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->api->call_count--;
}

/* --- what comes after a try --- */

static void give(struct api_call *c, struct api_answer *answer)
{
    unlink_call(c);
    answer->tries = c->tries;
    c->on_answer(c->cookie, answer);
    call_free(c);
}

/* Over without a word of the server's. */
static void give_up(struct api_call *c, enum api_outcome outcome, const char *sentence)
{
    give(c, &(struct api_answer){.outcome = outcome, .sentence = sentence});
}

static void again_at(struct api_call *c, uint64_t at_ns)
{
    c->at_ns = at_ns;
}

static bool try_again(struct api_call *c)
{
    if (c->request.once || c->tries >= API_TRIES_MOST || !throttle_retry(&c->api->throttle))
        return false;
    again_at(c, clock_now_ns() + throttle_wait_ns(&c->api->throttle, c->tries, c->after_ns));
    return true;
}

/* A second of them may make a second object, or say that the first one exists already. */
static bool makes(const struct api_call *c)
{
    return c->request.verb == API_POST && !c->request.dry_run && c->request.name != NULL &&
           c->request.subresource == NULL;
}

/* Looks by name whether a POST whose answer was lost has made the object. */
static void look(struct api_call *c)
{
    c->looking = true;
    c->tries = 0;
    again_at(c, clock_now_ns());
}

static void no_answer(struct api_call *c, CURLcode code)
{
    struct text why;
    bool final, sent;
    text_init(&why, ANSWER_SENTENCE_MOST_BYTES);
    transfer_failure(c, code, &final, &sent, &why);
    transfer_end(c);
    if (!final && sent && makes(c) && !c->looking && !c->request.once)
        look(c);
    else if (final || (sent && makes(c) && !c->looking) || !try_again(c))
        give_up(c,
                code == CURLE_WRITE_ERROR || code == CURLE_FILESIZE_EXCEEDED ? API_BAD_ANSWER
                                                                             : API_UNREACHABLE,
                text_get(&why));
    text_release(&why);
}

static void say(struct api_call *c, enum api_outcome outcome, uint32_t status, const json_t *body)
{
    struct credentials_view view;
    struct text sentence;
    credentials_view(c->api->credentials, &view);
    struct answer_asked asked = {.request = &c->request,
                                 .account = view.account,
                                 .mode = c->api->mode,
                                 .run = c->api->run,
                                 .namespace = view.namespace,
                                 .in_cluster = view.in_cluster,
                                 .overloaded = c->overloaded,
                                 .took_ns = clock_now_ns() - c->first_ns};
    text_init(&sentence, ANSWER_SENTENCE_MOST_BYTES);
    answer_sentence(outcome, &asked, status, body, &sentence);
    give(c,
         &(struct api_answer){
             .outcome = outcome, .status = status, .body = body, .sentence = text_get(&sentence)});
    text_release(&sentence);
}

/* The object of a lost POST: there and ours, there and another's, or not there. */
static void looked(struct api_call *c, enum api_outcome outcome, uint32_t status,
                   const json_t *body)
{
    const char *run = objects_run_of(body);
    if (outcome == API_NOT_FOUND) {
        give_up(c, API_UNREACHABLE,
                "the answer to a POST was lost, and its object is not there: whether it will be is "
                "not known");
    } else if (outcome != API_DONE) {
        say(c, outcome, status, body);
    } else if (c->api->run != NULL && run != NULL && strcmp(run, c->api->run) == 0) {
        give(c, &(struct api_answer){.outcome = API_DONE,
                                     .status = status,
                                     .body = body,
                                     .sentence = "",
                                     .found_again = true});
    } else {
        say(c, API_EXISTS, 409, NULL);
    }
}

static void listed(struct api_call *c, uint32_t status, json_t *take_body)
{
    struct text why;
    text_init(&why, 400);
    switch (list_page(c, take_body, &why)) {
    case LIST_MORE:
        c->tries = 0;
        again_at(c, clock_now_ns());
        break;
    case LIST_WHOLE:
        give(c, &(struct api_answer){
                    .outcome = API_DONE, .status = status, .body = c->list, .sentence = ""});
        break;
    case LIST_BAD:
        give_up(c, API_BAD_ANSWER, text_get(&why));
        break;
    }
    text_release(&why);
}

static void answered(struct api_call *c, uint32_t status)
{
    json_t *body = json_loadb((const char *)c->received.at, c->received.len, 0, NULL);
    enum api_outcome outcome = answer_outcome(status, body);
    if (outcome == API_DONE && body == NULL && c->received.len > 0)
        outcome = API_BAD_ANSWER;
    if (outcome != API_OVERLOADED)
        throttle_answered(&c->api->throttle);
    if (outcome == API_UNAUTHORISED && !c->refreshed) {
        c->refreshed = true;
        again_at(c, clock_now_ns());
    } else if (outcome == API_OVERLOADED) {
        c->overloaded++;
        /* 429 was turned away at the door; behind a 5xx the object may have been made. */
        c->unsure = c->unsure || status != 429;
        if (!try_again(c))
            say(c, outcome, status, body);
    } else if (c->looking) {
        looked(c, outcome, status, body);
    } else if (outcome == API_EXISTS && makes(c) && (c->unsure || c->sends > 1)) {
        look(c);
    } else if (c->request.verb == API_LIST && outcome == API_EXPIRED && list_again(c)) {
        again_at(c, clock_now_ns());
    } else if (c->request.verb == API_LIST && outcome == API_DONE) {
        listed(c, status, json_incref(body));
    } else {
        say(c, outcome, status, body);
    }
    json_decref(body);
}

static void note(struct api_call *c, uint32_t status)
{
    struct api *a = c->api;
    struct text path;
    long connects = 0;
    curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &connects);
    a->connects += (uint64_t)connects;
    if (a->on_record == NULL)
        return;
    text_init(&path, 8192);
    text_add(&path, "%s%s%s", c->path, c->looking ? "/" : "", c->looking ? c->request.name : "");
    if (!c->looking && *c->query != '\0')
        text_add(&path, "?%s", c->query);
    struct api_record record = {.verb = c->looking ? "GET" : answer_method(c->request.verb),
                                .path = text_get(&path),
                                .status = status,
                                .start_ns = c->start_ns,
                                .took_ns = clock_now_ns() - c->start_ns,
                                .connects = a->connects};
    a->on_record(a->cookie, &record);
    text_release(&path);
}

void api_tried(struct api_call *c, CURLcode code)
{
    long status = 0;
    if (code == CURLE_OK)
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    note(c, (uint32_t)status);
    if (code != CURLE_OK) {
        no_answer(c, code);
        return;
    }
    transfer_end(c);
    answered(c, (uint32_t)status);
}

/* --- whose turn it is --- */

/* The next to begin, urgent ones first; NULL: none. ${wake_ns} is lowered to the next that waits.
 */
static struct api_call *pick(struct api *a, uint64_t now_ns, uint64_t *wake_ns)
{
    struct api_call *found = NULL;
    for (struct api_call *c = a->calls; c != NULL; c = c->next) {
        if (c->easy != NULL)
            continue;
        if (a->active[0] != NULL && (!c->request.urgent || a->active[1] != NULL))
            continue;
        if (c->at_ns > now_ns)
            *wake_ns = c->at_ns < *wake_ns ? c->at_ns : *wake_ns;
        else if (found == NULL || (c->request.urgent && !found->request.urgent))
            found = c;
    }
    return found;
}

uint64_t api_turn(struct api *a)
{
    struct api_call *c;
    uint64_t wake = UINT64_MAX, now = clock_now_ns();
    while ((c = pick(a, now, &wake)) != NULL) {
        struct error err = {0};
        uint64_t next = throttle_next_ns(&a->throttle, now);
        if (next > now)
            return next < wake ? next : wake;
        throttle_take(&a->throttle, now);
        if (c->refused != NULL)
            give_up(c, API_NOT_SENT, c->refused);
        else if (!transfer_begin(c, a->active[0] == NULL ? 0 : 1, &err))
            give_up(c, API_NOT_SENT, err.text);
        wake = UINT64_MAX;
    }
    return wake;
}

static const char *refusal(const struct api *a, const struct api_call *c)
{
    const struct api_request *r = &c->request;
    if (a->call_count > API_WAITING_MOST)
        return "more than 512 calls of the API server are waiting";
    if (!part_ok(r->namespace) || !part_ok(r->name) || !part_ok(r->subresource))
        return "a name for the API server has other characters than a name may have";
    if (c->query == NULL)
        return "a label selector for the API server has more than 16 KiB";
    if (c->body != NULL && strlen(c->body) > API_SENT_MOST_BYTES)
        return "a request to the API server has more than 2 MiB";
    return NULL;
}

struct api_call *api_start(struct api *a, const struct api_request *request,
                           void (*on_answer)(void *cookie, const struct api_answer *answer),
                           void *cookie)
{
    INVARIANT(request->gvr != NULL || request->path != NULL);
    INVARIANT(request->verb != API_DELETE || request->uid != NULL);
    INVARIANT(request->verb != API_POST || request->name == NULL || request->subresource != NULL);
    struct api_call *c = call_new(a, request), **at = &a->calls;
    c->on_answer = on_answer;
    c->cookie = cookie;
    while (*at != NULL)
        at = &(*at)->next;
    *at = c;
    a->call_count++;
    c->refused = refusal(a, c);
    pump_wake(a, clock_now_ns());
    return c;
}

void api_cancel(struct api_call *c)
{
    transfer_end(c);
    unlink_call(c);
    pump_wake(c->api, clock_now_ns());
    call_free(c);
}
