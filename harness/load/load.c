#include "load/load.h"

#include "base/clock.h"
#include "load/address_list.h"
#include "load/load_conn.h"
#include "load/load_h2.h"
#include "load/load_raw.h"

#include <stdlib.h>

#define INFLIGHT_MOST 2000
#define SPIN_NS (50 * NS_PER_US)
#define SENDS_A_TURN 64
#define TAGS_MOST 1000000
#define TAG_MOST_BYTES 500

static void user_go(struct load_user *u, uint64_t due_ns);

static void send_ask(struct load *l, const struct load_ask *ask)
{
    if (l->h2 != NULL)
        load_h2_send(l->h2, ask);
    else
        load_conn_send(l, ask);
}

static void end_all(struct load *l, bool recorded)
{
    if (l->h2 != NULL)
        load_h2_end_all(l->h2, recorded);
    load_conn_end_all(l, recorded);
}

static uint64_t tag_due(const struct load *l)
{
    if (l->tag_next == l->tag_count)
        return UINT64_MAX;
    return l->start_ns + l->plan->warmup_ns + l->tag_after_ns;
}

static uint64_t clean_due(const struct load *l)
{
    return l->plan->rate_per_h > 0 ? l->start_ns + schedule_due(&l->schedule) : UINT64_MAX;
}

static uint32_t take_tag(struct load *l)
{
    uint32_t tag = l->tags[l->tag_next++];
    l->tag_after_ns += tagged_gap_ns(l->plan, &l->plan->tagged[tag - 1]);
    l->progress.tags_left = l->tag_count - l->tag_next;
    return tag;
}

static uint8_t flags_of(const struct load *l, uint64_t due_ns, uint32_t tag)
{
    unsigned flags = tag != 0 ? REQUEST_TAGGED : 0;
    if (due_ns < l->start_ns + l->plan->warmup_ns)
        flags |= REQUEST_WARMUP;
    if (l->capped)
        flags |= REQUEST_CAP_REACHED;
    return (uint8_t)flags;
}

/* Sends the next of an open load. */
static void send_next(struct load *l, uint64_t due_ns, bool tagged)
{
    uint32_t tag = tagged ? take_tag(l) : 0;
    struct load_ask ask = {.due_ns = due_ns, .tag = tag, .flags = flags_of(l, due_ns, tag)};
    if (!tagged)
        schedule_advance(&l->schedule);
    send_ask(l, &ask);
}

static void on_due(struct hold *h, uint64_t now_ns);

static void wait_until(struct load *l, uint64_t at_ns)
{
    if (hold_is_idle(&l->due))
        loop_hold_add(l->loop, &l->due, at_ns, on_due);
}

/* Requests of other shards keep their numbers and their times: this one only counts them. */
static void pass_over(struct load *l)
{
    while (l->config.shards > 1 &&
           (l->seq - l->config.first_seq) % l->config.shards != l->config.shard) {
        uint64_t clean_ns = clean_due(l), tag_ns = tag_due(l);
        if (clean_ns == UINT64_MAX && tag_ns == UINT64_MAX)
            return;
        if (tag_ns < clean_ns)
            take_tag(l);
        else
            schedule_advance(&l->schedule);
        l->seq++;
    }
}

/* Sends what is due. Never spins twice in a turn: answers have to be read between. */
static void pump(struct load *l)
{
    bool may_spin = l->config.pace == LOAD_SPIN;
    for (int i = 0; i < SENDS_A_TURN; i++) {
        pass_over(l);
        uint64_t clean_ns = clean_due(l), tag_ns = tag_due(l);
        uint64_t next_ns = tag_ns < clean_ns ? tag_ns : clean_ns, now_ns = loop_now_ns(l->loop);
        if (next_ns == UINT64_MAX)
            return;
        if (next_ns > now_ns) {
            l->capped = false;
            if (!may_spin || next_ns - now_ns > SPIN_NS) {
                wait_until(l, l->config.pace == LOAD_SPIN ? next_ns - SPIN_NS : next_ns);
                return;
            }
            may_spin = false;
            while (now_ns < next_ns)
                now_ns = loop_now_ns(l->loop);
        }
        if (l->progress.in_flight >= l->config.inflight_most) {
            l->capped = true; /* load_over goes on */
            return;
        }
        send_next(l, next_ns, tag_ns < clean_ns);
    }
    wait_until(l, loop_now_ns(l->loop));
}

static void on_due(struct hold *h, uint64_t now_ns)
{
    struct load *l = (struct load *)(void *)((char *)h - offsetof(struct load, due));
    (void)now_ns;
    pump(l);
}

static void on_thought(struct hold *h, uint64_t now_ns)
{
    struct load_user *u = (struct load_user *)(void *)h;
    (void)now_ns;
    user_go(u, h->at_ns);
}

static void user_go(struct load_user *u, uint64_t due_ns)
{
    struct load *l = u->load;
    uint32_t tag = 0;
    if (u->heal_left > 0) {
        u->heal_left--;
    } else if (l->tag_next < l->tag_count && due_ns >= l->start_ns + l->plan->warmup_ns) {
        tag = take_tag(l);
        u->heal_left = l->plan->heal;
    }
    struct load_ask ask = {
        .due_ns = due_ns, .user = u, .tag = tag, .flags = flags_of(l, due_ns, tag)};
    send_ask(l, &ask);
}

static void on_drained(struct hold *h, uint64_t now_ns)
{
    struct load *l = (struct load *)(void *)((char *)h - offsetof(struct load, drain));
    (void)now_ns;
    l->stopped = true;
    end_all(l, !l->abandoned);
    l->on_done(l->cookie);
}

void load_over(struct load *l, const struct load_ask *ask)
{
    if (l->stopped)
        return;
    if (l->stopping) {
        if (l->progress.in_flight == 0) {
            loop_hold_remove(l->loop, &l->drain);
            loop_hold_add(l->loop, &l->drain, loop_now_ns(l->loop), on_drained);
        }
        return;
    }
    if (ask->user == NULL) {
        if (l->capped)
            pump(l);
        return;
    }
    uint64_t due_ns = loop_now_ns(l->loop) + l->plan->think_ns;
    if (l->plan->think_ns == 0)
        user_go(ask->user, due_ns);
    else
        loop_hold_add(l->loop, &ask->user->think, due_ns, on_thought);
}

void load_start(struct load *l, uint64_t at_ns)
{
    l->start_ns = at_ns;
    l->second = at_ns / NS_PER_S;
    if (l->plan->closed) {
        for (uint32_t i = l->config.shard; i < l->plan->users; i += l->config.shards) {
            l->users[i].load = l;
            /* Users think before their first request too, so that none meets the last of a phase
             * before. */
            loop_hold_add(l->loop, &l->users[i].think, at_ns + l->plan->think_ns, on_thought);
        }
        return;
    }
    if (l->h2 != NULL)
        load_h2_warm(l->h2);
    for (uint32_t i = 0; l->h2 == NULL && i < l->plan->connections && l->plan->reuse != REUSE_EACH;
         i++)
        load_conn_warm(l);
    schedule_init(&l->schedule, l->plan->rate_per_h, l->plan->poisson, l->plan->ramp_ns,
                  l->config.seed);
    wait_until(l, at_ns);
}

void load_stop(struct load *l, uint64_t drain_ns, void (*on_done)(void *cookie), void *cookie)
{
    uint64_t now_ns = loop_now_ns(l->loop);
    INVARIANT(!l->stopping);
    l->stopping = true;
    l->on_done = on_done;
    l->cookie = cookie;
    loop_hold_remove(l->loop, &l->due);
    for (uint32_t i = 0; l->plan->closed && i < l->plan->users; i++)
        loop_hold_remove(l->loop, &l->users[i].think);
    loop_hold_add(l->loop, &l->drain, l->progress.in_flight == 0 ? now_ns : now_ns + drain_ns,
                  on_drained);
}

void load_abandon(struct load *l, void (*on_done)(void *cookie), void *cookie)
{
    l->abandoned = true;
    load_stop(l, 0, on_done, cookie);
}

struct load_progress load_progress(const struct load *l)
{
    struct load_progress p = l->progress;
    uint64_t second = loop_now_ns(l->loop) / NS_PER_S;
    if (second != l->second) {
        bool next = second == l->second + 1;
        p.second_done = next ? l->second_done : 0;
        p.second_errors = next ? l->second_errors : 0;
    }
    p.last_seq = l->seq;
    if (l->h2 != NULL)
        p.connections = load_h2_connections(l->h2);
    return p;
}

static bool check(const struct load_config *config, uint32_t inflight_most, struct error *err)
{
    const struct load_plan *plan = config->plan;
    if (plan->protocol != NULL && strcmp(plan->protocol, "http1") != 0 && !load_h2_wanted(plan) &&
        !load_raw_wanted(plan))
        return error_at(
            err, plan->source, ERROR_INPUT,
            "load: there is no protocol \"%.20s\"; it is one of http1, http2, grpc, tcp",
            plan->protocol);
    if (plan->closed && plan->users == 0)
        return error_at(err, plan->source, ERROR_INPUT, "load.closed needs users, at least 1");
    if (plan->closed && plan->users > inflight_most)
        return error_at(err, plan->source, ERROR_LIMIT,
                        "load.closed: users is %u, more than the %u of --inflight", plan->users,
                        inflight_most);
    if (!plan->closed && plan->rate_per_h == 0 && plan->tagged_count == 0)
        return error_at(err, plan->source, ERROR_INPUT,
                        "load.open needs a rate above 0/s, such as \"200/s\"");
    if (!plan->closed && plan->connections > inflight_most)
        return error_at(err, plan->source, ERROR_LIMIT,
                        "load.open: connections is %u, more than the %u of --inflight",
                        plan->connections, inflight_most);
    for (size_t i = 0; i < plan->tagged_count; i++) {
        const char *tag = plan->tagged[i].tag;
        if (*tag == '\0' || strlen(tag) > TAG_MOST_BYTES || strpbrk(tag, "\r\n") != NULL)
            return error_at(err, plan->source, ERROR_INPUT,
                            "load: a tag must be a text of one line, at most 500 bytes");
    }
    return true;
}

/* Of a closed load: each shard that has users has its part of the tags too. */
static void keep_own_tags(struct load *l)
{
    uint32_t with_users = l->plan->users < l->config.shards ? l->plan->users : l->config.shards;
    size_t count = 0;
    for (size_t i = 0; i < l->tag_count; i++)
        if (i % with_users == l->config.shard)
            l->tags[count++] = l->tags[i];
    l->tag_count = count;
}

/* Every tag as often as it is asked for, in an order drawn by the seed. */
static bool make_tags(struct load *l, struct error *err)
{
    const struct load_plan *plan = l->plan;
    struct rng rng = rng_for(l->config.seed, 0x7a65, 0, 0, 0);
    uint64_t total = 0;
    for (size_t i = 0; i < plan->tagged_count; i++)
        total += plan->tagged[i].count;
    if (total > TAGS_MOST)
        return error_at(err, plan->source, ERROR_LIMIT,
                        "load: %llu tagged requests, more than the %u allowed",
                        (unsigned long long)total, TAGS_MOST);
    l->tags = check_alloc_zero((size_t)total + 1, sizeof(*l->tags));
    l->tag_names = check_alloc_zero(plan->tagged_count + 1, sizeof(*l->tag_names));
    for (size_t i = 0; i < plan->tagged_count; i++) {
        for (uint32_t k = 0; k < plan->tagged[i].count; k++)
            l->tags[l->tag_count++] = (uint32_t)i + 1;
        if (l->recorder != NULL)
            l->tag_names[i] = recorder_name(l->recorder, bytes_of(plan->tagged[i].tag));
    }
    rng_shuffle(&rng, l->tags, l->tag_count, sizeof(*l->tags));
    if (plan->closed)
        keep_own_tags(l);
    l->progress.tags_left = l->tag_count;
    return true;
}

static void make_names(struct load *l)
{
    struct bytes path = bytes_of(l->wire.path);
    size_t query = bytes_find(path, '?');
    path.len = query != SIZE_MAX ? query : path.len;
    l->raw = load_raw_wanted(l->plan);
    l->verb = l->raw ? VERB_OTHER : http1_verb(bytes_of(l->wire.method));
    if (l->recorder == NULL)
        return;
    /* The path as the plan has it: with {n} filled in each request would have a name of its own. */
    l->path_name = l->raw ? 0 : recorder_name(l->recorder, path);
    l->edge_name = recorder_name(l->recorder, bytes_of(l->config.edge));
}

static bool parse_addresses(struct load *l, struct error *err)
{
    char one[ADDRESS_BYTES];
    l->address_count = address_list_count(l->config.address);
    if (l->address_count > 1 && load_h2_wanted(l->plan))
        return error_at(err, l->plan->source, ERROR_INPUT,
                        "load: protocol \"%.20s\" goes to one address, not to %zu",
                        l->plan->protocol, l->address_count);
    l->addresses = check_alloc_zero(l->address_count, sizeof(*l->addresses));
    for (size_t i = 0; i < l->address_count; i++)
        if (!socket_parse(address_list_pick(l->config.address, i, one), &l->addresses[i], err))
            return false;
    return true;
}

static bool load_fill(struct load *l, struct error *err)
{
    const struct load_config *config = &l->config;
    const char *arrow = strstr(config->edge, " -> ");
    INVARIANT(arrow != NULL);
    if (!load_h2_plan(&l->own_plan, &l->arena, err))
        return false;
    struct wire_config wire = {
        .plan = l->plan,
        .authority = config->authority != NULL ? config->authority : arrow + 4,
        .from = config->from != NULL
                    ? config->from
                    : arena_strndup(&l->arena, config->edge, (size_t)(arrow - config->edge)),
        .id_hi = (uint64_t)config->run << 32 | config->proc,
        .seed = config->seed,
    };
    if (!check(config, config->inflight_most, err) || !parse_addresses(l, err) ||
        !wire_init(&l->wire, &wire, err) || !make_tags(l, err))
        return false;
    make_names(l);
    if (load_h2_wanted(l->plan) && !load_h2_open(l, wire.authority, err))
        return false;
    l->users = check_alloc_zero(config->plan->users + 1, sizeof(*l->users));
    return true;
}

bool load_open(struct loop *loop, struct recorder *recorder, const struct load_config *config,
               struct load **ret, struct error *err)
{
    struct load *l = check_alloc_zero(1, sizeof(*l));
    l->loop = loop;
    l->recorder = recorder;
    l->config = *config;
    l->own_plan = *config->plan;
    l->plan = &l->own_plan;
    l->seq = config->first_seq;
    if (l->config.inflight_most == 0)
        l->config.inflight_most = INFLIGHT_MOST;
    if (l->config.shards == 0)
        l->config.shards = 1;
    arena_init(&l->arena, 4096);
    l->config.edge = arena_strdup(&l->arena, config->edge);
    if (!load_fill(l, err)) {
        load_free(l);
        return false;
    }
    *ret = l;
    return true;
}

void load_free(struct load *l)
{
    if (l == NULL)
        return;
    l->stopping = l->stopped = true;
    load_conn_end_all(l, false);
    load_h2_free(l->h2);
    loop_hold_remove(l->loop, &l->due);
    loop_hold_remove(l->loop, &l->drain);
    for (uint32_t i = 0; l->users != NULL && i < l->plan->users; i++)
        loop_hold_remove(l->loop, &l->users[i].think);
    wire_release(&l->wire);
    arena_release(&l->arena);
    free(l->users);
    free(l->tags);
    free(l->tag_names);
    free(l->addresses);
    free(l);
}
