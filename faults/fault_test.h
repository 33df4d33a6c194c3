#ifndef FAULTS_FAULT_TEST_H
#define FAULTS_FAULT_TEST_H

/* For the tests of single faults: a use from JSON as the plan has it, and one question to its
 * filter. Not linked into the program. */

#include "faults/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fault_case {
    struct arena arena;
    struct fault_use use;
    struct filter_slot slot;
    struct rng rng;
    struct call_view call;
    uint8_t state[64];
    struct error err;
};

/* Parses; on success the slot is made too, with seed 1. Release with fault_case_release. */
static inline bool fault_case_init(struct fault_case *c, const char *word, const char *json)
{
    memset(c, 0, sizeof(*c));
    arena_init(&c->arena, (size_t)4 << 20);
    json_t *keys = json_loads(json, 0, NULL);
    assert_non_null(keys);
    struct source source = {"s.lua", 2, 0};
    bool ok = fault_use_from_json(word, keys, source, &c->arena, &c->use, &c->err);
    json_decref(keys);
    if (ok) {
        c->use.id = 7;
        fault_use_slot(&c->use, 1, UINT64_MAX, NULL, &c->arena, &c->slot);
    }
    return ok;
}

static inline void fault_case_release(struct fault_case *c)
{
    arena_release(&c->arena);
}

static inline struct filter_context fault_case_at(struct fault_case *c, uint64_t now_ns)
{
    return (struct filter_context){.params = c->slot.params,
                                   .state = c->state,
                                   .now_ns = now_ns,
                                   .rng = &c->rng,
                                   .arena = &c->arena};
}

static inline struct answer fault_case_head(struct fault_case *c, enum side side, uint64_t now_ns)
{
    struct filter_context at = fault_case_at(c, now_ns);
    struct head_view seen = {
        .call = &c->call, .side = side, .status = side == SIDE_RESPONSE ? 200 : 0};
    return c->slot.filter->on_head(&at, &seen);
}

static inline struct answer fault_case_data(struct fault_case *c, enum side side, uint64_t offset,
                                            size_t len, bool last)
{
    static const uint8_t chunk[65536];
    struct filter_context at = fault_case_at(c, 5);
    struct data_view seen = {
        .call = &c->call, .side = side, .chunk = {chunk, len}, .offset = offset, .last = last};
    return c->slot.filter->on_data(&at, &seen);
}

/* The sentence for bad keys; asserts that they are refused. */
static inline void fault_case_refused(const char *word, const char *json, const char *text)
{
    struct fault_case c;
    assert_false(fault_case_init(&c, word, json));
    assert_string_equal(c.err.text, text);
    assert_string_equal(c.err.source.file, "s.lua");
    assert_int_equal(c.err.source.line, 2);
    fault_case_release(&c);
}

#endif
