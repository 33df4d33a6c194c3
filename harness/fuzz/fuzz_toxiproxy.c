/* layer: standalone */

/* Bodies of Toxiproxy's API: any bytes as a toxic of a proxy that is there, made, then changed,
 * then taken; and the toxics that come of them on a pipe with bytes in it, in virtual time. No
 * crash, and nothing comes out that did not go in. Input: what is asked (1 byte), then the body. */

#include "base/clock.h"
#include "net/toxic_pipe.h"
#include "standalone/toxi_list.h"
#include "standalone/toxi_routes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct toxi toxi;

static void ask(const char *method, const char *target, struct bytes body)
{
    struct toxi_reply reply = {.status = 200};
    struct http_request request = {
        .method = bytes_of(method), .target = bytes_of(target), .body = body};
    text_init(&reply.text, TOXI_ANSWER_MOST_BYTES);
    toxi_route(&toxi, &request, &reply);
    INVARIANT(reply.status != 500);
    json_decref(reply.json);
    text_release(&reply.text);
}

static void set_up(void)
{
    struct loop *loop;
    struct error err = {0};
    INVARIANT(loop_new(&loop, &err));
    toxi_init(&toxi, proxy_set_new(loop, &(struct proxy_set_config){.seed = 1, .workers = 1}),
              "fuzz");
    ask("POST", "/proxies",
        BYTES("{\"name\":\"p\",\"enabled\":false,\"upstream\":\"127.0.0.1:9\",\"listen\":"
              "\"127.0.0.1:0\"}"));
}

static bool is_ready(void *cookie)
{
    (void)cookie;
    return true;
}

static void put(void *cookie, struct bytes chunk)
{
    size_t *seen = cookie;
    for (size_t i = 0; i < chunk.len; i++)
        INVARIANT(chunk.at[i] == (uint8_t)(*seen)++);
}

static void drive(const json_t *toxics)
{
    uint8_t bytes[1024];
    uint32_t last = 0;
    size_t seen = 0;
    struct toxic_list *list = NULL;
    struct error err = {0};
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    INVARIANT(toxi_list_read(toxics, NULL, &last, &list, &err));
    struct toxic_pipe *p = toxic_pipe_new(SIDE_RESPONSE, list, rng_of(1),
                                          (struct toxic_sink){is_ready, put, &seen}, 0);
    toxic_pipe_feed(p, (struct bytes){bytes, sizeof(bytes)}, 0);
    uint64_t at_ns = 0;
    for (int i = 0; i < 64 && at_ns < UINT64_MAX; i++)
        at_ns = toxic_pipe_run(p, at_ns);
    toxic_pipe_set(p, NULL, at_ns);
    toxic_pipe_end(p, TOXIC_END_FIN);
    (void)toxic_pipe_run(p, at_ns);
    INVARIANT(toxic_pipe_ended(p) != TOXIC_OPEN);
    INVARIANT(toxic_pipe_ended(p) != TOXIC_END_FIN || seen == sizeof(bytes));
    toxic_pipe_free(p);
    toxic_list_release(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 64 * 1024)
        return 0;
    if (toxi.set == NULL)
        set_up();
    struct bytes body = {data + 1, size - 1};
    ask("POST", "/proxies/p/toxics", BYTES("{\"type\":\"slicer\",\"name\":\"s\"}"));
    ask("POST", data[0] % 2 == 0 ? "/proxies/p/toxics" : "/proxies/p/toxics/s", body);
    json_t *described = proxy_set_describe(toxi.set, "p");
    drive(json_object_get(described, "toxics"));
    json_decref(described);
    ask("POST", "/proxies/p", BYTES("{\"enabled\":false}"));
    described = proxy_set_describe(toxi.set, "p");
    json_t *toxics = json_object_get(described, "toxics");
    struct error err = {0};
    json_array_clear(toxics);
    INVARIANT(proxy_set_put(toxi.set, described, &err));
    json_decref(described);
    return 0;
}
