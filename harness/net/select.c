#include "net/select.h"

#include "base/text.h"

struct bytes select_path(struct bytes target)
{
    size_t query = bytes_find(target, '?');
    if (query != SIZE_MAX)
        target.len = query;
    return target;
}

static bool one_of(struct bytes of, const char *const *globs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text_glob(of, bytes_of(globs[i])))
            return true;
    }
    return count == 0;
}

static bool header_holds(struct fields fields, const struct match_pair *pair)
{
    struct bytes name = bytes_of(pair->name), glob = bytes_of(pair->glob);
    for (size_t i = 0; i < fields.count; i++) {
        if (bytes_equal_nocase(fields.at[i].name, name) && text_glob(fields.at[i].value, glob))
            return true;
    }
    return false;
}

/* As sent: no percent-decoding, so that a suite matches what is on the wire. */
static bool query_holds(struct bytes target, const struct match_pair *pair)
{
    struct bytes name = bytes_of(pair->name), glob = bytes_of(pair->glob);
    size_t from = bytes_find(target, '?');
    while (from != SIZE_MAX && from < target.len) {
        struct bytes rest = {target.at + from + 1, target.len - from - 1};
        size_t end = bytes_find(rest, '&');
        struct bytes part = {rest.at, end == SIZE_MAX ? rest.len : end};
        size_t equals = bytes_find(part, '=');
        struct bytes key = {part.at, equals == SIZE_MAX ? part.len : equals};
        struct bytes value = {part.at + part.len, 0};
        if (equals != SIZE_MAX)
            value = (struct bytes){part.at + equals + 1, part.len - equals - 1};
        if (bytes_equal(key, name) && text_glob(value, glob))
            return true;
        from = end == SIZE_MAX ? SIZE_MAX : from + 1 + end;
    }
    return false;
}

static bool attempt_holds(const struct match *m, uint32_t attempt)
{
    if (m->attempt_least == 0 && m->attempt_most == 0)
        return true;
    return attempt >= m->attempt_least && attempt <= m->attempt_most;
}

/* "/shop.Payments/Charge" is "shop.Payments/Charge". */
static bool grpc_holds(const struct match *m, const struct select_view *seen)
{
    struct bytes name = select_path(seen->target);
    if (m->grpc_count == 0)
        return true;
    if ((seen->protocols & MATCH_GRPC) == 0 || name.len == 0 || name.at[0] != '/')
        return false;
    return one_of((struct bytes){name.at + 1, name.len - 1}, m->grpcs, m->grpc_count);
}

bool select_request(const struct match *m, const struct select_view *seen)
{
    if (m->protocols != 0 && (m->protocols & seen->protocols) == 0)
        return false;
    if (!grpc_holds(m, seen) || !attempt_holds(m, seen->attempt) ||
        !one_of(seen->tag, m->tags, m->tag_count) || !one_of(seen->from, m->froms, m->from_count) ||
        !one_of(seen->method, m->methods, m->method_count) ||
        !one_of(seen->authority, m->authorities, m->authority_count) ||
        !one_of(select_path(seen->target), m->paths, m->path_count))
        return false;
    for (size_t i = 0; i < m->header_count; i++) {
        if (!header_holds(seen->fields, &m->headers[i]))
            return false;
    }
    for (size_t i = 0; i < m->without_count; i++) {
        if (fields_find(seen->fields, m->without[i]).at != NULL)
            return false;
    }
    for (size_t i = 0; i < m->query_count; i++) {
        if (!query_holds(seen->target, &m->queries[i]))
            return false;
    }
    return true;
}

bool select_status(const struct match *m, uint16_t status)
{
    uint16_t most = m->status_most == 0 ? m->status_least : m->status_most;
    return !select_wants_status(m) || (status >= m->status_least && status <= most);
}

bool select_is_open(const struct match *m)
{
    return m->method_count + m->path_count + m->authority_count + m->without_count + m->tag_count +
                   m->from_count + m->header_count + m->query_count + m->grpc_count ==
               0 &&
           m->protocols == 0 && attempt_holds(m, 0) && !select_wants_status(m);
}
