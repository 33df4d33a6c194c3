#include "engine/agent_impair.h"

#include "faults/netem.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define TRY_ARENA_BYTES ((size_t)256 * 1024)
#define STATS_BYTES 160

bool agent_impair_is(const struct armed *f)
{
    return f->use.stream == NULL && f->use.type->world == WORLD_NETEM;
}

static struct armed *wanted(const struct armed_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (agent_impair_is(set->at[i]))
            return set->at[i];
    return NULL;
}

/* --- the device --- */

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a == NULL || a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
    return a->sa_family == AF_INET6 &&
           memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
                  sizeof(struct in6_addr)) == 0;
}

/* The one by which the conductor is reached: a pod has no other. Over loopback it would be of this
 * machine's own namespace, which is not ours to impair. */
static bool find_device(struct proxy_agent *p, struct error *err)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    struct ifaddrs *all = NULL;
    const struct carrier *wire = p->agent->wire;
    bool loopback = false;
    p->device[0] = '\0';
    if (wire == NULL || getsockname(wire->fd, (struct sockaddr *)&own, &size) != 0)
        return error_set(err, ERROR_SYSTEM, "the connection to the conductor has no address");
    if (own.ss_family != AF_INET && own.ss_family != AF_INET6)
        return error_set(err, ERROR_SYSTEM,
                         "this agent is a child of its conductor, and has no network of its own");
    if (getifaddrs(&all) != 0)
        return error_system(err, errno, "listing the devices");
    for (const struct ifaddrs *i = all; i != NULL && p->device[0] == '\0'; i = i->ifa_next)
        if (same_address(i->ifa_addr, (const struct sockaddr *)&own)) {
            loopback = (i->ifa_flags & IFF_LOOPBACK) != 0;
            snprintf(p->device, sizeof(p->device), "%s", i->ifa_name);
        }
    freeifaddrs(all);
    if (loopback)
        return error_set(err, ERROR_SYSTEM,
                         "the conductor is reached over %s: this agent has no network of its own",
                         p->device);
    return p->device[0] != '\0' ||
           error_set(err, ERROR_SYSTEM, "no device has the address that the conductor sees");
}

static bool add_port(const struct proxy_agent *p, uint16_t endpoint, struct netem_scope *to,
                     struct error *err)
{
    uint64_t port = 0;
    const char *address = proxy_address(p->proxy, endpoint), *colon = strrchr(address, ':');
    if (colon == NULL || !bytes_to_u64(bytes_of(colon + 1), &port) || port == 0 ||
        port > UINT16_MAX)
        return error_set(err, ERROR_SYSTEM, "%s has no port", address);
    if (to->flow_count == NETEM_FLOWS_MOST)
        return error_set(err, ERROR_LIMIT, "more than the %d endpoints that one netem may be of",
                         NETEM_FLOWS_MOST);
    to->flows[to->flow_count++] = (struct netem_flow){
        .family = AF_INET, .local_port = (uint16_t)port, .protocol = IPPROTO_TCP};
    return true;
}

/* As the device has it: towards the endpoint is what comes in. */
static bool read_what(const struct fault_use *use, uint64_t seed, struct fault_netem *ret,
                      struct error *err)
{
    bool ok = true;
    if (use->type == &fault_partition)
        *ret = fault_partition_read(use->params);
    else
        ok = fault_netem_read(use->params, &seed, ret, err);
    if (!ok)
        return false;
    if (ret->device)
        return error_set(err, ERROR_PEER,
                         "scope \"device\" would impair the connection to the "
                         "conductor as well");
    if (ret->direction != NETEM_BOTH)
        ret->direction = ret->direction == NETEM_TO ? NETEM_FROM : NETEM_TO;
    return true;
}

/* --- set, and taken away --- */

static void note_cleared(struct proxy_agent *p, enum netem_cleared cleared,
                         const struct netem_stats *s)
{
    char text[STATS_BYTES];
    const char *how = cleared == NETEM_FOREIGN   ? "foreign"
                      : cleared == NETEM_CLEARED ? "none"
                                                 : "gone";
    snprintf(text, sizeof(text), "netem: to %llu packets, %llu lost; from %llu packets, %llu lost",
             (unsigned long long)s->from.packets, (unsigned long long)s->from.drops,
             (unsigned long long)s->to.packets, (unsigned long long)s->to.drops);
    json_decref(p->cleared);
    p->cleared = json_pack("{ss ss}", "cleared", how, "stats", text);
}

bool agent_impair_clear(struct proxy_agent *p, struct error *err)
{
    struct netlink *n = NULL;
    struct netem_stats stats = {0};
    struct error unread = {0};
    enum netem_cleared cleared;
    if (p->impaired == NULL)
        return true;
    if (!netlink_open(-1, &n, err))
        return false;
    bool counted = netem_stats(n, p->device, &stats, &unread);
    bool ok = netem_clear(n, p->device, &cleared, err);
    netlink_close(n);
    if (!ok) {
        error_prefix(err, "fault.%s: ", p->impaired->use.type->name);
        return false;
    }
    p->impaired = NULL;
    note_cleared(p, cleared, counted ? &stats : &(struct netem_stats){0});
    return true;
}

static bool apply(struct proxy_agent *p, const struct fault_netem *what,
                  const struct netem_scope *scope, struct error *err)
{
    struct netlink *n = NULL;
    bool ok = find_device(p, err) && netlink_open(-1, &n, err) &&
              netem_apply(n, p->device, &what->netem, scope, what->direction, err);
    netlink_close(n);
    return ok;
}

static bool impair(struct proxy_agent *p, const struct armed *f, struct error *err)
{
    struct fault_netem what;
    struct netem_scope scope = {0};
    bool ok = read_what(&f->use, f->seed, &what, err);
    for (size_t i = 0; ok && i < f->endpoint_count; i++)
        ok = add_port(p, f->endpoints[i], &scope, err);
    if (ok && apply(p, &what, &scope, err)) {
        p->impaired = f;
        return true;
    }
    error_prefix(err, "fault.%s: ", f->use.type->name);
    return false;
}

bool agent_impair_set(struct proxy_agent *p, const struct armed_set *to, struct error *err)
{
    const struct armed *f = wanted(to);
    if (f == p->impaired)
        return true;
    return agent_impair_clear(p, err) && (f == NULL || impair(p, f, err));
}

json_t *agent_impair_said(struct proxy_agent *p)
{
    json_t *said = p->cleared;
    p->cleared = NULL;
    return said;
}

/* --- before it is needed --- */

/* Where a namespace may be made, the kernel is asked in that first: it names what it lacks. */
static bool try_one(struct proxy_agent *p, const struct fault_use *use, uint64_t seed,
                    struct error *err)
{
    struct fault_netem what;
    struct netem_scope scope = {0};
    enum netem_cleared cleared;
    struct netlink *n = NULL;
    bool ok = read_what(use, seed, &what, err);
    for (size_t e = p->first; ok && e <= armed_last_of(p); e++)
        ok = add_port(p, (uint16_t)e, &scope, err);
    if (!ok || !netem_preflight(&what.netem, &scope, what.direction, err) ||
        !apply(p, &what, &scope, err))
        return false;
    ok = netlink_open(-1, &n, err) && netem_clear(n, p->device, &cleared, err);
    netlink_close(n);
    return ok;
}

bool agent_impair_try(struct proxy_agent *p, const json_t *list, struct error *err)
{
    struct source nowhere = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i), *keys = json_object_get(one, "keys");
        const char *word = agent_need_text(json_object_get(one, "word"), "SETUP: a word", err);
        struct fault_use use = {0};
        struct arena arena;
        if (word == NULL || !json_is_object(keys))
            return error_set(err, ERROR_PEER, "SETUP: an impairment has no word or no keys");
        arena_init(&arena, TRY_ARENA_BYTES);
        ok = fault_use_from_json(word, keys, nowhere, &arena, &use, err);
        if (ok && use.type->world != WORLD_NETEM)
            ok = error_set(err, ERROR_PEER, "SETUP: it is no impairment of a device");
        ok = ok && try_one(p, &use, control_number(one, "seed"), err);
        if (!ok)
            error_prefix(err, "fault.%.40s: ", word);
        arena_release(&arena);
    }
    return ok;
}
