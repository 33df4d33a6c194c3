#include "mesh/envoy_cut.h"

#include "base/clock.h"
#include "base/text.h"
#include "mesh/mesh.h"

#define LOOK_NS (50 * NS_PER_MS)
#define SEEN_WITHIN_NS (5 * NS_PER_S)
#define STATS_MOST_BYTES ((size_t)4 * 1024 * 1024)

static bool channel_in(unsigned mask, size_t channel)
{
    return (mask & (channel == XDS_CONFIG ? MESH_CONFIG : MESH_IDENTITY)) != 0;
}

/* "cluster_manager.cds.update_failure", "listener_manager.lds.update_failure",
 * "cluster.edge_0.update_failure"; "sds.own.update_failure". */
static size_t channel_of(const char *name)
{
    return strncmp(name, "sds.", 4) == 0 ? XDS_IDENTITY : XDS_CONFIG;
}

static bool take_failures(struct bytes body, double ret[XDS_CHANNELS])
{
    json_t *root = json_loadb((const char *)body.at, body.len, JSON_DECODE_INT_AS_REAL, NULL), *one;
    json_t *stats = json_object_get(root, "stats");
    bool ok = json_is_array(stats);
    size_t i;
    memset(ret, 0, XDS_CHANNELS * sizeof(*ret));
    json_array_foreach(stats, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name != NULL)
            ret[channel_of(name)] += json_number_value(json_object_get(one, "value"));
    }
    json_decref(root);
    return ok;
}

static void finish(struct envoy_cut *c, bool seen)
{
    c->busy = false;
    loop_hold_remove(c->loop, &c->look);
    c->on_seen(c->cookie, seen);
}

static bool act(struct envoy_cut *c)
{
    struct error ignored = {0};
    bool ok = true;
    for (size_t i = 0; i < XDS_CHANNELS; i++)
        if (channel_in(c->wanted, i) != channel_in(c->mask, i))
            ok = xds_cut(c->xds, (enum xds_channel)i, channel_in(c->wanted, i), &ignored) && ok;
    c->acted = true;
    return ok;
}

static bool is_seen(const struct envoy_cut *c, const double now[XDS_CHANNELS])
{
    for (size_t i = 0; i < XDS_CHANNELS; i++) {
        bool cut = channel_in(c->wanted, i);
        if (cut == channel_in(c->mask, i) || (i == XDS_IDENTITY && !c->has_secrets))
            continue;
        if (cut ? now[i] <= c->before[i] : !xds_taken(c->xds, (enum xds_channel)i))
            return false;
    }
    return true;
}

static void on_look(struct hold *h, uint64_t now_ns);

static void on_stats(void *cookie, struct http_call *call, const struct http_answer *answer)
{
    struct envoy_cut *c = cookie;
    double now[XDS_CHANNELS];
    uint64_t now_ns = loop_now_ns(c->loop);
    bool read = answer->status == 200 && answer->end == HTTP_END_COMPLETE &&
                take_failures(answer->body, now);
    (void)call;
    if (!c->busy)
        return;
    if (c->acted && read && is_seen(c, now)) {
        c->mask = c->wanted;
        finish(c, true);
    } else if (now_ns >= c->give_up_ns) {
        if (!c->acted)
            act(c);
        c->mask = c->wanted;
        finish(c, false);
    } else {
        if (!c->acted && read) {
            memcpy(c->before, now, sizeof(now));
            if (!act(c))
                c->give_up_ns = now_ns; /* a port that is somebody else's by now */
        }
        loop_hold_add(c->loop, &c->look, now_ns + LOOK_NS, on_look);
    }
}

static void on_look(struct hold *h, uint64_t now_ns)
{
    struct envoy_cut *c =
        (struct envoy_cut *)(void *)((char *)h - offsetof(struct envoy_cut, look));
    static const char head[] =
        "GET /stats?format=json&filter=%28cds%7Clds%7Ccluster%5C.edge_%5B0-9%5D%2B%7C%5Esds%5C..*"
        "%29%5C.update_failure HTTP/1.1\r\nhost: admin\r\n\r\n";
    (void)now_ns;
    (void)http_client_call(c->client,
                           &(struct http_call_config){.address = c->admin,
                                                      .head = bytes_of(head),
                                                      .verb = VERB_GET,
                                                      .body_most_bytes = STATS_MOST_BYTES,
                                                      .keep_alive = true,
                                                      .on_end = on_stats,
                                                      .cookie = c});
}

void envoy_cut_begin(struct envoy_cut *c, unsigned mask, void (*on_seen)(void *cookie, bool seen),
                     void *cookie)
{
    uint64_t now_ns = loop_now_ns(c->loop);
    INVARIANT(!c->busy);
    c->busy = true;
    c->acted = false;
    c->wanted = mask;
    c->on_seen = on_seen;
    c->cookie = cookie;
    c->give_up_ns = now_ns + SEEN_WITHIN_NS;
    loop_hold_add(c->loop, &c->look, now_ns, on_look);
}

void envoy_cut_stop(struct envoy_cut *c)
{
    c->busy = false;
    if (c->loop != NULL)
        loop_hold_remove(c->loop, &c->look);
}
