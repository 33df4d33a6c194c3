/* Ejections too brief to be a silence: at ten picks a second a host may be out and back before the
 * others have had the picks that a silence needs. But after its failures certainly filled the
 * count, in a quiet and clean moment, a right mesh sends it nothing for the whole base time. */
#include "verify/eject.h"

#include "base/clock.h"

#define AFTER_NS (100 * NS_PER_MS) /* sooner is eject.late's, or nothing */
#define SHORT_NS (20 * NS_PER_MS)

/* The failure at ${position} is the one that certainly filled the count, and none before could
 * have. */
static bool fills(const struct track *t, const struct ejector *e, uint32_t host, uint32_t position)
{
    const struct track_host *h = &t->hosts[host];
    const struct try *x = &t->tries[h->tries[position]];
    if (position == 0 || (x->rule[0] & RULE_FAILED) == 0)
        return false;
    return eject_must(t, e, host, position) && !eject_could(t, e, host, position - 1);
}

bool eject_brief(const struct track *t, const struct ejector *e, const struct span *span,
                 uint32_t host, uint32_t position, uint64_t *ret_out_ns)
{
    const struct track_host *h = &t->hosts[host];
    if (position + 1 >= h->count)
        return false;
    const struct try *full = &t->tries[h->tries[position]];
    const struct try *back = &t->tries[h->tries[position + 1]];
    uint64_t least = ejector_length_ns(e, 1) - SHORT_NS;
    if (full->head_ns < span->from_ns || full->head_ns >= span->to_ns || back->after_silence ||
        back->head_ns < full->seen_ns + AFTER_NS ||
        back->head_ns < full->seen_ns + e->base_ns / 2 || back->head_ns >= full->lo_ns + least ||
        !eject_sent_after(t, back, full->seen_ns))
        return false;
    if (!fills(t, e, host, position) || eject_out(t, host, full->head_ns) > 0 ||
        !eject_quiet(t, e, full->head_ns - 1) ||
        spans_within(&t->taint, full->head_ns, back->head_ns + 1) > 0)
        return false;
    *ret_out_ns = back->head_ns - full->lo_ns;
    return true;
}
