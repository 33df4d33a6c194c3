#include "reports/swimlane.h"

#include "base/sort.h"

#include <stdlib.h>

/* Which lane a process's endpoint is. */
struct seat {
    uint32_t proc;
    uint16_t endpoint;
    uint32_t lane; /* UINT32_MAX: none of the subject's */
};
struct reading {
    const struct scene *scene;
    struct swimlanes *lanes;
    struct seat *seats;
    size_t seat_count, seat_room;
    struct seat last;
    uint64_t bucket_ns;
};

const char *swim_kind_text(enum swim_kind kind)
{
    static const char *const texts[SWIM_KINDS] = {"5xx", "timed out", "reset", "handshake refused"};
    return texts[kind];
}

static uint32_t find_lane(struct reading *r, uint32_t proc, uint16_t endpoint)
{
    const struct journal_proc *p = journal_proc_of(r->scene->journal, proc);
    struct swimlanes *l = r->lanes;
    if (endpoint == 0 || p == NULL || p->service == NULL || !scene_is_subject(r->scene, proc))
        return UINT32_MAX;
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].endpoint == endpoint && strcmp(l->at[i].service, p->service) == 0)
            return (uint32_t)i;
    if (l->count > SWIMLANES_MOST)
        return UINT32_MAX;
    l->at = check_realloc(l->at, (l->count + 1) * sizeof(*l->at));
    struct swimlane *lane = &l->at[l->count];
    *lane = (struct swimlane){.service = p->service, .endpoint = endpoint};
    snprintf(lane->name, sizeof(lane->name), "%.80s/%u", p->service, endpoint);
    uint64_t from = r->scene->zero_ns, span = r->scene->end_ns - from;
    buckets_init(&lane->answered, from, span, r->bucket_ns);
    for (size_t k = 0; k < SWIM_KINDS; k++)
        buckets_init(&lane->failed[k], from, span, r->bucket_ns);
    return (uint32_t)l->count++;
}

static struct swimlane *lane_of(struct reading *r, uint32_t proc, uint16_t endpoint)
{
    if (r->last.proc != proc || r->last.endpoint != endpoint) {
        size_t i = 0;
        while (i < r->seat_count && (r->seats[i].proc != proc || r->seats[i].endpoint != endpoint))
            i++;
        if (i == r->seat_count) {
            if (r->seat_count == r->seat_room) {
                r->seat_room = r->seat_room == 0 ? 64 : r->seat_room * 2;
                r->seats = check_realloc(r->seats, r->seat_room * sizeof(*r->seats));
            }
            r->seats[r->seat_count++] = (struct seat){proc, endpoint, find_lane(r, proc, endpoint)};
        }
        r->last = r->seats[i];
    }
    return r->last.lane == UINT32_MAX ? NULL : &r->lanes->at[r->last.lane];
}

static void add_failed(struct swimlane *lane, enum swim_kind kind, uint64_t t_ns)
{
    buckets_add(&lane->failed[kind], t_ns);
    if (lane->first_ns[kind] == 0 || t_ns < lane->first_ns[kind])
        lane->first_ns[kind] = t_ns;
}

static void add_status(struct swimlane *lane, const struct attempt_record *a)
{
    bool first = lane->first_ns[SWIM_5XX] == 0;
    uint16_t status = a->status >= 500 ? a->status : 0;
    lane->status = first || lane->status == status ? status : 0;
    add_failed(lane, SWIM_5XX, a->at);
}

static void add_attempt(struct swimlane *lane, const struct attempt_record *a)
{
    switch ((enum attempt_outcome)a->outcome) {
    case OUTCOME_ANSWERED:
        if (a->status >= 500 || a->grpc_status > 1)
            add_status(lane, a);
        else
            buckets_add(&lane->answered, a->at);
        return;
    case OUTCOME_LEFT:
        add_failed(lane, SWIM_TIMEOUT, a->at);
        return;
    case OUTCOME_RESET_BY_FAULT:
    case OUTCOME_CLOSED_BY_FAULT:
    case OUTCOME_UPSTREAM_RESET:
    case OUTCOME_UPSTREAM_CLOSED:
    case OUTCOME_UPSTREAM_REFUSED:
    case OUTCOME_BAD_REQUEST:
    case OUTCOME_BAD_RESPONSE:
        add_failed(lane, SWIM_RESET, a->at);
        return;
    case OUTCOME_ABANDONED:
        return;
    }
}

static bool was_refused(const struct handshake_record *h)
{
    return h->side == 0 && h->result != HANDSHAKE_DONE && h->result != HANDSHAKE_EOF &&
           h->result != HANDSHAKE_TIMEOUT;
}

static void add_refused(struct swimlane *lane, uint64_t t_ns)
{
    add_failed(lane, SWIM_TLS, t_ns);
    if (lane->refused_count % 256 == 0)
        lane->refused_ns = check_realloc(lane->refused_ns,
                                         (lane->refused_count + 256) * sizeof(*lane->refused_ns));
    lane->refused_ns[lane->refused_count++] = t_ns;
}

/* The conductor's own clock is told with a time-namespace and a boot of its own; an agent with
 * others ticks elsewhere. */
static void read_clocks(struct reading *r)
{
    const struct journal *j = r->scene->journal;
    const struct clock_record *ours = j->clock_count == 0 ? NULL : &j->clocks[0].r;
    for (size_t i = 1; i < j->clock_count; i++) {
        const struct clock_record *c = &j->clocks[i].r;
        if (c->boot_id == ours->boot_id && c->time_ns_inode == ours->time_ns_inode)
            continue;
        int64_t width = c->offset_hi > c->offset_lo ? c->offset_hi - c->offset_lo : 0;
        for (size_t k = 0; k < r->seat_count; k++) {
            if (r->seats[k].proc != j->clocks[i].proc || r->seats[k].lane == UINT32_MAX)
                continue;
            struct swimlane *lane = &r->lanes->at[r->seats[k].lane];
            lane->other_clock = true;
            if (width > 0)
                lane->skew_ns = (uint64_t)width / 2;
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct swimlane *x = a, *y = b;
    int order = strcmp(x->service, y->service);
    return order != 0 ? order : (x->endpoint > y->endpoint) - (x->endpoint < y->endpoint);
}

static void sum_up(struct swimlanes *l)
{
    for (size_t i = 0; i < l->count; i++) {
        struct swimlane *lane = &l->at[i];
        uint32_t most = buckets_most(&lane->answered);
        l->most_answered = most > l->most_answered ? most : l->most_answered;
        for (uint32_t b = 0; b < lane->answered.count; b++) {
            uint64_t sum = 0;
            /* refused handshakes are marks, not bars */
            for (size_t k = 0; k < SWIM_TLS; k++)
                sum += lane->failed[k].at[b];
            if (sum > l->most_failed)
                l->most_failed = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
        }
        if (lane->refused_count > 0)
            qsort(lane->refused_ns, lane->refused_count, sizeof(uint64_t), sort_by_u64);
    }
    if (l->count > 0)
        qsort(l->at, l->count, sizeof(*l->at), by_name);
}

bool swimlanes_read(const struct scene *s, uint64_t bucket_ns, struct swimlanes *ret,
                    struct error *err)
{
    const struct journal *j = s->journal;
    struct reading r = {.scene = s, .lanes = ret, .bucket_ns = bucket_ns};
    *ret = (struct swimlanes){0};
    for (size_t i = 0; i < j->attempt_count; i++) {
        struct swimlane *lane = lane_of(&r, j->attempts[i].proc, j->attempts[i].r.endpoint);
        if (lane != NULL)
            add_attempt(lane, &j->attempts[i].r);
    }
    for (size_t i = 0; i < j->handshake_count; i++) {
        const struct handshake_record *h = &j->handshakes[i].r;
        struct swimlane *lane =
            was_refused(h) ? lane_of(&r, j->handshakes[i].proc, h->endpoint) : NULL;
        if (lane != NULL)
            add_refused(lane, h->at);
    }
    read_clocks(&r);
    free(r.seats);
    if (ret->count > SWIMLANES_MOST) {
        swimlanes_release(ret);
        return error_set(err, ERROR_LIMIT, "the run has more than the %d endpoints of a timeline",
                         SWIMLANES_MOST);
    }
    sum_up(ret);
    return true;
}

void swimlanes_release(struct swimlanes *l)
{
    for (size_t i = 0; i < l->count; i++) {
        buckets_release(&l->at[i].answered);
        for (size_t k = 0; k < SWIM_KINDS; k++)
            buckets_release(&l->at[i].failed[k]);
        free(l->at[i].refused_ns);
    }
    free(l->at);
    *l = (struct swimlanes){0};
}
