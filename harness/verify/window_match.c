/* `match` of an expectation (scenario-language.md 1.4): which requests it speaks of, by what a
 * journal tells of one. plan_check refuses the keys that it does not tell. */
#include "verify/window.h"

/* A value of a match, one text or a list (or). */
static bool one_of(const json_t *want, const char *text)
{
    size_t i;
    const json_t *each;
    if (json_is_string(want))
        return text_glob(bytes_of(text), bytes_of(json_string_value(want)));
    json_array_foreach(want, i, each)
    {
        if (json_is_string(each) && text_glob(bytes_of(text), bytes_of(json_string_value(each))))
            return true;
    }
    return false;
}

static const char *verb_print(uint32_t verb)
{
    static const char *const names[] = {"",       "GET",   "HEAD",    "POST",   "PUT",
                                        "DELETE", "PATCH", "OPTIONS", "CONNECT"};
    return verb < COUNT_OF(names) ? names[verb] : "";
}

/* "shop.Payments/Charge" of a call's path; any other call has none. */
static bool is_call(const struct window *w, const struct request *r, const json_t *want)
{
    const char *path = journal_name(w->journal, r->r->path);
    return w->grpc && path[0] == '/' && one_of(want, path + 1);
}

/* 503, or "5xx": of the answer that the client got. */
static bool has_status(uint16_t status, const json_t *want)
{
    if (json_is_integer(want))
        return json_integer_value(want) == status;
    const char *class = json_string_value(want);
    return class != NULL && status / 100 == class[0] - '0';
}

/* The caller stands left in the edge's name. */
static bool is_from(const struct window *w, const struct request *r, const json_t *want)
{
    char caller[160];
    const char *edge = journal_name(w->journal, r->r->edge), *arrow = strstr(edge, " -> ");
    size_t len = arrow == NULL ? 0 : (size_t)(arrow - edge);
    if (len == 0 || len >= sizeof(caller))
        return false;
    memcpy(caller, edge, len);
    caller[len] = '\0';
    return one_of(want, caller);
}

static bool speaks(const struct window *w, const struct request *r, const json_t *want)
{
    const char *declared = window_protocol(w);
    if (strcmp(declared, "tcp") == 0)
        return one_of(want, declared);
    if (strcmp(declared, "grpc") == 0 && one_of(want, declared))
        return true;
    return one_of(want, r->r->protocol == REQUEST_HTTP2 ? "http2" : "http1");
}

bool window_matches(const struct window *w, const struct request *r)
{
    const json_t *match = w->match;
    if (match == NULL)
        return true;
    const json_t *tag = json_object_get(match, "tag"), *method = json_object_get(match, "method"),
                 *path = json_object_get(match, "path"), *grpc = json_object_get(match, "grpc"),
                 *status = json_object_get(match, "status"), *from = json_object_get(match, "from"),
                 *protocol = json_object_get(match, "protocol");
    return (tag == NULL || one_of(tag, journal_name(w->journal, r->r->tag))) &&
           (method == NULL || one_of(method, verb_print(r->r->verb))) &&
           (path == NULL || one_of(path, journal_name(w->journal, r->r->path))) &&
           (grpc == NULL || is_call(w, r, grpc)) &&
           (status == NULL || has_status(r->r->status, status)) &&
           (from == NULL || is_from(w, r, from)) && (protocol == NULL || speaks(w, r, protocol));
}
