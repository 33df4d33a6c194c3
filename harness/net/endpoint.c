#include "net/endpoint.h"

#include "net/chain_run.h"
#include "net/conn.h"

#include <stdlib.h>

uint32_t endpoint_name(const struct endpoint *e, struct bytes name)
{
    struct recorder *r = e->proxy->recorder;
    if (name.len > NAME_MOST_BYTES)
        name.len = NAME_MOST_BYTES;
    return r == NULL ? 0 : recorder_name(r, name);
}

void endpoint_emit(struct endpoint *e, enum record_kind kind, const void *record)
{
    if (e->proxy->recorder != NULL)
        recorder_emit(e->proxy->recorder, kind, record);
    if (e->proxy->on_record != NULL)
        e->proxy->on_record(e->proxy->record_cookie, kind, record);
}

void proxy_room_for_fault(struct proxy *p, uint16_t fault)
{
    if (fault < p->fault_count)
        return;
    size_t count = (size_t)fault + 16;
    p->faults = check_realloc(p->faults, count * sizeof(*p->faults));
    memset(p->faults + p->fault_count, 0, (count - p->fault_count) * sizeof(*p->faults));
    p->fault_count = count;
}

void endpoint_count_fired(struct endpoint *e, struct chain_run *run)
{
    for (uint16_t i = 0; run->fresh != 0 && i < run->chain->count; i++) {
        if ((run->fresh >> i & 1) != 0)
            e->proxy->faults[run->chain->slots[i].fault].fired++;
    }
    run->fresh = 0;
}

void endpoint_settle_drain(struct proxy *p)
{
    if (p->draining && !p->freeing && p->counts.calls_active == 0 && p->counts.connections == 0)
        loop_defer(p->loop, &p->drain_done);
}
