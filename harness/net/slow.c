#include "net/slow.h"

#include "base/clock.h"
#include "net/refusal.h"
#include "net/relay.h"

#define SWEEP_NS (100 * NS_PER_MS)

/* What is unfinished is the client's to finish: nothing of ours holds it up. */
static bool is_unfinished(const struct conn *c)
{
    const struct call *call = c->call;
    if (c->dead || c->lingering || c->codec != NULL || c->parked || c->draining)
        return false;
    if (call == NULL)
        return c->input.len > 0 && conn_unsent(c) == 0;
    const struct flow *flow = &call->flow[SIDE_REQUEST];
    return !call->tunnel && !call->cutting && flow->state == FLOW_BODY && !flow->held &&
           !flow->stopped && http1_body_in_framing(&flow->body) && call->backend != NULL &&
           conn_unsent(call->backend) == 0;
}

static uint64_t mark_of(const struct conn *c)
{
    return c->call == NULL ? 0 : c->call->flow[SIDE_REQUEST].body.payload_bytes;
}

void slow_forget(struct conn *c)
{
    struct slow_list *l = &c->endpoint->proxy->slow;
    if (c->slow_ns == 0)
        return;
    if (c->previous_slow != NULL)
        c->previous_slow->next_slow = c->next_slow;
    else
        l->first = c->next_slow;
    if (c->next_slow != NULL)
        c->next_slow->previous_slow = c->previous_slow;
    else
        l->last = c->previous_slow;
    c->next_slow = c->previous_slow = NULL;
    c->slow_ns = 0;
}

/* Ends it with 408. */
static void expire(struct conn *c)
{
    uint64_t began_ns = c->slow_ns, limit_ns = c->endpoint->proxy->slow.limit_ns;
    bool head = c->call == NULL;
    char reason[96];
    snprintf(reason, sizeof(reason), "%s that is not complete %llu ms after its first byte",
             head ? "a head" : "the framing of a chunk",
             (unsigned long long)(limit_ns / NS_PER_MS));
    slow_forget(c);
    struct call *call = head ? call_new(c, began_ns) : c->call;
    refusal_of_limit(call, SIDE_REQUEST, reason);
    act_refuse(call, 408);
    relay_run_client(c);
}

static void on_sweep(struct hold *h, uint64_t now_ns)
{
    struct slow_list *l =
        (struct slow_list *)(void *)((char *)h - offsetof(struct slow_list, sweep));
    struct conn *c;
    while ((c = l->first) != NULL && c->slow_ns <= now_ns && now_ns - c->slow_ns >= l->limit_ns) {
        if (is_unfinished(c))
            expire(c);
        else
            slow_forget(c); /* held up by us since: it is looked at again once it goes on */
    }
    if (l->first != NULL)
        loop_hold_add(l->first->endpoint->proxy->loop, h, now_ns + SWEEP_NS, on_sweep);
}

void slow_look(struct conn *c)
{
    struct proxy *p = c->endpoint->proxy;
    struct slow_list *l = &p->slow;
    if (!is_unfinished(c)) {
        slow_forget(c);
        return;
    }
    if (c->slow_ns != 0 && c->slow_mark == mark_of(c))
        return;
    slow_forget(c); /* another one: it came to its end within one read */
    c->slow_mark = mark_of(c);
    c->slow_ns = c->read_ns;
    c->previous_slow = l->last;
    if (l->last != NULL)
        l->last->next_slow = c;
    else
        l->first = c;
    l->last = c;
    if (hold_is_idle(&l->sweep) && l->limit_ns != UINT64_MAX)
        loop_hold_add(p->loop, &l->sweep, c->read_ns + SWEEP_NS, on_sweep);
}

void slow_release(struct slow_list *l, struct loop *loop)
{
    INVARIANT(l->first == NULL);
    loop_hold_remove(loop, &l->sweep);
}
