#include "net/chain.h"

#include <stdlib.h>

static uint32_t moments_of(const struct filter_slot *slot)
{
    const struct stream_filter *f = slot->filter;
    uint32_t live = 0;
    if (f->moments != NULL)
        return f->moments(slot->params);
    for (unsigned side = SIDE_REQUEST; side <= SIDE_RESPONSE; side++) {
        live |= f->on_accept != NULL ? MOMENT_BIT(MOMENT_ACCEPT, side) : 0;
        live |= f->on_handshake != NULL ? MOMENT_BIT(MOMENT_HANDSHAKE, side) : 0;
        live |= f->on_head != NULL ? MOMENT_BIT(MOMENT_HEAD, side) : 0;
        live |= f->on_data != NULL ? MOMENT_BIT(MOMENT_DATA, side) : 0;
        live |= f->on_end != NULL ? MOMENT_BIT(MOMENT_END, side) : 0;
        live |= f->on_fin != NULL ? MOMENT_BIT(MOMENT_FIN, side) : 0;
    }
    return live;
}

struct filter_chain *chain_new(const struct filter_slot *slots, size_t count, uint16_t generation,
                               struct arena *take_arena)
{
    INVARIANT(count <= CHAIN_SLOTS_MOST);
    struct filter_chain *c = check_alloc_zero(1, sizeof(*c) + count * sizeof(*slots));
    c->count = (uint16_t)count;
    c->generation = generation;
    if (take_arena != NULL) {
        c->arena = *take_arena;
        arena_init(take_arena, c->arena.max_bytes);
    } else {
        arena_init(&c->arena, 1);
    }
    for (size_t i = 0; i < count; i++) {
        c->slots[i] = slots[i];
        c->slots[i].moments = moments_of(&slots[i]);
        c->live |= c->slots[i].moments;
    }
    c->calls = 1; /* the maker's own */
    return c;
}

void chain_hold(struct filter_chain *c)
{
    if (c != NULL)
        c->calls++;
}

void chain_release(struct filter_chain *c)
{
    if (c == NULL)
        return;
    INVARIANT(c->calls > 0);
    if (--c->calls > 0)
        return;
    arena_release(&c->arena);
    free(c);
}

bool chain_has_fault(const struct filter_chain *c, uint16_t fault)
{
    for (uint16_t i = 0; c != NULL && i < c->count; i++) {
        if (c->slots[i].fault == fault)
            return true;
    }
    return false;
}
