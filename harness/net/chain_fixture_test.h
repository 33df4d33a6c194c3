#ifndef NET_CHAIN_FIXTURE_TEST_H
#define NET_CHAIN_FIXTURE_TEST_H

/* A chain of one fault, and a try that goes through it. */

#include "net/chain_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct answer pass(struct filter_context *at, const struct head_view *seen)
{
    (void)at;
    (void)seen;
    return ANSWER_PASS;
}
static const struct stream_filter head_filter = {.on_head = pass};

static struct filter_chain *chain_of(uint32_t share_ppm, uint8_t per, uint32_t streak)
{
    struct filter_slot slot = {.filter = &head_filter,
                               .fault = 5,
                               .when = {.share_ppm = share_ppm,
                                        .per = per,
                                        .streak = streak,
                                        .expires_ns = UINT64_MAX,
                                        .seed = 77}};
    return chain_new(&slot, 1, 1, NULL);
}

struct tried {
    struct arena arena;
    struct chain_run run;
};
static void tried_begin(struct tried *t, struct filter_chain *chain, struct call_view view)
{
    struct select_view seen = {.attempt = view.attempt};
    arena_init(&t->arena, 1 << 20);
    chain_run_init(&t->run, chain, &t->arena, &t->arena);
    t->run.view = view;
    chain_run_select(&t->run, &seen, NULL, NULL, 1);
}
static void tried_end(struct tried *t)
{
    chain_run_release(&t->run, true, 1);
    arena_release(&t->arena);
}

#endif
