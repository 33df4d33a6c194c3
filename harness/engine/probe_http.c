#include "engine/probe.h"

#include "base/clock.h"
#include "net/http_client.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/* probe.http and probe.promql: an HTTP/1 GET, and what its answer says. */

#define ANSWER_MOST_BYTES ((size_t)1024 * 1024)
#define PROMETHEUS "MESHPROOF_PROMETHEUS"

struct asker {
    struct http_client *client;
    struct http_call *call;
};

static void add_encoded(struct text *to, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (isalnum(*c) || strchr("-_.~", *c) != NULL)
            text_add(to, "%c", *c);
        else
            text_add(to, "%%%02X", *c);
    }
}

/* "http://host:port/path": the host's port, where it has none, is 80. */
static bool take_url(struct probe *p, const char *url, struct error *err)
{
    static const char scheme[] = "http://";
    char address[256];
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0 || strchr(url, '@') != NULL)
        return error_at(err, p->plan->source, ERROR_INPUT,
                        "the address of a probe must begin with http://, without a user");
    const char *host = url + sizeof(scheme) - 1, *path = host + strcspn(host, "/");
    size_t len = (size_t)(path - host);
    if (len == 0 || len > 200)
        return error_at(err, p->plan->source, ERROR_INPUT, "the address of a probe has no host");
    snprintf(address, sizeof(address), "%.*s", (int)len, host);
    const char *colon = strrchr(address, ':');
    if (colon == NULL || strchr(colon, ']') != NULL)
        snprintf(address + len, sizeof(address) - len, ":80");
    struct text to;
    text_init(&to, sizeof(p->path) - 1);
    text_add(&to, "%s", *path == '\0' && p->plan->kind == PROBE_HTTP ? "/" : path);
    if (p->plan->kind == PROBE_PROMQL) {
        bool slash = to.len > 0 && text_get(&to)[to.len - 1] == '/';
        text_add(&to, "%sapi/v1/query?query=", slash ? "" : "/");
        add_encoded(&to, p->plan->query);
    }
    snprintf(p->path, sizeof(p->path), "%s", text_get(&to));
    bool full = to.full;
    text_release(&to);
    if (full)
        return error_at(err, p->plan->source, ERROR_LIMIT,
                        "the request of a probe is longer than %zu bytes", sizeof(p->path) - 1);
    return probe_resolve(p, address, err);
}

static bool take_token(struct probe *p, struct error *err)
{
    if (p->plan->token == NULL)
        return true;
    p->token = getenv(p->plan->token);
    if (p->token == NULL || p->token[0] == '\0')
        return error_at(err, p->plan->source, ERROR_SYSTEM,
                        "probe.promql: token names the environment variable %.60s, which is unset",
                        p->plan->token);
    for (const char *c = p->token; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f)
            return error_at(err, p->plan->source, ERROR_SYSTEM,
                            "probe.promql: the token in %.60s has a character that no header has",
                            p->plan->token);
    }
    return true;
}

static bool http_open(struct probe *p, struct error *err)
{
    struct asker *a = check_alloc_zero(1, sizeof(*a));
    const char *url = p->plan->url;
    p->own = a;
    if (url == NULL)
        url = getenv(PROMETHEUS);
    if (url == NULL)
        return error_at(err, p->plan->source, ERROR_SYSTEM,
                        "probe.promql has no url, and " PROMETHEUS " is unset");
    return take_url(p, url, err) && take_token(p, err) &&
           http_client_new(p->loop, 1, &a->client, err);
}

static bool number_of(const json_t *value, double *ret)
{
    if (json_is_number(value)) {
        *ret = json_number_value(value);
    } else if (json_is_boolean(value)) {
        *ret = json_is_true(value) ? 1 : 0;
    } else if (json_is_string(value)) {
        char *end = NULL;
        *ret = strtod(json_string_value(value), &end);
        if (end == json_string_value(value) || *end != '\0')
            return false;
    } else {
        return false;
    }
    return isfinite(*ret);
}

/* RFC 6901; keys with ~ or / in them are not told apart from their escapes. */
static const json_t *pointed(const json_t *at, const char *pointer)
{
    char key[256];
    while (at != NULL && *pointer == '/') {
        size_t len = strcspn(++pointer, "/");
        uint64_t index;
        snprintf(key, sizeof(key), "%.*s", (int)(len < sizeof(key) ? len : 0), pointer);
        pointer += len;
        if (json_is_array(at))
            at = bytes_to_u64(bytes_of(key), &index) ? json_array_get(at, (size_t)index) : NULL;
        else
            at = json_object_get(at, key);
    }
    return at;
}

/* A scalar, or a vector of exactly one: "one number" (an average over many is the query's to
 * say). */
static const json_t *of_prometheus(const json_t *answer, const char **ret_why)
{
    const json_t *data = json_object_get(answer, "data"), *result = json_object_get(data, "result");
    const char *type = json_string_value(json_object_get(data, "resultType"));
    *ret_why = "the answer is no result of an instant query";
    if (type != NULL && strcmp(type, "scalar") == 0)
        return json_array_get(result, 1);
    if (type == NULL || strcmp(type, "vector") != 0)
        return NULL;
    if (json_array_size(result) == 1)
        return json_array_get(json_object_get(json_array_get(result, 0), "value"), 1);
    *ret_why = json_array_size(result) == 0 ? "the query has no result"
                                            : "the query has more than one result";
    return NULL;
}

static void tell_json(struct probe *p, const struct http_answer *answer)
{
    double value;
    const char *why = "its JSON pointer names no number";
    json_t *json = json_loadb((const char *)answer->body.at, answer->body.len, 0, NULL);
    const json_t *at = p->plan->kind == PROBE_PROMQL ? of_prometheus(json, &why)
                       : json == NULL                ? NULL
                                                     : pointed(json, p->plan->value);
    bool good = number_of(at, &value);
    if (json == NULL)
        why = "the answer is no JSON";
    json_decref(json);
    if (good)
        probe_answer(p, value);
    else
        probe_missing(p, why);
}

/* In a page a * of the glob is for any text: pages have no segments. */
static bool body_matches(struct bytes body, const char *glob)
{
    struct text wide;
    text_init(&wide, 2 * strlen(glob) + 1);
    for (const char *c = glob; *c != '\0'; c++)
        if (*c != '*' || c[1] != '*') {
            if (*c == '*')
                text_add(&wide, "**");
            else
                text_add(&wide, "%c", *c);
        }
    bool matches = text_glob(body, bytes_of(text_get(&wide)));
    text_release(&wide);
    return matches;
}

static void on_end(void *cookie, struct http_call *call, const struct http_answer *answer)
{
    struct probe *p = cookie;
    struct asker *a = p->own;
    bool numeric = p->plan->kind == PROBE_PROMQL || p->plan->value != NULL;
    uint16_t wanted = p->plan->kind == PROBE_PROMQL ? 200 : p->plan->status;
    bool good = answer->end == HTTP_END_COMPLETE && answer->status == wanted &&
                (p->plan->body == NULL || body_matches(answer->body, p->plan->body));
    (void)call;
    a->call = NULL;
    if (!numeric)
        probe_answer(p, good ? 1 : 0);
    else if (good)
        tell_json(p, answer);
    else
        probe_missing(p, answer->status == 0 ? "no answer" : "another answer than the good one");
}

static void http_ask(struct probe *p)
{
    struct asker *a = p->own;
    struct text head;
    text_init(&head, 16384);
    text_add(&head, "GET %s HTTP/1.1\r\nhost: %s\r\nuser-agent: meshproof\r\naccept: */*\r\n",
             p->path, p->host);
    if (p->token != NULL)
        text_add(&head, "authorization: Bearer %s\r\n", p->token);
    text_add(&head, "\r\n");
    a->call =
        http_client_call(a->client, &(struct http_call_config){.address = p->address,
                                                               .head = bytes_of(text_get(&head)),
                                                               .verb = VERB_GET,
                                                               .body_most_bytes = ANSWER_MOST_BYTES,
                                                               .on_end = on_end,
                                                               .cookie = p});
    text_release(&head);
}

static void http_stop(struct probe *p)
{
    struct asker *a = p->own;
    if (a->call != NULL)
        http_call_cancel(a->call);
    a->call = NULL;
}

static void http_close(struct probe *p)
{
    struct asker *a = p->own;
    if (a == NULL)
        return;
    http_stop(p);
    http_client_free(a->client);
    free(a);
}

const struct probe_ops probe_ops_http = {http_open, http_ask, http_stop, http_close};
