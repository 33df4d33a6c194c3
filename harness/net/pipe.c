#include "net/pipe.h"

void pipe_init(struct pipe *p, struct chain_run *run, enum side side,
               void (*sink)(void *cookie, struct bytes payload), void *cookie)
{
    *p = (struct pipe){.run = run, .side = side, .sink = sink, .cookie = cookie};
    p->stages = ARENA_ARRAY(run->arena, struct pipe_stage, run->chain->count);
    for (uint16_t i = 0; i < run->chain->count; i++)
        buffer_init(&p->stages[i].pending, PIPE_MOST_BYTES);
}

void pipe_release(struct pipe *p)
{
    for (uint16_t i = 0; p->stages != NULL && i < p->run->chain->count; i++)
        buffer_release(&p->stages[i].pending);
    *p = (struct pipe){0};
}

static void halt(struct pipe *p, uint16_t slot, struct answer answer)
{
    p->halted = true;
    p->halt = (struct halt){answer, slot};
}

/* Bounded: a source is not read while its pipe is halted, so that only what one read brought is
 * here. */
static void save(struct pipe_stage *stage, struct bytes rest, bool last)
{
    struct error err = {0};
    INVARIANT(buffer_add(&stage->pending, rest.at, rest.len, &err));
    stage->last = stage->last || last;
}

static size_t pass(struct pipe *p, uint16_t i, struct bytes view, bool last, uint64_t now_ns);

static void pass_on(struct pipe *p, uint16_t i, struct bytes view, bool last, uint64_t now_ns)
{
    if (view.len == 0)
        return;
    if (i == p->run->chain->count) {
        p->sink(p->cookie, view);
        return;
    }
    size_t taken = pass(p, i, view, last, now_ns);
    if (taken < view.len)
        save(&p->stages[i], (struct bytes){view.at + taken, view.len - taken}, last);
}

/* Asks slot ${i} about ${view} until it is all taken or somebody halts; returns what slot ${i}
 * took. */
static size_t pass(struct pipe *p, uint16_t i, struct bytes view, bool last, uint64_t now_ns)
{
    size_t taken = 0;
    while (taken < view.len && !p->halted) {
        struct data_view seen = {.call = &p->run->view,
                                 .side = p->side,
                                 .chunk = {view.at + taken, view.len - taken},
                                 .offset = p->stages[i].offset,
                                 .last = last};
        struct answer answer = chain_run_ask_data(p->run, i, &seen, now_ns);
        if (answer.act == ACT_HOLD) {
            halt(p, i, answer);
            break;
        }
        struct bytes out = {seen.chunk.at, answer.take};
        bool whole = answer.take == seen.chunk.len;
        if (answer.act == ACT_REPLACE)
            out = answer.bytes;
        taken += answer.take;
        p->stages[i].offset += answer.take;
        pass_on(p, (uint16_t)(i + 1), out, last && whole, now_ns);
        if (answer.act == ACT_PASS || answer.act == ACT_REPLACE)
            continue;
        if (p->halted) { /* the prefix is held further on: first things first */
            p->then = true;
            p->then_halt = (struct halt){answer, i};
        } else {
            halt(p, i, answer);
        }
    }
    return taken;
}

bool pipe_feed(struct pipe *p, struct bytes payload, bool last, uint64_t now_ns)
{
    if (p->halted && p->halt.answer.act == ACT_HOLD)
        save(&p->stages[0], payload, last);
    else if (!p->halted)
        pass_on(p, 0, payload, last, now_ns);
    arena_release(p->run->chunk_arena);
    return !p->halted;
}

bool pipe_resume(struct pipe *p, uint64_t now_ns)
{
    p->halted = false;
    for (uint16_t i = p->run->chain->count; i-- > 0 && !p->halted;) {
        struct pipe_stage *stage = &p->stages[i];
        struct bytes rest = {stage->pending.at + stage->from, stage->pending.len - stage->from};
        if (p->then && i == p->then_halt.slot) {
            p->then = false;
            halt(p, i, p->then_halt.answer);
            break;
        }
        if (rest.len == 0)
            continue;
        stage->from += pass(p, i, rest, stage->last, now_ns);
        if (stage->from == stage->pending.len) {
            stage->from = 0;
            buffer_release(&stage->pending);
        }
    }
    arena_release(p->run->chunk_arena);
    return !p->halted;
}
