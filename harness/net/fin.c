/* FINs that a fault delays (slow_close). Not the decision, which is the chain's at MOMENT_FIN, and
 * not the half close of a raw stream itself, which is flow.c's. */

#include "net/relay.h"

#include "base/clock.h"

static void on_fin(struct hold *h, uint64_t now_ns)
{
    struct conn *c = (struct conn *)(void *)((char *)h - offsetof(struct conn, hold));
    (void)now_ns;
    c->fin_ns = 0;
    if (c->lingering) { /* it begins anew, with the time that a peer has to read what was sent */
        c->lingering = false;
        conn_finish(c, (enum conn_closer)c->record.closed_by);
    } else {
        flow_pass_fin_due(c);
    }
}

void fin_delay(struct conn *c, uint64_t until_ns, uint16_t fault)
{
    struct loop *l = c->endpoint->proxy->loop;
    c->fin_wait_ns = 0;
    c->fin_ns = until_ns;
    c->fin_fault = fault;
    loop_hold_remove(l, &c->hold);
    loop_hold_add(l, &c->hold, until_ns, on_fin);
}

void fin_release(struct conn *c)
{
    if (c->fin_ns != 0)
        fin_delay(c, clock_now_ns(), c->fin_fault);
    c->fin_wait_ns = 0;
}
