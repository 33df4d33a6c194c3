/* layer: standalone */

/* Any bytes as a request to the REST interface ("METHOD TARGET\n", then the body), and the body as
 * a proxy: no crash, an answer of a known status, errors with a sentence. The set is drained, so
 * nothing is opened. */

#include "base/clock.h"
#include "net/access.h"
#include "standalone/admin_routes.h"
#include "standalone/proxy_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_proxy(struct bytes body)
{
    struct proxy_spec spec;
    struct error err = {0};
    json_t *json = json_loadb((const char *)body.at, body.len, JSON_REJECT_DUPLICATES, NULL);
    bool ok = proxy_spec_read(json, 1 + body.len % 2, &spec, &err);
    INVARIANT(ok ? spec.name != NULL && spec.to != NULL : err.text[0] != '\0');
    proxy_spec_release(&spec);
    json_decref(json);
}

static void ask(struct loop *loop, struct bytes method, struct bytes target, struct bytes body)
{
    static const uint16_t known[] = {200, 201, 204, 400, 404, 405, 409, 414, 503};
    struct proxy_set *set = proxy_set_new(
        loop, &(struct proxy_set_config){.seed = 1, .drain_ns = NS_PER_S, .workers = 1});
    struct admin_server_config config = {.version = "0", .set = set};
    struct admin_reply reply = {.status = 200};
    struct http_request request = {.method = method, .target = target, .body = body};
    bool found = false;
    proxy_set_drain(set, 0, NULL, NULL);
    text_init(&reply.text, ADMIN_ANSWER_MOST_BYTES);
    admin_route(&config, &request, &reply);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        found = found || known[i] == reply.status;
    INVARIANT(found);
    INVARIANT(reply.status < 400 || json_is_string(json_object_get(reply.json, "error")));
    json_decref(reply.json);
    text_release(&reply.text);
    proxy_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loop *loop;
    struct bytes in = {data, size}, line, body = {0};
    struct error err = {0};
    if (loop == NULL)
        INVARIANT(loop_new(&loop, &err));
    size_t end = bytes_find(in, '\n'), space;
    line = (struct bytes){data, end == SIZE_MAX ? size : end};
    if (end != SIZE_MAX)
        body = (struct bytes){data + end + 1, size - end - 1};
    space = bytes_find(line, ' ');
    if (space == SIZE_MAX)
        return 0;
    struct field field = {BYTES("host"), (struct bytes){line.at, space}};
    const char *why = NULL;
    (void)access_check((struct fields){&field, 1}, NULL, &why);
    ask(loop, (struct bytes){line.at, space},
        (struct bytes){line.at + space + 1, line.len - space - 1}, body);
    read_proxy(body);
    return 0;
}
