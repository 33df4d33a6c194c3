#include "standalone/proxy_entry.h"

#include "base/clock.h"
#include "net/socket.h"
#include "standalone/proxy_scribe.h"
#include "standalone/toxi_list.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CHAIN_ARENA_BYTES (CHAIN_SLOTS_MOST * FAULT_SLOT_MOST_BYTES)

struct entry *entry_new(struct proxy_set *set, const struct proxy_spec *spec)
{
    struct entry *e = check_alloc_zero(1, sizeof(*e));
    e->set = set;
    e->name = check_strdup(spec->name);
    e->reserved_fd = -1;
    e->stats = proxy_stats_new(&set->total_attempts);
    return e;
}

static void free_faults(struct armed *gone, struct filter_chain **chains, size_t chain_count)
{
    for (size_t i = 0; i < chain_count; i++)
        chain_release(chains[i]);
    free(chains);
    for (struct armed *f = gone, *next; f != NULL; f = next) {
        next = f->next;
        armed_release(f);
    }
}

void entry_free(struct entry *e)
{
    loop_hold_remove(e->set->loop, &e->expiry);
    if (e->reserved_fd >= 0)
        close(e->reserved_fd);
    for (size_t i = 0; i < e->fault_count; i++)
        armed_release(e->faults[i]);
    free_faults(e->gone, e->chains, e->chain_count);
    proxy_stats_release(e->stats);
    json_decref(e->toxics);
    toxic_list_release(e->toxic_list);
    proxy_tls_release(&e->tls);
    free(e->name);
    free(e->asked);
    free(e->bound);
    free(e->to);
    free(e);
}

/* An address kept for the workers: bound, with nobody listening. ${ours}: they may listen there
 * now; else first without SO_REUSEPORT, so that somebody else's is an error and not shared. */
static bool reserve(const char *listen, bool ours, int *ret_fd, char **ret_bound, struct error *err)
{
    struct socket_address at;
    char text[80];
    int fd = -1, on = 1;
    if (!ours && !socket_listen(listen, &fd, NULL, err))
        return false;
    bool ok = ours ? socket_parse(listen, &at, err) : socket_own_address(fd, &at, err);
    if (fd >= 0)
        close(fd);
    if (!ok)
        return false;
    socket_print(&at, text, sizeof(text));
    fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&at.storage, at.len) != 0) {
        int sys = errno;
        if (fd >= 0)
            close(fd);
        return error_system(err, sys, "keeping %s", text);
    }
    *ret_fd = fd;
    *ret_bound = check_strdup(text);
    return true;
}

bool entry_open(struct entry *e, const struct proxy_spec *spec, const char *listen, bool ours,
                struct proxy **ret_proxy, int *ret_fd, char **ret_bound, struct error *err)
{
    struct proxy_set *set = e->set;
    struct proxy_endpoint endpoint = {.number = e->number,
                                      .listen = listen,
                                      .upstream = spec->to,
                                      .serves = spec->tls.contexts[SIDE_REQUEST],
                                      .dials = spec->tls.contexts[SIDE_RESPONSE]};
    struct proxy_config config = {.service = e->name,
                                  .protocol = spec->protocol,
                                  .endpoints = &endpoint,
                                  .endpoint_count = 1,
                                  .seed = set->config.seed,
                                  .shared = set->config.workers > 1,
                                  .on_record = proxy_stats_on_record,
                                  .record_cookie = e->stats};
    bool ok = set->config.remote != NULL
                  ? reserve(listen, ours, ret_fd, ret_bound, err)
                  : proxy_open(set->loop, set->config.recorder, &config, ret_proxy, err);
    if (!ok) {
        error_prefix(err, "proxy \"%s\": ", e->name);
        return false;
    }
    if (*ret_proxy != NULL) {
        proxy_stats_hold(e->stats);
        *ret_bound = check_strdup(proxy_address(*ret_proxy, e->number));
    }
    return true;
}

/* A record of ours, when records are on. */
static void note_fault(struct proxy_set *set, const char *place, const struct armed *f,
                       struct fault_record r)
{
    struct recorder *recorder = set->config.recorder;
    char text[128];
    if (recorder == NULL)
        return;
    r.fault = f->use.id;
    r.place = recorder_name(recorder, bytes_of(place));
    r.params = recorder_name(recorder, bytes_of(fault_use_print(&f->use, text, sizeof(text))));
    recorder_emit(recorder, RECORD_FAULT, &r);
}

/* ${what}: armed (0), disarmed (1), expired (2). Without a net proxy nothing is in force. */
static void note_here(struct entry *e, const struct armed *f, uint8_t what, uint32_t held,
                      uint64_t at_ns)
{
    if (e->proxy == NULL)
        return;
    uint64_t fired = what == 0 ? 0 : proxy_fired(e->proxy, f->use.id);
    note_fault(e->set, e->name, f,
               (struct fault_record){.at = at_ns,
                                     .held = held,
                                     .fired = (uint32_t)fired,
                                     .generation = e->generation,
                                     .what = what,
                                     .endpoint = e->number});
}

void entry_note_opened(struct entry *e)
{
    struct recorder *recorder = e->set->config.recorder;
    struct error err = {0};
    if (recorder == NULL || e->proxy == NULL)
        return;
    json_t *event = json_pack("{ss s{si ss ss ss ss}}", "event", "proxy", "json", "endpoint",
                              (int)e->number, "name", e->name, "listen", e->bound, "to", e->to,
                              "protocol", proxy_spec_protocol(e->protocol));
    json_object_set_new(event, "t", json_integer((json_int_t)loop_now_ns(e->set->loop)));
    char *text = json_dumps(event, JSON_COMPACT);
    json_decref(event);
    /* A full queue, or a writer that is gone: the next flush of the host's tick says so. */
    (void)!recorder_control(recorder, PROXY_SCRIBE_EVENT, bytes_of(text), &err);
    free(text);
}

/* The budgets of faults that are gone, once no call is under a chain that names them. */
static void sweep(struct entry *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->chain_count; i++) {
        if (e->chains[i]->calls == 1)
            chain_release(e->chains[i]);
        else
            e->chains[kept++] = e->chains[i];
    }
    e->chain_count = kept;
    for (struct armed **at = &e->gone; *at != NULL;) {
        struct armed *f = *at;
        bool counted = false;
        for (size_t i = 0; i < kept; i++)
            counted = counted || chain_has_fault(e->chains[i], f->use.id);
        if (counted) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        armed_release(f);
    }
}

/* Without expiry: the ttl is ours, for world faults have one too. */
static struct filter_chain *make_chain(struct entry *e)
{
    struct filter_slot slots[CHAIN_SLOTS_MOST];
    struct arena arena;
    size_t count = 0;
    arena_init(&arena, CHAIN_ARENA_BYTES);
    for (size_t i = 0; i < e->fault_count; i++) {
        struct armed *f = e->faults[i];
        if (f->use.type->stream != NULL)
            fault_use_slot(&f->use, e->set->config.seed, UINT64_MAX, &f->budget, &arena,
                           &slots[count++]);
    }
    if (count == 0) {
        arena_release(&arena);
        return NULL;
    }
    struct filter_chain *chain = chain_new(slots, count, e->generation, &arena);
    chain_hold(chain);
    e->chains = check_realloc(e->chains, (e->chain_count + 1) * sizeof(struct filter_chain *));
    e->chains[e->chain_count++] = chain;
    return chain;
}

static bool treat_refused(struct entry *e, struct error *err)
{
    uint16_t fault = 0;
    bool refuse = false;
    for (size_t i = 0; i < e->fault_count && !refuse; i++) {
        refuse = e->faults[i]->use.type->refuses;
        fault = e->faults[i]->use.id;
    }
    if (refuse == e->refused)
        return true;
    if (!proxy_refuse(e->proxy, e->number, refuse, refuse ? fault : 0, err))
        return false;
    e->refused = refuse;
    return true;
}

/* New faults treat the connections that are open already: by their own key, or as their kind does.
 */
static void treat_existing(struct entry *e, const struct armed *f)
{
    uint64_t asked = f->use.common.existing;
    enum existing what = asked == PARAM_UNSET ? f->use.type->existing : (enum existing)asked;
    if (f->is_new && what != EXISTING_KEEP)
        proxy_existing(e->proxy, e->number, what);
}

static void on_expiry(struct hold *h, uint64_t now_ns)
{
    struct entry *e = (struct entry *)(void *)((char *)h - offsetof(struct entry, expiry));
    struct armed *kept[CHAIN_SLOTS_MOST];
    struct error err = {0};
    size_t count = 0;
    for (size_t i = 0; i < e->fault_count; i++)
        if (e->faults[i]->expires_ns > now_ns)
            kept[count++] = e->faults[i];
    /* Only `refuse` can fail here, when its port was taken meanwhile: the proxy is then down, and
     * says so. */
    if (!entry_arm(e, kept, count, &err)) {
        entry_close(e, e->set->config.drain_ns, true);
        e->enabled = false;
    }
}

static void watch_expiry(struct entry *e)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < e->fault_count; i++)
        next_ns = e->faults[i]->expires_ns < next_ns ? e->faults[i]->expires_ns : next_ns;
    loop_hold_remove(e->set->loop, &e->expiry);
    if (next_ns != UINT64_MAX)
        loop_hold_add(e->set->loop, &e->expiry, next_ns, on_expiry);
}

static void count_fired(struct proxy_stats *stats, const struct fault_type *of, uint64_t fired)
{
    size_t types;
    const struct fault_type *const *type = fault_types(&types);
    for (size_t i = 0; i < types && i < PROXY_STATS_FAULTS_MOST; i++)
        if (type[i] == of)
            stats->fired[i] += fired;
}

static bool is_among(const struct armed *f, struct armed *const *faults, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (faults[i] == f)
            return true;
    return false;
}

/* Those that are not kept: told, counted, and put aside. */
static void retire(struct entry *e, struct armed *const *keep, size_t keep_count, uint32_t held,
                   uint64_t at_ns, struct armed *const *was, size_t was_count)
{
    for (size_t i = 0; i < was_count; i++) {
        struct armed *f = was[i];
        if (is_among(f, keep, keep_count))
            continue;
        note_here(e, f, f->expires_ns <= at_ns ? 2 : 1, held, at_ns);
        held = 0; /* told once */
        if (e->proxy != NULL)
            count_fired(e->stats, f->use.type, proxy_fired(e->proxy, f->use.id));
        f->next = e->gone;
        e->gone = f;
    }
}

bool entry_arm(struct entry *e, struct armed **faults, size_t count, struct error *err)
{
    struct armed *was[CHAIN_SLOTS_MOST];
    size_t was_count = e->fault_count;
    uint64_t at_ns = loop_now_ns(e->set->loop);
    uint32_t held = 0;
    bool same = count == was_count, ok = true;
    for (size_t i = 0; same && i < count; i++)
        same = faults[i] == e->faults[i];
    if (same)
        return true;
    memcpy(was, e->faults, was_count * sizeof(*was));
    memcpy(e->faults, faults, count * sizeof(*faults));
    e->fault_count = count;
    e->generation++;
    for (size_t i = 0; i < count; i++) {
        struct armed *f = e->faults[i];
        if (f->is_new)
            f->expires_ns = f->use.common.ttl_ns >= UINT64_MAX - at_ns
                                ? UINT64_MAX
                                : at_ns + f->use.common.ttl_ns;
    }
    if (e->proxy != NULL) {
        held = proxy_arm(e->proxy, e->number, make_chain(e), &at_ns);
        ok = treat_refused(e, err);
    }
    retire(e, faults, count, held, at_ns, was, was_count);
    for (size_t i = 0; i < count; i++) {
        struct armed *f = e->faults[i];
        if (f->is_new && e->proxy != NULL)
            treat_existing(e, f);
        if (f->is_new)
            note_here(e, f, 0, 0, at_ns);
        f->is_new = false;
    }
    sweep(e);
    watch_expiry(e);
    return ok;
}

void entry_set_toxics(struct entry *e, json_t *toxics)
{
    struct toxic_list *list = NULL;
    struct error err = {0};
    INVARIANT(toxi_list_read(toxics, e->toxic_list, &e->last_toxic, &list, &err));
    json_incref(toxics);
    json_decref(e->toxics);
    e->toxics = toxics;
    toxic_list_release(e->toxic_list);
    e->toxic_list = list;
    if (e->proxy != NULL)
        proxy_toxics(e->proxy, e->number, list);
}

void entry_set_tls(struct entry *e, struct proxy_tls *from, bool just_opened)
{
    for (unsigned side = 0; side < 2; side++)
        if (e->proxy != NULL && !just_opened &&
            memcmp(from->digest[side], e->tls.digest[side], PROXY_TLS_DIGEST_BYTES) != 0)
            proxy_set_tls(e->proxy, e->number, (enum side)side, from->contexts[side]);
    proxy_tls_release(&e->tls);
    e->tls = *from;
    *from = (struct proxy_tls){0};
}

bool entry_arm_again(struct entry *e, struct error *err)
{
    e->refused = false;
    if (e->proxy == NULL || e->fault_count == 0)
        return true;
    e->generation++;
    uint64_t at_ns;
    (void)proxy_arm(e->proxy, e->number, make_chain(e), &at_ns);
    for (size_t i = 0; i < e->fault_count; i++)
        note_here(e, e->faults[i], 0, 0, at_ns);
    return treat_refused(e, err);
}

void leaving_free(struct leaving *l)
{
    struct proxy_set *set = l->set;
    for (struct leaving **at = &set->leaving; *at != NULL; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    for (size_t i = 0; i < l->fault_count; i++) {
        uint64_t fired = proxy_fired(l->proxy, l->faults[i]->use.id);
        count_fired(l->stats, l->faults[i]->use.type, fired - l->fired[i]);
        if (l->place != NULL)
            note_fault(set, l->place, l->faults[i],
                       (struct fault_record){.at = loop_now_ns(set->loop),
                                             .fired = (uint32_t)fired,
                                             .generation = l->generation,
                                             .what = FAULT_DISARMED,
                                             .endpoint = l->number});
    }
    proxy_stats_add_past(l->stats, l->proxy);
    proxy_free(l->proxy);
    proxy_stats_release(l->stats);
    free_faults(l->gone, l->chains, l->chain_count);
    for (size_t i = 0; i < l->fault_count; i++)
        armed_release(l->faults[i]);
    free(l->place);
    free(l);
}

static void on_top(struct loop_task *t)
{
    struct leaving *l = (struct leaving *)(void *)((char *)t - offsetof(struct leaving, drained));
    struct proxy_set *set = l->set;
    leaving_free(l);
    proxy_set_settle(set);
}

/* proxy_free wants the loop's top: not within the turn of a connection. */
static void on_drained(void *cookie)
{
    struct leaving *l = cookie;
    loop_again(l->set->loop, &l->drained);
}

void leaving_add(struct proxy_set *set, struct proxy *take_proxy, struct proxy_stats *take_stats,
                 const struct entry *faults_of, uint64_t within_ns)
{
    struct leaving *l = check_alloc_zero(1, sizeof(*l));
    uint64_t now_ns = loop_now_ns(set->loop);
    l->set = set;
    l->next = set->leaving;
    l->proxy = take_proxy;
    l->stats = take_stats;
    l->drained.run = on_top;
    for (size_t i = 0; faults_of != NULL && i < faults_of->fault_count; i++) {
        struct armed *f = faults_of->faults[i];
        f->holders++;
        l->faults[l->fault_count] = f;
        l->fired[l->fault_count] = proxy_fired(take_proxy, f->use.id);
        count_fired(take_stats, f->use.type, l->fired[l->fault_count++]);
    }
    set->leaving = l;
    proxy_drain(l->proxy, within_ns < UINT64_MAX - now_ns ? now_ns + within_ns : UINT64_MAX,
                on_drained, l);
}

void entry_close(struct entry *e, uint64_t within_ns, bool for_good)
{
    if (e->reserved_fd >= 0)
        close(e->reserved_fd);
    e->reserved_fd = -1;
    if (e->proxy == NULL)
        return;
    for (size_t i = 0; i < e->fault_count && !for_good; i++)
        note_here(e, e->faults[i], 1, 0, loop_now_ns(e->set->loop));
    leaving_add(e->set, e->proxy, e->stats, e, within_ns);
    struct leaving *l = e->set->leaving;
    l->place = for_good ? check_strdup(e->name) : NULL;
    l->number = e->number;
    l->generation = e->generation;
    l->chains = e->chains;
    l->chain_count = e->chain_count;
    l->gone = e->gone;
    e->proxy = NULL;
    e->chains = NULL;
    e->chain_count = 0;
    e->gone = NULL;
}

json_t *entry_describe(const struct entry *e)
{
    json_t *faults = json_array();
    uint64_t now_ns = loop_now_ns(e->set->loop);
    for (size_t i = 0; i < e->fault_count; i++) {
        const struct armed *f = e->faults[i];
        if (f->expires_ns <= now_ns) /* as good as gone: it must not begin anew in a worker */
            continue;
        json_t *one = json_pack("{si}", "id", (int)f->id);
        json_object_update(one, f->keys);
        json_array_append_new(faults, one);
    }
    json_t *all = json_pack("{ss ss ss ss sb so}", "name", e->name, "listen", e->bound, "to", e->to,
                            "protocol", proxy_spec_protocol(e->protocol), "enabled",
                            (int)e->enabled, "faults", faults);
    proxy_tls_describe(&e->tls, all);
    if (e->toxics != NULL)
        json_object_set_new(all, "toxics", json_deep_copy(e->toxics));
    return all;
}

json_t *entry_stats(const struct entry *e)
{
    json_t *all = proxy_stats_json(e->stats, e->proxy);
    for (const struct leaving *l = e->set->leaving; l != NULL; l = l->next)
        if (l->stats == e->stats)
            proxy_stats_add_live(all, l->proxy);
    json_t *fired = json_object_get(all, "fired"), *by = json_object_get(all, "fired_by");
    char key[12];
    for (size_t i = 0; i < e->fault_count; i++) {
        const struct armed *f = e->faults[i];
        uint64_t n = e->proxy == NULL ? 0 : proxy_fired(e->proxy, f->use.id);
        const char *word = f->use.type->name;
        json_int_t before = json_integer_value(json_object_get(fired, word));
        json_object_set_new(fired, word, json_integer(before + (json_int_t)n));
        snprintf(key, sizeof(key), "%u", f->id);
        json_object_set_new(by, key, json_integer((json_int_t)n));
    }
    return all;
}
