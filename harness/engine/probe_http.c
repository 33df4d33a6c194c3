#include "engine/probe.h"

#include "base/clock.h"
#include "net/web.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* probe.http and probe.promql: a GET over HTTP/1.1, plain or TLS, and what its answer says. */

#define ANSWER_MOST_BYTES ((size_t)1024 * 1024)
#define PROMETHEUS "MESHPROOF_PROMETHEUS"

struct asker {
    struct web *web;
    char url[2400], why[160];
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

/* "/path?query" of the request. */
static bool add_path(const struct probe *p, const char *path, struct text *to)
{
    text_add(to, "%s", *path == '\0' && p->plan->kind == PROBE_HTTP ? "/" : path);
    if (p->plan->kind == PROBE_PROMQL) {
        bool slash = to->len > 0 && text_get(to)[to->len - 1] == '/';
        text_add(to, "%sapi/v1/query?query=", slash ? "" : "/");
        add_encoded(to, p->plan->query);
    }
    return !to->full;
}

/* "https://host:port/path"; the host's address is asked for here, once. */
static bool take_url(struct probe *p, const char *url, struct error *err)
{
    struct asker *a = p->own;
    char address[256];
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    if (scheme == 0 || strchr(url, '@') != NULL)
        return error_at(
            err, p->plan->source, ERROR_INPUT,
            "the address of a probe must begin with http:// or https://, without a user");
    const char *host = url + scheme, *path = host + strcspn(host, "/");
    size_t len = (size_t)(path - host);
    if (len == 0 || len > 200)
        return error_at(err, p->plan->source, ERROR_INPUT, "the address of a probe has no host");
    snprintf(address, sizeof(address), "%.*s", (int)len, host);
    const char *colon = strrchr(address, ':');
    if (colon == NULL || strchr(colon, ']') != NULL)
        snprintf(address + len, sizeof(address) - len, scheme == 7 ? ":80" : ":443");
    struct text to;
    text_init(&to, sizeof(a->url) - 1);
    text_add(&to, "%.*s%.*s", (int)scheme, url, (int)len, host);
    bool fits = add_path(p, path, &to);
    snprintf(a->url, sizeof(a->url), "%s", text_get(&to));
    text_release(&to);
    if (!fits)
        return error_at(err, p->plan->source, ERROR_LIMIT,
                        "the request of a probe is longer than %zu bytes", sizeof(a->url) - 1);
    return probe_resolve(p, address, err);
}

static bool take_ca(const struct probe *p, struct error *err)
{
    return p->plan->ca == NULL || access(p->plan->ca, R_OK) == 0 ||
           error_at(err, p->plan->source, ERROR_SYSTEM, "probe.http: ca: %.120s cannot be read",
                    p->plan->ca);
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
    return take_url(p, url, err) && take_token(p, err) && take_ca(p, err) &&
           web_new(p->loop, &a->web, err);
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

static void tell_json(struct probe *p, const struct web_answer *answer)
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

static void on_end(void *cookie, const struct web_answer *answer)
{
    struct probe *p = cookie;
    struct asker *a = p->own;
    bool numeric = p->plan->kind == PROBE_PROMQL || p->plan->value != NULL;
    uint16_t wanted = p->plan->kind == PROBE_PROMQL ? 200 : p->plan->status;
    bool good = answer->status == wanted &&
                (p->plan->body == NULL || body_matches(answer->body, p->plan->body));
    snprintf(a->why, sizeof(a->why), "%s", answer->why);
    if (answer->refused) /* it may be well: it is we who do not trust it */
        probe_missing(p, a->why);
    else if (!numeric)
        probe_answer(p, good ? 1 : 0);
    else if (good)
        tell_json(p, answer);
    else
        probe_missing(p, answer->status == 0 ? "no answer" : "another answer than the good one");
}

static void http_ask(struct probe *p)
{
    struct asker *a = p->own;
    web_start(a->web,
              &(struct web_ask){.url = a->url,
                                .address = p->address,
                                .token = p->token,
                                .ca = p->plan->ca,
                                .within_ns = p->plan->timeout_ns + NS_PER_S, /* ours is first */
                                .body_most_bytes = ANSWER_MOST_BYTES},
              on_end, p);
}

static void http_stop(struct probe *p)
{
    struct asker *a = p->own;
    if (a->web != NULL)
        web_cancel(a->web);
}

static void http_close(struct probe *p)
{
    struct asker *a = p->own;
    if (a == NULL)
        return;
    web_free(a->web);
    free(a);
}

const struct probe_ops probe_ops_http = {http_open, http_ask, http_stop, http_close};
