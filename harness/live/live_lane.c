#include "live/live_model.h"

#include <stdlib.h>

/* The endpoints: what they answered, what failed there, and whether they have tries at all. */

void second_add(struct second_count ring[SECONDS_KEPT], uint64_t at_ns)
{
    struct second_count *s = &ring[at_ns / NS_PER_S % SECONDS_KEPT];
    if (s->second > at_ns / NS_PER_S) /* told too late to be shown */
        return;
    if (s->second != at_ns / NS_PER_S)
        *s = (struct second_count){.second = at_ns / NS_PER_S};
    s->count++;
}

uint32_t second_rate(const struct second_count ring[SECONDS_KEPT], uint64_t now_ns)
{
    uint64_t now = now_ns / NS_PER_S, sum = 0;
    for (uint64_t back = 1; back <= RATE_SECONDS && back <= now; back++) {
        const struct second_count *s = &ring[(now - back) % SECONDS_KEPT];
        sum += s->second == now - back ? s->count : 0;
    }
    return (uint32_t)((sum + RATE_SECONDS / 2) / RATE_SECONDS);
}

void live_lanes_close(struct live *l)
{
    for (size_t i = 0; i < l->service_count; i++)
        picks_release(&l->picks[i]);
    free(l->picks);
    free(l->lanes);
    l->picks = NULL;
    l->lanes = NULL;
    l->lane_count = l->service_count = l->lanes_left_out = 0;
}

void live_lanes_open(struct live *l)
{
    const struct lab_plan *lab = &l->scenario->lab;
    size_t all = 0;
    live_lanes_close(l);
    for (size_t i = 0; i < lab->service_count; i++)
        all += lab->services[i].endpoints;
    l->picks = check_alloc_zero(lab->service_count + 1, sizeof(*l->picks));
    l->lanes = check_alloc_zero(all < ENDPOINTS_MOST ? all + 1 : ENDPOINTS_MOST, sizeof(*l->lanes));
    for (size_t i = 0; i < lab->service_count; i++) {
        picks_init(&l->picks[i], lab->services[i].endpoints);
        for (uint32_t k = 1; k <= lab->services[i].endpoints; k++) {
            if (l->lane_count == ENDPOINTS_MOST)
                l->lanes_left_out++;
            else
                l->lanes[l->lane_count++] = (struct lane){.service = i, .number = (uint16_t)k};
        }
    }
    l->service_count = lab->service_count;
}

static size_t find_service(const struct live *l, const char *name)
{
    for (size_t i = 0; name != NULL && i < l->service_count; i++)
        if (strcmp(l->scenario->lab.services[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static struct lane *find_lane(struct live *l, size_t service, uint16_t number)
{
    for (size_t i = 0; i < l->lane_count; i++)
        if (l->lanes[i].service == service && l->lanes[i].number == number)
            return &l->lanes[i];
    return NULL;
}

/* NULL: that second is no longer kept. */
static struct lane_second *second_of(struct lane *lane, uint64_t at_ns)
{
    uint64_t second = at_ns / NS_PER_S;
    struct lane_second *s = &lane->ring[second % SECONDS_KEPT];
    if (s->second > second)
        return NULL;
    if (s->second != second)
        *s = (struct lane_second){.second = second, .out = lane->out};
    return s;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* FAILINGS: it was answered. */
static enum live_failing failing_of(const struct attempt_record *r)
{
    if (r->outcome == OUTCOME_LEFT)
        return FAILING_TIMEOUT;
    if (r->outcome != OUTCOME_ANSWERED && r->outcome != OUTCOME_BAD_REQUEST)
        return FAILING_RESET;
    /* As the mesh sees a failure of gRPC: with a status that is not OK (stored plus 1). */
    return r->status >= 500 || r->grpc_status > 1 ? FAILING_5XX : FAILINGS;
}

void live_attempt(struct live *l, const struct record_source *from, const struct attempt_record *r,
                  uint64_t now_ns)
{
    size_t service = find_service(l, from->service);
    if (service == SIZE_MAX)
        return;
    uint64_t end_ns = r->at + later(later(r->done, r->out), r->left);
    struct lane *lane = find_lane(l, service, r->endpoint);
    struct lane_second *s = lane == NULL ? NULL : second_of(lane, end_ns);
    enum live_failing failing = failing_of(r);
    l->head.tries++;
    second_add(l->tries, end_ns);
    picks_add(&l->picks[service], r, now_ns);
    if (s != NULL && failing == FAILINGS)
        s->answered++;
    else if (s != NULL)
        s->failed[failing]++;
    if ((r->fired != 0 || r->fault != 0) &&
        live_fault_fired(l, from->service, r->fired, r->fault, end_ns))
        second_add(l->touched, end_ns);
}

/* A handshake that came to nothing: no attempt tells of it. */
void live_handshake(struct live *l, const struct record_source *from,
                    const struct handshake_record *r)
{
    size_t service = find_service(l, from->service);
    if (service == SIZE_MAX || r->side != 0 || (r->flags & HANDSHAKE_PASSED_THROUGH) != 0)
        return;
    uint64_t end_ns = r->at + later(later(r->done, r->alert_in_at), r->alert_out_at);
    struct lane *lane = find_lane(l, service, r->endpoint);
    if (r->fault != 0 && live_fault_fired(l, from->service, 0, r->fault, end_ns))
        second_add(l->touched, end_ns);
    struct lane_second *s = lane == NULL ? NULL : second_of(lane, end_ns);
    if (s != NULL && r->result != HANDSHAKE_DONE)
        s->failed[FAILING_HANDSHAKE]++;
}

static void went_out(struct live *l, struct lane *lane, const char *name, uint64_t now_ns)
{
    const struct pick_endpoint *e = &l->picks[lane->service].endpoints[lane->number - 1];
    char nth[32] = "";
    lane->out = true;
    lane->out_since_ns = e->last_ns;
    lane->out_count++;
    if (lane->out_count > 1)
        snprintf(nth, sizeof(nth), " (time %llu)", (unsigned long long)lane->out_count);
    live_tell(l, now_ns, LIVE_EVENT_MESH, "mesh.out", name,
              "%s is out%s: no tries since its last, others have them", name, nth);
}

static void came_back(struct live *l, struct lane *lane, const char *name, uint64_t now_ns)
{
    const struct pick_endpoint *e = &l->picks[lane->service].endpoints[lane->number - 1];
    uint64_t lasted_ns = e->last_ns > lane->out_since_ns ? e->last_ns - lane->out_since_ns : 0;
    lane->out = false;
    live_tell(l, now_ns, LIVE_EVENT_MESH, "mesh.back", name, "%s has tries again after %u.%u s",
              name, (unsigned)(lasted_ns / NS_PER_S),
              (unsigned)(lasted_ns % NS_PER_S / (100 * NS_PER_MS)));
}

void live_lanes_tick(struct live *l, uint64_t now_ns)
{
    for (size_t i = 0; i < l->lane_count; i++) {
        struct lane *lane = &l->lanes[i];
        struct picks *p = &l->picks[lane->service];
        char name[LIVE_NAME_BYTES + 8];
        if (lane->number > p->endpoint_count || p->endpoints[lane->number - 1].attempts == 0)
            continue;
        bool silent = picks_silent(p, lane->number, now_ns);
        snprintf(name, sizeof(name), "%.50s/%u", l->scenario->lab.services[lane->service].name,
                 lane->number);
        if (silent && !lane->out)
            went_out(l, lane, name, now_ns);
        else if (!silent && lane->out)
            came_back(l, lane, name, now_ns);
        struct lane_second *s = second_of(lane, now_ns);
        if (s != NULL)
            s->out = s->out || lane->out;
    }
}

static void show_second(const struct lane_second *s, struct live_lane *to, size_t bucket)
{
    static const char kinds[] = {'5', 't', 'r', 'x'};
    size_t worst = 0;
    for (size_t i = 0; i < FAILINGS; i++) {
        to->failed[bucket] += s->failed[i];
        worst = s->failed[i] > s->failed[worst] ? i : worst;
    }
    to->answered[bucket] = s->answered;
    if (to->failed[bucket] > 0)
        to->kind[bucket] = kinds[worst];
    else if (s->out && s->answered == 0)
        to->kind[bucket] = '#';
}

static void show_lane(const struct live *l, const struct lane *lane, uint64_t now_ns,
                      struct live_lane *to)
{
    char name[LIVE_NAME_BYTES + 8];
    uint64_t now = now_ns / NS_PER_S;
    *to = (struct live_lane){.out = lane->out};
    snprintf(name, sizeof(name), "%.50s/%u", l->scenario->lab.services[lane->service].name,
             lane->number);
    live_clean(to->name, sizeof(to->name), name);
    memset(to->kind, '.', sizeof(to->kind));
    for (size_t i = 0; i < LIVE_BUCKETS; i++) {
        uint64_t back = LIVE_BUCKETS - i;
        const struct lane_second *s = &lane->ring[(now - back) % SECONDS_KEPT];
        if (back <= now && s->second == now - back)
            show_second(s, to, i);
    }
    for (size_t i = LIVE_BUCKETS - RATE_SECONDS; i < LIVE_BUCKETS; i++) {
        to->answered_per_s += to->answered[i];
        to->failed_per_s += to->failed[i];
    }
    to->answered_per_s = (to->answered_per_s + RATE_SECONDS / 2) / RATE_SECONDS;
    to->failed_per_s = (to->failed_per_s + RATE_SECONDS / 2) / RATE_SECONDS;
}

/* With a fault, out, or with a failure in the last minute: shown before the quiet ones (ui.md 8).
 */
static bool is_loud(const struct live *l, const struct lane *lane, uint64_t now_ns)
{
    uint64_t now = now_ns / NS_PER_S;
    if (lane->out ||
        live_fault_touches(l, l->scenario->lab.services[lane->service].name, lane->number))
        return true;
    for (size_t i = 0; i < SECONDS_KEPT; i++) {
        const struct lane_second *s = &lane->ring[i];
        uint32_t failed = 0;
        for (size_t k = 0; k < FAILINGS; k++)
            failed += s->failed[k];
        if (failed > 0 && s->second + LIVE_BUCKETS >= now)
            return true;
    }
    return false;
}

void live_lanes_show(const struct live *l, uint64_t now_ns, struct live_snapshot *ret)
{
    size_t loud = 0, quiet_left;
    for (size_t i = 0; i < l->lane_count; i++)
        loud += is_loud(l, &l->lanes[i], now_ns);
    loud = loud < LIVE_LANES ? loud : LIVE_LANES;
    quiet_left = LIVE_LANES - loud;
    for (size_t i = 0; i < l->lane_count; i++) {
        bool of_loud = is_loud(l, &l->lanes[i], now_ns);
        size_t *left = of_loud ? &loud : &quiet_left;
        if (*left == 0)
            continue;
        (*left)--;
        show_lane(l, &l->lanes[i], now_ns, &ret->lanes[ret->lane_count++]);
    }
    ret->lanes_more = l->lane_count + l->lanes_left_out - ret->lane_count;
    ret->endpoints = (uint32_t)(l->lane_count + l->lanes_left_out);
    ret->endpoints_touched = 0;
    for (size_t i = 0; i < l->lane_count; i++)
        ret->endpoints_touched += live_fault_touches(
            l, l->scenario->lab.services[l->lanes[i].service].name, l->lanes[i].number);
    ret->tries_per_s = second_rate(l->tries, now_ns);
    ret->touched_per_s = second_rate(l->touched, now_ns);
}
